"""The manifest of a directory submission: a file of JSON lines that says what was begun and what became of it.

A line is on the disk before what it announces happens, so that a run can be killed at any point and taken up again.
The first line names the version and the appliance. A line that was torn by a kill or a full disk is cut off when the
file is opened; a file that is damaged in any other way is refused, never mended or wiped.
"""

import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from connector.errors import StateError
from connector.journal_place import sync_folder

NAME: Final = ".spectra-submit.jsonl"
VERSION: Final = 1
_OPENING: Final = b'{"manifest":"spectra-submit"'
_HINT: Final = "name another file with --manifest"


class ManifestFile:
    """An open manifest; this process holds it alone. Appending is safe from several threads."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self._lock = threading.Lock()
        self._torn = False

    @classmethod
    def open(cls, path: Path, appliance: str) -> Self:
        """Open or create the manifest of this appliance.

        Raises:
            StateError: when it is not one, is of another appliance, in use, or not to be trusted; nothing was sent.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as problem:
            raise _refused(f"cannot be opened for writing ({problem.strerror})") from None
        made = cls(path, descriptor)
        try:
            made._prepare(appliance)
        except BaseException:
            made.close()
            raise
        return made

    def _prepare(self, appliance: str) -> None:
        _require_ours(self._descriptor)
        _lock(self._descriptor)
        _cut_torn_line(self._descriptor)
        if os.fstat(self._descriptor).st_size == 0:
            self.append({"manifest": "spectra-submit", "version": VERSION, "appliance": appliance})
            sync_folder(self._path.absolute().parent)
        else:
            self._check_header(appliance)

    def _check_header(self, appliance: str) -> None:
        with self._path.open("rb") as stream:
            header = _read(stream.readline(), 1)
        if header.get("version") != VERSION:
            raise _refused(f"is of version {header.get('version')}, and this program knows version {VERSION}")
        if header.get("appliance") != appliance:
            raise _refused(f"belongs to another appliance ({header.get('appliance')})")

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every line after the header with its number; raises StateError at one that is damaged."""
        with self._path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if number > 1:
                    yield number, _read(line, number)

    def append(self, *records: dict[str, Any]) -> None:
        """Add lines and wait until they are on the disk.

        Raises:
            StateError: when that fails; what the lines announce must not be done then.
        """
        text = b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records)
        with self._lock:
            if self._torn:
                raise _refused("could not be written to a moment ago")
            try:
                while text:
                    text = text[os.write(self._descriptor, text) :]
                os.fsync(self._descriptor)
            except OSError as problem:
                self._torn = True
                raise _refused(f"cannot be written ({problem.strerror})") from None

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def damaged(number: int) -> StateError:
    """A line that no run of this program wrote."""
    return StateError(
        f"the manifest is damaged at line {number}, and nothing more was sent",
        hint="move the manifest away to begin anew: what the appliance has is not sent again",
    )


def _refused(what: str) -> StateError:
    return StateError(f"the manifest {what}; nothing more was sent", hint=_HINT)


def _read(line: bytes, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise damaged(number) from None
    if not isinstance(record, dict):
        raise damaged(number)
    return record


def _require_ours(descriptor: int) -> None:
    """Refuse what others can write: a manifest that came with the samples could say that they were sent."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _refused("is not a regular file")
    if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
        raise _refused("belongs to another user, or others can write it")


def _lock(descriptor: int) -> None:
    try:
        import fcntl  # noqa: PLC0415  # not on every system
    except ImportError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise _refused("is in use by another run") from None


def _cut_torn_line(descriptor: int) -> None:
    """Cut off what follows the last line break; refuse a file that is no manifest before touching it."""
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, 0, os.SEEK_SET)
    opening = os.read(descriptor, len(_OPENING))
    if not _OPENING.startswith(opening) or (len(opening) < len(_OPENING) and len(opening) != size):
        raise _refused("is no manifest of this program")
    end = size
    while end:
        start = max(0, end - 65536)
        os.lseek(descriptor, start, os.SEEK_SET)
        at = os.read(descriptor, end - start).rfind(b"\n")
        if at >= 0:
            end = start + at + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)
