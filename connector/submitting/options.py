"""What to submit of a directory, and how: the caller's choices, as one value."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.submitting.ignore import IGNORE_FILE, Rules
from connector.submitting.manifest import NAME
from connector.submitting.tree import survey


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The choices of one run.

    settle_seconds: how long after its beginning an upload without an outcome is looked for before it is sent again.
    patience: how many seconds a file waits for an appliance that is out of memory or queue.
    resubmit: send what the appliance has, too; a run of that kind that was broken off is taken up where it ended.
    """

    root: Path
    manifest: Path | None = None
    ignore: tuple[str, ...] = ()
    max_bytes: int | None = None
    tags: str | None = None
    comment: str | None = None
    analysis: str | None = None
    resubmit: bool = False
    at_once: int = 4
    wait: bool = False
    wait_seconds: float = 600.0
    settle_seconds: float = 60.0
    patience: float = 600.0

    def params(self) -> dict[str, Any]:
        """The parameters of submit_file that go with every file."""
        given = {"tags": self.tags, "comment": self.comment, "analysis": self.analysis}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def manifest_path(self) -> Path:
        return self.manifest or self.root / NAME

    @property
    def own(self) -> frozenset[str]:
        """The paths in the directory that are no samples: the rules, and the manifest where it lies there."""
        root = self.root.resolve()
        manifest = self.manifest_path.parent.resolve() / self.manifest_path.name
        inside = manifest.is_relative_to(root)
        return frozenset({IGNORE_FILE, manifest.relative_to(root).as_posix()} if inside else {IGNORE_FILE})

    def rules(self) -> Rules:
        return Rules.read(self.root, self.ignore, self.max_bytes)

    def survey(self) -> tuple[int, int]:
        """How many files there are to consider, and their bytes; for a progress bar."""
        return survey(self.root.resolve(), self.rules(), self.own)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds that only grow, and seconds of the epoch."""

    steady: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
