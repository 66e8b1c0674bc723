"""The summary of a run says what its counts say, to machines and to people."""

import io
import json
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from connector.enrichment.counts import Counts
from connector.enrichment.report.summary import summary
from connector.enrichment.report.table import show
from connector.enrichment.report.words import amount, lasting, many, percent
from tests.enrichment import runs
from tests.enrichment.runs import Clock, batch

GOLDEN = Path(__file__).parent / "golden" / "summary.json"


def test_the_summary_of_a_run_is_as_it_was():
    told = json.dumps(summary(runs.busy()), indent=1) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(told, "utf-8")

    assert json.loads(told) == json.loads(GOLDEN.read_text("utf-8"))


def test_every_summary_has_the_same_keys():
    def shape(value):
        return {key: shape(item) for key, item in value.items()} if isinstance(value, dict) else None

    full, none = summary(runs.busy()), summary(runs.empty())
    for told in (full, none):
        told["events"]["dead_by_reason"] = told["look_ups"]["errors"] = {}

    assert shape(full) == shape(none)


def test_a_run_that_asked_nothing_divides_by_nothing():
    told = summary(runs.empty())

    assert told["events_per_second"] is None
    assert told["cache"] == {"hits": 0, "misses": 0, "hit_ratio": None, "time_saved": None}


def test_the_time_saved_is_the_look_ups_that_were_not_needed():
    counts = Counts(Clock())
    counts.looked_up("goodware", 0.1, None)
    counts.looked_up("goodware", 0.3, None)
    counts.cached(8)
    counts.add_batch(batch(enriched=100))

    assert summary(counts)["cache"]["hits"] == 98
    assert summary(counts)["cache"]["time_saved"] == pytest.approx(98 * 0.2)


def test_a_run_under_way_has_no_end_yet():
    assert summary(Counts(Clock()))["ended"] is None


def test_the_course_begins_at_zero_and_ends_with_the_totals():
    told = summary(runs.busy())

    assert told["series"][0] == [0.0, 0, 0]
    assert told["series"][-1] == [told["seconds"], 1_246_491 - 3, told["look_ups"]["count"]]


def printed(counts, *, terminal=False, width=100) -> str:
    out = io.StringIO()
    colours = "standard" if terminal else None
    show(summary(counts), Console(file=out, color_system=colours, width=width, highlight=False))
    return out.getvalue()


def test_without_a_terminal_the_table_is_plain_text():
    text = printed(runs.busy())

    assert "\x1b" not in text
    for words in ("1,246,491  in 12.0 s", "malicious", "14,880", "2 not JSON, 1 too long", "7 h 40 min of look-ups"):
        assert words in text


def test_on_a_terminal_what_is_malicious_is_red():
    assert re.search(r"\x1b\[1;31m *14,880", printed(runs.busy(), terminal=True))


def test_a_family_cannot_steer_the_terminal():
    text = printed(runs.hostile(), width=400)

    assert "gnp.exe" in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_counts_that_do_not_add_up_are_told():
    counts = Counts(Clock())
    counts.add_batch(runs.Tally(read=5))

    assert summary(counts)["events"]["adds_up"] is False
    assert "do not add up" in printed(counts)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (amount(1234567), "1,234,567"),
        (amount(0.0333), "0.033"),
        (amount(2.5), "2.5"),
        (amount(103_874.2), "103,874"),
        (many(1, "look-up"), "1 look-up"),
        (many(2, "look-up"), "2 look-ups"),
        (percent(1), "100 %"),
        (percent(0), "0 %"),
        (percent(0.99996), "> 99.9 %"),
        (percent(0.00001), "< 0.1 %"),
        (percent(0.5), "50 %"),
        (lasting(0.0253), "25 ms"),
        (lasting(6), "6.0 s"),
        (lasting(27_633), "7 h 40 min"),
    ],
)
def test_numbers_are_said_as_people_say_them(said, words):
    assert said == words
