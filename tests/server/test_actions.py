"""Every action over HTTP: the outcome that the connector gives, in the form that was asked for."""

import json

import pytest

from connector.actions import every, find
from connector.server.negotiation import wanted
from connector.server.problems import Refused
from connector.stix import Bundle
from tests.laboratory import Lab, schema_says
from tests.server.served import SHA1, Served, pointers, problem, settings_of, started

EXAMPLES = [
    pytest.param(action.name, example.params, id=f"{action.name}: {example.title}")
    for action in every()
    for example in action.examples
]


@pytest.mark.parametrize(("name", "params"), EXAMPLES)
def test_every_example_succeeds_or_says_why(lab: Lab, server: Served, name, params):
    lab.product.clock.run()
    lab.state(processing_seconds=0)
    lab.load(sha1=SHA1, classification="malicious")

    answer = server.run(name, params)

    if answer.status_code == 200:
        assert answer.headers["content-type"] == "application/json"
        assert schema_says("outcome", answer.json()) == []
        assert schema_says(f"{name}.result", answer.json()["result"]) == []
        return
    assert answer.status_code in {409, 422, 501, 502}, answer.text
    told = problem(answer, answer.status_code, answer.json()["code"])
    assert told["detail"]
    assert "file" in params or "task_id" in params or "confirm" in params or "url" in params, told


def test_the_answer_is_what_the_connector_gives(lab: Lab, server: Served):
    lab.load(sha1=SHA1, classification="malicious", threat_name="Win32.Trojan.Emotet", riskscore=9)

    over_http = server.run("get_classification", {"hash_value": SHA1}).json()

    assert over_http == lab.run("get_classification", {"hash_value": SHA1}).as_dict()


@pytest.mark.parametrize(
    ("action", "params", "status", "branch"),
    [
        ("get_classification", {"hash_value": "0" * 40}, "not_found", "not_found"),
        ("submit_file", {"content_base64": "aGVsbG8="}, "pending", "submitted"),
        ("bulk_delete", {"hash_values": ["0" * 40], "plan": True}, "not_found", "not_found"),
    ],
)
def test_what_is_unknown_or_not_done_yet_is_an_answer(server: Served, action, params, status, branch):
    answer = server.run(action, params)

    assert (answer.status_code, answer.json()["status"], answer.json()["branch"]) == (200, status, branch)


def test_an_action_without_parameters_needs_no_body(server: Served):
    assert server.http.post("/actions/test_connection").json()["branch"] == "ok"


