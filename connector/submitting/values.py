"""One file of a directory on its way to the appliance, as values: found, hashed, landed, and what is told of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from connector.errors import SpectraError

FileStatus = Literal[
    "submitted",
    "known",
    "ignored",
    "skipped",
    "failed",
    "pending",
    "malicious",
    "suspicious",
    "goodware",
    "unknown",
]


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file that no rule leaves out. ``path`` is relative, with forward slashes on every system."""

    path: str
    place: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file with the hashes of its content; size and time are those that it had while it was read."""

    path: str
    place: Path
    size: int
    mtime_ns: int
    sha1: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of one upload; in doubt means that it was sent and no answer can be trusted."""

    entry: Entry
    state: Literal["submitted", "failed", "in_doubt"]
    outcome: dict[str, Any] | None = None
    error: SpectraError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEvent:
    """What is told of one file; ``final`` is false where a verdict on it is still to come."""

    path: str
    status: FileStatus
    size: int | None = None
    sha1: str | None = None
    sha256: str | None = None
    outcome: dict[str, Any] | None = None
    error: SpectraError | None = None
    final: bool = True

    def as_dict(self) -> dict[str, Any]:
        """The line of this file, as the command line prints it."""
        return {
            "path": self.path,
            "sha1": self.sha1,
            "sha256": self.sha256,
            "size": self.size,
            "status": self.status,
            "outcome": self.outcome,
            "error": self.error.as_dict() if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the person who waits."""

    text: str
