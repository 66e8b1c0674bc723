"""Workers on one Redis share events, verdicts and permits; one that is killed, stopped or cut off loses nothing."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from connector.emulator.product.ledger import Ledger
from connector.enrichment import look_ups
from connector.enrichment.budget import Terms
from connector.enrichment.counts import Counts
from connector.enrichment.lifetime import Lifetimes
from connector.enrichment.limits import MemoryLimiter
from connector.enrichment.patience import Patience
from connector.enrichment.redis_streams.cache import RedisCache
from connector.verdict import File, Verdict
from tests.enrichment.crew import NUMBERS, SUBJECTS, Crew, add, crew, entries, event, pending, require_whole, until
from tests.enrichment.redis_server import Server, redis_server


@pytest.fixture
def server() -> Iterator[Server]:
    with redis_server() as made:
        yield made


@pytest.fixture
def client(server: Server) -> Iterator["redis.Redis"]:
    with redis.Redis(host="127.0.0.1", port=server.port) as made:
        yield made


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Crew]:
    with crew(tmp_path, 400) as made:
        yield made


def stream(server: Server, *more: object) -> tuple[object, ...]:
    """The command of a worker of the group."""
    places = ("--source", server.address("events"), "--cache", server.address(), "--output", server.address("enriched"))
    return (*places, "--group", "siem", *more)


def cached(client: "redis.Redis") -> set[str]:
    """The subjects that the workers' cache knows."""
    return {name.decode().rpartition(":")[2] for name in client.scan_iter("spectra:finding:*", count=1000)}


def waiting(client: "redis.Redis") -> int:
    """How many workers wait for events just now."""
    return sum(each["cmd"].startswith("xreadgroup") for each in client.client_list())