class TestForms:
    def test_a_case_note(self, lab: Lab, server: Served):
        lab.load(sha1=SHA1, classification="malicious")

        answer = server.run("get_classification", {"hash_value": SHA1}, accept="text/markdown")

        assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
        assert answer.text.startswith("# get\\_classification: malicious\n")

    @pytest.mark.parametrize("accept", ["application/stix+json", "application/stix+json;version=2.1"])
    def test_the_stix_bundle(self, lab: Lab, server: Served, accept):
        lab.load(sha1=SHA1, classification="malicious")

        answer = server.run("get_classification", {"hash_value": SHA1}, accept=accept)

        assert answer.headers["content-type"] == "application/stix+json;version=2.1"
        assert answer.json() == server.run("get_classification", {"hash_value": SHA1}).json()["stix"]

    def test_an_outcome_without_stix_is_told_and_no_empty_answer(self, server: Served):
        body = problem(
            server.run("get_classification", {"hash_value": "0" * 40}, accept="application/stix+json"), 404, "no_stix"
        )

        assert body["outcome"] == "rejected"
        assert "not_found" in body["detail"]

    def test_a_change_is_not_hidden_by_its_missing_stix(self, lab: Lab, server: Served, monkeypatch):
        monkeypatch.setattr("connector.client.bundle", lambda *_: Bundle(None, ()))

        answer = server.run("submit_file", {"content_base64": "aGVsbG8="}, accept="application/stix+json")

        body = problem(answer, 404, "no_stix")
        assert body["outcome"] == "applied"
        assert len(lab.ledger["submissions"]) == 1
        again = server.run("submit_file", {"content_base64": "aGVsbG8="}, idempotency_key=body["operation_id"])
        assert (again.json()["branch"], len(lab.ledger["submissions"])) == ("submitted", 1)

    @pytest.mark.parametrize(
        "accept", ["application/xml", "application/stix+json;version=2.0", "text/html;q=1, */*;q=0"]
    )
    def test_another_form_is_refused_before_anything_is_done(self, lab: Lab, server: Served, accept):
        problem(server.run("submit_file", {"content_base64": "aGVsbG8="}, accept=accept), 406, "not_acceptable")

        assert lab.requests == []

    @pytest.mark.parametrize("name", [action.name for action in every() if not action.stix])
    def test_an_action_that_never_has_stix_says_so_before_it_runs(self, lab: Lab, server: Served, name):
        problem(server.run(name, find(name).examples[0].params, accept="application/stix+json"), 406, "not_acceptable")

        assert lab.requests == []

    def test_a_server_without_stix_says_so_before_it_runs(self, lab: Lab):
        with started(settings_of(lab, stix_profile="none")) as server:
            answer = server.run("get_classification", {"hash_value": SHA1}, accept="application/stix+json")

        problem(answer, 406, "not_acceptable")

    @pytest.mark.parametrize(
        ("accept", "form"),
        [
            ("", "application/json"),
            ("*/*", "application/json"),
            ("application/*", "application/json"),
            ("text/*", "text/markdown"),
            ("application/json;q=0.1, text/markdown", "text/markdown"),
            ("application/json;q=0, */*", "text/markdown"),
            ("TEXT/MARKDOWN; charset=UTF-8", "text/markdown"),
            ("application/stix+json; version=2.1, application/json;q=0.9", "application/stix+json"),
            ("nonsense, text/markdown", "text/markdown"),
            ("application/problem+json, application/json", "application/json"),
        ],
    )
    def test_the_most_welcome_form_is_chosen(self, accept, form):
        assert wanted(accept) == form

    @pytest.mark.parametrize("accept", ["nonsense", "application/json;q=0", "a/b" * 1000, ",", "text/markdown;q=x"])
    def test_what_welcomes_nothing_is_refused(self, accept):
        with pytest.raises(Refused):
            wanted(accept)


