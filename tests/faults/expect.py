"""What must come of one fault in one place: rules as values, and the policies that they follow from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Column = Literal["REP", "SRCH", "POLL", "UPF", "UPU", "DEL", "TAG"]
When = Literal["first", "second", "every"]
Lane = Literal["sync", "async"]
COLUMNS: Final[tuple[Column, ...]] = get_args(Column)
WHENS: Final[tuple[When, ...]] = get_args(When)
LANES: Final[tuple[Lane, ...]] = get_args(Lane)
READS: Final[tuple[Column, ...]] = ("REP", "SRCH", "POLL")
WRITES: Final[tuple[Column, ...]] = ("UPF", "UPU", "DEL", "TAG")
ATTEMPTS: Final = 3
# The branch of each column where nothing goes wrong, and the seconds that a deletion is followed until it is done.
ANSWERS: Final[Mapping[Column, str]] = {
    "REP": "malicious",
    "SRCH": "malicious",
    "POLL": "suspicious",
    "UPF": "submitted",
    "UPU": "submitted",
    "DEL": "deleted",
    "TAG": "ok",
}
FOLLOWED: Final = 0.73
EXITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("StateError", "ConfigError", "InputRefused"), 2),
    **dict.fromkeys(("BadRequest", "AuthError", "EndpointMissing", "MaintenanceError", "InUse", "FileTooLarge"), 3),
    **dict.fromkeys(("CapacityError", "QuotaError", "StorageFull", "JobFailed", "ServerError"), 3),
    **dict.fromkeys(("ConnectFailed", "TlsError", "DeadlineExceeded", "Truncated"), 4),
    **dict.fromkeys(("UnexpectedResponse", "MalformedResponse", "ResponseTooLarge", "ResponseMismatch"), 1),
    **dict.fromkeys(("CircuitOpen", "Cancelled"), 1),
}
UNKNOWN_EXIT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What must be seen of one cell.

    ``ends`` is the branch of an answer, or the class of an error, whose ``outcome`` is ``happened``. ``asked`` counts
    the requests for the struck endpoint that left, ``slept`` virtual seconds; both are the least and the most.
    ``changed`` counts submissions, deletions and changes of tags on the appliance; ``journal`` is the state left there, "" for no line.
    ``notice`` and ``told`` are words that a notice and the error's message hold.
    """

    ends: str
    happened: str = ""
    asked: tuple[int, int] = (1, 1)
    slept: tuple[float, float] = (0.0, 0.0)
    changed: int = 0
    journal: str = ""
    notice: str = ""
    told: str = ""
    recovered: bool = False
    retry_after: float | None = None

    @property
    def exit(self) -> int:
        if not self.happened:
            return 0
        return UNKNOWN_EXIT if self.happened == "unknown" else EXITS[self.ends]


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Why there is nothing to prove in a cell."""

    why: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The tests that prove a cell, as ``file::name``."""

    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a fault strikes. ``done``: the appliance does the work all the same; ``reaches``: the request leaves."""

    column: Column
    when: When
    lane: Lane
    done: bool = True
    reaches: bool = True

    @property
    def before(self) -> int:
        """Requests for the struck endpoint before the fault: a 429 goes before the second attempt."""
        return int(self.when == "second")

    @property
    def writes(self) -> bool:
        return self.column in WRITES


@dataclass(frozen=True, slots=True)
class Error:
    """An error that must come: its class, its outcome, words of its message; and what the journal keeps, if odd."""

    name: str
    happened: str
    told: str = ""
    retry_after: float | None = None
    journal: str | None = None

    def left(self, spot: Spot) -> str:
        if self.journal is not None or not spot.writes:
            return self.journal or ""
        return "refused" if self.happened in {"not_sent", "rejected"} else "unknown"


def fails(error: Error, spot: Spot, struck: int, slept: float) -> Rule:
    """The rule of a failure after so many struck requests."""
    asked = spot.before + (struck if spot.reaches else 0)
    changed = int(spot.writes and spot.done and error.happened in {"unknown", "applied"})
    return Rule(
        ends=error.name,
        happened=error.happened,
        asked=(asked, asked),
        slept=(slept, slept),
        changed=changed,
        journal=error.left(spot),
        told=error.told,
        retry_after=error.retry_after,
    )


def succeeds(spot: Spot, asked: int, slept: float) -> Rule:
    """The rule of an answer as if nothing had been, after so many requests."""
    slept += FOLLOWED if spot.column == "DEL" else 0.0
    journal = "done" if spot.writes else ""
    return Rule(
        ends=ANSWERS[spot.column],
        asked=(asked, asked),
        slept=(slept, slept),
        changed=int(spot.writes),
        journal=journal,
    )


Waits = Callable[[Column], tuple[float, float]]


def quick(_: Column) -> tuple[float, float]:
    """The pauses before the second and the third attempt, half of the full jitter from 0.25 s on."""
    return 0.125, 0.25


def throttled(column: Column) -> tuple[float, float]:
    """The pauses where the appliance has no room: long for submissions, from 2 s on for the others."""
    return (15.75, 31.5) if column in {"UPF", "UPU", "TAG"} else (1.0, 2.0)


def patient(_: Column) -> tuple[float, float]:
    """The pauses where the quota is used up."""
    return 1.0, 2.0


def fixed(seconds: float) -> Waits:
    """The pauses that a Retry-After asks for, with half of a tenth on top."""
    return lambda _: (seconds * 1.05, seconds * 1.05)


@dataclass(frozen=True, slots=True)
class Again:
    """Asked again with backoff, at most ``most`` times in all; then the error."""

    error: Error
    waits: Waits = quick
    most: int = ATTEMPTS
    letter: str = "R"

    def rule(self, spot: Spot) -> Rule:
        first, second = self.waits(spot.column)
        reach = int(spot.reaches)
        if spot.when == "every":
            return fails(self.error, spot, self.most, first + (second if self.most == ATTEMPTS else 0))
        if spot.when == "first":
            return succeeds(spot, reach + 1, first)
        if self.most < ATTEMPTS:
            return fails(self.error, spot, 1, 0)
        return succeeds(spot, 1 + reach + 1, second)


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Fails at once, or answers at once: ``ends`` is a branch then."""

    error: Error
    letter: str = "N"

    def rule(self, spot: Spot) -> Rule:
        return fails(self.error, spot, 1, 0)


