"""What the variables of a playbook hold at one moment of a walk, and which declaration each of them follows."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

from connector.playbooks.cacao import Playbook, Variable
from connector.playbooks.filling import Value
from connector.playbooks.target import credentials
from connector.playbooks.variables import BadValue, given, initial, typed

_NEVER_EMPTY: Final = frozenset({"integer", "long", "float", "bool", "dictionary", "list"})


@dataclass(slots=True)
class Scope:
    """Variables by name: their declarations, and their texts. A step's own variables lie over those of the playbook."""

    declared: dict[str, Variable]
    held: dict[str, str | None]

    @classmethod
    def start(cls, playbook: Playbook, passed: Mapping[str, str]) -> Self:
        """The variables as a run begins: as declared, with what is passed in.

        Raises:
            BadValue: naming the variable that is not known, not external, not given, or of another type.
        """
        declared = dict(playbook.playbook_variables)
        secret = credentials(playbook)
        held = {name: text for name, text in initial(declared).items() if name not in secret}
        for name, text in passed.items():
            held[name] = _passed(declared, secret, name, text)
        for name, variable in declared.items():
            if variable.external and name not in secret and held[name] is None:
                raise BadValue(f"{name} must be given: {variable.description or variable.type}")
        return cls({name: v for name, v in declared.items() if name not in secret}, held)

    @contextmanager
    def within(self, step_variables: Mapping[str, Variable]) -> Iterator[None]:
        """A step's own variables, for as long as it takes."""
        if not step_variables:
            yield
            return
        declared, held = self.declared, self.held
        self.declared = declared | dict(step_variables)
        self.held = held | initial(step_variables)
        try:
            yield
        finally:
            outer = {name: text for name, text in self.held.items() if name in held and name not in step_variables}
            self.declared, self.held = declared, held | outer

    def assign(self, texts: Mapping[str, str]) -> None:
        """Give variables new texts; one that is constant or not declared here stays as it is."""
        for name, text in texts.items():
            if name in self.declared and not self.declared[name].constant:
                self.held[name] = text

    def values(self) -> dict[str, Value]:
        return {name: Value(variable.type, self.held.get(name)) for name, variable in self.declared.items()}

    def typed(self, names: Iterable[str]) -> dict[str, Any]:
        """Values as conditions compare them: lists and dictionaries as their JSON text; what is null is left out.

        A text that is empty is so for every type that is compared as text; of the others it is null.

        Raises:
            BadValue: naming a variable that is declared nowhere, or holds no value of its type.
        """
        made: dict[str, Any] = {}
        for name in names:
            if name not in self.declared:
                raise BadValue(f"{name} is declared nowhere")
            variable, text = self.declared[name], self.held.get(name)
            if text:
                made[name] = _typed(name, variable, text)
            elif text is not None and variable.type not in _NEVER_EMPTY:
                made[name] = ""
        return made

    def of_steps(self, playbook: Playbook) -> dict[str, Variable]:
        """The declarations that steps of this playbook have laid over its own."""
        return {n: v for n, v in self.declared.items() if v is not playbook.playbook_variables.get(n)}

    def texts(self, names: Iterable[str]) -> dict[str, str | None]:
        return {name: self.held.get(name) for name in names}


def _passed(declared: Mapping[str, Variable], secret: frozenset[str], name: str, text: str) -> str:
    if name in secret:
        raise BadValue(
            f"{name} is a credential and is never a variable of a run; set SPECTRA_API_KEY, or --api-key-file"
        )
    if name not in declared:
        known = ", ".join(n for n, v in declared.items() if v.external and n not in secret) or "none"
        raise BadValue(f"{name} is no variable of this playbook; what can be given: {known}")
    if not declared[name].external:
        raise BadValue(f"{name} is not external, so it cannot be given")
    try:
        return given(declared[name].type, text)
    except BadValue as error:
        raise BadValue(f"{name} {error}") from None


def _typed(name: str, variable: Variable, text: str) -> Any:
    try:
        value = typed(variable.type, text)
        return text if isinstance(value, list | dict) else value
    except BadValue as error:
        raise BadValue(f"{name} {error}") from None
