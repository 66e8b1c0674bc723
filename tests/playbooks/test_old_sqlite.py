"""What DBOS asks of SQLite is there also where SQLite is old."""

import sqlite3
import time
from contextlib import closing

from connector.playbooks.durable.old_sqlite import teach


def test_a_connection_that_was_taught_knows_fractions_of_seconds_also_as_a_default():
    with closing(sqlite3.connect(":memory:")) as database:
        teach(database, None)
        database.execute("CREATE TABLE t (a, at INTEGER NOT NULL DEFAULT (unixepoch('subsec') * 1000))")
        database.execute("INSERT INTO t (a) VALUES (1)")
        [(at,)] = database.execute("SELECT at FROM t")
        [(now, other)] = database.execute("SELECT unixepoch('now'), unixepoch('rubbish')")

    assert abs(at / 1000 - time.time()) < 60
    assert abs(now - time.time()) < 60
    assert other is None


def test_what_is_no_connection_of_sqlite_is_left_alone():
    teach(object(), None)
