"""Where each file of a directory stands: the manifest's lines by path and by hash, on disk, so that memory stays flat.

The index is a private temporary database that disappears with the process; the manifest alone is kept.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from connector.submitting.manifest import ManifestFile, damaged
from connector.submitting.values import Entry

State = Literal["began", "sending", "submitted", "known"]
DONE: Final = ("submitted", "known")
BATCH: Final = 100
_TABLE: Final = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -2048;
CREATE TABLE file (
    id INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    sha1 TEXT NOT NULL, sha256 TEXT NOT NULL, state TEXT NOT NULL, outcome TEXT, at REAL NOT NULL, met INTEGER NOT NULL
);
CREATE INDEX file_sha1 ON file (sha1);
"""
_COLUMNS: Final = "id, path, size, mtime_ns, sha1, sha256, state, outcome, at"
_PUT: Final = """
INSERT INTO file (path, size, mtime_ns, sha1, sha256, state, outcome, at, met) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns, sha1 = excluded.sha1,
sha256 = excluded.sha256, state = excluded.state, outcome = excluded.outcome, at = excluded.at, met = excluded.met
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One file as it stands; ``at`` is when that was written, in seconds of the epoch."""

    id: int
    path: str
    size: int
    mtime_ns: int
    sha1: str
    sha256: str
    state: State
    outcome: dict[str, Any] | None
    at: float

    @property
    def done(self) -> bool:
        return self.state in DONE

    def entry(self, root: Path) -> Entry:
        return Entry(self.path, root / self.path, self.size, self.mtime_ns, self.sha1, self.sha256)


class Index:
    """The files of one run. ``met`` are those that this run has come across in the directory."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # no name: private, temporary, on disk when large
        self._database.executescript(_TABLE)
        self.round_open = False

    @classmethod
    def of(cls, manifest: ManifestFile) -> Self:
        """The index of what a manifest says; raises StateError at a damaged line."""
        made = cls()
        try:
            for number, record in manifest.records():
                made._take_line(number, record)
        except BaseException:
            made._database.close()
            raise
        return made

    def _take_line(self, number: int, record: dict[str, Any]) -> None:
        try:
            self._take(record)
        except (KeyError, TypeError, ValueError, OverflowError, sqlite3.Error):
            raise damaged(number) from None

    def _take(self, record: dict[str, Any]) -> None:
        state = record["state"]
        if state in {"round", "ended"}:
            self.round_open = state == "round"
            if self.round_open:
                self.forget()
        elif state == "failed":
            self.drop(record["path"])
        elif state in {"began", *DONE}:
            entry = Entry(**{key: record[key] for key in ("path", "size", "mtime_ns", "sha1", "sha256")}, place=Path())
            self.put(entry, state, record.get("outcome"), float(record["at"]), met=False)
        else:
            raise ValueError(state)

    def put(
        self, entry: Entry, state: State, outcome: dict[str, Any] | None = None, at: float = 0.0, *, met: bool = True
    ) -> None:
        text = None if outcome is None else json.dumps(outcome)
        values = (entry.path, entry.size, entry.mtime_ns, entry.sha1, entry.sha256, state, text, at, met)
        self._database.execute(_PUT, values)

    def meet(self, path: str) -> None:
        self._database.execute("UPDATE file SET met = 1 WHERE path = ?", (path,))

    def leave(self, path: str) -> None:
        """The run has told all there is to tell of this file."""
        self._database.execute("UPDATE file SET met = 0 WHERE path = ?", (path,))

    def drop(self, path: str) -> None:
        self._database.execute("DELETE FROM file WHERE path = ?", (path,))

    def forget(self) -> None:
        self._database.execute("DELETE FROM file")

    def find(self, path: str) -> Row | None:
        return next(self._rows("path = ?", path), None)

    def twin(self, sha1: str) -> Row | None:
        """A file of this content that was sent, is known, or was begun; one that is done comes first."""
        return next(self._rows("sha1 = ? ORDER BY state IN ('submitted', 'known') DESC LIMIT 1", sha1), None)

    def in_doubt(self) -> Iterator[list[Row]]:
        """The files of this run whose sending was begun and has no outcome, a batch at a time."""
        return self._batches("state = 'began' AND met = 1")

    def done(self) -> Iterator[list[Row]]:
        """The files of this run that the appliance has, and that are not left yet, a batch at a time."""
        return self._batches("state IN ('submitted', 'known') AND met = 1")

    def _batches(self, which: str) -> Iterator[list[Row]]:
        last = 0
        while rows := list(self._rows(f"{which} AND id > ? ORDER BY id LIMIT {BATCH}", last)):
            yield rows
            last = rows[-1].id

    def _rows(self, which: str, value: str | int) -> Iterator[Row]:
        found = self._database.execute(f"SELECT {_COLUMNS} FROM file WHERE {which}", (value,))  # noqa: S608  # of our own
        for number, path, size, mtime_ns, sha1, sha256, state, text, at in found.fetchall():
            outcome = None if text is None else json.loads(text)
            yield Row(number, path, size, mtime_ns, sha1, sha256, state, outcome, at)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()
