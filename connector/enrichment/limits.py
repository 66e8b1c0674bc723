"""The limiters of one machine: of one process, or of all processes that share a file.

Both keep the state of budget.py. The clock is the wall clock, in seconds since 1970, as a quota outlives a process.
"""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from connector.enrichment import budget
from connector.enrichment.budget import SECOND, State, Terms, micros
from connector.enrichment.sqlite_file import Layout, connect, identity, is_broken, is_busy, roll_back, set_aside
from connector.errors import StateError

BUSY: Final = 0.005  # seconds to wait for another process within a take; then it is asked for again a little later
_STATE: Final = (
    "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), rate INTEGER NOT NULL, quota INTEGER NOT NULL, "
    "paused_until INTEGER NOT NULL, day INTEGER NOT NULL, used INTEGER NOT NULL)"
)
_LAYOUT: Final = Layout(
    kind="limiter",
    mark=0x53504C31,
    tables=(_STATE,),
    pragmas=("synchronous = OFF", "cache_size = -64"),
    page_size=512,
)
_READ: Final = "SELECT rate, quota, paused_until, day, used FROM state"
_WRITE: Final = "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?)"


class MemoryLimiter:
    """Permits for one process. It remembers nothing: each start may take the slack of the quota, a fiftieth, anew."""

    def __init__(self, terms: Terms, clock: Callable[[], float]) -> None:
        self._terms, self._clock, self._state = terms, clock, budget.NEW

    async def take(self) -> float:
        self._state, wait = budget.take(self._state, self._terms, micros(self._clock()))
        return wait / SECOND

    async def pause(self, seconds: float) -> None:
        self._state = budget.pause(self._state, micros(self._clock()), micros(seconds))

    async def left(self) -> int | None:
        return budget.left(self._state, self._terms, micros(self._clock()))

    async def close(self) -> None:
        pass


class SqliteLimiter:
    """Permits for all processes that name the same file; what was taken is known after a restart and after kill -9.

    A take is one transaction of some 30 microseconds that never waits for the disk, so it runs on the loop itself.
    A power failure may lose the last seconds; a damaged file is set aside, ``notice`` says so, and the new one begins
    without any slack: at no time is more given than the terms allow. Processes with other terms each keep to their own.

    Raises:
        StateError: when the file cannot be opened, is of something else, or later cannot be written. Nobody could
            keep to a quota then.
    """

    def __init__(self, path: Path, terms: Terms, clock: Callable[[], float]) -> None:
        self._path, self._terms, self._clock = path, terms, clock
        self._paused_until = 0
        self.notice: str | None = None
        self._database = self._opened()

    async def take(self) -> float:
        wait = self._change(lambda state, now: budget.take(state, self._terms, now))
        return random.uniform(BUSY / 2, BUSY) if wait is None else wait / SECOND  # noqa: S311  # no secret

    async def pause(self, seconds: float) -> None:
        """Let nobody go for so long; where another process is writing just now, told with the next take."""
        now = micros(self._clock())
        self._paused_until = budget.pause(State(paused_until=self._paused_until), now, micros(seconds)).paused_until
        self._change(lambda state, _: (state, 0))

    async def left(self) -> int | None:
        try:
            return budget.left(self._read(), self._terms, micros(self._clock()))
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    async def close(self) -> None:
        self._database.close()

    def _change(self, move: Callable[[State, int], tuple[State, int]]) -> int | None:
        """What a move of the state gives, the state kept; None where somebody else is writing, and nothing was done."""
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            before, now = self._read(), micros(self._clock())  # the clock is read last: nobody else moves the state now
            after, given = move(self._with_pause(before, now), now)
            if after != before:
                database.execute(_WRITE, after)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            roll_back(database)
            if is_busy(error):
                return None
            raise self._unusable(error) from None
        self._paused_until = 0
        return given

    def _with_pause(self, state: State, now: int) -> State:
        return budget.pause(state, now, self._paused_until - now) if self._paused_until else state

    def _read(self) -> State:
        row = self._database.execute(_READ).fetchone()
        if row is None:
            return budget.NEW
        if not all(type(part) is int for part in row):
            raise sqlite3.DatabaseError("what it holds is no state of a limiter")
        return State(*row)

    def _opened(self) -> sqlite3.Connection:
        """The file, open; a damaged one is set aside, and what it held is taken for spent."""
        seen = identity(self._path)
        try:
            try:
                return connect(self._path, _LAYOUT, BUSY)
            except sqlite3.Error as error:
                if not is_broken(error):
                    raise
            self.notice = set_aside(self._path, seen)
            return self._begun(connect(self._path, _LAYOUT, BUSY))
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from None

    def _begun(self, database: sqlite3.Connection) -> sqlite3.Connection:
        try:
            database.execute(_WRITE, budget.spent(self._terms, micros(self._clock())))
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _unusable(self, error: Exception) -> StateError:
        return StateError(
            f"the limiter's file {self._path.name} cannot be read or written ({type(error).__name__}: {error}), and "
            "without it no quota can be kept; free space on its disk, or name another file"
        )
