"""One function that DBOS takes for granted, for SQLite before 3.42.

DBOS 3.4 asks ``unixepoch('subsec')`` from Python 3.12 on (``_migration.get_sqlite_timestamp_expr``). That modifier came
with SQLite 3.42; Python 3.12 and 3.13 also run with older ones, as on Debian 12, where it gives NULL and nothing can be
kept. There the function is given to every connection of SQLAlchemy to an SQLite file; elsewhere nothing is done.
"""

import sqlite3
import time
from typing import Any, Final

from sqlalchemy import Engine, event

_KNOWS_FRACTIONS: Final = (3, 42, 0)


def teach_old_sqlite() -> None:
    """See to it that connections made from now on know the function; doing so again changes nothing."""
    if sqlite3.sqlite_version_info < _KNOWS_FRACTIONS and not event.contains(Engine, "connect", teach):
        event.listen(Engine, "connect", teach)


def teach(connection: Any, _record: object) -> None:
    """Give one connection the function, if it is one of SQLite's."""
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", 1, _unixepoch)


def _unixepoch(modifier: str) -> float | int | None:
    """Seconds since 1970, with fractions where they are asked for; NULL for what is not known here."""
    if modifier == "subsec":
        return time.time()
    return int(time.time()) if modifier == "now" else None
