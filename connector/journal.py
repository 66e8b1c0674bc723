"""The intent journal: what is about to change is on the disk before its first byte leaves, and what came of it after.

One SQLite file (WAL, ``synchronous=FULL``), one row an operation, every change one transaction that begins by taking
the write lock, so that of any number of processes and threads exactly one wins an operation. A journal that is damaged,
locked, of a newer release or writable by others is refused, never wiped and never mended. Its folder must lie on a disk
of this machine: WAL needs memory that its users share.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from connector import journal_moves as moves
from connector import journal_table as table
from connector.errors import StateError
from connector.journal_moves import Failing
from connector.journal_owner import Owner
from connector.journal_place import Unusable
from connector.operation import Entry, Operation, State

T = TypeVar("T")
OWNERS: Final = "owners"
KEEP_DAYS: Final = 30
MOST_IN_MEMORY: Final = 10_000  # rows; on the disk only KEEP_DAYS is a limit
TURN_SECONDS: Final = 30.0  # how long a thread waits for the others of its journal
_DAY: Final = 86_400.0


class Journal:
    """An open journal, for one process. Safe between threads; of several journals on one folder one wins.

    Its operations are held by it from ``intend`` or ``claim`` until they are finished, refused, doubted or released;
    what it holds when it is closed, or when its process dies, can be taken over. Whatever goes wrong is a StateError;
    its outcome says what that means for the operation.
    """

    def __init__(self, database: sqlite3.Connection, owner: Owner, file: tuple[Path, os.stat_result] | None) -> None:
        """Use ``open`` or ``in_memory``."""
        self._database, self._owner, self._file = database, owner, file
        self._process = os.getpid()
        self._turn = threading.Lock()
        self._closed = False
        self._tidied: float | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the journal in a folder; the folder is made with mode 0700 and the file ``journal.sqlite`` with 0600.

        Raises:
            StateError: when it cannot be made, read or trusted; nothing was sent.
        """
        try:
            place = folder.absolute()
            database, found = table.open_database(place)
        except (sqlite3.Error, OSError, ValueError, Unusable) as problem:
            what, hint = table.reason_of(problem)
        else:
            made = cls(database, Owner(place / OWNERS), (place / table.NAME, found))
            made._tidy()
            return made
        raise moves.UNSENT.error(what, hint)

    @classmethod
    def in_memory(cls) -> Self:
        """A journal that ends with the process: it keeps threads apart, and forgets what a crash interrupts."""
        return cls(table.connect(":memory:"), Owner(None), None)

    def find(self, operation_id: str) -> Entry | None:
        return self._run(lambda database: table.find(database, operation_id), moves.UNSENT)

    def entries(self, *states: State, limit: int = 1000) -> list[Entry]:
        """The newest entries, newest first; of these states, or of all where none is named."""
        wanted: tuple[State, ...] = states or ("intent", "accepted", "done", "refused", "unknown")
        return self._run(lambda database: table.select(database, wanted, limit), moves.UNSENT)

    def is_running(self, entry: Entry) -> bool:
        """Whether an open journal holds it, in this process or another; a dead owner's lock file is removed."""
        return self._run(lambda _: self._owner.is_alive(entry.owner), moves.UNSENT)

    def intend(self, operation: Operation) -> Entry:
        """Have the intent on the disk, held by this journal; when this returns, the first byte may leave.

        A new id; one that was refused; or an intent that nobody runs any more, which may have been sent: look first.

        Raises:
            InputRefused: when the id belongs to an operation with another fingerprint.
            StateError: when another run holds it, when it was accepted, done or unknown, or when the journal fails.
        """
        self._tidy()

        def job(database: sqlite3.Connection) -> Entry:
            self._require_same_file()
            kept = table.find(database, operation.id)
            if kept is not None:
                moves.require_same(kept, operation)
                self._require_idle(kept, moves.UNSENT)
                moves.require_sendable(kept)
            entry = table.put(database, moves.intended(operation, kept, self._owner.hold(), moves.now()))
            if self._file is None:
                table.forget(database, MOST_IN_MEMORY)
            return entry

        return self._run(job, moves.UNSENT, write=True)

    def claim(self, operation_id: str) -> Entry:
        """Hold an operation that was accepted and that nobody waits for any more, so that one run alone goes on.

        Raises:
            StateError: when another run holds it, or it is in another state.
        """

        def move(entry: Entry) -> Entry:
            self._require_idle(entry, moves.UNSENT)
            if entry.state != "accepted":
                raise moves.wrong(entry, f"is {entry.state}, not accepted", moves.UNSENT)
            return replace(entry, owner=self._owner.hold())

        return self._move(operation_id, move, moves.UNSENT)

    def release(self, operation_id: str) -> None:
        """Stop holding an operation, in the state it is in; nothing happens to one that this journal does not hold."""

        def job(database: sqlite3.Connection) -> None:
            entry = table.find(database, operation_id)
            if entry is not None and self._owner.is_mine(entry.owner):
                table.put(database, replace(entry, owner=None))

        self._run(job, moves.LEFT, write=True)

    def accept(self, operation_id: str, receipt: Mapping[str, Any]) -> None:
        """Intent to accepted: the appliance took it; ``receipt`` is what it said, in plain JSON. It stays held."""
        move = self._from_intent(lambda entry: moves.accepted(entry, receipt, moves.now()), moves.TAKEN)
        self._move(operation_id, move, moves.TAKEN)

    def refuse(self, operation_id: str, error_code: str) -> None:
        """Intent to refused: provably nothing was done; nobody holds it any more."""
        move = self._from_intent(lambda entry: moves.refused(entry, error_code, moves.now()), moves.UNDONE)
        self._move(operation_id, move, moves.UNDONE)

    def doubt(self, operation_id: str, error_code: str) -> None:
        """Intent to unknown: it may have been done, and it stands until it is resolved; nobody holds it any more."""
        move = self._from_intent(lambda entry: moves.doubted(entry, error_code, moves.now()), moves.DOUBTED)
        self._move(operation_id, move, moves.DOUBTED)

    def finish(self, operation_id: str, outcome: str) -> None:
        """Any state to done, with the whole outcome as JSON text; nobody holds it any more.

        Raises:
            StateError: when another run holds it.
        """

        def move(entry: Entry) -> Entry:
            if not self._owner.is_mine(entry.owner):
                self._require_idle(entry, moves.ENDED)
            return moves.finished(entry, outcome, moves.now())

        self._move(operation_id, move, moves.ENDED)

    def resolve(self, operation_id: str, happened: bool, note: str = "") -> Entry:
        """Say what became of an operation that nobody runs and that never ended: it happened (done), or not (refused).

        Who looked, and what they saw, may stand in ``note``; it is kept under ``resolved`` of the receipt.

        Raises:
            InputRefused: when the note is longer than 1000 characters.
            StateError: when there is no such operation, it is being run, or it is done or refused already.
        """
        moves.require_short(note)

        def move(entry: Entry) -> Entry:
            self._require_idle(entry, moves.UNSENT)
            return moves.resolved(entry, happened, note, moves.now())

        return self._move(operation_id, move, moves.UNSENT)

    def prune(self, keep_days: int = KEEP_DAYS) -> int:
        """Remove what is done or refused for so many days, and the lock files of dead owners; how many entries.

        What is open (intent, accepted, unknown) stays for ever.
        """
        now = datetime.now(UTC)
        before = moves.told(now - timedelta(days=max(0, keep_days)))

        def job(database: sqlite3.Connection) -> int:
            self._owner.sweep()
            return table.prune(database, before, moves.told(now))

        return self._run(job, moves.UNSENT, write=True)

    def close(self) -> None:
        """Close it; what it holds can be taken over from now on. Closing it again does nothing."""
        if self._process != os.getpid():
            return
        with self._turn:
            if not self._closed:
                self._closed = True
                self._database.close()
                self._owner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _from_intent(self, move: Callable[[Entry], Entry], failing: Failing) -> Callable[[Entry], Entry]:
        """This move, from an intent that this journal holds only."""

        def checked(entry: Entry) -> Entry:
            if entry.state != "intent" or not self._owner.is_mine(entry.owner):
                raise moves.wrong(entry, f"is {entry.state}, and this run holds no intent of it", failing)
            return move(entry)

        return checked

    def _move(self, operation_id: str, move: Callable[[Entry], Entry], failing: Failing) -> Entry:
        def job(database: sqlite3.Connection) -> Entry:
            entry = table.find(database, operation_id)
            if entry is None:
                missing = f"operation {moves.plain(operation_id)} is not in the journal"
                raise failing.error(missing, "run: spectra journal list")
            return table.put(database, move(entry))

        return self._run(job, failing, write=True)

    def _run(self, job: Callable[[sqlite3.Connection], T], failing: Failing, *, write: bool = False) -> T:
        """Do one job in its turn; what goes wrong becomes a StateError that holds nothing of where it went wrong."""
        if self._process != os.getpid():
            raise failing.error("the journal was opened before this process was forked", "open one in each process")
        try:
            if not self._turn.acquire(timeout=TURN_SECONDS):
                raise table.locked()
            try:
                return self._transact(job, write=write)
            finally:
                self._turn.release()
        except (sqlite3.Error, OSError, UnicodeError, Unusable) as problem:
            what, hint = table.reason_of(problem)
        raise failing.error(what, hint)

    def _transact(self, job: Callable[[sqlite3.Connection], T], *, write: bool) -> T:
        if self._closed:
            raise Unusable("the journal is closed", "open it again")
        if not write:
            return job(self._database)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            found = job(self._database)
            self._database.execute("COMMIT")
        except BaseException:
            table.roll_back(self._database)
            raise
        return found

    def _tidy(self) -> None:
        """Prune once a day, whoever does it first; a journal that cannot be pruned works all the same."""
        if self._tidied is not None and time.monotonic() - self._tidied < _DAY:
            return
        self._tidied = time.monotonic()
        now = datetime.now(UTC)
        with suppress(StateError):
            pruned = self._run(table.last_pruned, moves.UNSENT)
            if not moves.told(now - timedelta(days=1)) < pruned <= moves.told(now):
                self.prune()

    def _require_idle(self, entry: Entry, failing: Failing) -> None:
        if self._owner.is_alive(entry.owner):
            own = self._owner.is_mine(entry.owner)
            who = "this process" if own else f"process {self._owner.process_of(entry.owner)}"
            raise failing.under_way(entry, who)

    def _require_same_file(self) -> None:
        """Refuse to go on in a file that was moved away or replaced: others would write to another one."""
        if self._file is None:
            return
        path, opened = self._file
        found = path.lstat() if path.exists() else None
        if found is None or (found.st_dev, found.st_ino) != (opened.st_dev, opened.st_ino):
            raise Unusable("the journal was replaced while it was open", "start this program again")