@dataclass(frozen=True, slots=True)
class Unknown:
    """May have been done, and is never sent again."""

    letter: str = "U"

    def rule(self, spot: Spot) -> Rule:
        return fails(Error("OutcomeUnknown", "unknown"), spot, 1, 0)


@dataclass(frozen=True, slots=True)
class Verified:
    """A file is looked for by its SHA-1 after 1, 4 and 10 s; found, it is a success; absent, it is sent once more."""

    letter: str = "V"

    def rule(self, spot: Spot) -> Rule:
        asked = spot.before + 1
        if spot.done:
            found = "the answer to the upload was lost"
            return Rule(
                ends="submitted",
                asked=(asked, asked),
                slept=(1, 1),
                changed=1,
                journal="done",
                notice=found,
                recovered=True,
            )
        if spot.when == "every":
            return fails(Error("OutcomeUnknown", "unknown"), spot, 2, 15)
        return succeeds(spot, asked + 1, 15)


@dataclass(frozen=True, slots=True)
class LookedFor:
    """A deletion is looked for hash by hash, and never sent again; what is still there is told."""

    letter: str = "V"

    def rule(self, spot: Spot) -> Rule:
        asked, slept = spot.before + 1, 1.0 if spot.done else 15.0
        return Rule(
            ends="deleted" if spot.done else "partial",
            asked=(asked, asked),
            slept=(slept, slept),
            changed=int(spot.done),
            journal="done",
            notice="the answer to the deletion was lost",
        )


@dataclass(frozen=True, slots=True)
class Repeated:
    """A change of tags is looked for after 1 s; absent, it is sent once more, as twice is as once, and after 4 s again."""

    letter: str = "V"

    def rule(self, spot: Spot) -> Rule:
        if spot.when == "every" and not spot.done:
            return fails(
                Error("OutcomeUnknown", "unknown", "the change of tags was sent and may have been done"), spot, 2, 5
            )
        asked = spot.before + (1 if spot.done else 2)
        lost = "the answer to the change was lost"
        return Rule(ends="ok", asked=(asked, asked), slept=(1, 1), changed=1, journal="done", notice=lost)


@dataclass(frozen=True, slots=True)
class Unread:
    """An answer to a change of tags that nobody can read is no matter: what is there is looked at, at once."""

    letter: str = "ok"

    def rule(self, spot: Spot) -> Rule:
        if spot.when == "every" and not spot.done:
            others = "shows other tags"
            return Rule(ends="partial", asked=(2, 2), journal="done", notice=others)
        return succeeds(spot, spot.before + (1 if spot.done else 2), 0)


@dataclass(frozen=True, slots=True)
class Unharmed:
    """Succeeds as if nothing had been."""

    letter: str = "ok"

    def rule(self, spot: Spot) -> Rule:
        return succeeds(spot, spot.before + 1, 0)


@dataclass(frozen=True, slots=True)
class Exactly:
    """A rule that no policy gives, as it is for the first attempt; a second one has the 429 before it."""

    given: Rule
    letter: str = "="

    def rule(self, spot: Spot) -> Rule:
        least, most = self.given.asked
        values = {name: getattr(self.given, name) for name in Rule.__dataclass_fields__}
        return Rule(**values | {"asked": (least + spot.before, most + spot.before)})


Policy = Again | AtOnce | Unknown | Verified | LookedFor | Repeated | Unread | Unharmed | Exactly
Must = Policy | NotApplicable | Elsewhere
