"""The journal's database: opened so that it is durable, checked before it is believed, its rows read as entries."""

import json
import os
import sqlite3
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from connector.journal_place import AWAY, ELSEWHERE, Unusable, make_file, make_folder, require_private_file
from connector.operation import Entry, State

NAME: Final = "journal.sqlite"
VERSION: Final = 1
BUSY_SECONDS = 5.0  # how long another program may keep the file locked
STATES: Final = frozenset(get_args(State))
_TABLES: Final = (
    """CREATE TABLE operation (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    action TEXT NOT NULL,
    appliance TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intent', 'accepted', 'done', 'refused', 'unknown')),
    subject TEXT NOT NULL,
    receipt TEXT,
    outcome TEXT,
    error TEXT,
    attempts INTEGER NOT NULL,
    began TEXT NOT NULL,
    changed TEXT NOT NULL,
    owner TEXT
) STRICT""",
    "CREATE INDEX operation_state ON operation (state)",
    "CREATE TABLE upkeep (pruned TEXT NOT NULL) STRICT",
)
_MARK: Final = "PRAGMA user_version = 1"
_FIND: Final = """
SELECT id, action, appliance, fingerprint, state, subject, receipt, outcome, error, attempts, began, changed, owner
FROM operation WHERE id = ?
"""
_LIST: Final = """
SELECT id, action, appliance, fingerprint, state, subject, receipt, outcome, error, attempts, began, changed, owner
FROM operation WHERE state IN (SELECT value FROM json_each(?)) ORDER BY number DESC LIMIT ?
"""
_PRUNE: Final = "DELETE FROM operation WHERE state IN ('done', 'refused') AND changed < ?"
_FORGET: Final = """
DELETE FROM operation WHERE state IN ('done', 'refused') AND number < (SELECT max(number) FROM operation) - ?
"""
_PUT: Final = """
INSERT INTO operation
(id, action, appliance, fingerprint, state, subject, receipt, outcome, error, attempts, began, changed, owner)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, receipt = excluded.receipt, outcome = excluded.outcome,
error = excluded.error, attempts = excluded.attempts, began = excluded.began, changed = excluded.changed,
owner = excluded.owner
"""
_DAMAGED: Final = "is damaged, and was left as it is"
_FOREIGN: Final = "is not one of this program, and was left as it is"
# What the errors of SQLite mean here, by the beginning of their names (https://sqlite.org/rescode.html).
_FULL: Final = "free space there, or name another folder with the setting state"
_WAIT: Final = "end what holds it, or try again"
_REASONS: Final = {
    "SQLITE_FULL": ("cannot be written: its disk is full", _FULL),
    "SQLITE_IOERR": ("cannot be read or written: its disk reports an error", ELSEWHERE),
    "SQLITE_NOTADB": (_FOREIGN, AWAY),
    "SQLITE_CORRUPT": (_DAMAGED, AWAY),
    "SQLITE_READONLY": ("cannot be written", ELSEWHERE),
    "SQLITE_CANTOPEN": ("cannot be opened for writing", ELSEWHERE),
    "SQLITE_PERM": ("cannot be opened for writing", ELSEWHERE),
    "SQLITE_BUSY": ("is locked by another program", _WAIT),
    "SQLITE_LOCKED": ("is locked by another program", _WAIT),
    "SQLITE_PROTOCOL": ("is locked by another program", _WAIT),
}
_opening = threading.Lock()


def open_database(folder: Path) -> tuple[sqlite3.Connection, os.stat_result]:
    """Open the journal of a folder, or make it there; with it, which file it is.

    Raises:
        Unusable: when it is not a journal of this release or not to be trusted.
        sqlite3.Error, OSError: when it cannot be opened.
    """
    make_folder(folder)
    path = folder / NAME
    for beside in ("-wal", "-shm", "-journal"):
        require_private_file(path.with_name(NAME + beside))
    if not _opening.acquire(timeout=BUSY_SECONDS):
        raise locked()
    try:  # in turns: closing a new file would end the locks of a connection that another thread opened to it meanwhile
        if require_private_file(path) is None:
            make_file(path)
        database = connect(str(path))
    finally:
        _opening.release()
    try:
        _make_durable(database)
        return database, path.lstat()
    except BaseException:
        database.close()
        raise


def connect(name: str) -> sqlite3.Connection:
    """Connect to a journal, made and checked; ``:memory:`` for one that ends with the connection.

    Raises:
        Unusable: when it is not a journal of this release.
        sqlite3.Error: when it cannot be read.
    """
    database = sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for statement in ("PRAGMA cell_size_check = ON", "PRAGMA trusted_schema = OFF"):
            database.execute(statement)
        if _is_new(database):
            _make_tables(database)
        else:
            _check(database)
    except BaseException:
        database.close()
        raise
    return database


def _is_new(database: sqlite3.Connection) -> bool:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise Unusable(
            "the journal was written by a newer release of this program", "use that release, or another folder"
        )
    return version == 0 and not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]


