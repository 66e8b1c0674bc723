"""What may cross the border between an action and the outside, as values, and Plan, a program of them.

A plan is a generator that yields steps and is sent what they bring. It holds no clock, no socket and no randomness, so
it runs the same under both drivers, and a test drives it with ``next`` and ``send``. Plans use the functions at the
end of this file only, always with ``yield from``; that keeps every plan precisely typed.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from connector.errors import SpectraError
from connector.operation import Entry, Operation
from connector.vocabulary import Effect, Unpickled

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """The bytes of a file: what was read before, or what left the machine in an upload, hashed on the way."""

    sha1: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Upload(Unpickled):
    """A file to stream as the part ``file`` of a multipart form, after the named fields.

    ``content`` is what was seen of it before; other bytes than those are not sent to their end.
    """

    source: Path | bytes = field(repr=False)
    content: Sent
    filename: str
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Call(Unpickled):
    """One request. Paths are absolute and hold no query; secrets live in fields that repr leaves out.

    effect says what a retry could repeat: a read may be asked again, a submission or a deletion may not. ``cloud``
    marks what uses Spectra Intelligence and its quota. ``secrets`` must not come back in a message.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    form: tuple[tuple[str, str], ...] | None = field(default=None, repr=False)
    upload: Upload | None = field(default=None, repr=False)
    effect: Effect = "read"
    authorised: bool = True
    cloud: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for ``seconds`` and up to ``jitter`` more; the driver refuses a pause that passes the deadline.

    ``cost`` is what the retry after it takes from the retry budget, which the driver refuses when it is used up.
    """

    seconds: float
    jitter: float = 0.0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """How a call ended: ``error`` is None for an answer; ``spent`` is what its retries took from the budget."""

    call: Call
    error: SpectraError | None
    spent: int = 0


@dataclass(frozen=True, slots=True)
class Inspect:
    """Read a file to its end before anything is sent: it must lie inside file_roots; brings its hashes and size."""

    source: Path | bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recall:
    """Look an operation up in the journal. From here on, nothing that changes something leaves without its intent."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Note:
    """Write to the journal what became of the operation that was recalled."""

    state: Literal["accepted", "done", "refused", "unknown"]
    receipt: Mapping[str, Any] | None = field(default=None, repr=False)
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Reply(Unpickled):
    """A complete answer. ``json`` is the decoded body; ``answered_at`` is RFC 3339 in UTC.

    ``problem`` says why the body is not JSON that can be trusted, and is empty where it is. ``hidden`` are secrets that
    the answer may repeat and no message may; for that reason repr shows neither its body nor its headers.
    """

    status: int
    json: Any = field(default=None, repr=False)
    problem: str = ""
    content_type: str = field(default="", repr=False)
    size: int = 0
    retry_after: str | None = field(default=None, repr=False)
    answered_at: str = ""
    sent: Sent | None = None
    hidden: tuple[str, ...] = field(default=(), repr=False)


Step = Call | Pause | Judged | Inspect | Recall | Note
Brought = Reply | Sent | Entry | None
Plan = Generator[Step, Brought, T]


def ask(call: Call) -> Plan[Reply]:
    """Yield one call and return its reply; transport errors are thrown in here by the driver."""
    reply = yield call
    if not isinstance(reply, Reply):  # a driver that forgets the reply is a defect of the driver
        raise TypeError("the driver sent no reply for a call")
    return reply


def tell(call: Call, error: SpectraError | None, spent: int = 0) -> Plan[None]:
    """Yield how a call ended, for the breakers and the retry budget."""
    yield Judged(call, error, spent)


def look(source: Path | bytes) -> Plan[Sent]:
    """Yield one look at a file; InputRefused is thrown in here when it cannot be submitted."""
    seen = yield Inspect(source)
    if not isinstance(seen, Sent):
        raise TypeError("the driver did not say what it read")
    return seen


def nap(seconds: float, jitter: float = 0.0, cost: int = 0) -> Plan[None]:
    """Yield one pause.

    Raises:
        DeadlineExceeded: thrown in here when it would pass the deadline.
        CircuitOpen: thrown in here when the retry budget does not hold its cost.
    """
    yield Pause(seconds, jitter, cost)


def recall(operation: Operation) -> Plan[Entry | None]:
    """Yield one look into the journal: what is known of an operation of this id, or None.

    Raises:
        InputRefused: thrown in here when the id belongs to an operation with other parameters.
        StateError: thrown in here when the journal cannot be read, or another process runs this operation.
    """
    kept = yield Recall(operation)
    if isinstance(kept, Reply | Sent):
        raise TypeError("the driver brought something else than an entry of the journal")
    return kept


def note(state: Literal["accepted", "done", "refused", "unknown"], **more: Any) -> Plan[None]:
    """Yield one line for the journal; StateError is thrown in here when it cannot be written."""
    yield Note(state, **more)
