"""An SQLite file that processes of one machine share: made for its owner alone, known by its mark, set aside if broken.

In WAL mode those who read do not wait for the one who writes; such a file must lie on a disk of this machine.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connector.errors import StateError

VERSION: Final = 1
_CORRUPT, _NOT_A_DATABASE, _BUSY, _LOCKED = 11, 26, 5, 6  # primary result codes, https://sqlite.org/rescode.html
_BESIDE: Final = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Layout:
    """What a kind of file is: its application_id, its tables, and the pragmas of each connection."""

    kind: str
    mark: int
    tables: Sequence[str]
    pragmas: Sequence[str]
    page_size: int = 4096


def connect(path: Path, layout: Layout, timeout: float) -> sqlite3.Connection:
    """Open a file of this layout, or make it; a transaction waits ``timeout`` seconds for those of others.

    Raises:
        StateError: when the file is of something else, or of another release.
        sqlite3.Error, OSError: when it cannot be opened; ``is_broken`` tells a file that is damaged.
    """
    _make(path)
    database = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("trusted_schema = OFF", f"page_size = {layout.page_size}", "journal_mode = WAL"):
            database.execute(f"PRAGMA {pragma}")
        _settle(database, path, layout)
        for pragma in (*layout.pragmas, f"busy_timeout = {round(timeout * 1000)}"):
            database.execute(f"PRAGMA {pragma}")
    except BaseException:
        database.close()
        raise
    return database


def _make(path: Path) -> None:
    """Make an empty file that only its owner may read, where there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _settle(database: sqlite3.Connection, path: Path, layout: Layout) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        mark, version = _one(database, "PRAGMA application_id"), _one(database, "PRAGMA user_version")
        if (mark, version) == (0, 0) and _one(database, "SELECT count(*) FROM sqlite_schema") == 0:
            for statement in layout.tables:
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {layout.mark}")
            database.execute(f"PRAGMA user_version = {VERSION}")
        elif (mark, version) != (layout.mark, VERSION):
            what = "was made by another release" if mark == layout.mark else f"is no {layout.kind}"
            raise StateError(f"the file {path.name} {what}, and was left as it is; name another file, or move it away")
        database.execute("COMMIT")
    except BaseException:
        roll_back(database)
        raise


def _one(database: sqlite3.Connection, statement: str) -> int:
    number: int = database.execute(statement).fetchone()[0]
    return number


def roll_back(database: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        if database.in_transaction:
            database.execute("ROLLBACK")


def is_broken(error: Exception) -> bool:
    """Whether an error says that the file itself is damaged, or no database at all."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (_CORRUPT, _NOT_A_DATABASE)


def is_busy(error: Exception) -> bool:
    """Whether an error says that somebody else is writing, and nothing more."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (_BUSY, _LOCKED)


def identity(path: Path) -> tuple[int, int] | None:
    """Which file stands at a path now; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def set_aside(path: Path, seen: tuple[int, int] | None) -> str:
    """Give a damaged file another name, in place of one set aside before, and say so. All connections are closed.

    Does nothing where the file is not the one ``seen`` any more: another process was quicker.

    Raises:
        OSError: when it cannot be renamed.
    """
    aside = path.with_name(path.name + ".broken")
    if seen is not None and identity(path) == seen:
        for beside in _BESIDE:
            with suppress(FileNotFoundError):
                path.with_name(path.name + beside).replace(aside.with_name(aside.name + beside))
        path.replace(aside)
    return f"{path.name} is damaged: it was kept as {aside.name} and begun anew"
