"""An order to run a playbook: everything that a run depends on, as JSON, so that it can be taken up anywhere.

The playbook is part of it, so a run goes on as it began when the file has changed since. Credentials are not.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from connector.errors import InputRefused, Violation
from connector.playbooks.cacao import Playbook
from connector.playbooks.scope import Scope
from connector.playbooks.variables import BadValue
from connector.playbooks.walk import Walker

RULES = "1"  # of walking: a run is continued only under the rules that it began under


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """``others`` are the playbooks that this one may call, by id; ``at`` is when it was given (seconds since 1970)."""

    run: str
    playbook: dict[str, Any]
    given: dict[str, str]
    at: float
    others: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Self:
        return cls(**value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def main(self) -> Playbook:
        """The playbook that is run."""
        return Playbook.model_validate(self.playbook)

    def shelf(self) -> dict[str, Playbook]:
        """Every playbook of the run, by id."""
        mine = self.main()
        return {mine.id: mine} | {name: Playbook.model_validate(other) for name, other in self.others.items()}

    def walker(self) -> Walker:
        """A walker at the start.

        Raises:
            InputRefused: naming the variable that is missing, not known or of another type.
        """
        shelf = self.shelf()
        playbook = shelf[self.playbook["id"]]
        try:
            scope = Scope.start(playbook, self.given)
        except BadValue as error:
            name, _, sentence = str(error).partition(" ")
            raise InputRefused.of([Violation(f"/playbook_variables/{name}", sentence)], playbook.name) from None
        return Walker(playbook, self.run, self.at, scope, shelf)


def check_run_id(run: str) -> None:
    """Refuse a run id that could be mistaken for anything else, or be too long for the ids made of it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", run):
        wanted = "must be 1 to 64 letters, digits, dots, underscores and hyphens, and begin with a letter or digit"
        raise InputRefused.of([Violation("/run", wanted)])
