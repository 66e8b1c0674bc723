"""Uploaded files for the length of their request: a private folder on this machine, emptied whatever happens.

The folder is made for the first upload. What a killed server left in its own is removed by the next one that makes one;
a lock in the folder tells which servers live.
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from connector.errors import StateError

NAME: Final = "spectra-serve-"
LOCK: Final = "lock"
SETTLED_SECONDS: Final = 60.0  # a younger folder may be about to be locked
_FOLDER_MODE: Final = 0o700
_MODE: Final = 0o600
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Spool:
    """The folder of one server (mode 0700, under a name that cannot be guessed); each request has its own below it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir()).resolve() / f"{NAME}{secrets.token_hex(16)}"
        self._turn = threading.Lock()
        self._lock: int | None = None

    @contextmanager
    def file(self) -> Iterator["Spooled"]:
        """A new file to write to, which is gone when the block ends.

        Raises:
            StateError: where it cannot be made; nothing was sent.
        """
        try:
            self._make()
            folder = Path(tempfile.mkdtemp(dir=self.folder))
        except OSError as problem:
            raise _unusable(problem) from None
        try:
            with Spooled(folder / "upload") as spooled:
                yield spooled
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _make(self) -> None:
        """Make the folder and hold its lock, once; and remove what killed servers left."""
        with self._turn:
            if self._lock is not None:
                return
            self.folder.mkdir(mode=_FOLDER_MODE)
            self._lock = os.open(self.folder / LOCK, _NEW, _MODE)
            _locked(self._lock)
            for left in self.folder.parent.glob(f"{NAME}*"):
                if _is_left(left):
                    shutil.rmtree(left, ignore_errors=True)

    def holds(self, path: Path) -> bool:
        """Whether a path leads in here, by its letters or through links."""
        place = os.path.abspath(path.expanduser())  # noqa: PTH100  # removes ..
        return any(Path(one).is_relative_to(self.folder) for one in (place, os.path.realpath(place)))

    async def close(self) -> None:
        """Remove the folder; nothing else holds a file in it."""
        with self._turn:
            if self._lock is not None:
                await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
                os.close(self._lock)
                self._lock = None


def _locked(descriptor: int) -> bool:
    """Whether this took the lock, which lasts until its process ends."""
    try:
        import fcntl  # noqa: PLC0415  # not on every system; without it, what a killed server left stays there

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _is_left(folder: Path) -> bool:
    """Whether a folder is of this user, of no living server, and no link to anything else."""
    try:
        found = folder.lstat()
        own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if not own or time.time() - found.st_mtime < SETTLED_SECONDS:
            return False
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except (OSError, AttributeError):  # AttributeError: a platform without users or such links
        return False
    try:
        return _locked(descriptor)
    finally:
        os.close(descriptor)


class Spooled:
    """One uploaded file, hashed as it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        try:
            self._stream = os.fdopen(os.open(path, _NEW, _MODE), "wb")
        except OSError as problem:
            raise _unusable(problem) from None

    def write(self, piece: bytes) -> None:
        self._sha1.update(piece)
        try:
            self._stream.write(piece)
        except OSError as problem:
            raise _unusable(problem) from None

    def done(self) -> Path:
        """The path of the whole file; its name is the SHA-1 of its bytes, as of a file without a name.

        Raises:
            StateError: where not all of it could be kept.
        """
        named = self.path.with_name(self._sha1.hexdigest())
        try:
            self._stream.close()
            self.path = self.path.rename(named)
        except OSError as problem:
            raise _unusable(problem) from None
        return self.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):  # what was not kept is told by done()
            self._stream.close()


def _unusable(problem: OSError) -> StateError:
    why = problem.strerror or "the system gives no reason"
    return StateError(
        f"the upload could not be kept on the server's disk ({why}); nothing was sent",
        hint="free space in the folder for temporary files (TMPDIR) of the server",
    )
