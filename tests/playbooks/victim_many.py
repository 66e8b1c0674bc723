"""A process in which very many runs wait at once: half of them for a person, half for a clock; how much it needs.

``python -m tests.playbooks.victim_many FOLDER COUNT`` prints one JSON line: the seconds until all wait, resident
memory before and then (MB), processor time in a second of waiting, and how many runs ended when they were told to.
"""

import asyncio
import json
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from typing import Any, Final

import psutil
from pydantic import SecretStr

from connector.playbooks.durable.engine import Engine
from connector.playbooks.durable.hosting import Hosting, hosting
from connector.playbooks.durable.runs import Runs, open_runs
from connector.playbooks.durable.state import State
from tests.playbooks.victim_books import ask, book, call, order, step

NOWHERE: Final = "http://127.0.0.1:9"
IDLE: Final = 4.0
LONG: Final = 3_600_000  # milliseconds
TOGETHER: Final = 50


def asks() -> dict[str, Any]:
    return book("asks", first=ask("Go on?"))


def sleeps() -> dict[str, Any]:
    return book("sleeps", first=call("get_tags", delay=LONG))


async def begin(engine: Engine, count: int) -> None:
    """Begin as many runs as are asked for, a few at a time."""
    books = (asks(), sleeps())
    for first in range(0, count, TOGETHER):
        numbers = range(first, min(first + TOGETHER, count))
        await asyncio.gather(*(engine.start(order(books[n % 2], f"many-{n}")) for n in numbers))


def counted(runs: Runs, count: int) -> Counter[str]:
    return Counter(run["state"] for run in runs.listed(count))


async def waiting(state: State, count: int) -> None:
    """Until each run has asked its question, or begun its sleep: both put a time into the database until when."""
    with closing(sqlite3.connect(state.file)) as database:
        look = "SELECT count(*) FROM operation_outputs WHERE function_name = 'DBOS.sleep'"
        while database.execute(look).fetchone()[0] < count:
            await asyncio.sleep(0.2)


async def answered(runs: Runs, count: int) -> Counter[str]:
    """Approve what asks, cancel what sleeps; the states in which all are in the end."""
    for number in range(count):
        if number % 2:
            await asyncio.to_thread(runs.cancel, f"many-{number}")
        else:
            await asyncio.to_thread(runs.decide, f"many-{number}", step("first"), "approved", "me", "")
    found = await asyncio.to_thread(counted, runs, count)
    while found["running"]:
        await asyncio.sleep(0.2)
        found = await asyncio.to_thread(counted, runs, count)
    return found


async def main(folder: str, count: int) -> dict[str, Any]:
    me = psutil.Process()
    state = State.of(folder)
    async with hosting(Hosting(state=state, server=NOWHERE, api_key=SecretStr("none"))) as engine:
        with open_runs(state, engine.life) as runs:
            before, began = me.memory_info().rss, time.monotonic()
            await begin(engine, count)
            await waiting(state, count)
            took, rss = time.monotonic() - began, me.memory_info().rss
            spent = sum(me.cpu_times()[:2])
            await asyncio.sleep(IDLE)
            spent = sum(me.cpu_times()[:2]) - spent
            ended = await answered(runs, count)
            peak = me.memory_info().rss
    return {
        "runs": count,
        "seconds": round(took, 1),
        "before_mb": round(before / 1e6, 1),
        "waiting_mb": round(rss / 1e6, 1),
        "after_mb": round(peak / 1e6, 1),
        "idle_cpu": round(spent / IDLE, 3),
        "threads": me.num_threads(),
        "ended": dict(ended),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2])))) + "\n")
