"""What a playbook asks of the world as it is walked, and what it gets back: values that survive a restart as JSON."""

from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from connector.playbooks.filling import Request


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a call is let in: the scheme of an Authorization header, and the variables that hold the secret's parts."""

    scheme: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. ``key`` is its place in the run, ``base`` None the action server; ``timeout`` is in seconds."""

    key: str
    step: str
    request: Request
    base: str | None
    credentials: Credentials | None
    operation_id: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a person, until there is an answer or ``until`` (seconds since 1970) is reached."""

    key: str
    step: str
    text: str
    timeout: float
    until: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Seconds in which nothing is done; ``until`` is when they are over."""

    key: str
    step: str
    seconds: float
    until: float


@dataclass(frozen=True, slots=True)
class Now:
    """What time it is, as something begins that has a time of its own."""

    key: str
    step: str


@dataclass(frozen=True, slots=True)
class Fork:
    """Branches that are walked side by side, each from a step to its end."""

    key: str
    step: str
    branches: tuple["Branch", ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch: its first step, where it is in the run, what the variables hold as it begins, and until when.

    ``own`` are the declarations of step variables that it sees; ``depth`` is how many playbooks called each other.
    """

    first: str
    where: str
    playbook: str
    values: dict[str, str | None]
    at: float
    until: float | None
    own: dict[str, dict[str, Any]] = field(default_factory=dict)
    depth: int = 0


_KEPT: Final = frozenset({"at", "status", "body"})
Question = Call | Ask | Sleep | Now | Fork


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``at`` is when, in seconds since 1970; ``problem`` says why nothing usable came."""

    at: float
    status: int | None = None
    body: Any = None
    problem: str | None = None
    decision: Literal["approved", "rejected"] | None = None
    by: str = ""
    note: str = ""
    branches: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As JSON values; what holds nothing is left out, but an empty body is one."""
        made = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in made.items() if value is not None and (value or name in _KEPT)}


def read_reply(value: dict[str, Any]) -> Reply:
    """A reply from what ``as_dict`` made of it."""
    return Reply(**value)
