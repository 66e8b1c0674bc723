"""The campaigns of the proof in their short form: random faults, silent peers, a soak, a storm; the long ones are gates."""

import contextlib
import random
import time

import pytest

from connector import Settings, SpectraError, health, retry
from connector.errors import CircuitOpen, MalformedResponse, Truncated
from tests.faults.plan import Fault
from tests.faults.proxy import FaultProxy
from tests.laboratory import RawServer, Time, run
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
@pytest.mark.alone
def test_every_action_ends_by_its_deadline_before_a_peer_that_never_ends():
    chosen = list(lateness.cases(random.Random(1), 1, deadlines=(0.3, 0.5)))

    ended = lateness.all_ended(chosen, at_once=12)

    late = [one for one in ended if not one.right()]
    assert len(late) < len(ended) / 10, late
    for _ in range(2):  # on a busy machine everything is late; what does not keep to its deadline is so each time
        late = [one for one in lateness.all_ended([one.case for one in late], at_once=3) if not one.right()]
    assert late == []
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


@pytest.mark.parametrize("lane", ["sync", "async"])
def test_a_chunk_that_breaks_the_framing_ends_a_read_at_once(lane):
    def answer(connection, _asked):
        connection.sendall(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{"a"\r\n')
        time.sleep(0.05)  # so that it comes in a piece of its own
        connection.sendall(b"zz\r\n:1}\r\n0\r\n\r\n")
        with contextlib.suppress(OSError):
            connection.recv(1)

    with RawServer(answer) as server:
        settings = Settings(url=server.url, token="t" * 20, deadline_seconds=30.0, api_generation="current")
        began = time.monotonic()
        with pytest.raises(SpectraError) as raised:
            run(settings, "get_classification", {"hash_value": "a" * 40}, lane=lane, time=Time())

    assert raised.value.code in {"truncated", "unexpected_response"}
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("kind", "error"), [("replace", MalformedResponse), ("answer_half_rst", Truncated)])
def test_a_deletion_that_was_done_is_told_as_applied_when_looking_after_it_fails(lab, kind, error):
    sha1 = lab.load(classification="malicious")["sha1"]
    with FaultProxy(lab.url) as proxy:
        settings = lab.settings(url=proxy.url, allow_delete=True, api_generation="legacy")
        planned = run(settings, "bulk_delete", {"hash_values": [sha1], "plan": True}, lane="sync", time=lab.time)
        json = ("content-type", "application/json")
        proxy.plan([Fault(kind, match=("POST", "/api/samples/status/"), nth=2, times=9, headers=(json,), body=b"[")])
        confirm = {"hash_values": [sha1], "confirm": planned.result.digest}
        with pytest.raises(error) as raised:
            run(settings, "bulk_delete", confirm, lane="sync", time=lab.time)
        assert any(line.fired for line in proxy.account())

    assert raised.value.outcome == "applied"
    assert lab.product.local.find(sha1) is None
