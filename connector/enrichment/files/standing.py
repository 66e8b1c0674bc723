"""Where a run stands in a file, and how it knows the file again: by its inode and by how its content begins."""

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from connector.errors import StateError

HEAD: Final = 1024
_ANEW: Final = "remove the checkpoint to begin anew"


def fingerprint(head: bytes) -> str:
    """The length and the SHA-256 (half of it) of how a file begins; a file that only grew still has it."""
    return f"{len(head)}:{sha256(head).hexdigest()[:32]}"


def begins_with(mark: str, head: bytes) -> bool:
    """Whether a file that begins with ``head``, its first HEAD bytes, had this fingerprint before it grew."""
    length = mark.partition(":")[0]
    return length.isdecimal() and int(length) <= len(head) and fingerprint(head[: int(length)]) == mark


@dataclass(frozen=True, slots=True)
class Standing:
    """``offset`` is in bytes (of what a .gz unpacks to), ``number`` the number of the next event.

    ``mark`` tells this content from another one under the same name, in the ids of events.
    """

    offset: int
    number: int
    inode: int
    fingerprint: str
    mark: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "offset": self.offset,
            "number": self.number,
            "inode": self.inode,
            "fingerprint": self.fingerprint,
            "mark": self.mark,
        }


def read_standing(position: Any) -> Standing:
    """A position as a checkpoint holds it.

    Raises:
        StateError: when it is of something else.
    """
    kinds = {"offset": int, "number": int, "inode": int, "fingerprint": str, "mark": str}
    if not isinstance(position, dict) or any(type(position.get(name)) is not kind for name, kind in kinds.items()):
        raise StateError("the checkpoint holds no place in a file; it is of another kind of input", hint=_ANEW)
    return Standing(**{name: position[name] for name in kinds})


def mark_of(head: bytes, found: os.stat_result) -> str:
    """The same for a file that nobody touched, another one for every other content under its name."""
    told = f"{fingerprint(head)} {found.st_ino} {found.st_size} {found.st_mtime_ns}"
    return sha256(told.encode()).hexdigest()[:12]
