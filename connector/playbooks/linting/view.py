"""What every family of rules looks at: a playbook, its graph, and each command, answer and use of a variable, once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

from pydantic import ValidationError

from connector.playbooks.cacao import (
    Action,
    AnyStep,
    HttpCommand,
    If,
    ManualCommand,
    Playbook,
    PlaybookAction,
    Switch,
    Variable,
    While,
    read_command,
)
from connector.playbooks.conditions import BadCondition, read_condition
from connector.playbooks.extension import ANSWER, Needs, Taken, answer_of, needs_of
from connector.playbooks.filling import manual_text, references
from connector.playbooks.graph import Graph, Sequences, graph_of, starts
from connector.playbooks.linting.finding import Path
from connector.playbooks.target import credentials, is_action_server

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Use:
    """A variable looked at by a step: where, and whether the step fails when it has no value."""

    name: str
    path: Path
    needs_value: bool


@dataclass(frozen=True, slots=True)
class Done:
    """One command that is done here, and its place."""

    path: Path
    command: HttpCommand | ManualCommand


@dataclass(frozen=True)
class View:
    """A playbook whose shape is right, and what is read out of it."""

    playbook: Playbook

    @cached_property
    def graph(self) -> Graph:
        return graph_of(self.playbook)

    @cached_property
    def needs(self) -> Needs | None:
        return _quietly(partial(needs_of, self.playbook), None)

    @cached_property
    def credentials(self) -> frozenset[str]:
        return credentials(self.playbook)

    @cached_property
    def answers(self) -> Mapping[str, Mapping[str, Taken]]:
        """What each step takes from its answer, by step and variable."""
        return {name: _quietly(partial(answer_of, step), {}) for name, step in self.steps.items()}

    @cached_property
    def commands(self) -> Mapping[str, tuple[Done, ...]]:
        """The commands of each step that are done here and are well-formed, in their order."""
        return {name: tuple(_commands(name, step)) for name, step in self.steps.items()}

    @cached_property
    def uses(self) -> Mapping[str, tuple[Use, ...]]:
        """The variables that each step looks at, in their order."""
        return {name: tuple(self._uses(name, step)) for name, step in self.steps.items()}

    @cached_property
    def servers(self) -> frozenset[str]:
        """The targets that are the action server."""
        targets = self.playbook.target_definitions
        return frozenset(
            name for name in targets if _quietly(partial(is_action_server, self.playbook, name), otherwise=False)
        )

    @property
    def steps(self) -> Mapping[str, AnyStep]:
        return self.playbook.workflow

    @cached_property
    def sequences(self) -> Sequences:
        return self.graph.sequences(starts(self.playbook))

    def scope(self, name: str) -> Mapping[str, tuple[str, Variable]]:
        """What a step sees, each with the step that declares it, or an empty text where the playbook does.

        Its own variables lie over those of the steps around it, and those over the playbook's.
        """
        if not self._with_variables:
            return self._of_playbook
        if name not in self._scopes:
            made = dict(self._of_playbook)
            for declaring in (*reversed(self.sequences.around(name)), name):
                made |= {variable: (declaring, v) for variable, v in self.steps[declaring].step_variables.items()}
            self._scopes[name] = made
        return self._scopes[name]

    @cached_property
    def _scopes(self) -> dict[str, Mapping[str, tuple[str, Variable]]]:
        return {}

    @cached_property
    def _with_variables(self) -> bool:
        return any(step.step_variables for step in self.steps.values())

    @cached_property
    def _of_playbook(self) -> Mapping[str, tuple[str, Variable]]:
        return {name: ("", variable) for name, variable in self.playbook.playbook_variables.items()}

    def declared(self, name: str) -> Mapping[str, Variable]:
        """The declarations that a step sees."""
        return {variable: declaration for variable, (_, declaration) in self.scope(name).items()}

    def assigned(self, name: str) -> set[tuple[str, str]]:
        """The variables that a step assigns when it succeeds, each as where it is declared and its name."""
        step = self.steps[name]
        given = set(self.answers[name])
        if isinstance(step, PlaybookAction):
            given |= set(step.out_args or ())
        if not given:
            return set()
        scope = self.scope(name)
        return {(scope[v][0], v) for v in given if v in scope and not scope[v][1].constant}

    def address_uses(self, target: str) -> Iterator[Use]:
        """The variables in the addresses of a target; the action server is found without them."""
        found = self.playbook.target_definitions.get(target)
        for kind, given in ((found.address if found else None) or {}).items():
            for number, address in enumerate(given):
                for name in references(str(address)):
                    path: Path = ("target_definitions", target, "address", kind, number)
                    yield Use(name, path, needs_value=target not in self.servers)

    def _uses(self, name: str, step: AnyStep) -> Iterator[Use]:
        here: Path = ("workflow", name)
        match step:
            case Action():
                for done in self.commands[name]:
                    yield from _command_uses(done)
            case If() | While():
                for variable in sorted(_looked_at(step.condition)):
                    yield Use(variable, (*here, "condition"), needs_value=False)
            case Switch():
                for variable in references(step.switch):
                    yield Use(variable, (*here, "switch"), needs_value=True)
            case _:
                return


def answer_path(step: str, variable: str) -> Path:
    """Where a step says what a variable takes from its answer."""
    return ("workflow", step, "step_extensions", ANSWER, "out_map", variable)


def _quietly(read: Callable[[], T], otherwise: T) -> T:
    """What is read, or something else where it is malformed, which is found by another rule."""
    try:
        return read()
    except ValidationError:
        return otherwise


def _commands(name: str, step: AnyStep) -> Iterator[Done]:
    if isinstance(step, Action):
        for number, command in enumerate(step.commands):
            ready = _quietly(partial(read_command, command), None)
            if ready is not None:
                yield Done(("workflow", name, "commands", number), ready)


def _looked_at(condition: str) -> frozenset[str]:
    try:
        return read_condition(condition).variables
    except BadCondition:
        return frozenset()


def _command_uses(done: Done) -> Iterator[Use]:
    for path, text in texts_of(done):
        for name in references(text):
            yield Use(name, path, needs_value=isinstance(done.command, HttpCommand))


def texts_of(done: Done) -> Iterator[tuple[Path, str]]:
    """Every text of a command that values are filled into, with its place."""
    command, path = done.command, done.path
    if isinstance(command, ManualCommand):
        key = "command" if command.command is not None else "command_b64"
        yield (*path, key), _asked(command)
        return
    yield (*path, "command"), command.command
    for name, values in command.headers.items():
        for number, value in enumerate(values):
            yield (*path, "headers", name, number), value
    if command.content is not None:
        yield (*path, "content"), command.content


def _asked(command: ManualCommand) -> str:
    try:
        return manual_text(command, {})
    except ValueError:
        return ""
