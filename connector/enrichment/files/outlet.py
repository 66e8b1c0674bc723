"""Standard output, a FIFO or a device as the place of lines: as fast as they are taken, and the loop is never held."""

import asyncio
import os
import select
import stat
from contextlib import suppress
from errno import ENXIO
from pathlib import Path
from typing import Final

from connector.enrichment.files.durable import write_all
from connector.enrichment.files.failing import unusable
from connector.errors import StateError

PIECE: Final = 4096  # PIPE_BUF: a pipe that is ready takes so much without waiting (pipe(7))
PATIENCE: Final = 0.1
_HINT: Final = "see to what takes the output, then run the same command again"


async def open_fifo(path: Path) -> int:
    """A descriptor to write to; a FIFO waits here for its reader."""
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as problem:
            if problem.errno != ENXIO:
                raise unusable("the output", path, problem, "opened", _HINT) from None
        await asyncio.sleep(PATIENCE)


class Outlet:
    """Writes to a descriptor that keeps no place; it is closed with it where it is ``own``."""

    def __init__(self, descriptor: int, *, own: bool) -> None:
        self._descriptor = descriptor
        self._own = own
        try:
            self._waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        except OSError:
            raise StateError("standard output is closed; name a file with the option output") from None
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    async def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            StateError: when whoever read it is gone, or the disk behind it is full.
        """
        try:
            if self._waits:
                await self._write_slowly(memoryview(data))
            else:
                write_all(self._descriptor, data)
        except BrokenPipeError:
            raise StateError("what read the output has ended; nothing more was written", hint=_HINT) from None
        except OSError as problem:
            raise unusable("the output", None, problem, "written", _HINT) from None

    async def _write_slowly(self, rest: memoryview) -> None:
        while rest:
            if not self._poll.poll(0):
                await self._writable()
            with suppress(BlockingIOError):
                rest = rest[os.write(self._descriptor, rest[:PIECE]) :]

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._descriptor)

    def close(self) -> None:
        if self._own:
            os.close(self._descriptor)
