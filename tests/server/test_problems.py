"""Every failure over HTTP: one status and one problem document for each class of the tree of errors."""

import inspect
import socket
from collections.abc import Iterator

import pytest

from connector import AsyncConnector, errors
from connector.errors import (
    CircuitOpen,
    ConnectFailed,
    InputRefused,
    OutcomeUnknown,
    QuotaError,
    SpectraError,
    StateError,
    Violation,
)
from connector.server.problems import OWN, STATUS, TITLES, own, problem_of, status_of
from tests.laboratory import Lab
from tests.server.served import SHA1, Served, problem, settings_of, started, wait_for_late

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SpectraError)]
STATUSES = {
    "error": 500,
    "input_refused": 422,
    "config": 500,
    "state": 500,
    "circuit_open": 503,
    "refused": 502,
    "bad_request": 422,
    "auth": 502,
    "endpoint_missing": 501,
    "maintenance": 503,
    "in_use": 409,
    "file_too_large": 413,
    "capacity": 429,
    "quota": 429,
    "storage_full": 503,
    "job_failed": 502,
    "unreachable": 502,
    "connect_failed": 502,
    "tls": 502,
    "deadline": 504,
    "truncated": 502,
    "server": 502,
    "bad_answer": 502,
    "unexpected_response": 502,
    "malformed_response": 502,
    "response_too_large": 502,
    "response_mismatch": 502,
    "outcome_unknown": 502,
}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Make every action fail with one error."""

    def fail(error: BaseException) -> None:
        async def run(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(AsyncConnector, "run", run)

    return fail


@pytest.fixture
def own_server(lab: Lab) -> Iterator[Served]:
    """A server whose appliance may be found to fail."""
    with started(settings_of(lab, deadline_seconds=1.0, allow_delete=True)) as served:
        yield served


def test_every_class_of_the_tree_has_its_status():
    assert {kind.code for kind in CLASSES} == STATUSES.keys()
    assert {kind.code: status_of(kind("x")) for kind in CLASSES} == STATUSES


def test_what_has_a_status_or_a_title_exists():
    assert set(STATUS) <= set(CLASSES)
    assert TITLES.keys() <= STATUSES.keys()
    assert not OWN.keys() & STATUSES.keys()


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.code)
def test_an_error_is_told_whole(server: Served, failing, kind):
    error = kind("what happened; nothing was sent")
    error.operation_id, error.retry_after, error.status = "op-1", 2.5, 599
    failing(error)

    answer = server.run("submit_file", {"content_base64": "aGVsbG8="})

    body = problem(answer, STATUSES[kind.code], kind.code)
    assert answer.headers["retry-after"] == "3"
    assert body["appliance_status"] == 599
    known = error.as_dict()
    assert body["detail"] == known.pop("message")
    assert known.pop("status") == 599
    assert {name: body[name] for name in known} == known


def test_a_violation_keeps_its_place(server: Served, failing):
    failing(InputRefused.of([Violation("/where/0/field", "must be a keyword")]))

    body = problem(server.run("test_connection"), 422, "input_refused")

    assert body["violations"] == [{"pointer": "/where/0/field", "message": "must be a keyword"}]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputRefused.of([Violation("/operation_id", "belongs to another operation; give each its own id")]), 409),
        (InputRefused.of([Violation("/operation_id", "must be 1 to 128 letters")]), 422),
        (StateError("operation x is being run by another process or thread; nothing was sent"), 409),
        (StateError("the journal is locked by another program; nothing was sent"), 500),
    ],
)
def test_an_operation_in_another_state_is_a_conflict_and_a_broken_journal_is_not(error, status):
    assert status_of(error) == status


def test_an_unknown_outcome_is_never_called_a_refusal():
    made = problem_of(OutcomeUnknown("it may have been sent"))

    assert (made.status, made.outcome, made.retryable) == (502, "unknown", False)


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (29.1, "30"), (None, None)])
def test_a_wait_is_told_in_whole_seconds_and_never_too_short(seconds, header):
    assert problem_of(CircuitOpen("x", retry_after=seconds)).all_headers().get("retry-after") == header


def test_text_that_is_no_unicode_still_makes_a_document():
    assert b"half" in own("defect", "half a pair: \ud800").body("urn:uuid:x")


class TestDefects:
    def test_a_defect_is_answered_without_what_went_wrong_inside(self, server: Served, failing):
        failing(ValueError("the value canary-4711"))

        answer = server.run("submit_file", {"content_base64": "aGVsbG8="})

        body = problem(answer, 500, "defect")
        assert body["outcome"] == "unknown"
        assert "canary" not in answer.text
        assert "ValueError" not in answer.text
        assert "Traceback" not in answer.text

    def test_the_server_goes_on_after_a_defect(self, server: Served, failing, monkeypatch):
        failing(RuntimeError("x"))
        server.run("test_connection")
        monkeypatch.undo()

        assert server.run("test_connection").status_code == 200


class TestOfTheAppliance:
    """The same over the whole way, with an appliance that fails so."""

    @pytest.mark.parametrize(
        ("status", "code", "http"),
        [(401, "auth", 502), (403, "auth", 502), (400, "bad_request", 422), (413, "file_too_large", 413)],
    )
    def test_an_answer_of_the_appliance(self, lab: Lab, own_server: Served, status, code, http):
        lab.fault("/api/submit/file/", "POST", status=status)

        body = problem(own_server.run("submit_file", {"content_base64": "aGVsbG8="}), http, code)

        assert body["appliance_status"] == status
        assert body["outcome"] == "rejected"

    def test_maintenance(self, lab: Lab, own_server: Served):
        lab.state(maintenance=True)

        answer = own_server.run("submit_file", {"content_base64": "aGVsbG8="})

        assert problem(answer, 503, "maintenance")["retryable"] is True
        assert answer.headers["retry-after"] == "300"

    def test_a_full_disk(self, lab: Lab, own_server: Served):
        lab.state(disk_free_percent=5)

        problem(own_server.run("submit_file", {"content_base64": "aGVsbG8="}), 503, "storage_full")

    def test_used_up_memory(self, lab: Lab, own_server: Served):
        lab.state(memory_percent=99)

        problem(own_server.run("submit_file", {"content_base64": "aGVsbG8="}), 429, "capacity")

    def test_silence(self, lab: Lab):
        lab.fault("/api/samples/status/", "POST", delay_seconds=1.0)
        with started(settings_of(lab, deadline_seconds=0.4)) as server:
            problem(server.run("get_file_status", {"hash_values": [SHA1]}), 504, "deadline")
        wait_for_late(lab, "/api/samples/status/")

    def test_a_broken_page(self, lab: Lab, own_server: Served):
        lab.fault("/api/samples/status/", "POST", status=200, body="html")

        problem(own_server.run("get_file_status", {"hash_values": [SHA1]}), 502, "unexpected_response")

    def test_a_submission_whose_answer_was_lost(self, lab: Lab, own_server: Served):
        lab.fault("/api/submit/url/", "POST", cut="before", apply=True)

        body = problem(
            own_server.run("submit_url", {"url": "http://127.0.0.1:9/a"}, idempotency_key="lost"),
            502,
            "outcome_unknown",
        )

        assert (body["outcome"], body["operation_id"]) == ("unknown", "lost")

    def test_nobody_is_there(self, lab: Lab):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        settings = settings_of(lab, url=f"http://127.0.0.1:{port}", deadline_seconds=0.3)
        with started(settings) as server:
            body = problem(server.run("test_connection"), 502, ConnectFailed.code)

            assert body["outcome"] == "not_sent"
            counted = server.http.get("/metrics").text
        assert 'spectra_appliance_errors_total{code="connect_failed"} 1.0' in counted

    def test_a_release_without_the_endpoint(self, appliances):
        lab = appliances("9.1").as_new()
        with started(settings_of(lab)) as server:
            answer = server.run("count_search_results", {"query": "classification:malicious"})

        problem(answer, 501, "endpoint_missing")

    def test_a_used_up_quota(self, server: Served, failing):
        failing(QuotaError("the quota is used up, and nothing was done"))

        assert problem(server.run("test_connection"), 429, "quota")["retryable"] is True
