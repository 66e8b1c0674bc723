"""Lines to a file, exactly once over any number of crashes, or to standard output.

A file is cut back to what the checkpoint knows before a run goes on, so what was written after it is not there twice.
A file that holds something, and of which no checkpoint knows, is never mixed with a new run unless that is asked for.
"""

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from connector.enrichment.files.appended import Appended
from connector.enrichment.files.failing import shown, unusable
from connector.enrichment.files.outlet import Outlet, open_fifo
from connector.enrichment.values import Output, Refusal
from connector.errors import StateError

STDOUT: Final = 1


class FileSink:
    """Lines to the file at ``path``, None for standard output; ``append`` writes behind what is there.

    ``durable`` False leaves it to the system when lines reach the disk.
    """

    def __init__(self, path: Path | None, *, append: bool = False, durable: bool = True) -> None:
        self._path = path
        self._append = append
        self._file = Appended(path, "the output", durable=durable) if path is not None else None
        self._outlet: Outlet | None = None

    async def open(self, place: Any) -> None:
        """Begin, or go on at ``place``.

        Raises:
            StateError: when it cannot be written, another run writes it, or it holds what this run did not write.
        """
        if self._path is None or self._file is None:
            self._outlet = Outlet(STDOUT, own=False)
        elif _is_special(self._path):
            self._outlet = Outlet(await open_fifo(self._path), own=True)
        elif place:
            self._go_on(self._file, self._path, place)
        else:
            self._begin(self._file, self._path)

    def _go_on(self, file: Appended, path: Path, place: Any) -> None:
        if path.exists():
            file.open()
            if isinstance(place, dict) and file.holds(place):
                file.cut(place["length"])
                return
            file.close()
        if not self._append:
            raise StateError(
                f"the output {shown(path)} is gone, or is not as the checkpoint knows it; nothing was written",
                hint="put it back, or go on behind what is there with append, or remove the checkpoint to begin anew",
            )
        self._begin(file, path)

    def _begin(self, file: Appended, path: Path) -> None:
        file.open()
        if file.length and not self._append:
            file.close()
            raise StateError(
                f"the output {shown(path)} holds something already, and no checkpoint says where to go on; "
                "nothing was written",
                hint="name another output, or write behind what is there with append",
            )
        if not file.ends_with_line():
            file.write(b"\n")

    async def write(self, output: Output) -> Sequence[Refusal]:
        """Add the lines; a file refuses none.

        Raises:
            StateError: when the disk is full, or whoever reads standard output has ended.
        """
        data = b"\n".join([*output.lines, b""])
        if self._outlet is not None:
            await self._outlet.write(data)
        elif self._file is not None:
            self._file.write(data)
        return ()

    async def sync(self) -> Any:
        """Make durable what was written. Standard output keeps no place."""
        if self._outlet is not None or self._file is None:
            return None
        return await self._file.sync()

    async def close(self) -> None:
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None
        if self._file is not None:
            self._file.close()


def _is_special(path: Path) -> bool:
    """Whether it is there and is no regular file; a folder is left to what opens it."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except OSError as problem:
        raise unusable("the output", path, problem, "opened", "see to the rights of its folder") from None
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
