"""One visit to a step in a run: when, what was asked and answered, which way it went; what timelines are made of."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self

from connector.playbooks.asking import Reply

State = Literal["running", "waiting", "done", "failed"]
LONGEST: Final = 300


def shown(text: str) -> str:
    """Text as it is shown: one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


@dataclass(slots=True)
class Visit:
    """A step being done. ``entered`` and ``left`` are seconds since 1970; ``took`` says which way a condition went."""

    where: str
    step: str
    type: str
    name: str
    entered: float
    playbook: str = ""
    left: float | None = None
    asks: int = 0
    state: State = "running"
    calls: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    branch: str | None = None
    took: str | None = None
    asked: str | None = None
    decided_by: str | None = None
    sentence: str | None = None
    operation_id: str | None = None
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    stix: dict[str, Any] | None = None
    assigned: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, value: dict[str, Any]) -> Self:
        return cls(**value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def key(self) -> str:
        """The key of the next question of this visit, of its own in the whole run."""
        self.asks += 1
        return f"{self.where}:{self.asks}"

    def leave(self, at: float, state: State, sentence: str | None = None) -> None:
        self.left, self.state, self.sentence = at, state, sentence

    def answered(self, reply: Reply) -> None:
        """Keep of an answer what a timeline shows: its status, and of an Outcome its branch, verdicts and STIX."""
        if reply.status is not None:
            self.statuses.append(reply.status)
        body = reply.body if isinstance(reply.body, dict) else {}
        if {"action", "branch", "verdicts", "stix"} <= body.keys():
            self.branch, self.operation_id = _text(body["branch"]), _text(body.get("operation_id"))
            verdicts, stix = body["verdicts"], body["stix"]
            self.verdicts += [one for one in verdicts if isinstance(one, dict)] if isinstance(verdicts, list) else []
            self.stix = stix if isinstance(stix, dict) else self.stix

    def decided(self, reply: Reply) -> None:
        if reply.decision is not None:
            self.decided_by = f"{reply.decision} by {reply.by or 'somebody'}"
