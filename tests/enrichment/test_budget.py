"""The arithmetic of the budget: no window ever holds too much, whatever is asked and whatever the clock does."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment import budget
from connector.enrichment.budget import DAY, NEW, SECOND, State, Terms, left, micros, pause, spent, take
from connector.errors import ConfigError

START = 1_700_000_000 * SECOND
quotas = st.integers(1, 400)
steps = st.lists(st.tuples(st.integers(0, 3_600 * SECOND), st.integers(1, 30)), max_size=60)


def granted(terms, asked, state=NEW, now=START):
    """When permits were given to those who come after each gap, so many at once."""
    given_at = []
    for gap, many in asked:
        now += gap
        for _ in range(many):
            state, wait = take(state, terms, now)
            if not wait:
                given_at.append(now)
    return given_at


def fullest(times, length):
    """The most permits in any window of a length, its ends included."""
    most, first = 0, 0
    for last, time in enumerate(times):
        while time - times[first] > length:
            first += 1
        most = max(most, last - first + 1)
    return most


@given(quotas, steps)
@settings(max_examples=80)
def test_no_24_hours_hold_more_than_the_quota_whatever_is_asked(quota, asked):
    assert fullest(granted(Terms(quota=quota), asked), DAY) <= quota


@given(st.floats(0.5, 10_000), st.integers(1, 50), st.integers(1, 20 * SECOND), steps)
@settings(max_examples=80)
def test_no_window_holds_more_than_the_rate_and_the_burst(rate, burst, length, asked):
    times = granted(Terms(rate=rate, burst=burst), [(gap // 1000, many) for gap, many in asked])

    assert fullest(times, length) <= rate * length / SECOND + burst


@given(st.integers(1, 100_000_000))
def test_the_proof_holds_for_every_quota(quota):
    terms = Terms(quota=quota)

    assert (DAY + terms.quota_slack) // terms.quota_step + 1 <= quota
    assert DAY / terms.quota_step >= min(0.97 * quota, quota - 1), "spread, and yet used"


@pytest.mark.parametrize("quota", [1, 2, 60, 500, 10_000])
def test_whoever_always_asks_gets_nearly_all_of_the_quota(quota):
    state, now, used, terms = NEW, START, 0, Terms(quota=quota)
    while now < START + DAY:
        state, wait = take(state, terms, now)
        used += not wait
        now += wait

    assert 0.98 * quota <= used <= quota


def test_an_idle_morning_is_not_made_up_for_by_a_burst():
    terms = Terms(quota=1000)

    assert len(granted(terms, [(12 * 3_600 * SECOND, 1000)])) == 20


@pytest.mark.parametrize("rate", [1, 7, 50, 333.3, 2_000, 10_000])
def test_workers_who_wake_up_late_still_reach_the_rate(rate):
    late, terms = random.Random(1), Terms(rate=rate)
    state, now, used, seconds = NEW, START, 0, max(20, 400 // rate)
    while now < START + seconds * SECOND:
        state, wait = take(state, terms, now)
        used += not wait
        now += wait and wait + late.randrange(20_000)

    assert 0.98 * rate * seconds <= used <= rate * seconds + max(2, math.ceil(rate / 10))


@given(quotas, st.lists(st.tuples(st.integers(0, 7_200), st.integers(0, 200_000), st.integers(1, 20)), max_size=60))
@settings(max_examples=80)
def test_a_clock_that_jumps_back_never_opens_the_quota(quota, moves):
    terms, state, true, behind, given_at = Terms(quota=quota), NEW, START, 0, []
    for passed, jump, many in moves:
        true, behind = true + passed * SECOND, behind + (jump * SECOND if jump % 3 == 0 else 0)
        for _ in range(many):
            state, wait = take(state, terms, true - behind)
            if not wait:
                given_at.append(true)

    assert fullest(given_at, DAY) <= quota


def test_a_clock_that_was_years_ahead_keeps_nobody_waiting_for_years():
    terms = Terms(rate=10, quota=1000)
    state, _ = take(NEW, terms, START + 3_000 * DAY)
    state = pause(state, START + 3_000 * DAY, DAY)

    state, wait = take(state, terms, START)
    assert wait == DAY, "the pause, no longer than a pause may be"
    state, wait = take(state, terms, START + wait)
    assert wait == 0


def test_a_wait_is_exact():
    terms = Terms(rate=3, burst=1, quota=700)
    state, now = NEW, START
    for _ in range(200):
        state, wait = take(state, terms, now)
        if wait:
            assert take(state, terms, now + wait - 1)[1] == 1
            assert take(state, terms, now + wait)[1] == 0
        now += wait


def test_nothing_is_taken_while_one_waits():
    terms = Terms(rate=1, burst=1)
    first, _ = take(NEW, terms, START)

    assert take(first, terms, START + 1) == (first, SECOND - 1)


def test_both_limits_are_kept_at_once():
    times = granted(Terms(rate=2, burst=1, quota=500), [(SECOND // 10, 3)] * 400)

    assert fullest(times, SECOND - 1) <= 2
    assert len(times) < 20, "the quota's own slack and pace"


def test_without_limits_everything_goes():
    assert len(granted(Terms(), [(0, 1000)])) == 1000


def test_a_pause_holds_and_a_shorter_one_does_not_shorten_it():
    state = pause(pause(NEW, START, 60 * SECOND), START + SECOND, 5 * SECOND)

    assert take(state, Terms(), START + 59 * SECOND)[1] == SECOND
    assert take(state, Terms(), START + 60 * SECOND)[1] == 0
    assert pause(NEW, START, -5) in (NEW, State(paused_until=START))
    assert pause(NEW, START, 9 * DAY).paused_until == START + DAY


def test_what_is_left_counts_the_permits_of_the_utc_day():
    terms, midnight = Terms(quota=1000), (START // DAY + 1) * DAY
    state = NEW
    assert left(state, terms, midnight - SECOND) == 1000
    for _ in range(3):
        state, _ = take(state, terms, midnight - SECOND)

    assert left(state, terms, midnight - 1) == 997
    assert left(state, terms, midnight) == 1000
    state, _ = take(state, terms, midnight)
    assert left(state, terms, midnight) == 999
    assert left(state, terms, midnight - SECOND) == 999, "a clock that goes back over midnight gives nothing back"
    state, _ = take(state, terms, midnight - SECOND)
    assert left(state, terms, midnight - SECOND) == 998
    assert left(NEW, Terms(rate=1), START) is None


@given(quotas, st.integers(0, 400), st.integers(0, 2 * DAY))
def test_a_state_that_was_lost_gives_nothing_twice(quota, before, later):
    terms = Terms(quota=quota)
    state, now, times = NEW, START, []
    for _ in range(before):
        state, wait = take(state, terms, now)
        now += wait
        times += [] if wait else [now]

    again = spent(terms, now)
    times += granted(terms, [(0, 50), (later // 3, 50), (later // 3, 50), (later // 3, 50)], again, now)

    assert fullest(times, DAY) <= quota


def test_every_number_is_exact_as_a_double():
    for terms in (Terms(rate=budget.SLOWEST, burst=1, quota=1), Terms(rate=10_000, quota=100_000_000)):
        state, _ = take(NEW, terms, micros(4_000_000_000.0))
        numbers = (*state, *spent(terms, micros(4e9)), terms.rate_step, terms.quota_step, terms.quota_slack)

        assert all(type(number) is int and abs(number) < 2**53 for number in numbers)


@pytest.mark.parametrize(
    ("terms", "named"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": -1.0}, "rate"),
        ({"rate": math.nan}, "rate"),
        ({"rate": math.inf}, "rate"),
        ({"rate": 1e-9}, "rate"),
        ({"rate": 20_000}, "rate"),
        ({"burst": -1}, "burst"),
        ({"burst": 10**9}, "burst"),
        ({"quota": 0}, "quota"),
        ({"quota": -5}, "quota"),
        ({"quota": 10**9}, "quota"),
    ],
)
def test_terms_out_of_range_are_refused_by_name(terms, named):
    with pytest.raises(ConfigError, match=f"the {named} must be"):
        Terms(**terms)
