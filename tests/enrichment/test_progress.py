"""How a run is shown while it goes on: the right rates, seldom enough, and never in the way of the run."""

import asyncio
import io
import re

import pytest

from connector.cli.enrich_view import (
    LIVE,
    PLAIN,
    WINDOW,
    LiveLine,
    Mark,
    NoLines,
    Pace,
    PlainLines,
    follow,
    following,
    shower_for,
)
from connector.cli.enrich_view import line as told
from connector.enrichment.counts import Counts
from connector.errors import Unreachable
from tests.enrichment import runs
from tests.enrichment.runs import Clock, batch


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_says_how_far_and_how_fast():
    counts = runs.busy()
    counts.errors.clear()
    before = Mark(counts.read - 207_749, counts.look_ups - 124)

    assert told(counts, before, 2.0) == (
        "1,246,491 events  104,000/s  hits 99.9 %  look-ups 966 (62/s)  waited 0.4 s  quota left 3,760  dead 3"
    )


def test_a_line_leaves_out_what_is_not_known():
    assert told(Counts(Clock()), Mark(), 0) == "0 events  0/s  look-ups 0 (0/s)  dead 0"


def test_errors_and_what_waits_at_the_source_are_told_where_there_are_any():
    counts = runs.busy()
    counts.lag = 12_000

    assert "behind 12,000  errors 1  dead 3" in told(counts, Mark(), 12)


def test_all_hits_is_said_only_of_all():
    counts = Counts(Clock())
    counts.add_batch(batch(enriched=1_000_000))
    assert "hits 100.0 %" in told(counts, Mark(), 1)

    counts.looked_up("goodware", 0.1, None)
    assert "hits 99.9 %" in told(counts, Mark(), 1)


def test_a_rate_is_of_the_last_seconds_not_of_the_whole_run():
    counts = Counts(Clock())
    pace = Pace(counts, window=3.0, now=0.0)
    shown = []
    for look in range(1, 41):
        counts.add_batch(batch(enriched=100 if look <= 20 else 10))
        shown.append(pace.line(look * 0.25))

    assert "400/s" in shown[19]
    assert "  40/s" in shown[39]


def test_many_looks_are_not_kept():
    pace = Pace(Counts(Clock()), window=3.0, now=0.0)
    for look in range(10_000):
        pace.line(look * 0.25)

    assert len(pace._looks) <= 14


class Steps:
    """A clock that passes by sleeping; after so many sleeps it stops the run."""

    def __init__(self, stop: asyncio.Event, most: int) -> None:
        self.now, self.stop, self.left, self.slept = 0.0, stop, most, []

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        self.left -= 1
        if self.left == 0:
            self.stop.set()
        await asyncio.sleep(0)


def followed(shower, looks: int, left=None) -> Steps:
    async def run():
        stop = asyncio.Event()
        steps = Steps(stop, looks)
        await follow(Counts(Clock()), stop, shower, left=left, clock=lambda: steps.now, sleep=steps.sleep)
        return steps

    return asyncio.run(run())


def test_without_a_terminal_there_is_a_line_every_half_minute():
    out = io.StringIO()
    steps = followed(PlainLines(out), 4)

    assert steps.slept == [PLAIN] * 4 == [30.0] * 4
    assert out.getvalue().splitlines() == ["0 events  0/s  look-ups 0 (0/s)  dead 0"] * 4


def test_a_live_line_is_drawn_four_times_a_second_at_most():
    out = Terminal()
    shower = LiveLine(out)
    shower.start()
    steps = followed(shower, 5)
    shower.stop()

    assert LIVE >= 0.25
    assert len(steps.slept) == 5
    assert 5 <= len(re.findall("0 events", out.getvalue())) <= 6


def test_a_live_line_is_gone_when_the_run_is_over():
    out = Terminal()
    shower = LiveLine(out)
    shower.start()
    shower.show("1 events")
    shower.stop()

    assert out.getvalue().rstrip("\n").endswith("\x1b[2K")


@pytest.mark.parametrize(
    ("stream", "quiet", "kind"),
    [(Terminal(), False, LiveLine), (io.StringIO(), False, PlainLines), (Terminal(), True, NoLines)],
)
def test_how_it_is_shown_is_decided_by_where(stream, quiet, kind):
    assert type(shower_for(stream, quiet=quiet)) is kind
    assert kind.window in {WINDOW, PLAIN, kind.every}


def test_what_is_left_of_the_quota_is_asked_for_also_where_nothing_is_shown():
    counts, out = Counts(Clock()), Terminal()

    async def left():
        return 12

    async def run():
        async with following(counts, quiet=True, left=left, stream=out):
            pass

    asyncio.run(run())
    assert counts.quota_left == 12
    assert out.getvalue() == ""


def test_a_limiter_that_is_away_does_not_end_the_view():
    async def left():
        raise Unreachable("the limiter is away")

    out = io.StringIO()
    followed(PlainLines(out), 2, left=left)

    assert len(out.getvalue().splitlines()) == 2


def test_a_reader_that_went_away_does_not_end_the_run():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    followed(PlainLines(Closed()), 2)


def test_the_counts_are_finished_and_no_task_is_left_when_the_block_ends():
    counts = Counts(Clock())

    async def run():
        async with following(counts, stream=Terminal()):
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 2
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1
    assert counts.ended is not None


def test_a_run_that_fails_fails_as_it_would_without_a_view():
    async def run():
        async with following(Counts(Clock()), stream=Terminal()):
            raise Unreachable("the broker is away")

    with pytest.raises(Unreachable, match="the broker is away"):
        asyncio.run(run())
