"""A row of the fault matrix as a value, and short words to write it with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tests.faults.causes import Cause
from tests.faults.expect import (
    COLUMNS,
    READS,
    Again,
    AtOnce,
    Column,
    Error,
    LookedFor,
    Must,
    NotApplicable,
    Repeated,
    Unknown,
    Verified,
    When,
)

Entry = Must | Mapping[When, Must]
N_A = NotApplicable


@dataclass(frozen=True, slots=True)
class Case:
    """Ways to bring a fault about that have the same rules."""

    causes: tuple[Cause, ...]
    must: Mapping[Column, Entry]

    def of(self, column: Column, when: When) -> Must:
        """The policy of a cell; KeyError where the table has none."""
        entry = self.must[column]
        return entry[when] if isinstance(entry, Mapping) else entry


@dataclass(frozen=True, slots=True)
class Row:
    """One fault of the matrix; ``group`` says which test file plays it."""

    fault: str
    group: str
    cases: tuple[Case, ...]


def row(fault: str, group: str, *cases: Case) -> Row:
    return Row(fault, group, cases)


def case(*causes: Cause, reads: Entry, upf: Entry, upu: Entry, delete: Entry, tag: Entry, **columns: Entry) -> Case:
    """The policies of a fault; ``reads`` is for the three columns that only read, where no other is given."""
    must: dict[Column, Entry] = dict.fromkeys(READS, reads) | {"UPF": upf, "UPU": upu, "DEL": delete, "TAG": tag}
    return Case(causes, must | columns)  # type: ignore[operator]  # the names of columns


def same(*causes: Cause, must: Entry) -> Case:
    return case(*causes, reads=must, upf=must, upu=must, delete=must, tag=must)


def of_tags(cause: Cause, must: Entry) -> Case:
    """What only a change of tags can meet."""
    return Case((replace(cause, only=("TAG",)),), dict.fromkeys(COLUMNS, N_A("only a change of tags")) | {"TAG": must})


def doubtful(*causes: Cause, reads: Entry, tag: Entry = Repeated()) -> Case:  # noqa: B008  # a value
    """After a change was sent and no answer came that can be trusted."""
    return case(*causes, reads=reads, upf=Verified(), upu=Unknown(), delete=LookedFor(), tag=tag)


def no(name: str, happened: str = "rejected", told: str = "", **more: float) -> AtOnce:
    return AtOnce(Error(name, happened, told, more.get("retry_after")))


CUT: Final = Again(Error("Truncated", "not_sent"))
NOT_MADE: Final = Error("ConnectFailed", "not_sent", "nothing was sent")
UNTOLD: Final = no("TlsError", "not_sent")
QUEUED: Final = Error("CapacityError", "rejected", "queue")
SUBMITS_ONLY: Final = N_A("only a submission can meet it")
GROUND: Final = N_A("the intent is on the disk before the first attempt; a second one writes nothing")
