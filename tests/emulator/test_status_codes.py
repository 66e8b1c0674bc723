"""Every refusal comes from the appliance's state or the request, as the vendor's page says, never from a script."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.analyst import Analyst

Opener = Callable[..., Analyst]
NOBODY = "0" * 40
UPLOADS = ("/api/uploads/", "/api/submit/file/")


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"maintenance": True}, 405),
        ({"disk_free_percent": 24.9}, 503),
        ({"disk_free_percent": 25.0}, 201),
        ({"memory_percent": 90.0}, 429),
        ({"memory_percent": 89.9}, 201),
        ({"max_upload_bytes": 6}, 413),
        ({"max_upload_bytes": 7}, 201),
    ],
)
def test_uploads_are_refused_by_state(analyst: Analyst, path: str, state: dict[str, Any], status: int) -> None:
    analyst.lab("state", **state)
    assert analyst.upload(b"content", path=path).status_code == status


def test_uploads_go_on_when_the_state_is_mended(analyst: Analyst) -> None:
    analyst.lab("state", maintenance=True)
    assert analyst.upload().status_code == 405
    analyst.lab("state", maintenance=False)
    assert analyst.upload().status_code == 201


def test_more_than_fifty_items_in_the_queue_are_too_many_until_they_are_done(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True)
    codes = [analyst.upload(b"file %d" % n).status_code for n in range(52)]
    assert codes == [201] * 51 + [429]
    analyst.wait(1)
    assert analyst.upload().status_code == 201


def test_url_submissions_wait_in_the_same_queue(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True)
    analyst.lab("state", queue_limit=0)
    assert analyst.post("/api/submit/url/", data={"url": "http://example.com/"}).status_code == 201
    assert analyst.upload().status_code == 429


def test_a_body_announced_too_long_is_refused_before_it_has_come(analyst: Analyst) -> None:
    analyst.lab("state", max_upload_bytes=1000)
    answer = analyst.upload(b"x" * (3 << 20))
    assert answer.status_code == 413
    assert analyst.get("/api/samples/v3/" + NOBODY + "/classification/").status_code == 200


def test_the_daily_quota_of_cloud_queries_begins_anew_at_one_minute_past_midnight(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True, set="2026-03-01T23:00:00Z")
    analyst.lab("state", cloud_quota=2)
    path = "/api/samples/v3/{}/classification/"
    codes = [analyst.get(path.format(str(n) * 40)).status_code for n in range(1, 4)]
    assert codes == [200, 200, 429]
    analyst.lab("clock", set="2026-03-02T00:00:59Z")
    assert analyst.get(path.format(NOBODY)).status_code == 429
    analyst.lab("clock", set="2026-03-02T00:01:00Z")
    assert analyst.get(path.format(NOBODY)).status_code == 200


def test_the_quota_spares_what_needs_no_cloud(analyst: Analyst) -> None:
    known = analyst.load(classification="malicious")
    unknown = analyst.load(filename="unclassified")
    analyst.lab("state", cloud_quota=0)
    for query in ("?localonly=0", "?localonly=1"):
        assert analyst.get(f"/api/samples/v3/{known}/classification/{query}").status_code == 200
        assert analyst.get(f"/api/samples/v3/{unknown}/classification/{query}").status_code == 200
    assert analyst.get(f"/api/samples/v3/{NOBODY}/classification/?localonly=1").status_code == 200
    assert analyst.get(f"/api/samples/{known}/ticloud/").status_code == 429
    assert analyst.ledger()["cloud_queries"] == []


def test_a_spent_quota_refuses_public_submissions_only(analyst: Analyst) -> None:
    analyst.lab("state", cloud_quota=0)
    assert analyst.upload().status_code == 201
    assert analyst.upload(analysis="cloud").status_code == 429
    assert analyst.post("/api/uploads/", data={"url": "http://example.com", "crawler": "cloud"}).status_code == 429
    assert analyst.post("/api/uploads/", data={"url": "http://example.com", "crawler": "local"}).status_code == 201


def test_a_cloud_that_does_not_answer_is_503(analyst: Analyst) -> None:
    analyst.lab("state", cloud_available=False)
    for path in ("/api/samples/v3/{}/classification/", "/api/samples/{}/ticloud/"):
        assert analyst.get(path.format(NOBODY)).status_code == 503


@pytest.mark.parametrize("header", [None, "Token", "Bearer {}", "Token wrong", "Token é"])
def test_a_missing_or_wrong_token_is_403(analyst: Analyst, header: str | None) -> None:
    value = (header or "").format(analyst.appliance.token).encode("latin-1")
    answer = analyst.get(f"/api/samples/{NOBODY}/ticloud/", headers={"Authorization": value})
    assert answer.status_code == 403
    texts = {"Authentication credentials were not provided.", "Invalid token."}
    assert answer.json()["detail"] in texts


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"username": "admin", "password": "wrong"}},
        {"data": {"username": "nobody", "password": "password-for-the-lab"}},
        {"data": {"username": "admin"}},
        {"json": {"password": "x"}},
        {"json": ["admin"]},
        {"content": b"{", "headers": {"content-type": "application/json"}},
    ],
)
def test_wrong_credentials_are_400_and_not_401(analyst: Analyst, sent: dict[str, Any]) -> None:
    assert analyst.post("/api-token-auth/", **sent).status_code == 400


def test_an_inactive_user_gets_no_token_and_cannot_use_theirs(analyst: Analyst) -> None:
    user = {"username": "gone", "password": "secret", "token": "f" * 40}
    analyst.lab("users", **user, active=False)
    assert analyst.post("/api-token-auth/", data={"username": "gone", "password": "secret"}).status_code == 400
    headers = {"Authorization": "Token " + "f" * 40}
    assert analyst.get(f"/api/samples/{NOBODY}/ticloud/", headers=headers).status_code == 403


def test_a_user_without_the_right_is_403(analyst: Analyst) -> None:
    sha1 = analyst.load(filename="a")
    token = analyst.lab("users", username="reader", password="p", rights=["delete_bulk"])["token"]
    headers = {"Authorization": f"Token {token}"}
    assert analyst.delete(f"/api/samples/{sha1}/", headers=headers).status_code == 403
    assert analyst.post("/api/uploads/", files={"file": b"x"}, headers=headers).status_code == 403
    bulk = analyst.post("/api/samples/v2/delete_bulk/", data={"hash_values": [sha1]}, headers=headers)
    assert bulk.status_code == 202


@pytest.mark.parametrize("path", ["classification/", "ticloud/"])
def test_a_malformed_hash_in_a_path_is_404(analyst: Analyst, path: str) -> None:
    assert analyst.get(f"/api/samples/{'a' * 39}/{path}").status_code == 404
    assert analyst.get(f"/api/samples/not-a-hash/{path}").status_code == 404


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/api/samples/status/", "hash_values"),
        ("/api/samples/list/", "hash_values"),
        ("/api/samples/v2/list/", "hash_values"),
        ("/api/samples/v2/list/details/", "hash_values"),
        ("/api/samples/v2/delete_bulk/", "hash_values"),
        ("/api/samples/delete_bulk/", "hash_value"),
    ],
)
def test_list_endpoints_refuse_bad_hashes_and_take_form_and_json(analyst: Analyst, path: str, key: str) -> None:
    wrong_key = "hash_values" if key == "hash_value" else "hash_value"
    for values in ({}, {key: ["xyz"]}, {key: [NOBODY, "0" * 32]}, {key: []}, {wrong_key: [NOBODY]}):
        assert analyst.post(path, json=values).status_code == 400, values
        assert analyst.post(path, data=values).status_code == 400, values
    assert analyst.post(path, content=b"{", headers={"content-type": "application/json"}).status_code == 400
    for sent in ({"json": {key: [NOBODY]}}, {"data": {key: [NOBODY, "1" * 40]}}, {"json": {key: NOBODY}}):
        assert analyst.post(path, **sent).status_code in {200, 202}


def test_a_wrong_field_name_is_400(analyst: Analyst) -> None:
    for path in ("/api/samples/v2/list/", "/api/samples/v2/list/details/"):
        answer = analyst.post(path, json={"hash_values": [NOBODY], "fields": ["sha1", "nonsense"]})
        assert answer.status_code == 400
        assert "nonsense" in answer.text


@pytest.mark.parametrize(
    "data",
    [
        {"analysis": "cloud,other"},
        {"rl_cloud_sandbox_platform": "linux"},
        {"tags": "Upper"},
        {"tags": "-leading"},
        {"tags": "a" * 43},
    ],
)
def test_wrong_values_of_the_deprecated_upload_are_400(analyst: Analyst, data: dict[str, str]) -> None:
    assert analyst.upload(**data).status_code == 400
    assert analyst.ledger()["submissions"] == []
    assert analyst.ledger()["refused_submissions"][0]["fields"] == data


@pytest.mark.parametrize(
    "data",
    [
        {"analysis": "cloud"},
        {"analysis": "[]"},
        {"analysis": '{"unheard": true}'},
        {"analysis": '{"rl_dynamic_analysis": {"platform": "ubuntu_20"}}'},
        {"metadata": "no JSON"},
    ],
)
def test_wrong_values_of_the_current_upload_are_400(analyst: Analyst, data: dict[str, str]) -> None:
    assert analyst.upload(path="/api/submit/file/", **data).status_code == 400


@pytest.mark.parametrize("path", ["/api/uploads/", "/api/submit/url/"])
@pytest.mark.parametrize(
    "data", [{}, {"url": ""}, {"url": "example.com"}, {"url": "ftp://example.com"}, {"url": "http://"}]
)
def test_a_url_without_http_is_400(analyst: Analyst, path: str, data: dict[str, str]) -> None:
    assert analyst.post(path, data=data).status_code == 400


def test_a_file_and_a_url_together_are_400(analyst: Analyst) -> None:
    assert analyst.upload(url="http://example.com").status_code == 400
    assert analyst.post("/api/uploads/", data={"url": "http://example.com", "crawler": "other"}).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--B\r\n",
        b"nonsense",
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nno end',
        b'--B\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nx\r\n--B--\r\n',
        b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\nno filename\r\n--B--\r\n',
        2 * b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n' + b"--B--\r\n",
        101 * b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' + b"--B--\r\n",
    ],
)
def test_a_malformed_multipart_body_is_400_and_leaves_nothing(analyst: Analyst, body: bytes) -> None:
    headers = {"content-type": "multipart/form-data; boundary=B"}
    assert analyst.post("/api/submit/file/", content=body, headers=headers).status_code == 400
    assert list(analyst.product.workshop.iterdir()) == []