def test_the_events_of_a_killed_worker_go_to_the_other_and_come_out_once(server, client, team):
    """What was in the cache at the kill is asked for once; what was not, the killed worker may have asked for too."""
    sent = [event(number, number * 150 // 2000) for number in range(2000)]
    team.slow(0.1)
    one = team.hire(*stream(server, "--consumer", "one", "--claim-after", 2, "--at-once", 8))
    other = team.hire(*stream(server, "--consumer", "other", "--claim-after", 2, "--at-once", 8))
    until(lambda: waiting(client) == 2, "both are there")
    for start in range(0, 2000, 100):
        add(client, sent[start : start + 100])
        time.sleep(0.03)

    until(lambda: len(cached(client)) >= 20 and pending(client, "one"), "one is in the middle of it")
    one.kill()
    before = cached(client)
    held = pending(client, "one")
    assert held
    assert len(before) < 150
    team.slow(0)
    until(lambda: client.xlen("enriched") >= 2000 and not pending(client), "all is out and done", 60)

    require_whole(entries(client), sent)
    asked = team.look_ups
    assert len(asked) == 150
    assert all(asked[subject] == 1 for subject in before), "what was known is not asked for again"
    assert max(asked.values()) <= 2
    told = other.retire()
    assert told["events"]["read"] >= held
    assert told["events"]["dead"] == 0
    assert pending(client) == 0


def test_workers_keep_to_one_rate_and_use_all_of_it(server, client, team, monkeypatch):
    times: list[float] = []
    note = Ledger.note_request

    def timed(ledger: Ledger, record: Any, *rest: int) -> None:
        if any(word in NUMBERS for word in record["path"].split("/")):
            times.append(time.monotonic())
        note(ledger, record, *rest)

    monkeypatch.setattr(Ledger, "note_request", timed)
    workers = [team.hire(*stream(server, "--rate", 20)) for _ in range(3)]
    until(lambda: waiting(client) == 3, "all are there")
    sent = [event(number, number) for number in range(100)]
    for each in sent:  # one after the other, as each goes to another who waits
        add(client, [each])
        time.sleep(0.002)

    until(lambda: client.xlen("enriched") >= 100 and not pending(client), "all is out")
    require_whole(entries(client), sent)
    assert len(times) == 100
    took = times[-1] - times[0]
    assert took >= (100 - 2) / 20 - 0.25
    assert took <= 100 / 20 * 1.3
    for first, began in enumerate(times):
        within = sum(began <= at < began + 1 for at in times[first:])
        assert within <= 20 + 2 + 4, f"{within} in a second; 22 are allowed, and 4 may have been on their way"
    for worker in workers:
        told = worker.retire()
        assert told["look_ups"]["count"] > 0
        assert told["waits"]["count"] > 0


def test_a_quota_is_kept_by_all_workers_and_what_is_over_it_passes(server, client, team):
    """Of 250 a day, five go at once, and the next after 351 s; nobody waits for what another could not ask."""
    workers = [team.hire(*stream(server, "--quota", 250, "--on-quota", "pass")) for _ in range(3)]
    until(lambda: waiting(client) == 3, "all are there")
    sent = [event(number, number % 300) for number in range(3000)]
    begun = time.monotonic()
    add(client, sent)
    until(lambda: client.xlen("enriched") >= 3000 and not pending(client), "all is out", 20)
    assert time.monotonic() - begun < look_ups.LEASE

    assert sum(team.look_ups.values()) == len(team.look_ups) == 5
    rows = entries(client)
    assert sorted(told["event"]["sequence"] for _, told in rows) == list(range(3000))
    summaries = [worker.retire() for worker in workers]
    passed = [told["events"]["passed"] for told in summaries]
    over = sum(each["over_quota"] for each in passed)
    enriched = sum(told["events"]["enriched"] for told in summaries)
    assert over + enriched + sum(each["not_found"] for each in passed) == 3000
    assert over >= 3000 - 5 * 10
    assert sum("threat" in told for _, told in rows) == enriched


def test_a_quota_is_not_spent_on_finding_out_what_the_appliance_is(server, client, team):
    """With the one permit that a quota of 50 gives at first, something is looked up."""
    worker = team.hire(*stream(server, "--quota", 50, "--on-quota", "pass"))
    add(client, [event(number, number) for number in range(60)])
    until(lambda: client.xlen("enriched") >= 60, "all is out")

    assert sum(team.look_ups.values()) == 1
    told = worker.retire()
    assert told["events"]["passed"]["over_quota"] == 59


def test_what_the_appliance_is_is_asked_once_however_many_look_ups_begin_together(server, client, team):
    worker = team.hire(*stream(server, "--at-once", 50))
    add(client, [event(number, number) for number in range(100)])
    until(lambda: client.xlen("enriched") >= 100, "all is out")
    worker.retire()

    assert team.lab.product.ledger.request_count == 101


def test_workers_wait_for_a_redis_that_lost_everything_and_go_on_with_what_is_new(server, client, team):
    workers = [team.hire(*stream(server)) for _ in range(2)]
    until(lambda: waiting(client) == 2, "both are there")
    before = [event(number, number % 50) for number in range(600)]
    add(client, before)
    until(lambda: client.xlen("enriched") >= 600 and not pending(client), "all is out")
    require_whole(entries(client), before)

    server.stop()
    time.sleep(0.5)
    server.start()
    after = [event(number, number % 80) for number in range(1000, 1600)]
    add(client, after)
    until(lambda: client.xlen("enriched") >= 600, "what came later is out")
    until(lambda: waiting(client) == 2 and not pending(client), "both are in the group again")

    require_whole(entries(client), after)
    assert sum(worker.retire()["events"]["read"] for worker in workers) == 1200


def test_a_worker_that_is_stopped_hands_over_what_it_cannot_finish_within_ten_seconds(server, client, team):
    """More than has room waits at it, and the appliance does not answer; the next need not wait for claim-after."""
    sent = [event(number, number % 50) for number in range(6000)]
    add(client, sent)
    team.slow(25)
    one = team.hire(*stream(server, "--claim-after", 600))
    until(lambda: pending(client) >= 1000, "it has taken some")
    time.sleep(0.5)
    held = pending(client)
    told = one.retire()
    assert told["events"]["read"] == 0
    assert held == pending(client) < 6000, "it held as much as it may, and let go of nothing else"

    team.slow(0)
    other = team.hire(*stream(server, "--claim-after", 600))
    until(lambda: client.xlen("enriched") >= 6000 and not pending(client), "all is out", 10)
    require_whole(entries(client), sent)
    assert other.retire()["events"]["read"] == 6000


def test_what_waits_for_its_permit_stays_claimed_and_what_was_found_is_there_for_others_at_once(server, monkeypatch):
    """Two workers want the same; the first is at it for longer than a claim lasts, and nothing is asked twice."""
    monkeypatch.setattr(look_ups, "LEASE", 0.3)
    asked: list[str] = []

    class Slow:
        async def run(self, _: str, params: dict[str, Any]) -> Any:
            asked.append(params["hash_value"])
            await asyncio.sleep(0.25)
            verdict = Verdict(subject=File(sha256=params["hash_value"]), classification="malicious")
            return SimpleNamespace(verdicts=(verdict,))

    def worker() -> look_ups.LookUps:
        return look_ups.LookUps(
            Slow(),
            RedisCache(server.address(), "scope"),
            MemoryLimiter(Terms(), time.time),
            look_ups.Terms("get_classification", 1, Lifetimes()),
            Counts(),
            Patience(60, time.monotonic),
            time.time,
        )

    async def run() -> tuple[float, float]:
        one, other = worker(), worker()
        begun = time.monotonic()
        whole = asyncio.create_task(one.find(SUBJECTS[:6]))
        await asyncio.sleep(0.1)
        first = await other.find(SUBJECTS[:1])
        early = time.monotonic() - begun
        assert first[SUBJECTS[0]].known == "malicious"
        await other.find(SUBJECTS[:6])
        await whole
        took = time.monotonic() - begun
        for each in (one, other):
            await each.close()
            await each._cache.close()
        return early, took

    early, took = asyncio.run(run())
    assert sorted(asked) == sorted(SUBJECTS[:6])
    assert early < took / 2
