"""A folder and files that nobody but their owner writes: made so, and refused where they are not so.

Whoever can write the journal can say that a submission is done, or make one run again. Nothing is mended here: a folder
or a file that others can write was perhaps written by them already. On a system without POSIX owners (Windows) only the
kind of each file is looked at; the user's own folders are kept from others there by their access lists.
"""

import os
import stat
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Final

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
OTHERS_WRITE: Final = 0o022
ELSEWHERE: Final = "name another folder with the setting state, on a disk of this machine"
AWAY: Final = (
    "look on the appliance for what was begun, then move all files of the journal away; "
    "what they held is not known to a new one"
)
_HINT: Final = "name another folder with the setting state, or mend this one: yours alone, folder 0700, files 0600"


class Unusable(Exception):
    """What is wrong with the journal, and what to do; what that means for an operation is known further up."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may use, and those above it that are missing; keep one that is there.

    Raises:
        OSError: when it cannot be made.
        Unusable: when what is there is not to be trusted.
    """
    missing = takewhile(lambda place: not os.path.lexists(place), (folder, *folder.parents))
    for place in reversed(list(missing)):
        with suppress(FileExistsError):  # another process was quicker
            place.mkdir(FOLDER_MODE)
        sync_folder(place.parent)
    require_private_folder(folder)


def make_file(path: Path) -> bool:
    """Make an empty file that only its owner may read and write; False where something has that name already.

    Raises:
        OSError: when it cannot be made.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(path, flags, FILE_MODE))
    except FileExistsError:
        return False
    sync_folder(path.parent)
    return True


def require_private_folder(folder: Path) -> None:
    """Refuse a folder that is not one, is a link, or that others own or can write.

    Raises:
        OSError: when it cannot be looked at.
        Unusable: naming what is wrong with it.
    """
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise _refused("the folder", "is a link: name the folder that it leads to")
    if not stat.S_ISDIR(found.st_mode):
        raise _refused("the folder", "is no folder")
    _require_ours(found, "the folder")


def require_private_file(path: Path) -> os.stat_result | None:
    """Refuse a file that is not a regular one, has other names, or that others own or can write; None if missing.

    Raises:
        OSError: when it cannot be looked at.
        Unusable: naming what is wrong with it.
    """
    subject = f"the file {path.name}"
    try:
        found = path.lstat()  # never opened: closing it would end the locks that SQLite holds on it in this process
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise _refused(subject, "is a link or no regular file")
    if found.st_nlink > 1:
        raise _refused(subject, "has a second name (a hard link)")
    _require_ours(found, subject)
    return found


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as the files, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _require_ours(found: os.stat_result, subject: str) -> None:
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid != os.geteuid():
        raise _refused(subject, "belongs to another user")
    if found.st_mode & OTHERS_WRITE:
        raise _refused(subject, "can be written by others")


def _refused(subject: str, what: str) -> Unusable:
    return Unusable(f"{subject} of the journal {what}", _HINT)
