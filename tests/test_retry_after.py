"""Retry-After: read where it belongs, never earlier than it says, never slept beyond its bound; and what a doubt tells."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import Settings
from connector.endpoint import judge
from connector.endpoints import CLASSIFICATION_V3, FILE_STATUS, SUBMIT_FILE, SUBMIT_URL, TICLOUD, UPLOADS
from connector.errors import (
    CapacityError,
    CircuitOpen,
    OutcomeUnknown,
    QuotaError,
    ServerError,
    SpectraError,
    StorageFull,
)
from connector.exchange import Deadline, Wire
from connector.plan import Call, Judged, Pause, Reply, Sent, Upload
from connector.retry import DEFAULT, interrupted, persist, read_retry_after
from connector.wire import reply_of
from tests.laboratory import Time

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LONGEST = 120.0


def later(seconds, at=AT):
    """The HTTP date so many seconds after a moment."""
    return format_datetime(at + timedelta(seconds=seconds), usegmt=True)


# What the header says: a text, or seconds after the answer's own Date; and the seconds that it means, or None.
RETRY_AFTER = {
    "seconds": ("7", 7.0),
    "zero": ("0", 0.0),
    "one": ("1", 1.0),
    "the longest that is waited for": ("120", 120.0),
    "one more than that": ("121", 121.0),
    "an hour": ("3600", 3600.0),
    "a day": ("86400", 86400.0),
    "spaces around": (" \t7 ", 7.0),
    "leading zeros": ("0000000007", 7.0),
    "all zeros": ("0000000000", 0.0),
    "ten digits": ("9999999999", 9999999999.0),
    "eleven digits": ("1" * 11, None),
    "eleven digits that are few": ("00000000007", None),
    "400 digits": ("9" * 400, None),
    "5000 digits": ("9" * 5000, None),
    "a date": (30, 30.0),
    "a date now": (0, 0.0),
    "a date in a second": (1, 1.0),
    "a date in two minutes": (120, 120.0),
    "a date in two minutes and a second": (121, 121.0),
    "a date tomorrow": (86400, 86400.0),
    "a date in the past": (-30, 0.0),
    "a date a second ago": (-1, 0.0),
    "a date yesterday": (-86400, 0.0),
    "a date of long ago": ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    "a date of long ago in the old form": ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
    "a date of long ago in the form of C": ("Sun Nov  6 08:49:37 1994", 0.0),
    "missing": (None, None),
    "empty": ("", None),
    "a space": (" ", None),
    "inf": ("inf", None),
    "infinity": ("Infinity", None),
    "negative infinity": ("-inf", None),
    "nan": ("nan", None),
    "negative": ("-1", None),
    "more negative": ("-5", None),
    "negative zero": ("-0", None),
    "a plus": ("+1", None),
    "a fraction": ("1.5", None),
    "a fraction that is none": ("1.0", None),
    "a comma for a point": ("1,5", None),
    "exponent": ("1e3", None),
    "a huge exponent": ("1e999", None),
    "an underscore": ("1_0", None),
    "hexadecimal": ("0x10", None),
    "digits of another script": ("\u0663", None),
    "full-width digits": ("\uff11\uff12", None),
    "a superscript": ("7\u00b2", None),
    "two of them": ("1, 2", None),
    "two words": ("7 7", None),
    "seconds with a unit": ("7s", None),
    "a comment": ("7 (soon)", None),
    "a letter before": ("X7", None),
    "quotes": ('"7"', None),
    "garbage": ("soon", None),
    "null": ("null", None),
    "a line break within": ("7\n", None),
    "a null within": ("7\x00", None),
    "an ISO date": ("2026-03-01T12:00:30Z", None),
    "a month that is none": ("Sun, 01 Xxx 2026 12:00:05 GMT", None),
    "a day that is none": ("Sun, 99 Mar 2026 12:00:05 GMT", None),
    "an hour that is none": ("Sun, 01 Mar 2026 25:00:05 GMT", None),
    "a year beyond time": ("Sun, 01 Mar 99999 12:00:05 GMT", None),
    "a date alone": ("GMT", None),
    "megabytes of text": ("Sun, " * 300_000, None),
}
# Dates of one day, so these count from noon of it only.
OF_THE_DAY = {
    "in the old form": ("Sunday, 01-Mar-26 12:00:05 GMT", 5.0),
    "in the form of C": ("Sun Mar  1 12:00:05 2026", 5.0),
    "without a zone": ("Sun, 01 Mar 2026 12:00:05", 5.0),
    "without a day of the week": ("01 Mar 2026 12:00:05 GMT", 5.0),
    "with the wrong day of the week": ("Fri, 01 Mar 2026 12:00:05 GMT", 5.0),
    "of another zone": ("Sun, 01 Mar 2026 14:00:30 +0200", 30.0),
    "without seconds": ("Sun, 01 Mar 2026 12:01 GMT", 60.0),
    "of the last year": ("Fri, 31 Dec 9999 23:59:59 GMT", 251_629_934_399.0),
}
SKEWS = (-DAY, timedelta(0), DAY)
rows = pytest.mark.parametrize("what", RETRY_AFTER)


def answer(what, skew=timedelta(0), status=429):
    """An answer whose Date is off by the skew, with the seconds that its Retry-After means."""
    said, seconds = RETRY_AFTER[what]
    text = later(said, AT + skew) if isinstance(said, int) else said
    return reply_of(status, b"{}", "application/json", text, later(0, AT + skew)), seconds


@rows
@pytest.mark.parametrize("skew", SKEWS, ids=["a day slow", "right", "a day fast"])
def test_retry_after_is_read_where_it_is_one(what, skew):
    reply, seconds = answer(what, skew)

    assert read_retry_after(reply) == seconds


@pytest.mark.parametrize("what", OF_THE_DAY)
def test_a_date_is_read_in_every_form_that_is_met(what):
    text, seconds = OF_THE_DAY[what]

    assert read_retry_after(reply_of(429, b"{}", "application/json", text, later(0))) == seconds


def test_there_are_sixty_rows_and_more():
    assert len(RETRY_AFTER) >= 60


@pytest.mark.parametrize("status", [200, 201, 202, 301, 400, 403, 404, 405, 500, 502, 504])
def test_retry_after_is_not_read_where_it_does_not_belong(status):
    assert read_retry_after(Reply(status, retry_after="7", answered_at="2026-03-01T12:00:00Z")) is None


@pytest.mark.parametrize("status", [413, 429, 503])
def test_retry_after_is_read_where_it_belongs(status):
    assert read_retry_after(Reply(status, retry_after="7", answered_at="2026-03-01T12:00:00Z")) == 7.0


def test_a_date_of_which_nobody_knows_from_when_it_counts_is_not_read():
    assert read_retry_after(Reply(429, retry_after=later(30))) is None
    assert read_retry_after(Reply(429, retry_after="30")) == 30.0


def test_without_a_date_of_the_answer_the_clock_here_counts():
    reply = reply_of(429, b"{}", "application/json", later(60, datetime.now(UTC)), None)

    assert 57.0 <= read_retry_after(reply) <= 61.0


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{2,6} [0-9:]{0,9} ?[A-Z+0-9-]*"))
def test_whatever_retry_after_says_is_seconds_or_nothing(text):
    found = read_retry_after(Reply(503, retry_after=text, answered_at="2026-03-01T12:00:00Z"))

    assert found is None or 0 <= found < 1e15


class Slept:
    """What a plan sleeps after one answer to an endpoint, on a clock of the test: seconds, or the error it raises."""

    def __init__(self, endpoint, reply, *, cloud=False, deadline=4000.0, draw=0.0):
        self.time, self.seconds, self.error = Time(), None, None
        wire = Wire(Settings(url="http://127.0.0.1"))
        wire.clock, wire.random = self.time.clock, lambda: draw
        ends = Deadline(deadline, self.time.clock)
        call = Call(endpoint.method, "/x", effect=endpoint.effect, cloud=cloud)
        plan = persist(call, lambda got: judge(endpoint, got, cloud=cloud))
        next(plan)
        assert isinstance(plan.send(reply), Judged)
        try:
            self._pause(plan, plan.send(None), wire, ends)
        except SpectraError as error:
            self.error = error
        self.tokens = wire.health.tokens

    def _pause(self, plan, pause, wire, ends):
        assert isinstance(pause, Pause)
        try:
            seconds = wire.seconds(pause, ends)
        except SpectraError as refused:
            plan.throw(refused)
        self.time.sleep(seconds)
        self.seconds = seconds
        assert isinstance(plan.send(None), Call)


READS, SUBMITS = (FILE_STATUS, CLASSIFICATION_V3), (SUBMIT_FILE, SUBMIT_URL, UPLOADS)
endpoints = pytest.mark.parametrize("endpoint", [*READS, *SUBMITS], ids=lambda endpoint: endpoint.name)


@endpoints
@rows
def test_what_it_says_is_slept_never_early_and_never_beyond_two_minutes(endpoint, what):
    for skew, draw in product(SKEWS, (0.0, 0.999_999)):
        reply, seconds = answer(what, skew)

        slept = Slept(endpoint, reply, draw=draw)

        if seconds is None:  # as if it had said nothing: up to two seconds, or fifteen for a submission
            least = 15.0 if endpoint in SUBMITS else 0.0
            assert least <= slept.seconds <= max(2.0, 1.1 * least)
        elif seconds <= LONGEST:
            assert seconds <= slept.seconds <= min(LONGEST, 1.1 * seconds)
        else:
            assert isinstance(slept.error, CapacityError | QuotaError)
            assert (slept.seconds, slept.error.retry_after, slept.error.outcome) == (None, seconds, "rejected")


@endpoints
@pytest.mark.parametrize("what", [what for what, (_, seconds) in RETRY_AFTER.items() if seconds])
def test_a_wait_beyond_the_deadline_is_told_at_once(endpoint, what):
    for skew in SKEWS:
        reply, seconds = answer(what, skew)

        slept = Slept(endpoint, reply, deadline=seconds)

        assert (slept.seconds, slept.time.slept, slept.tokens) == (None, [], 100)
        assert isinstance(slept.error, CapacityError | QuotaError)
        assert (slept.error.retry_after, slept.error.status, slept.error.outcome) == (seconds, 429, "rejected")


def test_a_wait_that_just_fits_the_deadline_is_slept():
    assert Slept(FILE_STATUS, answer("seconds")[0], deadline=7.001).seconds == 7.0


def test_the_jitter_on_top_counts_against_the_deadline():
    assert Slept(FILE_STATUS, answer("seconds")[0], deadline=7.5, draw=0.5).seconds == 7.35
    assert Slept(FILE_STATUS, answer("seconds")[0], deadline=7.3, draw=0.5).error.retry_after == 7.0


def test_a_used_up_quota_is_told_with_its_wait():
    slept = Slept(TICLOUD, answer("an hour")[0], cloud=True)

    assert isinstance(slept.error, QuotaError)
    assert slept.error.retry_after == 3600.0


@pytest.mark.parametrize("endpoint", SUBMITS, ids=lambda endpoint: endpoint.name)
def test_a_full_disk_is_not_waited_for_whatever_it_says(endpoint):
    slept = Slept(endpoint, answer("seconds", status=503)[0])

    assert isinstance(slept.error, StorageFull)
    assert (slept.seconds, slept.error.retry_after) == (None, 7.0)


@pytest.mark.parametrize("endpoint", SUBMITS, ids=lambda endpoint: endpoint.name)
def test_an_accepted_submission_is_not_repeated_because_it_says_when(endpoint):
    reply = reply_of(201, b'{"code": 201, "detail": {"id": 1}}', "application/json", "7", later(0))
    plan = persist(Call("POST", "/x", effect="submit"), lambda got: judge(endpoint, got))
    next(plan)
    assert isinstance(plan.send(reply), Judged)

    with pytest.raises(StopIteration) as ended:
        plan.send(None)

    assert ended.value.value == reply


def test_a_503_to_a_read_is_waited_for_as_it_asks():
    slept = Slept(FILE_STATUS, answer("seconds", status=503)[0], draw=0.5)

    assert (slept.seconds, slept.tokens) == (7.35, 90)


def pause_after(seconds, effect="read", kind=CapacityError):
    """The pause that a plan makes after one answer that asks for this many seconds, or the error that it raises."""
    refusal = kind("full", status=429, retry_after=seconds)
    plan = persist(Call("GET", "/x", effect=effect), lambda _: refusal)
    next(plan)
    assert plan.send(Reply(429)) == Judged(Call("GET", "/x", effect=effect), refusal)
    try:
        return plan.send(None)
    except SpectraError as error:
        return error


@pytest.mark.parametrize("effect", ["read", "submit", "destroy"])
@given(seconds=st.floats(0, 1e12, allow_nan=False))
def test_a_pause_is_never_early_and_never_beyond_its_bound(effect, seconds):
    found = pause_after(seconds, effect)

    if seconds <= DEFAULT.longest_wait:
        assert isinstance(found, Pause)
        assert found.seconds == seconds
        assert 0 <= found.jitter <= 0.1 * seconds
        assert found.seconds + found.jitter <= LONGEST
    else:
        assert found.retry_after == seconds


@pytest.mark.parametrize(
    ("seconds", "pause"),
    [
        (0.0, Pause(0.0, 0.0, 5)),
        (10.0, Pause(10.0, 1.0, 5)),
        (100.0, Pause(100.0, 10.0, 5)),
        (115.0, Pause(115.0, 5.0, 5)),
        (120.0, Pause(120.0, 0.0, 5)),
    ],
)
def test_a_tenth_is_added_up_to_the_bound(seconds, pause):
    assert pause_after(seconds) == pause


def test_a_wait_that_is_too_long_is_told_and_not_waited_for():
    assert pause_after(120.001).retry_after == 120.001
    assert pause_after(121.0, kind=ServerError).retry_after == 121.0


def test_a_second_wait_is_as_long_as_the_second_answer_says():
    told = [CapacityError("full", retry_after=seconds) for seconds in (3.0, 40.0)]
    plan = persist(Call("GET", "/x"), lambda _: told.pop(0))
    next(plan)

    for pause in (Pause(3.0, pytest.approx(0.3), 5), Pause(40.0, 4.0, 5)):
        plan.send(Reply(429))
        assert plan.send(None) == pause
        plan.send(None)


def test_a_wait_that_the_budget_does_not_hold_is_told_with_its_seconds():
    refusal = CapacityError("full", status=429, retry_after=9.0)
    plan = persist(Call("GET", "/x"), lambda _: refusal)
    next(plan)
    plan.send(Reply(429))
    plan.send(None)

    with pytest.raises(CapacityError) as raised:
        plan.throw(CircuitOpen("used up"))

    assert raised.value.retry_after == 9.0


UPLOAD = Upload(b"x", Sent("0" * 40, "0" * 64, 1), "x")
CHANGES = {
    "upload": (Call("POST", "/x", upload=UPLOAD, effect="submit"), "file", "get_file_status"),
    "submit": (Call("POST", "/x", effect="submit"), "submission", "list of submissions"),
    "destroy": (Call("POST", "/x", effect="destroy"), "deletion", "still there"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_doubt_says_what_may_have_been_done_where_to_look_and_when(kind):
    call, what, where = CHANGES[kind]
    failure = ServerError("it failed", status=503, retry_after=33.0, outcome="unknown")
    plan = persist(call, lambda _: failure)
    next(plan)
    assert plan.send(Reply(503)) == Judged(call, failure)

    with pytest.raises(OutcomeUnknown) as doubt:
        plan.send(None)

    assert (doubt.value.retry_after, doubt.value.status, doubt.value.retryable) == (33.0, 503, False)
    assert doubt.value.message.startswith(f"it failed; the {what} was sent and may have been done")
    assert where in doubt.value.hint


@pytest.mark.parametrize("kind", CHANGES)
def test_a_doubt_of_an_earlier_run_says_where_to_look_and_how_to_settle_it(kind):
    _, what, where = CHANGES[kind]
    doubt = interrupted(kind)

    assert f"the {what} may have been done then" in doubt.message
    assert where in doubt.hint
    assert doubt.hint.endswith("then say what you found with `spectra journal resolve`")
    assert doubt.outcome == "unknown"


def test_a_read_is_never_in_doubt():
    failure = ServerError("it failed", outcome="unknown", retryable=False)
    plan = persist(Call("GET", "/x"), lambda _: failure)
    next(plan)
    plan.send(Reply(500))

    with pytest.raises(ServerError) as raised:
        plan.send(None)

    assert raised.value is failure


def test_a_success_is_told_of_its_own_call_with_what_its_retries_cost():
    call = Call("GET", "/x")
    plan = persist(call, lambda reply: None if reply.status == 200 else CapacityError("full"))
    next(plan)
    plan.send(Reply(429))
    assert isinstance(plan.send(None), Pause)
    assert plan.send(None) == call

    assert plan.send(Reply(200)) == Judged(call, None, 5)
