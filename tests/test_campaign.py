"""The campaigns of the proof in their short form: random faults, silent peers, a soak, a storm; the long ones are gates."""

import random

import pytest

from connector import health, retry
from connector.errors import CircuitOpen
from tests.prove import crowd, lateness, soaking, storm

SEED = "20261124"


@pytest.mark.slow
def test_claims_agree_with_the_ledger_under_random_faults():
    line, total = crowd.measured(300, SEED, seconds=60)

    assert total.holds(), total.told
    assert line["injected"] >= 300
    assert line["planned"] == line["injected"] + line["cancelled"]
    assert line["unknown_but_done"] > 0  # so that a second sending would have been seen
    assert line["recovered"] > 0
    assert line["settled_again"] == line["unknown"] > 0


def test_the_campaign_sees_a_client_that_sends_a_submission_again(monkeypatch):
    monkeypatch.setattr(retry, "_may_retry", lambda error, call, attempt, policy: attempt + 1 < policy.attempts)

    _, total = crowd.measured(60, SEED, seconds=60)

    assert total.duplicates > 0


def test_the_campaign_sees_a_client_that_claims_too_little(monkeypatch):
    monkeypatch.setattr(retry, "settle", lambda error, call: _rejected(error))

    _, total = crowd.measured(60, SEED, seconds=60)

    assert total.lost > 0


def _rejected(error):
    error.outcome = "rejected"
    return error


@pytest.mark.slow
def test_every_action_ends_by_its_deadline_before_a_peer_that_never_ends():
    chosen = list(lateness.cases(random.Random(1), 1, deadlines=(0.3, 0.5)))

    ended = lateness.all_ended(chosen, at_once=12)

    assert [str(one) for one in ended if not one.right()] == []
    assert {one.case.lane for one in ended} == set(lateness.LANES)


@pytest.mark.slow
def test_faulty_requests_leave_no_descriptor_behind():
    line = soaking.measured(600, seed=1, seconds=30)

    first, last = line["descriptors_first_last"]
    assert line["requests"] >= 600
    assert line["faults"] > 100
    assert line["uncaught"] == 0
    assert abs(last - first) <= 3


@pytest.fixture(scope="module")
def weathers():
    return {weather: storm.Storm(50, weather, seed=1).run() for weather in storm.WEATHERS}


@pytest.mark.parametrize("weather", ["outage", "storm"])
def test_retries_add_at_most_a_fifth_to_the_load_where_nothing_succeeds(weathers, weather):
    figures = weathers[weather]

    assert figures.succeeded == 0
    assert 0 < figures.amplification <= storm.MOST_AMPLIFICATION


@pytest.mark.parametrize("weather", storm.WEATHERS)
def test_an_open_breaker_lets_one_probe_through_for_each_window(weathers, weather):
    assert weathers[weather].probes_per_window == 1


@pytest.mark.parametrize("weather", storm.WEATHERS)
def test_the_retry_budget_stays_within_its_bounds(weathers, weather):
    least, most = weathers[weather].tokens

    assert 0 <= least < most <= health.BUDGET


def test_a_brownout_uses_the_retry_budget_up(weathers):
    assert weathers["brownout"].out_of_budget > 0


def test_ten_threads_keep_the_retry_budget_within_its_bounds():
    least, most = storm.hammered(10, seconds=0.5, seed=1)

    assert 0 <= least <= most <= health.BUDGET


def test_the_retry_budget_gives_out_no_more_than_it_holds():
    state = health.Health(lambda: 0.0)
    for _ in range(health.BUDGET // health.COST):
        state.spend(health.COST)

    with pytest.raises(CircuitOpen):
        state.spend(1)
