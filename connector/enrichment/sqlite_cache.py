"""A cache in an SQLite file: findings for processes of one machine, kept over restarts, in memory that does not grow.

Reading and writing are done on the loop, some 5 ms at a time at most, never waiting for the disk. A thread would be
slower: it takes the interpreter's lock again for each row, and beside a loop that never rests it waits seconds for it.
What does wait for the disk, moving pages from the log to their places (a checkpoint), is one call and has a thread.
"""

import asyncio
import math
import random
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeVar

from connector.enrichment import sqlite_findings as table
from connector.enrichment.records import pack, unpack
from connector.enrichment.sqlite_file import connect, identity, is_broken, is_busy, set_aside
from connector.enrichment.sqlite_findings import LAYOUT, READ_AT_ONCE, WRITE_AT_ONCE, Place, Rows, key_of
from connector.enrichment.values import Finding
from connector.errors import StateError

T = TypeVar("T")
MOST_ROWS: Final = 5_000_000
TRY_AGAIN: Final = 10.0  # seconds after which a file that could not be opened is tried again
SWEEP: Final = 256  # rows written, after which twice as many are looked at: a file is swept while half of it is new
CHECKPOINT: Final = 1024  # rows written, each in a page of its own, so the log grows to some 4 MB
BUSY: Final = 0.005  # seconds to wait on the loop for another process that writes, and between tries
PATIENCE: Final = 200  # tries


class SqliteCache:
    """Findings of one ``scope``: whatever the answers depend on beside the subject, so the action and the appliance.

    Scopes share a file and are never mixed; what is kept of their names is a digest. ``failures`` counts what could
    not be read or written, and ``notice`` says in a sentence what became of a damaged file or one that cannot be
    opened. ``clock`` gives seconds since 1970.

    Raises:
        StateError: at the beginning only, when the file named is of something else.
    """

    def __init__(self, path: Path, scope: str, clock: Callable[[], float], *, most_rows: int = MOST_ROWS) -> None:
        self._path, self._clock, self._most_rows = path, clock, most_rows
        self._name = blake2b(scope.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._scope, self._tried, self._seen = 0, -math.inf, identity(path)
        self._place: Place = table.START
        self._unswept = self._unmoved = 0
        self._waiting: Rows = {}
        self._turn = asyncio.Lock()
        self._closed = False
        self.failures = 0
        self.notice: str | None = None
        self._open_or_note()

    async def get(self, subjects: Sequence[str]) -> Mapping[str, Finding]:
        found: dict[str, Finding] = {}
        for at in range(0, len(subjects), READ_AT_ONCE):
            if at:
                await asyncio.sleep(0)  # others have their turn on the loop
            if self._reader is None:
                break
            used = self._writer
            try:
                self._get(self._reader, subjects[at : at + READ_AT_ONCE], found)
            except sqlite3.Error as error:
                async with self._turn:
                    self._failed(error, used)
        return found

    def _get(self, reader: sqlite3.Connection, subjects: Sequence[str], found: dict[str, Finding]) -> None:
        keys = {key: subject for subject in subjects if (key := key_of(subject)) is not None}
        for key, data in table.read(reader, self._scope, keys, len(keys), self._clock()):
            finding = unpack(keys[key], data)
            if finding is not None:
                found[finding.subject] = finding

    async def put(self, findings: Sequence[Finding]) -> None:
        """Keep findings. Those that come while others wait for the disk are written together after it."""
        now = self._clock()
        for finding in findings:
            if now < finding.until < math.inf and (key := key_of(finding.subject)) is not None:
                self._waiting[key] = finding.until, pack(finding)
        async with self._turn:
            waiting, self._waiting = self._waiting, {}
            for rows in _parts(waiting):
                used = self._writer or self._opened_again(now)
                if used is None:
                    return
                try:
                    await self._write(used, rows, now)
                    await asyncio.sleep(0)
                except sqlite3.Error as error:
                    self._failed(error, used)

    async def _write(self, writer: sqlite3.Connection, rows: Rows, now: float) -> None:
        held = await _patiently(lambda: table.write(writer, self._scope, rows))
        self._unswept += len(rows)
        self._unmoved += len(rows)
        if self._unswept >= SWEEP or held > self._most_rows:
            step, self._unswept = 2 * self._unswept, 0
            self._place = await _patiently(lambda: table.sweep(writer, self._place, step, self._most_rows, now))
        if self._unmoved >= CHECKPOINT:
            self._unmoved = 0
            await asyncio.to_thread(table.checkpoint, writer)

    async def close(self) -> None:
        async with self._turn:
            self._closed = True
            if self._writer is not None:
                with suppress(sqlite3.Error):
                    await asyncio.to_thread(table.checkpoint, self._writer)
            self._close()

    def _failed(self, error: sqlite3.Error, used: sqlite3.Connection | None) -> None:
        """Count a failure; a file that is damaged is set aside, and a new one begun, unless that was done already."""
        self.failures += 1
        if is_broken(error) and self._writer is used and not self._closed:
            self._close()
            self._anew()

    def _anew(self) -> None:
        try:
            notice = set_aside(self._path, self._seen)
            self._open()
        except (sqlite3.Error, OSError, StateError) as error:
            self._unopened(error)
        else:
            self.notice = notice

    def _opened_again(self, now: float) -> sqlite3.Connection | None:
        if not self._closed and not 0 <= now - self._tried < TRY_AGAIN:
            with suppress(StateError):  # another file may stand there by now; it is left alone
                self._open_or_note()
        return self._writer

    def _open_or_note(self) -> None:
        try:
            self._open()
        except (sqlite3.Error, OSError) as error:
            if is_broken(error):
                self._anew()
            else:
                self._unopened(error)

    def _unopened(self, error: Exception) -> None:
        self.failures += 1
        self._tried = self._clock()
        self.notice = f"the cache {self._path.name} cannot be opened and is left out ({type(error).__name__}: {error})"

    def _open(self) -> None:
        self._seen = identity(self._path)
        try:
            writer = self._writer = connect(self._path, LAYOUT, BUSY)
            self._seen = identity(self._path)
            self._scope = table.scope_of(writer, self._name)
            self._place = (self._scope, secrets.token_bytes(16))  # short runs must not all sweep the same rows
            self._reader = connect(self._path, LAYOUT, BUSY)
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
        self._reader = self._writer = None


def _parts(rows: Rows) -> Iterator[Rows]:
    keys = tuple(rows)
    for at in range(0, len(keys), WRITE_AT_ONCE):
        yield {key: rows[key] for key in keys[at : at + WRITE_AT_ONCE]}


async def _patiently(work: Callable[[], T]) -> T:
    """What a transaction gives, tried again while another process writes.

    Raises:
        sqlite3.Error: what it raises, and that it is still in the way after some seconds.
    """
    for _ in range(PATIENCE):
        try:
            return work()
        except sqlite3.Error as error:
            if not is_busy(error):
                raise
        await asyncio.sleep(random.uniform(BUSY, 2 * BUSY))  # noqa: S311  # no secret
    return work()
