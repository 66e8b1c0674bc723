"""The limiter in Redis, on a real server: the same arithmetic as budget.py, for all workers together."""

import asyncio
import heapq
import random

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.enrichment import budget
from connector.enrichment.budget import DAY, SECOND, Terms
from connector.enrichment.redis_streams.limiter import RedisLimiter
from connector.errors import Unreachable
from tests.enrichment.redis_server import redis_server

BEGIN = 1_790_000_000 * SECOND


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def client(server):
    server.flush()
    with redis.Redis(host="127.0.0.1", port=server.port) as made:
        yield made


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "take", "pause", "left", "lost"]),
        st.one_of(
            st.integers(0, 20_000),
            st.integers(0, 3 * SECOND),
            st.integers(-2 * DAY, 2 * DAY),
            st.integers(DAY - 5, DAY + 5),
        ),
        st.integers(0, 100),
    ),
    max_size=25,
)
TERMS = st.builds(
    Terms,
    rate=st.none() | st.floats(0.01, 5000),
    burst=st.integers(1, 50),
    quota=st.none() | st.integers(1, 1_000_000),
).filter(lambda terms: terms.rate or terms.quota)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, terms=TERMS)
def test_the_script_and_budget_py_give_the_same_at_every_step(server, client, steps, terms):
    now = [BEGIN]

    async def compared(limiter):
        state, seen = budget.NEW, False
        for verb, later, seconds in steps:
            now[0] = max(0, now[0] + later)
            if verb == "lost":
                client.flushdb()
                continue
            if not client.keys():
                state = budget.spent(terms, now[0]) if seen else budget.NEW
            if verb == "take":
                state, wait = budget.take(state, terms, now[0])
                assert await limiter.take() == wait / SECOND
            elif verb == "pause":
                state = budget.pause(state, now[0], seconds * SECOND)
                await limiter.pause(float(seconds))
            elif terms.quota is not None:
                state = budget.pause(state, now[0], 0)
                assert await limiter.left() == budget.left(state, terms, now[0])
            if keys := client.keys():
                seen = True
                kept = client.hmget(keys[0], "rate", "quota", "paused", "day", "used")
                assert budget.State(*map(int, kept)) == state

    async def run():
        client.flushdb()
        limiter = RedisLimiter(server.address(), "n", terms, now=lambda: now[0])
        try:
            await compared(limiter)
        finally:
            await limiter.close()

    asyncio.run(run())


def simulated(server, terms, workers, until, demand):
    """The times at which permits were given to workers who ask in virtual time; ``demand`` is the pause between asks."""

    async def run():
        now, given_at = [BEGIN], []
        limiters = [RedisLimiter(server.address(), "n", terms, now=lambda: now[0]) for _ in range(workers)]
        asks = [(BEGIN + n, n) for n in range(workers)]
        while asks:
            now[0], n = heapq.heappop(asks)
            if now[0] >= BEGIN + until:
                break
            wait = await limiters[n].take()
            if not wait:
                given_at.append(now[0])
            heapq.heappush(asks, (now[0] + (int(wait * SECOND) + 1 if wait else demand()), n))
        for limiter in limiters:
            await limiter.close()
        return given_at

    return asyncio.run(run())


def test_twenty_workers_together_keep_the_rate_within_two_percent(server, client):
    given_at = simulated(server, Terms(rate=50, burst=2), 20, 4 * SECOND, lambda: 1)
    assert 0.98 <= len(given_at) / 200 <= 1.02


def test_twenty_workers_never_exceed_a_quota_in_any_day_and_use_most_of_it(server, client):
    chance = random.Random(5)
    given_at = simulated(server, Terms(quota=150), 20, 2 * DAY, lambda: chance.randrange(1, DAY // 20))
    for n, moment in enumerate(given_at):
        assert sum(moment <= other <= moment + DAY for other in given_at[n : n + 200]) <= 150
    assert len(given_at) >= 2 * 150 * 0.95


def test_a_pause_holds_for_every_worker_and_is_never_shortened(server, client):
    async def run():
        one, other = (RedisLimiter(server.address(), "n", Terms(rate=100)) for _ in range(2))
        assert await one.take() == 0.0
        await one.pause(30)
        await other.pause(5)
        waits = await one.take(), await other.take()
        await one.close()
        await other.close()
        return waits

    assert all(29 < wait <= 30 for wait in asyncio.run(run()))


def test_without_rate_and_quota_the_server_is_asked_now_and_then_and_pauses_are_shared_all_the_same(server, client):
    clock = [10.0]

    async def run():
        one, other = (RedisLimiter(server.address(), "n", Terms(), clock=lambda: clock[0]) for _ in range(2))
        client.config_resetstat()
        for _ in range(50):
            assert await one.take() == 0.0
        assert client.info("commandstats")["cmdstat_hmget"]["calls"] == 1
        await other.pause(30)
        clock[0] += 0.3
        waits = await one.take(), await other.take()
        await one.close()
        await other.close()
        return waits

    assert all(29 < wait <= 30 for wait in asyncio.run(run()))


def test_names_have_limits_of_their_own(server, client):
    async def run():
        one, other = (RedisLimiter(server.address(), name, Terms(rate=1, burst=1)) for name in "ab")
        waits = await one.take(), await one.take(), await other.take()
        await one.close()
        await other.close()
        return waits

    first, second, third = asyncio.run(run())
    assert (first, third) == (0.0, 0.0)
    assert 0.5 < second <= 1.0


def test_what_is_left_of_the_quota_is_everybody_s(server, client):
    async def run():
        one, other = (RedisLimiter(server.address(), "n", Terms(quota=1000)) for _ in range(2))
        assert await other.left() == 1000
        for _ in range(3):
            assert await one.take() == 0.0
        left = await one.left(), await other.left()
        await one.close()
        await other.close()
        return left

    assert asyncio.run(run()) == (997, 997)


def test_without_a_quota_nothing_is_left_to_tell(server):
    async def run():
        limiter = RedisLimiter(server.address(), "n", Terms(rate=1))
        left = await limiter.left()
        await limiter.close()
        return left

    assert asyncio.run(run()) is None


def test_a_limiter_that_is_away_gives_nothing_keeps_pauses_and_begins_again_without_slack():
    clock = [100.0]

    async def run(own):
        limiter = RedisLimiter(own.address(), "n", Terms(rate=1, burst=10), clock=lambda: clock[0])
        assert await limiter.take() == 0.0
        own.stop()
        with pytest.raises(Unreachable):
            await limiter.take()
        await limiter.pause(7)
        assert limiter.failures == 1
        assert await limiter.take() == 7.0
        own.start()  # without its data
        clock[0] += 7
        wait = await limiter.take()
        assert 0.9 < wait <= 1.0
        await limiter.close()

    with redis_server() as own:
        asyncio.run(run(own))


def test_a_state_that_somebody_spoiled_begins_without_slack(server, client):
    async def run():
        limiter = RedisLimiter(server.address(), "n", Terms(rate=1, burst=10))
        assert await limiter.take() == 0.0
        client.hset(client.keys()[0], "rate", "much")
        wait = await limiter.take()
        await limiter.close()
        return wait

    assert 0.9 < asyncio.run(run()) <= 1.0
