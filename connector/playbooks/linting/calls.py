"""The calls that a playbook makes to the action server: which action or route, with what content, as far as known."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from connector.actions import NAMES
from connector.playbooks.cacao import Action, HttpCommand
from connector.playbooks.extension import Scope
from connector.playbooks.filling import JSON, BadCommand, Value, fill, media_type, references, start_line
from connector.playbooks.linting.commands import TYPICAL, typical
from connector.playbooks.linting.finding import Path
from connector.playbooks.linting.view import Done, View
from connector.playbooks.target import action_of
from connector.playbooks.variables import BadValue

# What the server has beside actions: its method, and the scope that it needs.
ROUTES: Final[dict[str, tuple[str, Scope | None]]] = {
    "/hashes": ("POST", "read"),
    "/healthz": ("GET", None),
    "/readyz": ("GET", None),
}
# Types whose values are all alike as far as an action is concerned: what fits one fits all.
PRECISE: Final = frozenset(TYPICAL) - {"string", "hexstring", "list", "dictionary"}
_MARK: Final = "variable-of-no-known-form"


@dataclass(frozen=True, slots=True)
class Called:
    """One call. ``action`` is None for another route, and for a name that no action has."""

    step: str
    done: Done
    command: HttpCommand
    method: str
    route: str
    action: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a call with typical values, and the places at which a value stands that could be any other."""

    value: Any
    open: frozenset[Path]

    def is_open(self, place: Path) -> bool:
        """Whether a place, or something around it, is a value that could be any other of its type."""
        return any(place[:length] in self.open for length in range(len(place) + 1))


def calls(view: View) -> list[Called]:
    """Every call to the action server, in the order of the file."""
    return list(_calls(view))


def _calls(view: View) -> Iterator[Called]:
    for name, step in view.steps.items():
        if not isinstance(step, Action) or not view.servers & set(step.targets or ()):
            continue
        for done in view.commands[name]:
            if not isinstance(done.command, HttpCommand):
                continue
            try:
                method, target = start_line(done.command)
            except BadCommand:
                continue
            action = action_of(target)
            route = target.partition("?")[0]
            yield Called(name, done, done.command, method, route, action if action in NAMES else None)


def content(view: View, called: Called, truth: str = "true") -> Content | None:
    """The content of a call, its variables filled in; None where it is no JSON, or cannot be filled.

    ``truth`` is what a variable of type bool stands for.
    """
    if called.command.content_b64 is not None:
        return None
    if called.command.content is None:
        return Content({}, frozenset())
    values = {name: _marked(value, truth) for name, value in typical(view, called.step).items()}
    if media_type(called.command) != JSON or not values.keys() >= set(references(called.command.content)):
        return None
    try:
        value = json.loads(fill(called.command, values).body)
    except (BadCommand, BadValue, ValueError):
        return None
    return Content(value, frozenset(_open(value)))


def _marked(value: Value, truth: str) -> Value:
    """A typical value that can be found again, where another one could fit where it does not."""
    if value.kind == "bool":
        return Value("bool", truth)
    if value.kind == "list":
        return Value("list", json.dumps([_MARK]))
    if value.kind == "dictionary":
        return Value("dictionary", json.dumps({_MARK: ""}))
    return value if value.kind in PRECISE else Value("string", _MARK)


def _open(value: Any) -> Iterator[Path]:
    """The places of marked values; a list or an object that is marked counts as a whole."""
    left: list[tuple[Path, Any]] = [((), value)]
    while left:
        path, here = left.pop()
        if isinstance(here, str):
            if _MARK in here:
                yield path
        elif here == [_MARK] or (isinstance(here, dict) and _MARK in here):
            yield path
        elif isinstance(here, list | dict):
            items = here.items() if isinstance(here, dict) else enumerate(here)
            left += [((*path, key), item) for key, item in items]
