"""The limiters of one machine: a day of virtual time with twenty workers, restarts, other processes, a damaged file."""

import asyncio
import heapq
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from connector.enrichment.budget import Terms
from connector.enrichment.limits import MemoryLimiter, SqliteLimiter
from connector.errors import StateError

ROOT = Path(__file__).parents[2]
START, DAY = 1_700_000_000.0, 86_400.0


class Clock:
    def __init__(self, now=START):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture(params=["memory", "file"])
def make(request, tmp_path):
    """Makes a limiter; those of a file share one."""
    if request.param == "memory":
        return MemoryLimiter
    return lambda terms, clock: SqliteLimiter(tmp_path / "state" / "limits.sqlite3", terms, clock)


def run(limiter, work):
    """Run ``work`` with a limiter, and close it."""

    async def running():
        try:
            return await work(limiter)
        finally:
            await limiter.close()

    return asyncio.run(running())


async def takes(limiter, many):
    return [await limiter.take() for _ in range(many)]


def test_permits_come_at_the_rate_after_the_burst(make):
    clock = Clock()

    async def work(limiter):
        assert await takes(limiter, 3) == [0.0, 0.0, 0.5]
        clock.now += 0.5
        assert await takes(limiter, 2) == [0.0, 0.5]

    run(make(Terms(rate=2, burst=2), clock), work)


def test_a_pause_is_kept_by_all_and_never_shortened(make):
    clock = Clock()

    async def work(limiter):
        await limiter.pause(60)
        await limiter.pause(5)
        assert await limiter.take() == 60.0
        clock.now += 60
        assert await limiter.take() == 0.0

    run(make(Terms(), clock), work)


def test_what_is_left_is_told_where_there_is_a_quota(make):
    async def work(limiter):
        await takes(limiter, 5)
        return await limiter.left()

    assert run(make(Terms(quota=1000), Clock()), work) == 995
    assert run(MemoryLimiter(Terms(rate=5), Clock()), work) is None


class Day:
    """Days of twenty workers on one limiter in virtual time: who asks when, and when permits were given."""

    def __init__(self, make, seed, *, greedy):
        self.make, self.clock, self.any = make, Clock(), random.Random(seed)
        self.greedy, self.given = greedy, []
        self.limiter = make(self.clock)

    def idle(self):
        """Seconds until a worker has something to ask again."""
        return 1.0 if self.greedy else self.any.choice((0.0, 1.0, 30.0, 600.0, 5_000.0))

    async def pass_by(self, days):
        end = START + days * DAY
        due = sorted((START + self.idle(), worker) for worker in range(20))
        disturbed = START + 3_600
        while due[0][0] < end:
            self.clock.now, worker = heapq.heappop(due)
            if self.clock.now > disturbed:
                disturbed = self.clock.now + self.any.uniform(3_600, 14_400)
                await self.disturb()
            wait = await self.limiter.take()
            if not wait:
                self.given.append(self.clock.now)
            heapq.heappush(due, (self.clock.now + (wait + self.any.random() * 0.05 if wait else self.idle()), worker))
        await self.limiter.close()

    async def disturb(self):
        """The appliance asks for a pause, or the program is started again."""
        if self.any.random() < 0.5:
            await self.limiter.pause(self.any.choice((1.0, 30.0, 300.0)))
        else:
            await self.limiter.close()
            self.limiter = self.make(self.clock)


def fullest_day(given):
    first = most = 0
    for last, moment in enumerate(given):
        while moment - given[first] > DAY:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("greedy", [True, False])
def test_twenty_workers_never_exceed_the_quota_of_any_24_hours_over_pauses_and_restarts(tmp_path, seed, greedy):
    terms = Terms(rate=5, quota=1200)
    day = Day(lambda clock: SqliteLimiter(tmp_path / "l", terms, clock), seed, greedy=greedy)
    asyncio.run(day.pass_by(2))

    assert fullest_day(day.given) <= 1200
    if greedy:
        assert sum(moment < START + DAY for moment in day.given) >= 0.95 * 1200
        assert sum(moment >= START + DAY for moment in day.given) >= 0.95 * 1200


def test_a_program_that_starts_every_minute_keeps_to_the_quota(tmp_path):
    clock, given = Clock(), []
    for _ in range(400):
        limiter = SqliteLimiter(tmp_path / "l", Terms(quota=100), clock)
        given += [clock.now for wait in run(limiter, lambda limiter: takes(limiter, 5)) if not wait]
        clock.now += 60

    assert len(given) <= 2 + 400 * 60 * 100 / DAY + 1


