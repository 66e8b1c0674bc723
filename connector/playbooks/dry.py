"""What a run would call, without calling: every command that can be reached, filled in as far as it is known."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from connector.playbooks.cacao import (
    Action,
    AnyStep,
    HttpCommand,
    If,
    ManualCommand,
    Parallel,
    Playbook,
    PlaybookAction,
    Switch,
    While,
    read_command,
)
from connector.playbooks.extension import answer_of
from connector.playbooks.filling import BadCommand, Value, fill, manual_text, references
from connector.playbooks.order import Order
from connector.playbooks.target import BadTarget, where_to
from connector.playbooks.variables import BadValue

SERVER: Final = "the action server"


@dataclass(frozen=True, slots=True)
class Planned:
    """One command as it would be run. ``under`` are the conditions on the way to it; a value not known stays a name."""

    step: str
    name: str
    under: tuple[str, ...]
    kind: str
    text: str
    to: str
    body: str
    delay_seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "name": self.name,
            "under": list(self.under),
            "kind": self.kind,
            "text": self.text,
            "to": self.to,
            "body": self.body,
            "delay_seconds": self.delay_seconds,
        }


def planned(order: Order) -> list[Planned]:
    """Every command of an order, in the order of the steps; both sides of a condition, a loop once.

    Raises:
        InputRefused: naming the variable that is missing, not known or of another type.
    """
    walker = order.walker()
    playbook, assigned = walker.playbook, _assigned(walker.playbook)
    known = {n: v for n, v in walker.scope.values().items() if v.text is not None and n not in assigned}
    planner = _Planner(playbook, known)
    found = list(planner.steps(playbook.workflow_start, ()))
    return found + list(planner.steps(playbook.workflow_exception, ("the run fails",)))


def _assigned(playbook: Playbook) -> set[str]:
    """The variables that a step may give something else."""
    names: set[str] = set()
    for step in playbook.workflow.values():
        names |= {*answer_of(step), *(step.out_args or () if isinstance(step, PlaybookAction) else ())}
    return names


class _Planner:
    def __init__(self, playbook: Playbook, known: Mapping[str, Value]) -> None:
        self._playbook, self._known = playbook, known
        self._assigned = _assigned(playbook)
        self._seen: set[str] = set()

    def steps(self, name: str | None, under: tuple[str, ...]) -> Iterator[Planned]:
        while name is not None and name not in self._seen:
            self._seen.add(name)
            step = self._playbook.workflow[name]
            with self._within(step):
                yield from self._one(name, step, under)
            if step.on_failure is not None:
                yield from self.steps(step.on_failure, (*under, f"{step.name or name} fails"))
            name = step.on_success or step.on_completion

    @contextmanager
    def _within(self, step: AnyStep) -> Iterator[None]:
        """A step's own variables hide those of the same names; those that nothing assigns are known."""
        known, own = self._known, step.step_variables
        mine = {n: Value(v.type, v.value) for n, v in own.items() if v.value is not None and n not in self._assigned}
        self._known = {n: v for n, v in known.items() if n not in own} | mine
        try:
            yield
        finally:
            self._known = known

    def _one(self, name: str, step: AnyStep, under: tuple[str, ...]) -> Iterator[Planned]:
        match step:
            case Action():
                yield from self._commands(name, step, under)
            case PlaybookAction():
                yield self._made(name, step, under, "playbook", step.playbook_id)
            case If():
                yield from self.steps(step.on_true, (*under, step.condition))
                yield from self.steps(step.on_false, (*under, f"not ({step.condition})"))
            case While():
                yield from self.steps(step.on_true, (*under, f"while {step.condition}"))
            case Switch():
                for case, first in step.cases.items():
                    yield from self.steps(first, (*under, f"{step.switch} is {case}"))
            case Parallel():
                for first in step.next_steps:
                    yield from self.steps(first, under)

    def _commands(self, name: str, step: Action, under: tuple[str, ...]) -> Iterator[Planned]:
        for command in step.commands:
            ready = read_command(command)
            if isinstance(ready, ManualCommand):
                yield self._made(name, step, under, "manual", _asked(ready, self._known))
            elif ready is not None:
                for target in step.targets or []:
                    yield self._call(name, step, under, ready, target)

    def _call(
        self,
        name: str,
        step: Action,
        under: tuple[str, ...],
        command: HttpCommand,
        target: str,
    ) -> Planned:
        try:
            to = where_to(self._playbook, target, self._known).base or SERVER
        except (BadValue, BadTarget):
            to = self._playbook.target_definitions[target].name if target in self._playbook.target_definitions else ""
        open_ = self._open(command)
        try:
            request = fill(command, {**self._known, **open_})
            line, body = f"{request.method} {request.target}", request.body.decode("utf-8", "backslashreplace")
        except (BadValue, BadCommand):
            line, body = command.command, command.content or ""
        for value in open_.values():
            shown = value.text or ""
            line, body = line.replace(quote(shown, safe=""), shown), body.replace(quote(shown, safe=""), shown)
        return self._made(name, step, under, "http-api", line, to, body)

    def _open(self, command: HttpCommand) -> dict[str, Value]:
        """The variables that are not known yet, each standing for itself."""
        used = references(command.command + (command.content or "") + str(command.headers))
        return {name: Value("string", f"{name}:value") for name in used if name not in self._known}

    def _made(
        self, name: str, step: AnyStep, under: tuple[str, ...], kind: str, text: str, to: str = "", body: str = ""
    ) -> Planned:
        return Planned(name, step.name or name, under, kind, text, to, body, (step.delay or 0) / 1000)


def _asked(command: ManualCommand, known: Mapping[str, Value]) -> str:
    try:
        return manual_text(command, known)
    except BadCommand:
        return ""
