"""Who runs an operation, and whether that one still lives: a lock on a file of its own, which ends with its process.

A process number says nothing once the system gives it to another process, and nothing in another container. A lock that
the kernel holds (flock) says it in both: each owner holds one on ``owners/<uuid>`` for as long as it lives, so an owner
is alive if its file is there and cannot be locked. The folder must lie on a file system that all its users share one
kernel for; a network share is no such place. Where flock is missing (Windows), the open file itself is the lock: there
a file that a process holds open cannot be removed.
"""

import os
import re
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

from connector.journal_place import AWAY, FILE_MODE, Unusable, make_folder

_TEXT: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,20})")
_ATTEMPTS: Final = 5


class Owner:
    """One open journal as an owner of operations. Not safe between threads; the journal takes turns."""

    def __init__(self, folder: Path | None) -> None:
        """``folder`` is where the locks are; None for a journal in memory, which knows no other owner."""
        self._folder = folder
        self._process = os.getpid()
        self._uuid = str(uuid4())
        self._held: FileIO | None = None

    def hold(self) -> str:
        """Take the lock, once, and give this owner's text, ``<uuid>:<process>``.

        Raises:
            OSError: when the file cannot be made or locked.
            Unusable: when its folder is not to be trusted.
        """
        if self._folder is not None and self._held is None:
            make_folder(self._folder)
            for _ in range(_ATTEMPTS):
                self._uuid = str(uuid4())
                self._held = _locked(self._folder / self._uuid)
                if self._held is not None:
                    break
            else:
                raise OSError("the lock of a new file is taken")
        return f"{self._uuid}:{self._process}"

    def is_mine(self, text: str | None) -> bool:
        return text is not None and self._parts(text)[0] == self._uuid

    def is_alive(self, text: str | None) -> bool:
        """Whether the owner of this text lives, this one included; a dead one's file is removed.

        Raises:
            OSError: when that cannot be found out.
            Unusable: when it is no owner's text.
        """
        if text is None:
            return False
        uuid = self._parts(text)[0]
        if uuid == self._uuid or self._folder is None:
            return uuid == self._uuid
        return _lives(self._folder / uuid)

    def process_of(self, text: str | None) -> str:
        """The process number in an owner's text; it is for reading only."""
        return self._parts(text)[1] if text else ""

    def sweep(self) -> None:
        """Remove the files of owners that died, where they can be told apart from other files."""
        if self._folder is None or not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if _TEXT.fullmatch(f"{path.name}:0") and path.name != self._uuid:
                with suppress(OSError):
                    _lives(path)

    def close(self) -> None:
        """Let go of the lock and remove its file; in a forked child both stay with the parent."""
        if self._held is None or self._folder is None:
            return
        self._held.close()
        self._held = None
        if os.getpid() == self._process:
            with suppress(OSError):
                (self._folder / self._uuid).unlink()

    @staticmethod
    def _parts(text: str) -> tuple[str, str]:
        found = _TEXT.fullmatch(text)
        if found is None:
            raise Unusable("the journal is damaged: it names an owner that is none", AWAY)
        return found[1], found[2]


def _locked(path: Path) -> FileIO | None:
    """A new file with its lock, or None where one that swept the folder came between."""
    made = FileIO(path, "x+", opener=_opener)
    try:
        if _lock(made.fileno(), "alone") is not False and path.exists():
            return made
    except BaseException:
        made.close()
        path.unlink()
        raise
    made.close()
    path.unlink(missing_ok=True)
    return None


def _lives(path: Path) -> bool:
    try:
        with FileIO(path, "r+", opener=_opener) as other:
            locked = _lock(other.fileno(), "shared")
            if locked:
                path.unlink(missing_ok=True)  # under the lock: nobody can have taken it meanwhile
            if locked is not None:
                return not locked
    except FileNotFoundError:
        return False
    try:
        path.unlink(missing_ok=True)
    except PermissionError:  # somebody holds it open
        return True
    return False


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), FILE_MODE)


def _lock(descriptor: int, how: Literal["alone", "shared"]) -> bool | None:
    """Lock an open file without waiting; None where there are no such locks."""
    try:
        import fcntl  # noqa: PLC0415  # not on every system
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_NB | (fcntl.LOCK_EX if how == "alone" else fcntl.LOCK_SH))
    except BlockingIOError:
        return False
    return True
