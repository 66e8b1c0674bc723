"""What goes through an enrichment, as values: what an event names, what was found out, what comes and what goes.

A subject is named by a string: the lower-case hexadecimal hash of a file, or a URL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from connector.verdict import Verdict

Known = Literal["malicious", "suspicious", "goodware", "unknown", "not_found"]
KNOWN: Final[tuple[Known, ...]] = ("malicious", "suspicious", "goodware", "unknown", "not_found")


class Found(NamedTuple):
    """A subject that an event names, and the field that names it, as a dotted path without positions in lists."""

    field: str
    subject: str


def is_url(subject: str) -> bool:
    return ":" in subject


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look-up said of one subject. No verdict means that nobody knows it; times are seconds since 1970.

    ``until`` is when the finding is no longer to be used.
    """

    subject: str
    verdict: Verdict | None
    looked_up: float
    until: float

    @property
    def known(self) -> Known:
        return "not_found" if self.verdict is None else self.verdict.classification


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event goes to the dead-letter file: a word for programs, and a sentence for people."""

    reason: str
    detail: str


@dataclass(slots=True)
class Batch:
    """Events as they came, without line ends, in order.

    ``position`` is the source's own note of where it stands *after* this batch, plain JSON data that a checkpoint
    keeps. ``ids`` names each event where the source has names of its own (a stream entry); left out, an event is named
    by ``origin`` and its number ``first + n``. ``broken`` are events that the source itself could not bring whole, by
    their place in ``events``.
    """

    events: list[bytes]
    position: Any
    origin: str
    first: int = 0
    ids: Sequence[str] | None = None
    broken: dict[int, Failure] | None = None


@dataclass(slots=True)
class Output:
    """Lines to write, without line ends, and for each the number in the batch of the event that it comes from."""

    batch: Batch
    lines: list[bytes]
    origins: Sequence[int]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that a sink would not take: its number in the output, and why."""

    line: int
    failure: Failure
