"""Findings in Redis, on a real server: kept for their time, asked for once, and an empty cache while it is away."""

import asyncio
import os
import signal
import time

import pytest
import redis

from connector.enrichment.ports import Cache
from connector.enrichment.redis_streams.cache import RedisCache
from connector.enrichment.values import Finding
from connector.verdict import File, Url, Verdict
from tests.enrichment.redis_server import redis_server


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def client(server):
    server.flush()
    with redis.Redis(host="127.0.0.1", port=server.port) as made:
        yield made


def finding(subject, seconds=60.0, known="malicious"):
    named = Url(value=subject) if ":" in subject else File(sha1=subject)
    verdict = Verdict(subject=named, classification=known, riskscore=9, threat_name="Win32.Trojan.Emotet")
    now = time.time()
    return Finding(subject, None if known == "not_found" else verdict, now, now + seconds)


def run_with(server, work, scope="get_ticloud_reputation https://a.example", **options):
    async def run():
        cache = RedisCache(server.address(), scope, **({"answer": 30} | options))
        try:
            return await work(cache)
        finally:
            await cache.close()

    return asyncio.run(run())


def test_findings_come_back_as_they_were_put(server, client):
    put = [finding("a" * 40), finding("b" * 40, known="not_found"), finding("https://x.example/?q=ä")]
    put.append(finding("https://x.example/" + "y" * 8000))

    async def work(cache: Cache):
        await cache.put(put)
        return await cache.get([one.subject for one in put] + ["c" * 40])

    assert run_with(server, work) == {one.subject: one for one in put}


def test_thousands_of_findings_are_put_and_got_in_parts(server, client):
    put = [finding(f"{n:040x}") for n in range(1200)]

    async def work(cache):
        await cache.put(put)
        return await cache.get([one.subject for one in put])

    assert run_with(server, work) == {one.subject: one for one in put}


def test_redis_forgets_a_finding_when_it_is_no_longer_to_be_used(server, client):
    async def work(cache):
        await cache.put(
            [finding("a" * 40, seconds=0.05), finding("b" * 40, seconds=3600), finding("c" * 40, seconds=-1)]
        )
        (key,) = [key for key in client.keys("spectra:*") if key.endswith(b"b" * 40)]
        assert 3_590_000 < client.pttl(key) <= 3_600_000
        await asyncio.sleep(0.1)
        return set(await cache.get(["a" * 40, "b" * 40, "c" * 40]))

    assert run_with(server, work) == {"b" * 40}
    assert client.dbsize() == 1


def test_a_finding_past_its_time_is_not_given_even_where_redis_still_has_it(server, client):
    put = finding("a" * 40, seconds=3600)

    async def work(cache):
        await cache.put([put])
        return await cache.get([put.subject])

    assert run_with(server, work)
    later = RedisCache(server.address(), "get_ticloud_reputation https://a.example", wall=lambda: time.time() + 4000)

    async def look():
        try:
            return await later.get([put.subject])
        finally:
            await later.close()

    assert asyncio.run(look()) == {}


def test_the_answers_of_another_appliance_or_action_are_not_given(server, client):
    async def put(cache):
        await cache.put([finding("a" * 40)])

    async def get(cache):
        return await cache.get(["a" * 40])

    run_with(server, put)
    assert run_with(server, get)
    assert not run_with(server, get, scope="get_ticloud_reputation https://b.example")
    assert not run_with(server, get, scope="get_classification https://a.example")


@pytest.mark.parametrize("junk", [b"", b"\xff", b"null", b"[]", b'{"a":1}', b"[" * 5000])
def test_what_nobody_of_us_wrote_is_no_finding(server, client, junk):
    async def work(cache):
        await cache.put([finding("a" * 40)])
        (key,) = client.keys()
        client.set(key, junk)
        return await cache.get(["a" * 40]), cache.failures

    assert run_with(server, work) == ({}, 0)


def test_another_kind_of_key_is_an_empty_place_and_never_raises(server, client):
    async def work(cache):
        await cache.put([finding("a" * 40)])
        (key,) = client.keys()
        client.delete(key)
        client.lpush(key, "x")
        return await cache.get(["a" * 40])

    assert run_with(server, work) == {}


def test_twenty_workers_ask_once_for_each_subject(server, client):
    subjects = [f"{n:040x}" for n in range(25)]
    asked = []

    async def worker():
        cache, left, found = RedisCache(server.address(), "s", answer=30), list(subjects), {}
        while left:
            found |= await cache.get(left)
            left = [subject for subject in left if subject not in found]
            ours = await cache.claim(left, 30)
            known = await cache.get(sorted(ours))
            asked.extend(ours - known.keys())
            await asyncio.sleep(0.02)
            await cache.put([finding(subject) for subject in ours - known.keys()])
            await cache.release(sorted(ours))
        await cache.close()
        return found

    async def run():
        return await asyncio.gather(*(worker() for _ in range(20)))

    assert all(found.keys() == set(subjects) for found in asyncio.run(run()))
    assert sorted(asked) == subjects


def test_a_claim_is_one_worker_s_until_it_is_released_or_its_time_is_over(server, client):
    async def run():
        one, other = RedisCache(server.address(), "s", answer=30), RedisCache(server.address(), "s", answer=30)
        assert await one.claim(["a", "b"], 30) == {"a", "b"}
        assert await other.claim(["a", "b", "c"], 0.05) == {"c"}
        await other.release(["a"])
        assert await other.claim(["a"], 30) == frozenset()
        assert await one.claim(["a"], 30) == {"a"}
        await one.release(["a"])
        assert await other.claim(["a"], 30) == {"a"}
        await asyncio.sleep(0.1)
        assert await one.claim(["c"], 30) == {"c"}
        await one.close()
        await other.close()

    asyncio.run(run())


def test_a_cache_that_is_away_is_empty_lets_everybody_ask_and_comes_back():
    now = [0.0]

    async def work(cache):
        await cache.put([finding("a" * 40)])
        own.stop()
        assert await cache.get(["a" * 40]) == {}
        await cache.put([finding("a" * 40)])
        assert await cache.claim(["a", "b"], 30) == {"a", "b"}
        await cache.release(["a"])
        assert cache.failures == 4
        own.start()
        assert await cache.get(["a" * 40]) == {}  # left alone for a moment
        now[0] += 10
        await cache.put([finding("a" * 40)])
        assert set(await cache.get(["a" * 40])) == {"a" * 40}
        assert cache.failures == 5

    with redis_server() as own:
        run_with(own, work, clock=lambda: now[0])


def test_a_server_that_hangs_costs_one_time_out_and_is_then_left_alone():
    async def work(cache):
        await cache.get(["a" * 40])
        os.kill(own.process.pid, signal.SIGSTOP)
        begun = time.monotonic()
        try:
            for _ in range(50):
                assert await cache.get(["a" * 40]) == {}
        finally:
            os.kill(own.process.pid, signal.SIGCONT)
        assert cache.failures == 50
        return time.monotonic() - begun

    with redis_server() as own:
        assert 0.3 <= run_with(own, work, clock=lambda: 0.0, answer=0.3) < 10  # fifty of them would take 15