def _make_tables(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        if _is_new(database):  # still: another process may have been quicker
            for statement in _TABLES:
                database.execute(statement)
            database.execute(_MARK)
        database.execute("COMMIT")
    except BaseException:
        roll_back(database)
        raise


def _check(database: sqlite3.Connection) -> None:
    if database.execute("PRAGMA user_version").fetchone()[0] != VERSION or _shape(database) != _shape_of_ours():
        raise Unusable(f"the journal {_FOREIGN}", AWAY)
    if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise damaged()


def _shape(database: sqlite3.Connection) -> list[Any]:
    """Every table, index, trigger and view; one that is not ours would run with our statements."""
    return database.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


@cache
def _shape_of_ours() -> list[Any]:
    model = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for statement in _TABLES:
            model.execute(statement)
        return _shape(model)
    finally:
        model.close()


def _make_durable(database: sqlite3.Connection) -> None:
    """WAL, with a flush to the disk at every commit: with less, a power cut takes the last ones back."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            mode = database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as problem:  # SQLite does not always wait here
            if problem.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > until:
                raise
        time.sleep(0.01)
    if mode != "wal":
        raise Unusable("the journal lies on a file system where SQLite cannot write ahead (WAL)", ELSEWHERE)
    for statement in ("PRAGMA synchronous = FULL", "PRAGMA fullfsync = ON", "PRAGMA checkpoint_fullfsync = ON"):
        database.execute(statement)


def roll_back(database: sqlite3.Connection) -> None:
    """Undo what is open; SQLite has done it already after some errors."""
    with suppress(sqlite3.Error):
        if database.in_transaction:
            database.execute("ROLLBACK")


def find(database: sqlite3.Connection, name: str) -> Entry | None:
    row = database.execute(_FIND, (name,)).fetchone()
    return None if row is None else _entry(row)


def select(database: sqlite3.Connection, states: tuple[State, ...], limit: int) -> list[Entry]:
    """The newest entries in any of the states, newest first."""
    rows = database.execute(_LIST, (json.dumps(states), max(0, limit))).fetchall()
    return [_entry(row) for row in rows]


def put(database: sqlite3.Connection, entry: Entry) -> Entry:
    """Write a new entry, or what may change of one that is there; as it is read from now on."""
    receipt = None if entry.receipt is None else json.dumps(entry.receipt)
    known = (entry.id, entry.action, entry.appliance, entry.fingerprint, entry.state, json.dumps(entry.subject))
    times = (entry.attempts, entry.began, entry.changed)
    database.execute(_PUT, (*known, receipt, entry.outcome, entry.error, *times, entry.owner))
    written = find(database, entry.id)
    if written is None:
        raise damaged()
    return written


def prune(database: sqlite3.Connection, before: str, now: str) -> int:
    """Remove what was done or refused before a time, and note that this was done; how many rows."""
    count = database.execute(_PRUNE, (before,)).rowcount
    database.execute("DELETE FROM upkeep")
    database.execute("INSERT INTO upkeep (pruned) VALUES (?)", (now,))
    return count


def last_pruned(database: sqlite3.Connection) -> str:
    """When it was pruned last, or an empty text."""
    return str(database.execute("SELECT coalesce(max(pruned), '') FROM upkeep").fetchone()[0])


def forget(database: sqlite3.Connection, most: int) -> None:
    """Remove the oldest of what is done or refused, so that at most about this many rows are kept of them."""
    database.execute(_FORGET, (most,))


def _entry(row: tuple[Any, ...]) -> Entry:
    entry = _read(row)
    if entry is None:
        raise damaged()
    return entry


def _read(row: tuple[Any, ...]) -> Entry | None:
    name, action, appliance, fingerprint, state, subject, receipt, *rest = row
    outcome, error, attempts, began, changed, owner = rest
    try:
        about = json.loads(subject)
        said = None if receipt is None else json.loads(receipt)
    except (ValueError, TypeError, RecursionError):
        return None
    if state not in STATES or not isinstance(about, dict) or not isinstance(said, dict | None):
        return None
    known = (name, action, appliance, fingerprint)
    return Entry(*known, state, about, said, outcome, error, attempts, began, changed, owner)


def reason_of(problem: Exception) -> tuple[str, str]:
    """What is wrong, and what to do; never what SQLite says, which may hold data."""
    if isinstance(problem, Unusable):
        return problem.what, problem.hint
    what, hint = "cannot hold this: it is no proper text", "use names of visible characters"
    if isinstance(problem, OSError):
        what, hint = f"cannot be used ({problem.strerror or 'the system gives no reason'})", ELSEWHERE
    elif isinstance(problem, sqlite3.Error):
        name: str = getattr(problem, "sqlite_errorname", "SQLITE_CORRUPT")  # without one: a text that is not UTF-8
        kind = next((beginning for beginning in _REASONS if name.startswith(beginning)), None)
        what, hint = _REASONS[kind] if kind else (f"cannot be used ({name})", AWAY)
    return f"the journal {what}", hint


def damaged() -> Unusable:
    return Unusable(f"the journal {_DAMAGED}", AWAY)


def locked() -> Unusable:
    return Unusable("the journal is locked by another program", _WAIT)