def test_a_clock_that_jumps_back_between_two_runs_opens_nothing(tmp_path):
    clock = Clock()
    path, terms = tmp_path / "l", Terms(quota=1000)
    assert run(SqliteLimiter(path, terms, clock), lambda limiter: takes(limiter, 30)).count(0.0) == 20
    clock.now -= 30 * DAY

    waits = run(SqliteLimiter(path, terms, clock), lambda limiter: takes(limiter, 30))
    assert waits.count(0.0) == 0
    assert max(waits) < 90, "and keeps nobody waiting until the old time comes again"
    clock.now += max(waits)
    assert run(SqliteLimiter(path, terms, clock), lambda limiter: takes(limiter, 1)) == [0.0]


def test_limiters_of_one_file_share_the_permits_and_the_pause(tmp_path):
    async def work():
        clock = Clock()
        one, two = (SqliteLimiter(tmp_path / "l", Terms(rate=10, burst=4), clock) for _ in range(2))
        try:
            assert [await one.take(), await two.take(), await one.take(), await two.take()] == [0.0] * 4
            assert await two.take() == await one.take() == 0.1
            await one.pause(30)
            assert await two.take() == 30.0
        finally:
            await one.close()
            await two.close()

    asyncio.run(work())


def test_while_another_process_writes_one_asks_again_and_no_pause_is_lost(tmp_path):
    async def work():
        limiter = SqliteLimiter(tmp_path / "l", Terms(), Clock())
        with closing(sqlite3.connect(tmp_path / "l", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert 0 < await limiter.take() < 0.05
            await limiter.pause(30)
            assert 0 < await limiter.take() < 0.05
            other.execute("ROLLBACK")
        assert await limiter.take() == 30.0
        await limiter.close()

    asyncio.run(work())


def test_the_file_is_its_owners_alone(tmp_path):
    run(SqliteLimiter(tmp_path / "l", Terms(), Clock()), lambda limiter: takes(limiter, 1))

    assert (tmp_path / "l").stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_set_aside_and_taken_for_spent(tmp_path):
    path, terms = tmp_path / "l", Terms(quota=1000)
    path.write_bytes(b"this was a limiter once" * 100)
    clock = Clock()
    limiter = SqliteLimiter(path, terms, clock)
    assert "kept as l.broken" in limiter.notice

    waits = run(limiter, lambda limiter: takes(limiter, 30))
    assert waits.count(0.0) == 0
    assert 0 < waits[0] < 90
    assert (tmp_path / "l.broken").read_bytes().startswith(b"this was")
    other = SqliteLimiter(path, terms, clock)
    assert run(other, lambda limiter: takes(limiter, 30)).count(0.0) == 0
    assert other.notice is None


def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    with closing(sqlite3.connect(tmp_path / "l")) as other:
        other.execute("CREATE TABLE theirs (a)")

    with pytest.raises(StateError, match="is no limiter, and was left as it is"):
        SqliteLimiter(tmp_path / "l", Terms(), Clock())
    with closing(sqlite3.connect(tmp_path / "l")) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]


def test_where_no_state_can_be_kept_no_permit_is_given(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match="without it no quota can be kept"):
        SqliteLimiter(tmp_path / "file" / "l", Terms(quota=5), Clock())

    async def work(limiter):
        limiter._database.execute("PRAGMA query_only = ON")
        with pytest.raises(StateError, match="cannot be read or written"):
            await limiter.take()

    run(SqliteLimiter(tmp_path / "l", Terms(quota=5), Clock()), work)


TAKER = """
import asyncio, sys, time
from pathlib import Path
from connector.enrichment.budget import Terms
from connector.enrichment.limits import SqliteLimiter

async def main(path, rate, seconds, least):
    limiter, given, end = SqliteLimiter(Path(path), Terms(rate=rate, quota=10**6), time.time), 0, time.monotonic() + seconds
    while time.monotonic() < end or given < least:
        wait = await limiter.take()
        given += not wait
        await asyncio.sleep(wait)
    print(given, flush=True)
    if least:
        await asyncio.sleep(60)
    await limiter.close()

asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
"""


def taker(path, rate, seconds, least=0):
    command = [sys.executable, "-c", TAKER, str(path), str(rate), str(seconds), str(least)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_that_share_a_file_never_exceed_the_rate_together(tmp_path):
    begun = time.time()
    together = [taker(tmp_path / "l", 500, 0.5) for _ in range(3)]
    given = [int(process.communicate(timeout=60)[0]) for process in together]
    took = time.time() - begun

    assert 0 < sum(given) <= 500 * took + 50


def test_what_was_taken_before_a_kill_is_known_afterwards(tmp_path):
    with taker(tmp_path / "l", 5_000, 0, least=100) as process:
        given = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)

    async def work(limiter):
        return await limiter.left()

    assert run(SqliteLimiter(tmp_path / "l", Terms(quota=10**6), time.time), work) == 10**6 - given
