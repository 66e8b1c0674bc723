"""Where events come from and where they go, as small interfaces; every source, sink, cache and limiter is one of these.

A source or sink raises StateError where it cannot go on for good (its place cannot be read or written; what to do is
in the message) and Unreachable while the other side is away: the pipeline then waits and tries again.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from connector.enrichment.values import Batch, Finding, Found, Output, Refusal


class Source(Protocol):
    """Events in batches. One batch holds what is there now, up to a bound: a follower never waits for more."""

    @property
    def origin(self) -> str:
        """What names this source in event ids; the same after a restart."""
        ...

    async def open(self, position: Any) -> None:
        """Begin after ``position`` (None: at the beginning, or where the broker remembers)."""
        ...

    def batches(self) -> AsyncIterator[Batch | None]:
        """Batches until the end, or until ``stop``. None says that nothing is there now: a moment to tidy up."""
        ...

    def stop(self) -> None:
        """Bring nothing more; ``batches`` ends soon. Safe to call from a signal handler on the loop."""
        ...

    async def done(self, batches: Sequence[Batch]) -> None:
        """These are out and durable: the broker may forget them. Called in the order of completion."""
        ...

    async def close(self) -> None: ...


class Sink(Protocol):
    """Where lines go. At-least-once: what was written before a crash may come again, with the same event id."""

    async def open(self, place: Any) -> None:
        """Begin; ``place`` is what ``sync`` said last, or None. A file is cut back to it."""
        ...

    async def write(self, output: Output) -> Sequence[Refusal]:
        """Write lines in order; those refused for good are named, the others are taken."""
        ...

    async def sync(self) -> Any:
        """Make what was written durable; says how far the sink is, plain JSON data, or None where it keeps no place."""
        ...

    async def close(self) -> None: ...


class Cache(Protocol):
    """Findings that outlive a batch. Never raises for what it cannot read: a cache that is away is an empty one."""

    async def get(self, subjects: Sequence[str]) -> Mapping[str, Finding]:
        """Those that are there and still to be used."""
        ...

    async def put(self, findings: Sequence[Finding]) -> None: ...

    async def close(self) -> None: ...


class Limiter(Protocol):
    """When the next look-up may go, for all workers that share it."""

    async def take(self) -> float:
        """Take a permit: 0.0 where it was given, else the seconds after which to ask again (nothing was taken)."""
        ...

    async def pause(self, seconds: float) -> None:
        """Let nobody go for so long, as the appliance asked; never shortens a longer pause."""
        ...

    async def left(self) -> int | None:
        """What is left of the daily quota, or None where none is set."""
        ...

    async def close(self) -> None: ...


class Format(Protocol):
    """How a SIEM wants to be told. One of two kinds: events with the verdict in them, or documents made of verdicts."""

    @property
    def suffix(self) -> str:
        """What ends the name of a file of this format, such as .ndjson."""
        ...

    def render(self, found: Found, finding: Finding) -> bytes:
        """What this finding adds to an event, or the document of it; kept and used again for the same pair.

        Empty where there is nothing to say. Called with findings that have a verdict only.
        """
        ...

    def dress(self, raw: bytes, event: Mapping[str, Any], rendered: Sequence[bytes]) -> Sequence[bytes]:
        """The lines for one event; ``raw`` is the event as it came, ``rendered`` holds at least one piece.

        A format of events gives one line: the event with the pieces in it, all else untouched. A format of documents
        gives the documents themselves.
        """
        ...

    @property
    def keeps_events(self) -> bool:
        """True for a format of events: an event without a finding is written as it came. Documents: it is left out."""
        ...


@runtime_checkable
class Packing(Protocol):
    """A format whose lines leave in bodies of its own making."""

    @property
    def content_type(self) -> str: ...

    def pack(self, lines: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """Bodies, in order, each with the number of lines that are in it."""
        ...

    def refused(self, status: int, body: bytes) -> list[tuple[int, str]]:
        """What an answer of success says was not taken all the same: the place in the body, and why."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A format of events whose one piece can be told at the end of an event that has none of ``members``."""

    @property
    def members(self) -> tuple[str, ...]: ...

    def closing(self, piece: bytes) -> bytes:
        """What takes the place of the closing brace of an object that is not empty; same as ``dress`` would do."""
        ...
