"""A file that is only added to: locked for one writer, and cut back to what was committed when a run goes on.

A place is ``{"length": bytes, "tail": ..., "inode": ...}``; tail and inode tell that the file is still the one that was
written then.
"""

import asyncio
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from connector.enrichment.files import lock
from connector.enrichment.files.durable import write_all
from connector.enrichment.files.failing import shown, unusable
from connector.errors import StateError
from connector.journal_place import sync_folder

TAIL: Final = 1024
_PIECE: Final = 1 << 16
_HINT: Final = "see to the disk and the rights there, then run the same command again: it goes on from its checkpoint"
_sync = getattr(os, "fdatasync", os.fsync)


class Appended:
    """``what`` names the file in errors; ``durable`` False leaves it to the system when bytes reach the disk.

    ``length`` is how far whole writes go. A device is written to as it is, without lock and length.
    """

    def __init__(self, path: Path, what: str, *, durable: bool = True) -> None:
        self.path = path
        self.what = what
        self.length = 0
        self.regular = True
        self._durable = durable
        self._descriptor: int | None = None
        self._named = False  # its name is on the disk

    @property
    def is_open(self) -> bool:
        return self._descriptor is not None

    def open(self) -> None:
        """Open it, or make it; ``length`` is then all that it holds.

        Raises:
            StateError: when that cannot be done, or another process writes it.
        """
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as problem:
            raise unusable(self.what, self.path, problem, "opened", _HINT) from None
        found = os.fstat(self._descriptor)
        self.regular = stat.S_ISREG(found.st_mode)
        if not self.regular:
            return
        if not lock.take(self._descriptor):
            self.close()
            raise StateError(
                f"{self.what} {shown(self.path)} is in use by another run",
                hint="wait until that run ended, or name another file",
            )
        self.length = os.lseek(self._descriptor, 0, os.SEEK_END)

    def head(self, size: int) -> bytes:
        """How it begins."""
        return os.pread(self._fd, size, 0)

    def holds(self, place: Mapping[str, Any]) -> bool:
        """Whether everything that was committed at a place is there; nothing was, in this very file, or it shows."""
        length = place.get("length")
        if type(length) is not int or not 0 <= length <= self.length:
            return False
        return self._tail(length) == place.get("tail") if length else self._inode == place.get("inode")

    def _tail(self, length: int) -> str:
        start = max(0, length - TAIL)
        return sha256(os.pread(self._fd, length - start, start)).hexdigest()[:32]

    def ends_with_line(self) -> bool:
        return not self.length or os.pread(self._fd, 1, self.length - 1) == b"\n"

    def last_line(self) -> int:
        """The offset behind the last line end."""
        end = self.length
        while end:
            start = max(0, end - _PIECE)
            at = os.pread(self._fd, end - start, start).rfind(b"\n")
            if at >= 0:
                return start + at + 1
            end = start
        return 0

    def cut(self, length: int) -> None:
        """Leave only so many bytes."""
        try:
            os.ftruncate(self._fd, length)
        except OSError as problem:
            raise unusable(self.what, self.path, problem, "cut back to what was committed", _HINT) from None
        self.length = os.lseek(self._fd, length, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Add all of it, or nothing.

        Raises:
            StateError: when the disk does not take it; what it took of it is cut off again.
        """
        try:
            self.length += write_all(self._fd, data)
        except OSError as problem:
            if self.regular:
                with suppress(OSError):
                    os.ftruncate(self._fd, self.length)
            raise unusable(self.what, self.path, problem, "written", _HINT) from None

    async def sync(self) -> dict[str, Any]:
        """Make durable what was written; the place to go on from."""
        if not self.regular:
            return {}
        if self._durable:
            try:
                await asyncio.to_thread(_sync, self._fd)
            except OSError as problem:
                raise unusable(self.what, self.path, problem, "made durable", _HINT) from None
            if not self._named:
                sync_folder(self.path.absolute().parent)
                self._named = True
        return {"length": self.length, "tail": self._tail(self.length), "inode": self._inode}

    @property
    def _inode(self) -> int:
        return os.fstat(self._fd).st_ino

    def close(self) -> None:
        """Let others write it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def _fd(self) -> int:
        assert self._descriptor is not None, "open comes first"  # noqa: S101
        return self._descriptor
