"""A log that is followed as it grows, through its rotations: the old file to its end, then the new one.

A file that was renamed is read on until a new one stands in its place and holds something, and the old one was silent
for a while: its writer may not know yet. A file that was cut (logrotate's copytruncate) is read from its beginning;
what is cut off before it could be read is lost, with any reader. A line is an event when its end is there.
"""

import asyncio
import os
import stat
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from connector.enrichment.files.blocks import FileBlocks, open_file
from connector.enrichment.files.failing import shown
from connector.enrichment.files.lines import LONGEST, Lines, NoSpill, Spill, Splitter
from connector.enrichment.files.rotated import rotated
from connector.enrichment.files.spill import too_long
from connector.enrichment.files.standing import (
    HEAD,
    Standing,
    begins_with,
    fingerprint,
    mark_of,
    read_standing,
)
from connector.enrichment.values import Batch, Failure
from connector.errors import StateError

EVERY: Final = 0.25  # seconds between two looks
QUIET: Final = 4  # looks in a row that found nothing new in a file that was renamed


@dataclass(slots=True)
class _Log:
    """One file of the log, open."""

    blocks: FileBlocks
    inode: int
    head: bytes

    @classmethod
    def open(cls, path: Path) -> "_Log":
        descriptor, found = open_file(path)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise StateError(f"the input {shown(path)} is no file that grows; leave out the option follow")
        blocks = FileBlocks(descriptor, path)
        return cls(blocks, found.st_ino, blocks.head)

    @property
    def found(self) -> os.stat_result:
        return os.fstat(self.blocks.descriptor)

    def was_cut(self, consumed: int) -> bool:
        """Whether it was cut since, and perhaps written anew."""
        return self.found.st_size < consumed or not self.blocks.head.startswith(self.head)

    def see(self) -> None:
        """Take in how it begins, while that still grows."""
        if len(self.head) < HEAD:
            head = self.blocks.head
            self.head = head if head.startswith(self.head) else self.head

    def holds(self, standing: Standing) -> bool:
        return begins_with(standing.fingerprint, self.head) and self.found.st_size >= standing.offset


class FollowSource:
    """The events of a log that grows. It need not be there yet; ``sleep`` waits between two looks."""

    def __init__(
        self,
        path: Path,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        every: float = EVERY,
        longest: int = LONGEST,
        spill: Spill | None = None,
    ) -> None:
        self._path = path.absolute()
        self._sleep, self._every = sleep, every
        self._longest, self._spill = longest, spill or NoSpill()
        self._splitter = Splitter(longest, self._spill)
        self._log: _Log | None = None
        self._older: deque[_Log] = deque()  # those to be read to their end first, and the one of today
        self._quiet = 0
        self._mark = ""
        self._stopped = False

    @property
    def origin(self) -> str:
        return f"file:{self._path}#{self._mark}"

    async def open(self, position: Any) -> None:
        """Begin with the whole file, or go on after ``position``, in a file that was rotated since if need be.

        Raises:
            StateError: when the file that ``position`` is of is nowhere to be found.
        """
        if position is None:
            return
        standing = read_standing(position)
        self._mark = standing.mark
        self._splitter.number = standing.number
        self._older = deque(self._find(standing))
        if self._older:
            self._begin(self._older.popleft(), standing.offset)

    def _find(self, standing: Standing) -> list[_Log]:
        """The file of a standing and those that came after it."""
        logs = [_Log.open(path) for path in (*rotated(self._path), self._path) if path.exists()]
        same = [n for n, log in enumerate(logs) if log.holds(standing)]
        own = [n for n in same if logs[n].inode == standing.inode]
        first = next(iter(own or same), None)
        if first is None and standing.offset == 0:
            first = max(0, len(logs) - 1)
        for log in logs if first is None else logs[:first]:
            log.blocks.close()
        if first is None:
            raise StateError(
                f"the input {shown(self._path)} was rotated, and the file that the checkpoint is of is not beside it",
                hint="put it back, unpacked, beside the new one; or remove the checkpoint to begin with the new one",
            )
        return logs[first:]

    def stop(self) -> None:
        self._stopped = True

    async def done(self, batches: Sequence[Batch]) -> None:
        """Nothing to tell anybody."""

    async def close(self) -> None:
        for log in (self._log, *self._older):
            if log is not None:
                log.blocks.close()
        self._log = None
        self._older.clear()

    async def batches(self) -> AsyncIterator[Batch | None]:
        while not self._is_over():
            made = self._more()
            for lines in made or ():
                if self._is_over():
                    return
                yield self._batch(lines)
            if not made:
                yield None
            if made is None and not self._is_over():
                await self._sleep(self._every)
                turned = self._look()
                if turned is not None:
                    yield turned

    def _is_over(self) -> bool:
        return self._stopped

    def _more(self) -> list[Lines] | None:
        """Lines that end in the next block; None where no more is there."""
        if self._log is None:
            self._log = self._appeared()
        if self._log is None:
            return None
        block = self._log.blocks.take()
        if not block:
            return None
        self._quiet = 0
        self._log.see()
        return self._splitter.feed(block)

    def _appeared(self) -> _Log | None:
        try:
            log = _Log.open(self._path)
        except StateError:
            if self._path.exists():
                raise
            return None
        self._mark = self._mark or mark_of(log.head, log.found)
        return log

    def _look(self) -> Batch | None:
        """See what became of the file after a wait: a batch where another one begins, or the same one anew."""
        if self._log is None:
            return None
        if self._log.was_cut(self._splitter.consumed):
            self._log.head = self._log.blocks.head
            return self._turn(self._log)
        self._quiet += 1
        if self._quiet < QUIET or self._log.found.st_size > self._splitter.consumed:
            return None
        following = self._following(self._log)
        if following is None:
            return None
        self._log.blocks.close()
        return self._turn(following)

    def _following(self, log: _Log) -> _Log | None:
        """The file that comes after this one: it stands in its place, and holds something."""
        if self._older:
            return self._older.popleft()
        try:
            found = self._path.stat()
        except OSError:
            return None
        return self._appeared() if found.st_ino != log.inode and found.st_size > 0 else None

    def _turn(self, log: _Log) -> Batch:
        """Begin with a file. The batch moves the checkpoint there, and holds a last line whose end can never come."""
        number, last = self._splitter.number, self._splitter.flush()
        self._begin(log, 0)
        lines = last[0] if last else Lines([], number, 0)
        return self._batch(lines._replace(end=0))

    def _begin(self, log: _Log, offset: int) -> None:
        self._log, self._quiet = log, 0
        log.blocks.seek(offset)
        self._splitter = Splitter(self._longest, self._spill, offset, self._splitter.number)

    def _batch(self, lines: Lines) -> Batch:
        assert self._log is not None, "lines come from a file"  # noqa: S101
        broken: dict[int, Failure] | None = None
        if lines.overlong is not None:
            broken = {0: too_long(lines.overlong, self._longest)}
        number = lines.number + len(lines.events)
        standing = Standing(lines.end, number, self._log.inode, fingerprint(self._log.head), self._mark)
        return Batch(lines.events, standing.as_dict(), self.origin, lines.number, broken=broken)