class TestOperations:
    def test_the_same_key_again_gives_the_same_outcome_and_sends_nothing(self, lab: Lab, server: Served):
        params = {"content_base64": "b25jZQ==", "filename": "once.bin"}

        first = server.run("submit_file", params, idempotency_key="case-4711:once")
        again = server.run("submit_file", params, idempotency_key="case-4711:once")

        assert first.json() == again.json()
        assert first.json()["operation_id"] == "case-4711:once"
        assert len(lab.ledger["submissions"]) == 1

    def test_the_key_of_another_operation_is_a_conflict(self, lab: Lab, server: Served):
        server.run("submit_file", {"content_base64": "b25l"}, idempotency_key="taken")

        body = problem(
            server.run("submit_file", {"content_base64": "dHdv"}, idempotency_key="taken"), 409, "input_refused"
        )

        assert body["outcome"] == "not_sent"
        assert len(lab.ledger["submissions"]) == 1

    @pytest.mark.parametrize("value", ["", "-x", "a b", "x" * 129, "a/b"])
    def test_a_key_that_could_be_mistaken_is_refused(self, lab: Lab, server: Served, value):
        body = problem(
            server.run("submit_file", {"content_base64": "b25l"}, idempotency_key=value), 422, "input_refused"
        )

        assert pointers(body) == ["/operation_id"]
        assert lab.requests == []

    def test_two_keys_are_refused(self, server: Served):
        headers = [("idempotency-key", "one"), ("idempotency-key", "two")]

        problem(server.http.post("/actions/test_connection", json={}, headers=headers), 422, "input_refused")

    def test_a_read_takes_a_key_and_needs_none(self, server: Served):
        assert server.run("test_connection", {}, idempotency_key="any").status_code == 200

    def test_what_may_have_been_sent_elsewhere_is_looked_for(self, lab: Lab, server: Served):
        server.run("submit_file", {"content_base64": "ZG91YnQ="})
        lab.product.clock.advance(60)

        headers = {"idempotency_key": "from-elsewhere", "spectra_in_doubt": "true"}
        answer = server.run("submit_file", {"content_base64": "ZG91YnQ="}, **headers)

        assert answer.json()["result"]["recovered"] is True
        assert len(lab.ledger["submissions"]) == 1

    def test_a_doubt_is_true_or_false(self, server: Served):
        body = problem(server.run("test_connection", {}, spectra_in_doubt="perhaps"), 422, "input_refused")

        assert pointers(body) == ["/in_doubt"]


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"",
            b"nonsense",
            b'{"hash_value": NaN}',
            b'{"hash_value": "a", "hash_value": "b"}',
            b"\xff",
            b"[" * 200,
        ],
    )
    def test_json_that_is_none_or_doubtful_is_malformed(self, server: Served, body):
        headers = {"content-type": "application/json"}

        problem(
            server.http.post("/actions/get_classification", content=body, headers=headers), 400, "malformed_request"
        )

    @pytest.mark.parametrize("value", [[], "text", 1, None])
    def test_json_that_is_no_object_is_refused(self, server: Served, value):
        answer = server.http.post(
            "/actions/get_classification", content=json.dumps(value), headers={"content-type": "application/json"}
        )

        problem(answer, 422, "input_refused")

    def test_every_violation_is_told_by_its_place(self, server: Served):
        body = problem(server.run("advanced_search", {"query": "", "limit": 0, "nothing": 1}), 422, "input_refused")

        assert pointers(body) == ["/limit", "/nothing", "/query"]

    @pytest.mark.parametrize("media", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "x"])
    @pytest.mark.parametrize("action", ["get_classification", "submit_file"])
    def test_another_media_type_is_refused(self, server: Served, action, media):
        answer = server.http.post(f"/actions/{action}", content=b"{}", headers={"content-type": media})

        problem(answer, 415, "media_type")

    def test_a_body_without_a_media_type_is_refused(self, server: Served):
        problem(server.http.post("/actions/get_classification", content=b"{}"), 415, "media_type")

    def test_a_form_is_for_files_only(self, server: Served):
        problem(server.upload(b"x", path="/actions/get_classification"), 415, "media_type")

    def test_a_compressed_body_is_refused(self, server: Served):
        headers = {"content-type": "application/json", "content-encoding": "gzip"}

        problem(server.http.post("/actions/test_connection", content=b"{}", headers=headers), 415, "media_type")

    def test_a_charset_is_no_other_media_type(self, server: Served):
        headers = {"content-type": "Application/JSON; charset=utf-8"}

        assert server.http.post("/actions/test_connection", content=b"{}", headers=headers).status_code == 200


class TestRoutes:
    def test_an_unknown_action_names_those_that_there_are(self, server: Served):
        body = problem(server.run("get_everything"), 404, "unknown_action")

        assert all(action.name in body["detail"] for action in every())

    @pytest.mark.parametrize("path", ["/", "/actions", "/actions/", "/actions/test_connection/", "/hashes/", "/docs"])
    def test_there_is_nothing_at_another_path(self, server: Served, path):
        problem(server.http.get(path), 404, "no_route")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/actions/test_connection", "POST"),
            ("DELETE", "/actions/test_connection", "POST"),
            ("OPTIONS", "/actions/test_connection", "POST"),
            ("POST", "/healthz", "GET, HEAD"),
            ("PUT", "/hashes", "POST"),
        ],
    )
    def test_another_method_names_those_that_there_are(self, server: Served, method, path, allowed):
        answer = server.http.request(method, path)

        problem(answer, 405, "method")
        assert answer.headers["allow"] == allowed

    @pytest.mark.parametrize("path", ["/healthz", "/actions/test_connection", "/nothing"])
    def test_every_answer_keeps_browsers_away(self, server: Served, path):
        headers = server.http.get(path).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
        assert headers["date"].endswith("GMT")

    def test_an_answer_to_an_action_is_not_stored(self, server: Served):
        assert server.run("test_connection").headers["cache-control"] == "no-store"
