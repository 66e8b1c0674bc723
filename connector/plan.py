"""What may cross the border between an action and the network, as values, and Plan, a program of them.

A plan is a generator that yields a Call, a Pause or an Inspect and is sent a Reply or None. It holds no clock, no
socket and no randomness, so it runs the same under both drivers, and a test drives it with ``next`` and ``send``.
Plans use ``ask``, ``nap`` and ``look`` only, always with ``yield from``; that keeps every plan precisely typed.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from connector.vocabulary import Effect

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to stream as the part ``file`` of a multipart form, after the named fields."""

    source: Path | bytes = field(repr=False)
    filename: str
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Paths are absolute and hold no query; secrets live in fields that repr leaves out.

    effect says what a retry could repeat: a read may be asked again, a submission or a deletion may not.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    form: tuple[tuple[str, str], ...] | None = field(default=None, repr=False)
    upload: Upload | None = field(default=None, repr=False)
    effect: Effect = "read"
    authorised: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for ``seconds`` and up to ``jitter`` more; the driver refuses a pause that passes the deadline."""

    seconds: float
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Inspect:
    """Look whether a file can be read and lies inside file_roots, before anything is sent."""

    source: Path | bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """What left the machine in an upload: hashes and size of the file's bytes, computed on the way."""

    sha1: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer. ``json`` is the decoded body where it was JSON; ``answered_at`` is RFC 3339 in UTC."""

    status: int
    json: Any = None
    is_json: bool = False
    content_type: str = ""
    size: int = 0
    retry_after: str | None = None
    answered_at: str = ""
    sent: Sent | None = None


Step = Call | Pause | Inspect
Plan = Generator[Step, Reply | None, T]


def ask(call: Call) -> Plan[Reply]:
    """Yield one call and return its reply; transport errors are thrown in here by the driver."""
    reply = yield call
    if reply is None:  # a driver that forgets the reply is a defect of the driver
        raise TypeError("the driver sent no reply for a call")
    return reply


def look(inspect: Inspect) -> Plan[None]:
    """Yield one look at a file; InputRefused is thrown in here when it cannot be submitted."""
    yield inspect


def nap(seconds: float, jitter: float = 0.0) -> Plan[None]:
    """Yield one pause; DeadlineExceeded is thrown in here when it would pass the deadline."""
    yield Pause(seconds, jitter)
