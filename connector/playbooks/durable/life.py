"""Who is running playbooks, and whether that one still lives: a lock that ends with its process.

On one machine it is a locked file, as for the journal (``journal_owner``). Across machines it is an advisory lock of
PostgreSQL, held by a connection of its own, which the server gives up when the process or its machine is gone. What a
dead one left is taken over under a lock of all, so that no run is taken over twice.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, Final, Protocol
from uuid import uuid4

from connector.errors import StateError
from connector.journal_owner import Owner
from connector.journal_place import Unusable, make_file
from connector.playbooks.durable.state import State

HERE: Final = "here "  # before the name of one that lives: the queue that it alone takes from
_TAKING_OVER: Final = "spectra takes over"
_LOCK_SECONDS: Final = 30.0
_HASH: Final = "hashtextextended(%s, 7)"
_SOON: Final = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


class Life(Protocol):
    """This process as one that runs playbooks."""

    name: str

    def is_alive(self, name: str) -> bool:
        """Whether the one of this name lives; True for this one.

        Raises:
            StateError: when that cannot be found out.
        """

    def taking_over(self) -> AbstractContextManager[None]:
        """The lock of all, while what dead ones left is taken over.

        Raises:
            StateError: when it cannot be had.
        """

    def lost(self) -> bool:
        """Whether others may think that this one is dead; it must not go on then."""

    def end(self) -> None: ...


def begin(state: State) -> Life:
    """Begin a life here.

    Raises:
        StateError: when the lock cannot be had.
    """
    return _FileLife(state) if state.is_file else _ServerLife(state)


class _FileLife:
    """A life on one machine."""

    def __init__(self, state: State) -> None:
        self._folder = state.folder
        self._owner = Owner(state.folder / "executors")
        self._lock = threading.Lock()
        try:
            self.name = self._owner.hold()
        except (OSError, Unusable) as error:
            raise StateError(f"the locks of playbooks in {state.folder} cannot be used ({error})") from None

    def is_alive(self, name: str) -> bool:
        with self._lock, suppress(OSError, Unusable):
            return self._owner.is_alive(name)
        return True  # not to be found out: not taken over

    @contextmanager
    def taking_over(self) -> Iterator[None]:
        file = self._folder / "taking-over.sqlite"
        try:
            make_file(file)
            lock = sqlite3.connect(file, timeout=_LOCK_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._no_lock(error) from None
        with closing(lock):
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                raise self._no_lock(error) from None
            yield

    def _no_lock(self, error: Exception) -> StateError:
        return StateError(f"the lock of playbooks in {self._folder} cannot be had ({type(error).__name__})")

    def lost(self) -> bool:
        return False

    def end(self) -> None:
        self._owner.close()


class _ServerLife:
    """A life among several machines."""

    def __init__(self, state: State) -> None:
        self.name = str(uuid4())
        self._url = state.url
        self._lock = threading.Lock()
        self._connection = self._connect()
        self._execute(f"SELECT pg_advisory_lock({_HASH})", self.name)

    def _connect(self) -> Any:
        """A connection that both ends give up within half a minute when the other one is gone."""
        import psycopg  # noqa: PLC0415  # only where several machines share a database

        soon: Any = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
        try:
            made = psycopg.connect(self._url, autocommit=True, connect_timeout=10, **soon)
            for name, value in _SOON.items():
                made.execute("SELECT set_config(%s, %s, false)", (name, value))
        except psycopg.Error as error:
            told = f"the database of playbooks cannot be reached ({type(error).__name__})"
            raise StateError(told, hint="check the URL of --state, and that the server accepts it") from None
        return made

    def _execute(self, statement: str, *values: str) -> Any:
        import psycopg  # noqa: PLC0415

        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchone()[0]
        except psycopg.Error as error:
            raise StateError(f"the database of playbooks was lost ({type(error).__name__})") from None

    def is_alive(self, name: str) -> bool:
        if name == self.name:
            return True
        taken = self._execute(f"SELECT pg_try_advisory_lock({_HASH})", name)
        if taken:
            self._execute(f"SELECT pg_advisory_unlock({_HASH})", name)
        return not taken

    @contextmanager
    def taking_over(self) -> Iterator[None]:
        with closing(self._connect()) as connection:
            connection.execute(f"SELECT pg_advisory_lock({_HASH})", (_TAKING_OVER,))
            yield

    def lost(self) -> bool:
        try:
            self._execute("SELECT 1")
        except StateError:
            return True
        return False

    def end(self) -> None:
        with self._lock:
            self._connection.close()
