"""Retry-After: read where it belongs, never earlier than it says, never slept beyond its bound."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import CapacityError, DeadlineExceeded, ServerError
from connector.plan import Call, Judged, Pause, Reply
from connector.retry import DEFAULT, persist, read_retry_after

AT = "2026-03-01T12:00:00Z"


def later(seconds):
    return format_datetime(datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=seconds), usegmt=True)


RETRY_AFTER = {
    "seconds": ("7", 7.0),
    "zero": ("0", 0.0),
    "spaces around": (" \t7 ", 7.0),
    "ten digits": ("9999999999", 9999999999.0),
    "a date": (later(30), 30.0),
    "a date in the past": (later(-30), 0.0),
    "a date in the old form": ("Sunday, 01-Mar-26 12:00:05 GMT", 5.0),
    "a date without a zone": ("Sun, 01 Mar 2026 12:00:05", 5.0),
    "missing": (None, None),
    "empty": ("", None),
    "inf": ("inf", None),
    "nan": ("nan", None),
    "400 digits": ("9" * 400, None),
    "eleven digits": ("1" * 11, None),
    "negative": ("-1", None),
    "a plus": ("+1", None),
    "a fraction": ("1.5", None),
    "exponent": ("1e3", None),
    "digits of another script": ("\u0663", None),
    "hexadecimal": ("0x10", None),
    "two of them": ("1, 2", None),
    "garbage": ("soon", None),
    "a date of today in another zone": ("Sun, 01 Mar 2026 14:00:30 +0200", 30.0),
    "a date without seconds": ("Sun, 01 Mar 2026 12:01 GMT", 60.0),
    "an ISO date": ("2026-03-01T12:00:30Z", None),
    "seconds with a unit": ("7s", None),
    "a comment": ("7 (soon)", None),
    "full-width digits": ("\uff17", None),
    "a line break within": ("7\n", None),
    "a null": ("7\x00", None),
    "leading zeros": ("0000000007", 7.0),
    "negative zero": ("-0", None),
    "infinity": ("Infinity", None),
    "a year of four nines": ("Fri, 31 Dec 9999 23:59:59 GMT", 251_629_934_399.0),
    "a month that is none": ("Sun, 01 Xxx 2026 12:00:05 GMT", None),
    "a day that is none": ("Sun, 99 Mar 2026 12:00:05 GMT", None),
    "a year beyond time": ("Sun, 01 Mar 99999 12:00:05 GMT", None),
    "megabytes of text": ("Sun, " * 300_000, None),
}


@pytest.mark.parametrize("what", RETRY_AFTER)
def test_retry_after_is_read_where_it_is_one(what):
    text, seconds = RETRY_AFTER[what]

    assert read_retry_after(Reply(429, retry_after=text, answered_at=AT)) == seconds


@pytest.mark.parametrize("status", [200, 202, 301, 400, 403, 404, 405, 500, 502, 504])
def test_retry_after_is_not_read_where_it_does_not_belong(status):
    assert read_retry_after(Reply(status, retry_after="7", answered_at=AT)) is None


@pytest.mark.parametrize("status", [413, 429, 503])
def test_retry_after_is_read_where_it_belongs(status):
    assert read_retry_after(Reply(status, retry_after="7", answered_at=AT)) == 7.0


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{2,6} [0-9:]{0,9} ?[A-Z+0-9-]*"))
def test_whatever_retry_after_says_is_seconds_or_nothing(text):
    found = read_retry_after(Reply(503, retry_after=text, answered_at=AT))

    assert found is None or 0 <= found < 1e15


@pytest.mark.parametrize("skew", [timedelta(days=-1), timedelta(days=1), timedelta(0)])
def test_a_date_counts_from_the_answer_s_own_date_whatever_the_clock_here_says(skew):
    answered = datetime(2026, 3, 1, 12, tzinfo=UTC) + skew
    until = format_datetime(answered + timedelta(seconds=42), usegmt=True)

    reply = Reply(429, retry_after=until, answered_at=answered.isoformat().replace("+00:00", "Z"))

    assert read_retry_after(reply) == 42.0


def slept(seconds, effect="read"):
    """The pause that a plan makes after one answer that asks for this many seconds, or the error that it raises."""
    refusal = CapacityError("full", status=429, retry_after=seconds)
    plan = persist(Call("GET", "/x", effect=effect), lambda _: refusal)
    next(plan)
    assert plan.send(Reply(429)) == Judged(Call("GET", "/x", effect=effect), refusal)
    try:
        return plan.send(None)
    except CapacityError as error:
        return error


@pytest.mark.parametrize("effect", ["read", "submit", "destroy"])
@given(seconds=st.floats(0, 1e12, allow_nan=False))
def test_a_pause_is_never_early_and_never_beyond_its_bound(effect, seconds):
    found = slept(seconds, effect)

    if seconds <= DEFAULT.longest_wait:
        assert isinstance(found, Pause)
        assert found.seconds == seconds
        assert found.seconds + found.jitter <= 1.1 * seconds
    else:
        assert found.retry_after == seconds


def test_a_wait_that_passes_the_deadline_is_not_slept_but_told():
    refusal = CapacityError("full", status=429, retry_after=90.0)
    plan = persist(Call("GET", "/x"), lambda _: refusal)
    next(plan)
    plan.send(Reply(429))
    assert plan.send(None) == Pause(90.0, 9.0, 5)

    with pytest.raises(CapacityError) as raised:
        plan.throw(DeadlineExceeded("no time left"))

    assert raised.value.retry_after == 90.0


def test_a_503_to_a_read_is_waited_for_as_it_asks():
    plan = persist(Call("GET", "/x"), lambda _: ServerError("busy", status=503, retry_after=3.0))
    next(plan)
    plan.send(Reply(503))

    assert plan.send(None) == Pause(3.0, pytest.approx(0.3), 10)
