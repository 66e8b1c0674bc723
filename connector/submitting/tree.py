"""What a directory holds, file by file: walked without following links, and hashed without being held in memory.

One folder is open at a time and nothing is collected but the names of folders still to be visited.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Literal

from connector.errors import InputRefused, Violation
from connector.submitting.ignore import Rules
from connector.submitting.values import Entry, FileEvent, Found

CHUNK: Final = 1 << 20
_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link, which is not followed"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def walk(root: Path, rules: Rules, own: frozenset[str] = frozenset()) -> Iterator[Found | FileEvent]:
    """Every file to consider, and an event for each one that is not; ``own`` are paths of files of ours.

    A folder that a rule leaves out is told once, with a slash at its end, and not visited.
    """
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    if folder + entry.name in own:
                        continue
                    item = _looked_at(root, folder, entry.name, rules)
                    if isinstance(item, str):
                        folders.append(item)
                    else:
                        yield item
        except OSError:
            shown = _shown(folder) or "./"
            yield FileEvent(path=shown, status="failed", error=_refused(shown, "must be a readable folder"))


def _looked_at(root: Path, folder: str, name: str, rules: Rules) -> Found | FileEvent | str:
    """One name in a folder: a file, an event, or (as text) a folder to visit."""
    path = folder + name
    place = root / path
    shown = _shown(path)
    try:
        found = place.lstat()
    except OSError:
        return FileEvent(path=shown, status="failed", error=_refused(shown, "must be a file that can be read"))
    if stat.S_ISDIR(found.st_mode):
        reason = rules.reason(shown + "/")
        return path + "/" if reason is None else _left(shown + "/", "ignored", reason)
    reason = rules.reason(shown, found.st_size)
    if reason is not None:
        return _left(shown, "ignored", reason, found.st_size)
    if not stat.S_ISREG(found.st_mode):
        kind = next((words for test, words in _KINDS if test(found.st_mode)), "no regular file")
        return _left(shown, "skipped", f"it is {kind}")
    if found.st_size == 0:
        return _left(shown, "skipped", "it is empty, and the appliance takes no empty file", 0)
    if shown != path:
        return FileEvent(path=shown, status="failed", error=_refused(shown, "must have a name in UTF-8; rename it"))
    return Found(path, place, found.st_size, found.st_mtime_ns)


def _left(path: str, status: Literal["ignored", "skipped"], reason: str, size: int | None = None) -> FileEvent:
    return FileEvent(path=path, status=status, size=size, outcome={"reason": reason})


def _shown(path: str) -> str:
    """The path as text that JSON can hold: bytes that are no UTF-8 appear as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _refused(path: str, message: str) -> InputRefused:
    return InputRefused.of([Violation("/file", message)], path)


def hashed(found: Found) -> Entry:
    """The file with its SHA-1 and SHA-256, read a mebibyte at a time.

    Raises:
        InputRefused: when it cannot be read, is no regular file any more, or changes meanwhile.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(found.place, flags), "rb", buffering=0) as stream:
            before = os.fstat(stream.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise _refused(found.path, "must be a regular file")
            sha1, sha256 = _digests(stream, before.st_size)
            after = os.fstat(stream.fileno())
    except OSError:
        raise _refused(found.path, "must be a file that can be read") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _refused(found.path, "must not change while it is read; it is tried again by the next run")
    return Entry(found.path, found.place, before.st_size, before.st_mtime_ns, sha1, sha256)


def _digests(stream: BinaryIO, size: int) -> tuple[str, str]:
    sha1, sha256 = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
    left = size
    while left and (chunk := stream.read(min(CHUNK, left))):
        sha1.update(chunk)
        sha256.update(chunk)
        left -= len(chunk)
    return sha1.hexdigest(), sha256.hexdigest()


def survey(root: Path, rules: Rules, own: frozenset[str] = frozenset()) -> tuple[int, int]:
    """How many files there are to consider, and their bytes; reads no content."""
    files = size = 0
    for item in walk(root, rules, own):
        if isinstance(item, Found):
            files, size = files + 1, size + item.size
    return files, size
