"""A file, or standard input, as a source of events: one a line.

A file goes on where a checkpoint says, if it is still the file that the checkpoint knows. What names it in the ids of
events is its path and a mark of its content, so that other events under the same path never pass for these.
"""

import os
import secrets
import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from connector.enrichment.files.blocks import Blocks, FileBlocks, GzipBlocks, PipeBlocks, open_file
from connector.enrichment.files.failing import shown
from connector.enrichment.files.lines import LONGEST, Lines, NoSpill, Spill, Splitter
from connector.enrichment.files.spill import too_long
from connector.enrichment.files.standing import Standing, begins_with, fingerprint, mark_of, read_standing
from connector.enrichment.values import Batch, Failure
from connector.errors import StateError

_STDIN: Final = 0


class _Reading:
    """What a file and standard input have in common: blocks to batches, until the end or ``stop``."""

    def __init__(self, longest: int, spill: Spill | None) -> None:
        self._longest = longest
        self._splitter = Splitter(longest, spill or NoSpill())
        self._blocks: Blocks | None = None
        self._stopped = False
        self._last = False  # what was read is given out even after ``stop``: nobody could read it again
        self._name = ""
        self._mark = ""

    @property
    def origin(self) -> str:
        return f"{self._name}#{self._mark}"

    def stop(self) -> None:
        self._stopped = True
        if self._blocks is not None:
            self._blocks.wake()

    async def done(self, batches: Sequence[Batch]) -> None:
        """Nothing to tell anybody."""

    async def close(self) -> None:
        if self._blocks is not None:
            self._blocks.close()
            self._blocks = None

    async def batches(self) -> AsyncIterator[Batch | None]:
        assert self._blocks is not None, "open comes first"  # noqa: S101
        origin, block = self.origin, None
        while not self._is_over():
            block = await self._blocks.read()
            if block == b"":
                break
            made = self._splitter.feed(block) if block else []
            for lines in made:
                if self._is_over() and not self._last:
                    return
                yield self._batch(lines, origin)
            if not made:
                yield None
        if block == b"" or self._last:
            for lines in self._splitter.flush():
                yield self._batch(lines, origin)

    def _is_over(self) -> bool:
        return self._stopped

    def _batch(self, lines: Lines, origin: str) -> Batch:
        broken: dict[int, Failure] | None = None
        if lines.overlong is not None:
            broken = {0: too_long(lines.overlong, self._longest)}
        position = self._position(lines.end, lines.number + len(lines.events))
        return Batch(lines.events, position, origin, lines.number, broken=broken)

    def _position(self, offset: int, number: int) -> Any:
        raise NotImplementedError


class FileSource(_Reading):
    """The events of one file, to its end; a ``.gz`` is unpacked on the way, and a FIFO is read like standard input.

    ``longest`` is the most bytes of an event; one that is longer goes to ``spill`` and comes as a broken event.
    """

    def __init__(self, path: Path, *, longest: int = LONGEST, spill: Spill | None = None) -> None:
        super().__init__(longest, spill)
        self._path = path
        self._name = f"file:{path.absolute()}"
        self._inode = 0
        self._head = fingerprint(b"")

    async def open(self, position: Any) -> None:
        """Begin, or go on after ``position``.

        Raises:
            StateError: when it cannot be read, or is not the file that ``position`` is of.
        """
        descriptor, found = open_file(self._path)
        if not stat.S_ISREG(found.st_mode):
            self._blocks, self._last = PipeBlocks(descriptor, own=True), True
            self._mark = secrets.token_hex(6)
            return
        packed = self._path.suffix == ".gz"
        self._blocks = blocks = GzipBlocks(descriptor, self._path) if packed else FileBlocks(descriptor, self._path)
        head = blocks.head
        self._inode, self._head, self._mark = found.st_ino, fingerprint(head), mark_of(head, found)
        if position is not None:
            self._go_on(blocks, read_standing(position), head)

    def _go_on(self, blocks: FileBlocks, standing: Standing, head: bytes) -> None:
        if not begins_with(standing.fingerprint, head) or not blocks.seek(standing.offset):
            raise StateError(
                f"the input {shown(self._path)} is not the file that the checkpoint is of: it begins otherwise, "
                "or is shorter",
                hint="put that file back, or remove the checkpoint to begin anew with this one",
            )
        self._head, self._mark = standing.fingerprint, standing.mark
        self._splitter.offset, self._splitter.number = standing.offset, standing.number

    def _position(self, offset: int, number: int) -> dict[str, Any]:
        if self._last:  # a FIFO
            return {"number": number}
        return Standing(offset, number, self._inode, self._head, self._mark).as_dict()


class StdinSource(_Reading):
    """The events of standard input. What was read cannot be read again: after a restart it begins with what comes."""

    def __init__(self, *, descriptor: int = _STDIN, longest: int = LONGEST, spill: Spill | None = None) -> None:
        super().__init__(longest, spill)
        self._descriptor = descriptor
        self._name = "stdin"

    async def open(self, position: Any) -> None:
        """Begin; every run has a mark of its own, so its events never pass for those of another run."""
        self._mark = secrets.token_hex(6)
        try:
            regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        except OSError:
            raise StateError("standard input is closed; name a file with the option input") from None
        if regular:
            self._blocks = FileBlocks(os.dup(self._descriptor))
        else:
            self._blocks, self._last = PipeBlocks(self._descriptor, own=False), True

    def _position(self, offset: int, number: int) -> dict[str, Any]:
        return {"number": number}
