"""Nothing is lost between source and sink, whatever goes away; what is inside is bounded, and ends in order."""

import asyncio
import json
from collections import Counter

import pytest

from connector.enrichment.budget import Terms as Budget
from connector.enrichment.counts import Counts
from connector.enrichment.dressing import Dresser
from connector.enrichment.extraction import make_reader
from connector.enrichment.formats import ecs
from connector.enrichment.lifetime import Lifetimes
from connector.enrichment.limits import MemoryLimiter
from connector.enrichment.look_ups import LookUps, Terms
from connector.enrichment.memory import Recent
from connector.enrichment.no_cache import NoCache
from connector.enrichment.patience import Patience
from connector.enrichment.pipeline import Options, Parts, Pipeline
from connector.enrichment.values import Batch, Failure, Refusal
from connector.errors import MalformedResponse, StateError, Unreachable
from tests.enrichment.test_look_ups import Appliance, Clock

SHOWN = frozenset({"malicious", "suspicious", "goodware", "unknown"})


def event(number, subjects=17):
    return json.dumps({"n": number, "file": {"hash": {"sha1": f"{number % subjects:040x}"}}}).encode()


class ListSource:
    """Events from a list, a few at a time; goes away where it is told to."""

    origin = "list"

    def __init__(self, events, size=5, away=()):
        self.events, self.size, self.away = events, size, set(away)
        self.at, self.stopped, self.forgotten = 0, False, []

    async def open(self, position):
        self.at = position or 0

    async def batches(self):
        while self.at < len(self.events) and not self.stopped:
            if self.at in self.away:
                self.away.discard(self.at)
                raise Unreachable("the broker is away")
            first, self.at = self.at, min(len(self.events), self.at + self.size)
            yield Batch(self.events[first : self.at], self.at, self.origin, first=first)
            yield None

    def stop(self):
        self.stopped = True

    async def done(self, batches):
        self.forgotten += [batch.position for batch in batches]

    async def close(self):
        pass


class ListSink:
    """Keeps lines; is away, or refuses, where it is told to; what is not synced is lost with it."""

    def __init__(self, away=0, refuses=lambda line: False, fails_at=None):
        self.lines, self.synced, self.away, self.refuses, self.fails_at = [], 0, away, refuses, fails_at

    async def open(self, place):
        del self.lines[place or 0 :]

    async def write(self, output):
        if self.away:
            self.away -= 1
            raise Unreachable("the sink is away")
        if self.fails_at is not None and len(self.lines) >= self.fails_at:
            raise StateError("the disk is full")
        bad = [n for n, line in enumerate(output.lines) if self.refuses(line)]
        self.lines += [line for n, line in enumerate(output.lines) if n not in bad]
        return [Refusal(n, Failure("refused", "the sink would not take it")) for n in bad]

    async def sync(self):
        self.synced = len(self.lines)
        return self.synced

    async def close(self):
        pass


class Letters:
    def __init__(self):
        self.dead = []

    async def open(self, place):
        del self.dead[place or 0 :]

    async def write(self, batch, dead):
        self.dead += [(batch.events[n], failure.reason) for n, failure in sorted(dead.items())]

    async def sync(self):
        return len(self.dead)

    async def close(self):
        pass


class Keeper:
    def __init__(self):
        self.state = None

    def load(self):
        return self.state

    def save(self, state):
        self.state = json.loads(json.dumps(state))


class Desk:
    def __init__(self, events, *, failures=(), ordered=True, sink=None, source=None, keeper=None, settle=0.0, ahead=4):
        self.clock, self.appliance, self.counts = Clock(), Appliance(list(failures)), Counts()
        limiter = MemoryLimiter(Budget(), self.clock)
        look_ups = LookUps(
            self.appliance,
            NoCache(),
            limiter,
            Terms("get_classification", 8, Lifetimes()),
            self.counts,
            Patience(600.0, self.clock),
            self.clock,
            self.clock.sleep,
        )
        reader = make_reader()
        self.source, self.sink, self.letters = source or ListSource(events), sink or ListSink(), Letters()
        self.keeper = keeper or Keeper()
        parts = Parts(
            source=self.source,
            sink=self.sink,
            letters=self.letters,
            dresser=Dresser(reader.read, ecs.events(), False, SHOWN, Recent(64), Recent(64)),
            look_ups=look_ups,
            counts=self.counts,
            patience=Patience(600.0, self.clock),
            wall=self.clock,
            keeper=self.keeper,
            sleep=self.clock.sleep,
        )
        self.pipeline = Pipeline(parts, Options(ordered=ordered, ahead=ahead, settle=settle))

    def run(self):
        asyncio.run(self.pipeline.run(self.keeper.load()))
        return self


def numbers(lines):
    return [json.loads(line)["n"] for line in lines]


