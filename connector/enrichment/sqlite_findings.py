"""The table of findings in an SQLite file: its layout, and reading, writing and sweeping it on a given connection.

Nothing here waits for the disk but ``checkpoint``: in WAL mode with synchronous NORMAL a commit only writes to the log.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Final

from connector.enrichment.sqlite_file import Layout, roll_back

Key = bytes | str
Place = tuple[int, Key]
Rows = dict[Key, tuple[float, bytes]]  # until when, and the data
READ_AT_ONCE: Final = 500
WRITE_AT_ONCE: Final = 128
START: Final[Place] = (0, "")
_FINDINGS: Final = (
    "CREATE TABLE findings (scope INTEGER NOT NULL, subject NOT NULL, until REAL NOT NULL, data BLOB NOT NULL, "
    "PRIMARY KEY (scope, subject)) WITHOUT ROWID"
)
LAYOUT: Final = Layout(
    kind="cache of findings",
    mark=0x53504331,
    tables=(
        "CREATE TABLE scopes (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE)",
        "CREATE TABLE held (id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL)",
        "INSERT INTO held VALUES (1, 0)",
        _FINDINGS,
    ),
    pragmas=(
        *("synchronous = NORMAL", "wal_autocheckpoint = 0", "journal_size_limit = 16777216"),
        *("cache_size = -2048", "cell_size_check = ON"),
    ),
)
_SIZES: Final = (1, 8, 64, WRITE_AT_ONCE, READ_AT_ONCE)  # statements are made for lists of these lengths, and kept


def _for_sizes(statement: str) -> dict[int, str]:
    return {size: statement.format(",".join("?" * size)) for size in _SIZES}


_SELECT: Final = _for_sizes("SELECT subject, data FROM findings WHERE scope = ? AND until > ? AND subject IN ({})")
_COUNT: Final = _for_sizes("SELECT count(*) FROM findings WHERE scope = ? AND subject IN ({})")
_UPSERT: Final = "ON CONFLICT (scope, subject) DO UPDATE SET until = excluded.until, data = excluded.data"
_HELD: Final = "UPDATE held SET number = ?"
_AFTER: Final = "FROM findings WHERE (scope, subject) > (?, ?)"
_EXPIRED: Final = f"DELETE {_AFTER} AND until <= ?"
_EXPIRED_TO: Final = f"DELETE {_AFTER} AND until <= ? AND (scope, subject) <= (?, ?)"
_NTH: Final = f"SELECT scope, subject {_AFTER} ORDER BY scope, subject LIMIT 1 OFFSET ?"
_FIRST: Final = f"SELECT scope, subject {_AFTER} ORDER BY scope, subject LIMIT ?"
_SOME: Final = f"DELETE FROM findings WHERE (scope, subject) IN ({_FIRST})"  # noqa: S608  # of the texts above


def key_of(subject: str) -> Key | None:
    """What names a subject in the table: the bytes of a hash, the text of a URL; None for text that is no Unicode."""
    if ":" not in subject:
        with suppress(ValueError):
            key = bytes.fromhex(subject)
            if key.hex() == subject:
                return key
    with suppress(UnicodeEncodeError):
        if subject.isascii() or subject.encode():
            return subject
    return None


def scope_of(writer: sqlite3.Connection, name: bytes) -> int:
    """The number of a scope, given now where it is new."""
    writer.execute("INSERT OR IGNORE INTO scopes (name) VALUES (?)", (name,))
    number: int = writer.execute("SELECT id FROM scopes WHERE name = ?", (name,)).fetchone()[0]
    return number


def read(reader: sqlite3.Connection, scope: int, keys: Iterable[Key], size: int, now: float) -> list[tuple[Key, bytes]]:
    """What is held for keys, ``size`` of them and at most ``READ_AT_ONCE``, and has not expired; in no order."""
    statement, given = _padded(_SELECT, keys, size)
    return reader.execute(statement, (scope, now, *given)).fetchall()


def write(writer: sqlite3.Connection, scope: int, rows: Rows) -> int:
    """Write at most ``WRITE_AT_ONCE`` rows in one transaction; how many the table holds then."""
    with _transaction(writer):
        held = number_held(writer)
        statement, given = _padded(_COUNT, rows, len(rows))
        new: int = len(rows) - writer.execute(statement, (scope, *given)).fetchone()[0]
        places = ",".join(("(?,?,?,?)",) * len(rows))
        values = tuple(chain.from_iterable((scope, key, *row) for key, row in rows.items()))
        writer.execute(f"INSERT INTO findings VALUES {places} {_UPSERT}", values)  # noqa: S608  # places for values
        if new:
            writer.execute(_HELD, (held + new,))
    return held + new


def sweep(writer: sqlite3.Connection, place: Place, step: int, most_rows: int, now: float) -> Place:
    """Remove what has expired among the next ``step`` rows, and more where there are too many; where to go on next.

    Rows stand in the order of their hashes, which says nothing about them: those that go before their time are random.
    """
    with _transaction(writer):
        held = number_held(writer)
        last: Place | None = writer.execute(_NTH, (*place, step - 1)).fetchone()
        statement, end = (_EXPIRED, ()) if last is None else (_EXPIRED_TO, last)
        gone = writer.execute(statement, (*place, now, *end)).rowcount
        for begin in (place, START):  # the second where the first has come to the end
            if (over := held - gone - most_rows) > 0:
                gone += writer.execute(_SOME, (*begin, min(over, step))).rowcount
        if gone:
            writer.execute(_HELD, (held - gone,))
    return START if last is None else last


@contextmanager
def _transaction(writer: sqlite3.Connection) -> Iterator[None]:
    writer.execute("BEGIN IMMEDIATE")
    try:
        yield
        writer.execute("COMMIT")
    except BaseException:
        roll_back(writer)
        raise


def checkpoint(writer: sqlite3.Connection) -> None:
    """Move what is in the log to its places; waits for the disk."""
    writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def number_held(reader: sqlite3.Connection) -> int:
    number: int = reader.execute("SELECT number FROM held").fetchone()[0]
    return number


def _padded(statements: Mapping[int, str], keys: Iterable[Key], size: int) -> tuple[str, tuple[Key | None, ...]]:
    """The statement for so many keys, and the keys, filled up with NULL, which equals nothing."""
    fits = next(fit for fit in _SIZES if fit >= size)
    return statements[fits], (*keys, *(None,) * (fits - size))
