"""A subject is asked about once, whoever waits for it; an appliance that is away is waited for, and never hammered."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from connector.enrichment.budget import Terms as Budget
from connector.enrichment.counts import Counts
from connector.enrichment.lifetime import Lifetimes
from connector.enrichment.limits import MemoryLimiter
from connector.enrichment.look_ups import OVER_QUOTA, LookUps, Terms
from connector.enrichment.no_cache import NoCache
from connector.enrichment.patience import Patience
from connector.enrichment.turns import Turns
from connector.enrichment.values import Failure
from connector.errors import AuthError, MalformedResponse, QuotaError, ServerError, Unreachable
from connector.plan import Call
from connector.verdict import File, Verdict

ONE, TWO = "a" * 64, "b" * 40


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 1_800_000_000.0, []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Appliance:
    """Answers malicious, or fails as planned first; remembers what it was asked, and how much at once."""

    failures: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    flying: int = 0
    most: int = 0

    async def run(self, name, params):
        subject = params.get("hash_value") or params["url"]
        self.asked.append((name, subject))
        self.flying += 1
        self.most = max(self.most, self.flying)
        await asyncio.sleep(0)
        self.flying -= 1
        if self.failures:
            raise self.failures.pop(0)
        file = File(sha256=subject) if len(subject) == 64 else File(sha1=subject)
        return SimpleNamespace(verdicts=(Verdict(subject=file, classification="malicious", riskscore=10),))


class Shelf(NoCache):
    """A cache in a dict."""

    def __init__(self):
        self.kept, self.puts = {}, 0

    async def get(self, subjects):
        return {subject: self.kept[subject] for subject in subjects if subject in self.kept}

    async def put(self, findings):
        self.puts += 1
        self.kept |= {finding.subject: finding for finding in findings}


class Desk:
    def __init__(self, *failures, cache=None, at_once=4, passing=False, patience=600.0):
        self.clock, self.appliance, self.counts = Clock(), Appliance(list(failures)), Counts()
        self.cache = cache or Shelf()
        self.limiter = MemoryLimiter(Budget(), self.clock)
        self.look_ups = LookUps(
            self.appliance,
            self.cache,
            self.limiter,
            Terms("get_classification", at_once, Lifetimes(), passing=passing),
            self.counts,
            Patience(patience, self.clock),
            self.clock,
            self.clock.sleep,
        )

    def find(self, *subjects):
        async def found():
            try:
                return await self.look_ups.find(subjects)
            finally:
                await self.look_ups.close()

        return asyncio.run(found())


def test_a_subject_that_many_batches_wait_for_is_asked_about_once():
    desk = Desk()

    async def everything():
        found = await asyncio.gather(*(desk.look_ups.find([ONE, TWO]) for _ in range(20)))
        await desk.look_ups.close()
        return found

    found = asyncio.run(everything())
    assert sorted(desk.appliance.asked) == [("get_classification", ONE), ("get_classification", TWO)]
    assert all(set(answers) == {ONE, TWO} for answers in found)


def test_no_more_are_under_way_than_were_asked_for():
    desk = Desk(at_once=3)
    found = desk.find(*(f"{n:040x}" for n in range(50)))
    assert len(found) == 50
    assert desk.appliance.most == 3


def test_what_the_cache_has_is_not_asked_and_what_is_found_is_kept():
    cache = Shelf()
    Desk(cache=cache).find(ONE)
    again = Desk(cache=cache)
    found = again.find(ONE, TWO)
    assert again.appliance.asked == [("get_classification", TWO)]
    assert found[ONE].verdict.classification == "malicious"
    assert again.counts.hits_cache == 1
    assert again.counts.look_ups == 1
    assert set(cache.kept) == {ONE, TWO}


def test_a_finding_is_used_for_as_long_as_its_verdict_says():
    desk = Desk()
    finding = desk.find(ONE)[ONE]
    assert finding.until - finding.looked_up == 7 * 86_400


def test_an_appliance_that_is_away_is_waited_for_ever_longer_and_asked_again():
    desk = Desk(ServerError("down"), Unreachable("gone"), ServerError("down"))
    found = desk.find(ONE)
    assert found[ONE].known == "malicious"
    assert desk.clock.slept == [1.0, 2.0, 4.0]
    assert desk.counts.errors == {"server": 2, "unreachable": 1}


def test_while_it_is_away_no_worker_asks():
    desk = Desk(ServerError("down", retry_after=30.0))

    async def then():
        await desk.look_ups.find([ONE])
        return await desk.limiter.take()

    before = desk.clock.now
    assert asyncio.run(then()) == 0.0
    assert desk.clock.now - before >= 30.0


def test_an_appliance_that_stays_away_ends_the_run_with_its_error():
    desk = Desk(*[Unreachable("gone")] * 100, patience=120.0)
    with pytest.raises(Unreachable, match="gone"):
        desk.find(ONE)
    assert 120.0 <= sum(desk.clock.slept) <= 240.0


def test_wrong_credentials_end_the_run_at_once():
    desk = Desk(AuthError("no", status=401))
    with pytest.raises(AuthError):
        desk.find(ONE, TWO)
    assert desk.clock.slept == []


def test_an_answer_that_cannot_be_read_is_the_failure_of_its_subject_alone():
    desk = Desk(MalformedResponse("what is this"), at_once=1)
    found = desk.find(ONE, TWO)
    assert found[ONE] == Failure("malformed_response", "what is this")
    assert found[TWO].known == "malicious"


def test_a_used_up_quota_is_waited_for_or_passed_over_as_told():
    waited = Desk(QuotaError("used up", status=429, retry_after=3600.0), patience=0.0)
    assert waited.find(ONE)[ONE].known == "malicious"
    assert waited.clock.slept == [3600.0]
    passed = Desk(QuotaError("used up", status=429, retry_after=3600.0), passing=True)
    assert passed.find(ONE)[ONE] is OVER_QUOTA
    assert passed.clock.slept == []


def test_a_gate_gives_one_permit_after_the_other_and_says_how_long_it_took():
    clock, counts = Clock(), Counts()
    turns = Turns(MemoryLimiter(Budget(rate=2.0), clock), counts, clock, sleep=clock.sleep)

    async def many():
        return [await turns(Call("GET", "/x")) for _ in range(21)]

    begun = clock.now
    waits = asyncio.run(many())
    assert 9.5 <= clock.now - begun <= 10.01
    assert sum(waits) == pytest.approx(clock.now - begun)
    assert 19 <= counts.waits <= 20


def test_a_gate_that_is_told_to_pass_refuses_long_waits_only():
    clock = Clock()
    limiter = MemoryLimiter(Budget(), clock)
    turns = Turns(limiter, Counts(), clock, passing=True, sleep=clock.sleep)

    async def twice():
        await limiter.pause(5.0)
        assert await turns(Call("GET", "/x")) >= 5.0
        await limiter.pause(50.0)
        await turns(Call("GET", "/x"))

    with pytest.raises(QuotaError, match="nothing was sent") as caught:
        asyncio.run(twice())
    assert caught.value.outcome == "not_sent"
    assert caught.value.retry_after == pytest.approx(50.0, abs=1.0)


class SharedShelf(Shelf):
    """A cache with claims, as workers of several processes share it."""

    def __init__(self):
        super().__init__()
        self.claimed = set()

    async def claim(self, subjects, seconds):
        await asyncio.sleep(0)
        ours = frozenset(subject for subject in subjects if subject not in self.claimed)
        self.claimed |= ours
        return ours

    async def release(self, subjects):
        self.claimed -= set(subjects)


def test_workers_that_share_a_cache_ask_once_for_a_subject():
    shared = SharedShelf()
    desks = [Desk(cache=shared) for _ in range(20)]

    async def everything():
        found = await asyncio.gather(*(desk.look_ups.find([ONE]) for desk in desks))
        await asyncio.gather(*(desk.look_ups.close() for desk in desks))
        return found

    found = asyncio.run(everything())
    assert sum(len(desk.appliance.asked) for desk in desks) == 1
    assert {answers[ONE].known for answers in found} == {"malicious"}


def test_what_a_dead_worker_claimed_is_asked_by_another_when_its_lease_ends():
    shared = SharedShelf()
    shared.claimed.add(ONE)
    desk = Desk(cache=shared)
    desk.clock.sleep = _with(desk.clock.sleep, lambda: desk.clock.now >= 1_800_000_010 and shared.claimed.clear())
    desk.look_ups._sleep = desk.clock.sleep
    assert desk.find(ONE)[ONE].known == "malicious"
    assert len(desk.appliance.asked) == 1


def _with(sleep, after):
    async def slept(seconds):
        await sleep(seconds)
        after()

    return slept
