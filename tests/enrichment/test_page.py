"""The page of a summary as a document: closed, whole, and safe whatever a family is called."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment.counts import Counts
from connector.enrichment.report.charts import ceiling, rates, span_table
from connector.enrichment.report.page import POLICY, summary_page
from connector.enrichment.report.summary import summary
from tests.enrichment import runs
from tests.enrichment.runs import Clock, batch

VOID = {"meta", "col", "rect", "path", "line"}


class Reader(HTMLParser):
    """Holds that every element is closed in order; keeps the elements and their texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))


def test_nothing_on_the_page_points_anywhere_or_runs():
    page = Reader(summary_page(summary(runs.busy())))

    assert not [tag for tag, _ in page.elements if tag in {"a", "link", "img", "iframe", "object", "form", "base"}]
    assert [attrs for tag, attrs in page.elements if tag == "script"] == [{"type": "application/json", "id": "summary"}]
    names = {name for _, attrs in page.elements for name in attrs}
    assert not [name for name in names if name.startswith("on") or name in {"src", "href", "style", "action"}]


def test_the_policy_allows_the_style_of_the_page_by_hash_and_nothing_else():
    text = summary_page(summary(runs.busy()))
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)[1]
    allowed = b64encode(sha256(style.encode()).digest()).decode()

    assert f"style-src &#x27;sha256-{allowed}&#x27;" in text
    assert POLICY.startswith("default-src 'none';")
    assert "unsafe" not in POLICY
    assert "url(" not in style
    assert "@import" not in style


def test_the_summary_itself_is_in_the_page():
    told = summary(runs.hostile())
    page = Reader(summary_page(told))

    assert json.loads(next(text for tag, text in page.texts if tag == "script")) == told


@given(st.text(min_size=1, max_size=120))
@settings(max_examples=60)
def test_no_name_of_a_family_breaks_out_of_the_page(name):
    counts = Counts(Clock())
    counts.looked_up("malicious", 0.1, name)
    counts.add_batch(batch(enriched=1, malicious=1))
    told, plain = Reader(summary_page(summary(counts))), Counts(Clock())
    plain.looked_up("malicious", 0.1, "Emotet")
    plain.add_batch(batch(enriched=1, malicious=1))

    assert told.elements == Reader(summary_page(summary(plain))).elements


def test_what_turns_the_direction_of_text_is_shown_and_not_obeyed():
    text = summary_page(summary(runs.hostile()))

    assert "\u202e" not in text
    assert "[U+202E]" in text
    assert "<bdi>" in text


@pytest.mark.parametrize("counts", [runs.empty(), runs.busy(), runs.hostile()], ids=["empty", "busy", "hostile"])
def test_the_same_summary_gives_the_same_page(counts):
    told = summary(counts)

    assert summary_page(told) == summary_page(told)


def test_a_run_without_events_says_so_and_draws_nothing():
    page = Reader(summary_page(summary(runs.empty())))

    assert ("h1", "No events were read") in page.texts
    assert "svg" not in {tag for tag, _ in page.elements}


def test_counts_that_do_not_add_up_are_an_alert():
    counts = Counts(Clock())
    counts.add_batch(runs.Tally(read=5))

    assert 'role="alert"' in summary_page(summary(counts))
    assert 'role="alert"' not in summary_page(summary(runs.busy()))


@given(st.floats(0.001, 1e9))
@settings(max_examples=100)
def test_an_axis_ends_at_a_round_number_a_little_above(value):
    assert value <= ceiling(value) * (1 + 1e-9)
    assert ceiling(value) <= value * 1.7


def test_a_rate_is_what_came_within_its_span():
    assert rates([[0, 0, 0], [2, 100, 4], [2, 100, 4], [4, 400, 4]], 1) == [(2, 50), (4, 150)]


def test_a_long_course_is_told_in_few_rows_that_reach_its_end():
    table = span_table("x", [[float(n), n * 10, n] for n in range(301)])

    assert table.count("<tr>") <= 22
    assert "5 min 0 s" in table
