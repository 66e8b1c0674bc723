"""Where blocks of bytes come from: a file, read without waiting, or a pipe that others write to at their pace."""

import asyncio
import os
import select
import stat
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import Final, Protocol
from zlib import error as ZlibError  # noqa: N812  # named like the exceptions that it stands among

from connector.enrichment.files.failing import shown, unusable
from connector.enrichment.files.standing import HEAD
from connector.errors import StateError

BLOCK: Final = 1 << 18
IDLE: Final = 0.2  # seconds that a pipe may be silent before it is said that nothing is there
_HINT: Final = "see to the file and its rights; the same command goes on where it stopped"


class Blocks(Protocol):
    """Bytes in order."""

    async def read(self) -> bytes | None:
        """What is there, BLOCK bytes at most: nothing at the end, None where there may be more later.

        Raises:
            StateError: when it cannot be read.
        """
        ...

    def wake(self) -> None:
        """Let a read that waits end now."""
        ...

    def close(self) -> None: ...


def open_file(path: Path) -> tuple[int, os.stat_result]:
    """A descriptor of a file that is read, and what it is; a FIFO does not wait for its writer here.

    Raises:
        StateError: when it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except OSError as problem:
        raise unusable("the input", path, problem, "read", _HINT) from None
    found = os.fstat(descriptor)
    if stat.S_ISDIR(found.st_mode):
        os.close(descriptor)
        raise StateError(f"the input {shown(path)} is a folder; name one of the files in it")
    return descriptor, found


class FileBlocks:
    """A file of the disk, from its beginning; ``descriptor`` is closed with it."""

    def __init__(self, descriptor: int, path: Path | None = None) -> None:
        self.descriptor = descriptor
        self._path = path

    @property
    def head(self) -> bytes:
        """How it begins."""
        return os.pread(self.descriptor, HEAD, 0)

    async def read(self) -> bytes:
        return self.take()

    def take(self) -> bytes:
        """What is there, without waiting."""
        try:
            return os.read(self.descriptor, BLOCK)
        except OSError as problem:
            raise unusable("the input", self._path, problem, "read", _HINT) from None

    def seek(self, offset: int) -> bool:
        """Go to a place in it; False where it ends before."""
        if os.fstat(self.descriptor).st_size < offset:
            return False
        os.lseek(self.descriptor, offset, os.SEEK_SET)
        return True

    def wake(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        os.close(self.descriptor)


class GzipBlocks(FileBlocks):
    """A file that gzip packed, unpacked on the way; to go on at an offset, it is unpacked up to there again."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, path)
        self._packed = os.fdopen(descriptor, "rb", buffering=BLOCK)
        self._plain = GzipFile(fileobj=self._packed)

    def take(self) -> bytes:
        try:
            return self._plain.read1(BLOCK)
        except (BadGzipFile, EOFError, ZlibError):
            raise StateError(
                "the input is damaged, or ends before gzip ended it; what was read up to there is written",
                hint="fetch the whole file again; the same command goes on where it stopped",
            ) from None
        except OSError as problem:
            raise unusable("the input", self._path, problem, "read", _HINT) from None

    def seek(self, offset: int) -> bool:
        left = offset
        while left > 0:
            piece = self._plain.read1(min(BLOCK, left))
            if not piece:
                return False
            left -= len(piece)
        return True

    def close(self) -> None:
        self._plain.close()
        self._packed.close()


class PipeBlocks:
    """A pipe, a terminal or a socket: what is there is taken at once, and the loop is never held."""

    def __init__(self, descriptor: int, *, own: bool) -> None:
        self.descriptor = descriptor
        self._own = own
        self._woken = asyncio.Event()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    async def read(self) -> bytes | None:
        if not self._poll.poll(0) and not await self._wait():
            return None
        pieces: list[bytes] = []
        size = 0
        while size < BLOCK and self._poll.poll(0):
            try:
                piece = os.read(self.descriptor, BLOCK - size)
            except BlockingIOError:  # somebody else took it
                break
            except OSError as problem:
                raise unusable("the input", None, problem, "read", _HINT) from None
            if not piece:
                return b"".join(pieces)  # the end, or what came before it
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces) or None

    async def _wait(self) -> bool:
        loop = asyncio.get_running_loop()
        self._woken.clear()
        loop.add_reader(self.descriptor, self._woken.set)
        try:
            await asyncio.wait_for(self._woken.wait(), IDLE)
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self.descriptor)
        return True

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        if self._own:
            os.close(self.descriptor)