def test_events_come_out_in_their_order_each_with_its_verdict():
    desk = Desk([event(n) for n in range(100)]).run()
    assert numbers(desk.sink.lines) == list(range(100))
    for line in desk.sink.lines:
        assert json.loads(line)["threat"]["enrichments"][0]["matched"]["field"] == "file.hash.sha1"
    assert desk.counts.enriched == 100
    assert desk.counts.balance()
    assert desk.counts.verdicts["malicious"] == 100


def test_a_subject_is_looked_up_once_however_many_events_name_it():
    desk = Desk([event(n) for n in range(200)]).run()
    assert len(desk.appliance.asked) == 17
    assert desk.counts.look_ups == 17
    assert desk.counts.hits_memory == 183


def test_without_order_every_event_comes_out_once_and_the_checkpoint_is_whole():
    desk = Desk([event(n, 1000) for n in range(100)], ordered=False).run()
    assert sorted(numbers(desk.sink.lines)) == list(range(100))
    assert desk.keeper.state["position"] == 100
    assert desk.keeper.state["sink"] == 100


def test_a_source_and_a_sink_that_go_away_are_waited_for_and_nothing_is_lost():
    desk = Desk([], source=ListSource([event(n) for n in range(60)], away=(0, 20, 55)), sink=ListSink(away=3)).run()
    assert numbers(desk.sink.lines) == list(range(60))
    assert desk.counts.errors["unreachable"] == 6


def test_what_the_source_may_forget_is_durable_first():
    seen = []
    desk = Desk([event(n) for n in range(40)])
    done = desk.source.done

    async def watched(batches):
        seen.append((max(batch.position for batch in batches), desk.sink.synced, desk.keeper.state["position"]))
        await done(batches)

    desk.source.done = watched
    desk.run()
    assert seen
    assert all(forgotten <= synced and forgotten <= kept for forgotten, synced, kept in seen)
    assert desk.source.forgotten == list(range(5, 45, 5))


def test_every_event_ends_enriched_passed_or_dead_and_the_counts_add_up():
    events = [
        event(1),
        b"no json",
        b"\xff\xfe{}",
        b'{"n": 2}',
        b"[1, 2]",
        b'{"n": 3, "file": {"hash": {"sha1": "abc"}}}',
        b"{" * 5000,
        event(4),
    ]
    desk = Desk(events).run()
    assert numbers(desk.sink.lines) == [1, 2, 3, 4]
    assert Counter(reason for _, reason in desk.letters.dead) == desk.counts.dead
    assert sum(desk.counts.dead.values()) == 4
    assert desk.counts.read == 8
    assert desk.counts.malformed == 1
    assert desk.counts.balance()


def test_a_line_that_the_sink_refuses_is_dead_and_counted_once():
    desk = Desk([event(n) for n in range(20)], sink=ListSink(refuses=lambda line: b'"n": 7,' in line)).run()
    assert [json.loads(raw)["n"] for raw, _ in desk.letters.dead] == [7]
    assert desk.counts.enriched == 19
    assert desk.counts.verdicts["malicious"] == 19
    assert desk.counts.balance()


def test_a_subject_whose_answer_cannot_be_read_takes_its_events_to_the_dead_letters():
    desk = Desk([event(0), event(0), event(1)], failures=[MalformedResponse("what is this")]).run()
    assert len(desk.letters.dead) + len(desk.sink.lines) == 3
    assert {reason for _, reason in desk.letters.dead} == {"malformed_response"}
    assert desk.counts.balance()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_run_that_breaks_off_goes_on_from_its_checkpoint_with_each_event_once(ordered):
    events = [event(n) for n in range(100)]
    sink, keeper = ListSink(fails_at=40), Keeper()
    with pytest.raises(StateError, match="full"):
        Desk(events, sink=sink, keeper=keeper, ordered=ordered).run()
    sink.fails_at = None
    Desk(events, sink=sink, keeper=keeper, ordered=ordered).run()
    assert sorted(numbers(sink.lines)) == list(range(100))


def test_few_batches_are_inside_however_slow_the_sink():
    desk = Desk([event(n, 1000) for n in range(500)], ahead=3)
    most, write = 0, desk.sink.write

    async def slow(output):
        nonlocal most
        most = max(most, desk.source.at - len(desk.sink.lines))
        for _ in range(20):
            await asyncio.sleep(0)
        return await write(output)

    desk.sink.write = slow
    desk.run()
    assert most <= (3 + 1) * 5


def test_a_stop_takes_nothing_more_in_and_finishes_what_is_inside():
    desk = Desk([event(n) for n in range(1000)])
    write = desk.sink.write

    async def stopping(output):
        desk.pipeline.stop()
        return await write(output)

    desk.sink.write = stopping
    desk.run()
    assert 5 <= len(desk.sink.lines) <= 50
    assert desk.keeper.state["position"] == len(desk.sink.lines) == desk.source.at
    assert desk.pipeline.stopped
