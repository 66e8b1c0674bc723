"""Lifetimes: good defaults, changed word by word, and refused where they cannot be meant."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.enrichment.lifetime import Lifetimes
from connector.enrichment.values import KNOWN
from connector.errors import InputRefused


def test_what_is_certain_lives_longer_than_what_is_not():
    lives = Lifetimes()

    assert lives.malicious > lives.goodware > lives.suspicious > lives.unknown > lives.not_found > 0


def test_a_word_left_out_keeps_its_default():
    lives = Lifetimes.read("malicious=14d, unknown=30m")

    assert (lives.malicious, lives.unknown) == (14 * 86_400, 1_800)
    assert lives.goodware == Lifetimes().goodware
    assert Lifetimes.read("") == Lifetimes()


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1_800), ("6h", 21_600), ("2d", 172_800), ("1w", 604_800)]
)
def test_every_unit_is_understood(text, seconds):
    assert Lifetimes.read(f"goodware={text}").goodware == seconds


def test_until_is_counted_from_the_look_up():
    lives = Lifetimes()

    assert [lives.until(known, 1000.0) - 1000.0 for known in KNOWN] == [lives.of(known) for known in KNOWN]


def test_zero_keeps_nothing():
    assert Lifetimes.read("not_found=0s").until("not_found", 5.0) == 5.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("malicious", "/malicious: must be a whole number and s, m, h, d or w"),
        ("malicious=", "/malicious: must be"),
        ("malicious=7", "/malicious: must be"),
        ("malicious=-1d", "/malicious: must be"),
        ("malicious=367d", "/malicious: must be"),
        ("malicious=1.5h", "/malicious: must be"),
        ("malicious=٣d", "/malicious: must be"),
        ("clean=1d", "one of malicious, suspicious, goodware, unknown, not_found"),
        ("unknown=1h,unknown=2h", "/unknown: must be given once"),
    ],
)
def test_a_part_that_is_not_understood_is_refused_with_what_would_be(text, told):
    with pytest.raises(InputRefused) as refused:
        Lifetimes.read(text)

    assert told in refused.value.message


def test_every_wrong_part_is_named_at_once():
    with pytest.raises(InputRefused) as refused:
        Lifetimes.read("malicious=x,unknown=y,goodware=1d")

    assert [violation.pointer for violation in refused.value.violations] == ["/malicious", "/unknown"]


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_seconds_out_of_range_are_refused(seconds):
    with pytest.raises(InputRefused, match="/goodware"):
        Lifetimes(goodware=seconds)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(InputRefused):
        assert isinstance(Lifetimes.read(text), Lifetimes)
