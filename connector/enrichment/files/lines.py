"""Blocks of bytes to lines, with exact offsets: a line ends with LF or CR LF, and an empty line is no event.

A line longer than ``longest`` is not collected: its bytes go on in pieces to a spill, and its beginning stands for it.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

LONGEST: Final = 1 << 20  # bytes of a line, without its LF
MOST: Final = 1000  # lines of one batch
HEAD: Final = 1024  # bytes that stand for a line that is too long


class Spill(Protocol):
    """Where the bytes of a line go that is too long."""

    def take(self, piece: bytes) -> None: ...

    def end(self) -> str | None:
        """The line is whole: what names its bytes now, or None where they were not kept."""
        ...


class NoSpill:
    """Keeps nothing."""

    def take(self, piece: bytes) -> None: ...

    def end(self) -> str | None:
        return None


class Overlong(NamedTuple):
    """A line that is too long: where it begins, its bytes, and what the spill calls them."""

    start: int
    length: int
    kept: str | None


class Lines(NamedTuple):
    """Events, the number of the first one from the beginning, and the offset just behind them all."""

    events: list[bytes]
    number: int
    end: int
    overlong: Overlong | None = None  # then it is the only event


@dataclass(slots=True)
class Splitter:
    """Takes blocks in order; ``offset`` is where the first line begins that was not given out, ``number`` is its."""

    longest: int = LONGEST
    spill: Spill = field(default_factory=NoSpill)
    offset: int = 0
    number: int = 0
    _tail: bytearray = field(default_factory=bytearray)
    _spilled: int = 0  # bytes of the line that goes to the spill just now
    _head: bytes = b""

    @property
    def consumed(self) -> int:
        """The offset of the next byte to be fed."""
        return self.offset + self._spilled + len(self._tail)

    def feed(self, block: bytes) -> list[Lines]:
        """The lines that end in this block."""
        made: list[Lines] = []
        if self._spilled:
            rest, found, block = block.partition(b"\n")
            self._take(rest)
            if not found:
                return made
            made.append(self._end_overlong(1))
        if b"\n" not in block:  # a tail grows without being copied each time
            self._tail += block
        else:
            data = bytes(self._tail) + block if self._tail else block
            lines = data.split(b"\n")
            self._tail = bytearray(lines.pop())
            made += self._lines(lines, len(data), b"\r" in data)
        if len(self._tail) > self.longest:
            self._take(bytes(self._tail))
            self._tail.clear()
        return made

    def flush(self) -> list[Lines]:
        """The last line, which no LF ends; nothing follows."""
        if self._spilled:
            return [self._end_overlong(0)]
        line = bytes(self._tail)
        self._tail.clear()
        self.offset += len(line)
        return self._given([line.removesuffix(b"\r")])

    def _lines(self, lines: list[bytes], size: int, returns: bool) -> list[Lines]:
        if size <= self.longest or max(map(len, lines)) <= self.longest:
            return self._parted(lines, returns)
        made: list[Lines] = []
        began = 0
        for n, line in enumerate(lines):
            if len(line) > self.longest:
                made += self._parted(lines[began:n], returns)
                self._take(line)
                made.append(self._end_overlong(1))
                began = n + 1
        return made + self._parted(lines[began:], returns)

    def _parted(self, lines: list[bytes], returns: bool) -> list[Lines]:
        """At most MOST lines together; no work for each line in Python where none ends with CR LF."""
        made: list[Lines] = []
        for start in range(0, len(lines), MOST):
            part = lines[start : start + MOST] if len(lines) > MOST else lines
            self.offset += sum(map(len, part)) + len(part)
            made += self._given([line.removesuffix(b"\r") for line in part] if returns else part)
        return made

    def _given(self, events: list[bytes]) -> list[Lines]:
        if not all(events):
            events = [event for event in events if event]
        if not events:
            return []
        first, self.number = self.number, self.number + len(events)
        return [Lines(events, first, self.offset)]

    def _take(self, piece: bytes) -> None:
        if len(self._head) < HEAD:
            self._head += piece[: HEAD - len(self._head)]
        self._spilled += len(piece)
        self.spill.take(piece)

    def _end_overlong(self, behind: int) -> Lines:
        overlong = Overlong(self.offset, self._spilled, self.spill.end())
        self.offset += self._spilled + behind
        self.number += 1
        head, self._head, self._spilled = self._head, b"", 0
        return Lines([head], self.number - 1, self.offset, overlong)
