"""Whether actions can be run now."""

import asyncio

import pytest

from connector.errors import AuthError, CircuitOpen, StateError
from connector.server.readiness import AGAIN_SECONDS, FRESH_SECONDS, Readiness
from tests.laboratory import Lab
from tests.server.served import problem, settings_of, started


class Connector:
    """A connector that answers as it is told, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.hangs = False
        self.broken = False

    async def run(self, name: str) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    @property
    def journal(self) -> "Connector":
        if self.broken:
            raise StateError("the journal is locked")
        return self

    def find(self, _name: str) -> None:
        return None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def looked(*steps):
    """What is found after each step, which is given the connector and the clock."""
    connector, clock = Connector(), Clock()

    async def go():
        readiness, found = Readiness(connector, clock), []
        for step in steps:
            step(connector, clock, readiness)
            problem = await readiness.problem()
            found.append((problem.detail if problem else "", connector.asked))
        return found

    return asyncio.run(go())


def nothing(*_):
    return None


def later(seconds):
    return lambda _connector, clock, _readiness: setattr(clock, "now", clock.now + seconds)


def failing(error):
    return lambda connector, _clock, _readiness: setattr(connector, "error", error)


def test_an_answer_counts_for_ten_seconds():
    found = looked(nothing, later(FRESH_SECONDS - 0.1), later(0.2))

    assert [asked for _, asked in found] == [1, 1, 2]
    assert {told for told, _ in found} == {""}


def test_a_failure_is_not_asked_about_again_at_once():
    found = looked(failing(AuthError("refused by 10.1.2.3")), nothing, later(AGAIN_SECONDS))

    assert [asked for _, asked in found] == [1, 1, 2]
    assert "(auth)" in found[0][0]
    assert "10.1.2.3" not in found[0][0]


def test_it_becomes_ready_when_the_appliance_answers():
    assert looked(
        failing(CircuitOpen("x", retry_after=30.0)), lambda c, k, r: (failing(None)(c, k, r), later(5)(c, k, r))
    )[1] == ("", 2)


def test_a_journal_that_does_not_open_is_not_ready():
    [(told, asked)] = looked(lambda connector, *_: setattr(connector, "broken", True))

    assert "journal" in told
    assert asked == 0


def test_an_appliance_that_is_silent_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("connector.server.readiness.MOST_SECONDS", 0.05)

    [(told, _)] = looked(lambda connector, *_: setattr(connector, "hangs", True))

    assert "within" in told


def test_a_server_that_stops_is_not_ready():
    [(told, asked)] = looked(lambda _connector, _clock, readiness: setattr(readiness, "stopping", True))

    assert "takes nothing new" in told
    assert asked == 0


def test_many_who_ask_at_once_ask_the_appliance_once():
    connector = Connector()

    async def go():
        readiness = Readiness(connector, Clock())
        return await asyncio.gather(*(readiness.problem() for _ in range(20)))

    assert asyncio.run(go()) == [None] * 20
    assert connector.asked == 1


def test_over_http(lab: Lab):
    with started(settings_of(lab)) as server:
        assert server.http.get("/readyz").json() == {"status": "ready"}
        server.http.get("/readyz")

    assert len(lab.requests) == 1


def test_over_http_with_an_appliance_that_refuses(lab: Lab):
    with started(settings_of(lab, token="0123456789abcdef")) as server:
        answer = server.http.get("/readyz")

        problem(answer, 503, "not_ready")
        assert int(answer.headers["retry-after"]) >= 1
        assert server.http.get("/healthz").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_probe_may_use_either_method(lab: Lab, method):
    with started(settings_of(lab)) as server:
        assert server.http.request(method, "/readyz").status_code == 200
