"""Planned faults strike where they were planned, and the ledger accounts for each."""

import socket
import time
from typing import Any

import httpx
import pytest

from tests.emulator.analyst import Analyst

NOBODY = "0" * 40
V3 = f"/api/samples/v3/{NOBODY}/classification/"


def plan(analyst: Analyst, **fault: Any) -> None:
    match = fault.pop("match", {"method": "GET", "path": "/api/samples/*"})
    analyst.lab("faults", faults=[{"match": match, **fault}])


def codes(analyst: Analyst, count: int) -> list[int]:
    return [analyst.get(V3).status_code for _ in range(count)]


def test_a_fault_strikes_the_nth_request_once(analyst: Analyst) -> None:
    plan(analyst, nth=2, status=504, body="html")
    assert codes(analyst, 4) == [200, 504, 200, 200]


def test_a_fault_strikes_from_the_nth_as_often_as_it_says(analyst: Analyst) -> None:
    plan(analyst, nth=2, times=2, status=502)
    assert codes(analyst, 5) == [200, 502, 502, 200, 200]


def test_a_fault_can_strike_every_time_until_it_is_cleared(analyst: Analyst) -> None:
    plan(analyst, nth="every", status=503, headers={"Retry-After": "3"}, body={"message": "later"})
    answer = analyst.get(V3)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (503, "3", {"message": "later"})
    assert codes(analyst, 3) == [503] * 3
    analyst.delete("/_lab/faults")
    assert codes(analyst, 1) == [200]


def test_only_matching_requests_are_struck(analyst: Analyst) -> None:
    plan(analyst, match={"method": "POST", "path": "/api/uploads/"}, nth="every", status=504)
    assert codes(analyst, 1) == [200]
    assert analyst.upload().status_code == 504
    assert analyst.upload(path="/api/submit/file/").status_code == 201


def test_html_redirects_and_garbage_can_be_planned(analyst: Analyst) -> None:
    plan(analyst, status=200, body="html")
    assert "<html>" in analyst.get(V3).text
    plan(analyst, status=302, headers={"Location": "/login/"})
    assert analyst.get(V3).headers["location"] == "/login/"
    plan(analyst, status=200, body='{"classification": "mal', headers={"Content-Type": "application/json"})
    with pytest.raises(ValueError, match="Unterminated"):
        analyst.get(V3).json()


def test_a_delay_alone_lets_the_answer_through(analyst: Analyst) -> None:
    plan(analyst, delay_seconds=0.2)
    begun = time.perf_counter()
    assert codes(analyst, 1) == [200]
    assert time.perf_counter() - begun >= 0.2


def test_a_delay_holds_up_nobody_else(analyst: Analyst) -> None:
    plan(analyst, match={"method": "POST", "path": "*"}, delay_seconds=30)
    host, port = analyst.appliance.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as waiting:
        waiting.sendall(b"POST /api/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        begun = time.perf_counter()
        assert codes(analyst, 3) == [200] * 3
        assert time.perf_counter() - begun < 5


def test_an_answer_can_be_lost_after_the_work_is_done(analyst: Analyst) -> None:
    plan(analyst, match={"method": "POST", "path": "/api/uploads/"}, cut="before", apply=True)
    with pytest.raises(httpx.TransportError):
        analyst.upload()
    assert len(analyst.ledger()["submissions"]) == 1


def test_an_answer_can_be_lost_before_any_work_is_done(analyst: Analyst) -> None:
    plan(analyst, match={"method": "POST", "path": "/api/uploads/"}, cut="before", status=200)
    with pytest.raises(httpx.TransportError):
        analyst.upload()
    ledger = analyst.ledger()
    assert ledger["submissions"] == []
    assert [item["status"] for item in ledger["requests"]] == [0]


def test_an_answer_can_end_halfway(analyst: Analyst) -> None:
    plan(analyst, cut="halfway")
    with pytest.raises(httpx.RemoteProtocolError):
        analyst.get(V3)
    assert codes(analyst, 1) == [200]


def test_the_ledger_tells_which_faults_fired(analyst: Analyst) -> None:
    plan(analyst, nth=2, status=502)
    plan(analyst, nth=9, status=502)
    codes(analyst, 3)
    faults = analyst.ledger()["faults"]
    assert [(row["matched"], row["fired"]) for row in faults["planned"]] == [(3, 1), (3, 0)]
    assert (faults["fired"], faults["unfired"]) == (1, [1])


def test_the_lab_itself_is_never_struck(analyst: Analyst) -> None:
    plan(analyst, match={"method": "*", "path": "*"}, nth="every", status=500)
    assert analyst.get("/_lab/ledger").status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"match": {}},
        {"match": {"method": "GET", "path": "*", "host": "x"}},
        {"match": {"method": 1, "path": "*"}},
        {"match": {"method": "GET", "path": "*"}, "status": 99},
        {"match": {"method": "GET", "path": "*"}, "status": "503"},
        {"match": {"method": "GET", "path": "*"}, "nth": 0},
        {"match": {"method": "GET", "path": "*"}, "nth": "sometimes"},
        {"match": {"method": "GET", "path": "*"}, "times": 0},
        {"match": {"method": "GET", "path": "*"}, "headers": {"a": 1}},
        {"match": {"method": "GET", "path": "*"}, "headers": {"a": "b\r\nc: d"}},
        {"match": {"method": "GET", "path": "*"}, "delay_seconds": -1},
        {"match": {"method": "GET", "path": "*"}, "apply": 1},
        {"match": {"method": "GET", "path": "*"}, "cut": "off"},
        {"match": {"method": "GET", "path": "*"}, "colour": "red"},
        {"match": {"method": "GET", "path": "*"}},
        "fault",
    ],
)
def test_a_plan_with_a_mistake_is_refused_whole(analyst: Analyst, fault: Any) -> None:
    good = {"match": {"method": "GET", "path": "*"}, "status": 500}
    assert analyst.post("/_lab/faults", json={"faults": [good, fault]}).status_code == 400
    assert analyst.get("/_lab/faults").json()["planned"] == []


def test_a_plan_must_be_a_list_of_faults(analyst: Analyst) -> None:
    for wrong in ({}, {"faults": {}}, {"faults": [], "more": 1}):
        assert analyst.post("/_lab/faults", json=wrong).status_code == 400
