"""Every switch does what it says, and none can be set to what it does not take."""

import dataclasses
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from connector.emulator import Switches
from connector.emulator.switches import BadSwitch
from tests.emulator.analyst import Analyst

Opener = Callable[..., Analyst]
NOBODY = "0" * 40
V3 = "/api/samples/v3/{}/classification/"


@pytest.fixture
def sample(analyst: Analyst) -> str:
    return analyst.load(classification="goodware", riskscore=3, cloud=True, filename="a.txt")


def body_of(analyst: Analyst, path: str) -> Any:
    return analyst.get(path).json()


def test_every_switch_has_a_docstring_of_its_own() -> None:
    import ast
    import inspect

    (tree,) = ast.parse(inspect.getsource(Switches)).body
    assert isinstance(tree, ast.ClassDef)
    for field, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(after, ast.Expr), ast.unparse(field)


def test_every_listed_value_of_every_switch_can_be_set(analyst: Analyst) -> None:
    for name, kind in get_type_hints(Switches).items():
        options = get_args(kind) if get_origin(kind) is Literal else ()
        for option in options:
            assert analyst.lab("switches", **{name: option})[name] == option


@pytest.mark.parametrize(
    "values",
    [
        *({"unheard_of": 1}, {"error_body": "other"}, {"upload_success_code": True}, {"pending_word": 1}),
        *({"records_per_page_default": 0}, {"records_per_page_default": True}, {"max_hashes_per_request": "5"}),
    ],
)
def test_what_a_switch_does_not_take_is_refused_with_a_list(analyst: Analyst, values: dict[str, Any]) -> None:
    answer = analyst.post("/_lab/switches", json=values)
    assert answer.status_code == 400
    assert "Known: " in answer.text or "takes" in answer.text
    with pytest.raises(BadSwitch):
        Switches().changed(values)


def test_switches_can_be_given_when_the_appliance_starts(open_appliance: Opener) -> None:
    analyst = open_appliance(switches=Switches(upload_success_code=200))
    assert analyst.upload().status_code == 200
    assert analyst.get("/_lab/switches").json() == dataclasses.asdict(Switches(upload_success_code=200))


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("message", {"code", "message"}),
        ("detail", {"detail"}),
        ("error", {"error"}),
        ("description", {"description"}),
        ("fields", {"url"}),
    ],
)
def test_the_body_of_a_refusal(analyst: Analyst, shape: str, keys: set[str]) -> None:
    analyst.lab("switches", error_body=shape)
    assert set(analyst.post("/api/submit/url/", data={"url": "ftp://x"}).json()) == keys


def test_a_refusal_in_plain_text(analyst: Analyst) -> None:
    analyst.lab("switches", error_body="plain")
    assert analyst.post("/api/submit/url/").headers["content-type"].startswith("text/plain")


def test_credentials_can_be_401(analyst: Analyst) -> None:
    analyst.lab("switches", credentials_status=401)
    assert analyst.get(V3.format(NOBODY), headers={"Authorization": "Token x"}).status_code == 401


def test_retry_after(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True, set="2026-03-01T12:00:00Z")
    analyst.lab("state", disk_free_percent=1, cloud_quota=0)
    assert "retry-after" not in analyst.upload().headers
    analyst.lab("switches", retry_after="seconds", retry_after_seconds=7)
    assert analyst.upload().headers["retry-after"] == "7"
    assert analyst.get(V3.format(NOBODY)).headers["retry-after"] == str(12 * 3600 + 60)
    analyst.lab("switches", retry_after="date")
    answer = analyst.upload()
    wait = parsedate_to_datetime(answer.headers["retry-after"]) - parsedate_to_datetime(answer.headers["date"])
    assert wait.total_seconds() == 7


def test_a_malformed_hash_can_be_400(analyst: Analyst) -> None:
    analyst.lab("switches", malformed_hash_status=400)
    assert analyst.get(V3.format("abc")).status_code == 400


def test_href_can_be_a_path(analyst: Analyst) -> None:
    analyst.lab("switches", href="path")
    detail = analyst.upload().json()["detail"]
    assert detail["href"] == f"/{detail['sha1']}"


def test_the_administrator_can_change_the_default_crawlers(analyst: Analyst) -> None:
    analyst.lab("switches", crawler_default_uploads="local", crawler_default_submit="cloud")
    for path in ("/api/uploads/", "/api/submit/url/"):
        analyst.post(path, data={"url": "http://example.com"})
    assert [item["crawler"] for item in analyst.ledger()["submissions"]] == ["local", "cloud"]


def test_uppercase_tags_can_be_accepted(analyst: Analyst) -> None:
    analyst.lab("switches", uppercase_tags="accepted")
    assert analyst.upload(tags="Example,example").status_code == 201


def test_a_long_body_can_be_read_before_it_is_refused(analyst: Analyst) -> None:
    analyst.lab("state", max_upload_bytes=1000)
    analyst.lab("switches", too_large="drained")
    assert analyst.upload(b"x" * (3 << 20)).status_code == 413


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("null", {"report": None}), ("absent", {}), ("empty", {"report": {}})],
)
def test_a_url_that_is_not_done(analyst: Analyst, setting: str, expected: dict[str, Any]) -> None:
    analyst.lab("clock", freeze=True)
    analyst.lab("switches", url_report_pending=setting, pending_word="waiting")
    task = analyst.post("/api/submit/url/", data={"url": "http://example.com"}).json()["detail"]["id"]
    assert body_of(analyst, f"/api/uploads/v2/url-samples/{task}") == {
        "processing_status": "waiting",
        "message": "",
        **expected,
    }


def test_a_url_report_can_be_nested(analyst: Analyst) -> None:
    analyst.lab("switches", url_report_shape="sample_summary")
    analyst.load(url="http://example.com/")
    task = analyst.post("/api/submit/url/", data={"url": "http://example.com/"}).json()["detail"]["id"]
    analyst.wait()
    assert "sha1" in body_of(analyst, f"/api/uploads/v2/url-samples/{task}")["report"]["sample_summary"]


@pytest.mark.parametrize("status", [404, 400, 200])
def test_an_unknown_url_task(analyst: Analyst, status: int) -> None:
    analyst.lab("switches", url_unknown_status=status)
    for number in ("99", "abc"):
        assert analyst.get(f"/api/uploads/v2/url-samples/{number}").status_code == status


def test_bodies_of_the_processing_status(analyst: Analyst, sample: str) -> None:
    sent = {"hash_values": [sample, sample, NOBODY]}
    path = "/api/samples/status/"
    assert len(analyst.post(path, json=sent).json()["results"]) == 2
    analyst.lab("switches", duplicate_hashes="repeated", status_missing="omitted", status_body="list")
    assert analyst.post(path, json=sent).json() == 2 * [{"hash_value": sample, "status": "processed"}]


def test_bulk_requests_can_be_bounded_and_mixed(analyst: Analyst, sample: str) -> None:
    path = "/api/samples/v2/list/"
    analyst.lab("switches", max_hashes_per_request=2, mixed_hash_types="accepted")
    assert analyst.post(path, json={"hash_values": [sample, "0" * 32]}).status_code == 200
    assert analyst.post(path, json={"hash_values": [sample, "0" * 32, "0" * 64]}).status_code == 400


def test_words_of_the_first_classification(analyst: Analyst, sample: str) -> None:
    path = f"/api/samples/{sample}/classification/"
    assert body_of(analyst, path)["threat_status"] == "KNOWN"
    analyst.lab("switches", classification_v1_vocabulary="new")
    assert body_of(analyst, path)["classification"] == "goodware"


def test_words_of_the_cloud_reputation(analyst: Analyst, sample: str) -> None:
    path = f"/api/samples/{sample}/ticloud/"
    assert body_of(analyst, path)["threat_status"] == "known"
    analyst.lab("switches", ticloud_vocabulary="new")
    assert (body_of(analyst, path)["classification"], body_of(analyst, path)["riskscore"]) == ("goodware", 3)


def test_what_the_cloud_does_not_know(analyst: Analyst) -> None:
    path = f"/api/samples/{NOBODY}/ticloud/"
    assert analyst.get(path).status_code == 404
    analyst.lab("switches", ticloud_missing="empty")
    assert (analyst.get(path).status_code, body_of(analyst, path)) == (200, {})


def test_the_third_classification_can_be_wrapped_or_404(analyst: Analyst, sample: str) -> None:
    analyst.lab("switches", classification_v3_body="rl", hash_not_found_v3="404")
    assert body_of(analyst, V3.format(sample))["rl"]["classification"] == "goodware"
    assert analyst.get(V3.format(NOBODY)).status_code == 404


def test_the_source_of_a_cloud_verdict_is_a_word_of_choice(analyst: Analyst) -> None:
    sha1 = analyst.load(classification="malicious", local=False, cloud=True)
    analyst.lab("switches", cloud_data_source="CLOUD")
    assert body_of(analyst, V3.format(sha1))["data_source"] == "CLOUD"


@pytest.mark.parametrize(("case", "word"), [("upper", "GOODWARE"), ("capitalized", "Goodware"), ("lower", "goodware")])
def test_letters_of_classifications(analyst: Analyst, sample: str, case: str, word: str) -> None:
    analyst.lab("switches", vocabulary_case=case)
    assert body_of(analyst, V3.format(sample))["classification"] == word
    assert analyst.search("classification:goodware")["entries"][0]["classification"] == word


@pytest.mark.parametrize(
    ("setting", "status", "text"),
    [
        ("404_empty", 404, ""),
        ("200_empty", 200, ""),
        ("404_message", 404, '{"code":404,"message":"Sample not found."}'),
    ],
)
def test_deleting_what_is_not_there(analyst: Analyst, setting: str, status: int, text: str) -> None:
    analyst.lab("switches", delete_missing=setting)
    answer = analyst.delete(f"/api/samples/{NOBODY}/")
    assert (answer.status_code, answer.text) == (status, text)


def test_a_single_deletion_can_be_flat(analyst: Analyst, sample: str) -> None:
    analyst.lab("switches", delete_wrapped=False)
    assert analyst.delete(f"/api/samples/{sample}/").json()["code"] == 200


def test_bodies_of_the_deprecated_bulk_delete(analyst: Analyst) -> None:
    def deleted(shape: str) -> Any:
        analyst.lab("switches", delete_v1_body=shape)
        answer = analyst.post("/api/samples/delete_bulk/", json={"hash_value": [analyst.load(filename=shape)]})
        assert answer.status_code == 200
        return answer.json() if answer.content else None

    assert deleted("results")["results"][0]["code"] == 200
    assert deleted("flat")[0]["code"] == 200
    assert set(deleted("message")) == {"code", "message"}
    assert deleted("empty") is None


def test_bodies_of_the_current_bulk_delete(analyst: Analyst) -> None:
    def accepted(**switches: Any) -> Any:
        analyst.lab("switches", **switches)
        return analyst.post("/api/samples/v2/delete_bulk/", json={"hash_values": [NOBODY]}).json()

    assert accepted() == {"id": 1}
    assert accepted(delete_v2_id="str") == {"id": "2"}
    assert set(accepted(delete_v2_body="message")) == {"id", "code", "message"}
    assert accepted(delete_v2_body="detail")["detail"] == {"id": "4"}


def test_bodies_of_the_delete_status(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True)
    number = analyst.post("/api/samples/v2/delete_bulk/", json={"hash_values": [NOBODY]}).json()["id"]
    path = f"/api/samples/v2/delete_bulk/status/?id={number}"
    assert body_of(analyst, path)["code"] == 202
    analyst.lab("switches", delete_status_body="status")
    assert body_of(analyst, path) == {"id": number, "status": "running"}
    analyst.wait()
    assert body_of(analyst, path) == {"id": number, "status": "finished"}
    analyst.lab("switches", delete_status_body="empty")
    assert analyst.get(path).content == b""
    for status in (404, 400, 200):
        analyst.lab("switches", delete_unknown_status=status)
        assert analyst.get("/api/samples/v2/delete_bulk/status/?id=99").status_code == status


@pytest.mark.parametrize(("setting", "expected"), [("absent", "none"), ("null", None), ("present", 2)])
def test_next_page_on_the_last_page(analyst: Analyst, sample: str, setting: str, expected: Any) -> None:
    assert sample
    analyst.lab("switches", next_page_on_last=setting)
    assert analyst.search("size:[0 TO *]").get("next_page", "none") == expected


def test_a_page_beyond_the_end(analyst: Analyst) -> None:
    analyst.lab("samples", generate=25)

    def ask(setting: str) -> Any:
        analyst.lab("switches", page_beyond_end=setting)
        return analyst.post("/api/samples/v3/search/", json={"query": "size:[0 TO *]", "page": 3})

    assert ask("empty").json()["rl"]["web_search_api"]["entries"] == []
    assert len(ask("last").json()["rl"]["web_search_api"]["entries"]) == 5
    assert (ask("400").status_code, ask("404").status_code) == (400, 404)


def test_a_page_can_come_back_empty_though_more_follow(analyst: Analyst) -> None:
    analyst.lab("samples", generate=50)
    analyst.lab("switches", empty_page=2)
    pages = [analyst.search("size:[0 TO *]", page=page) for page in (1, 2, 3)]
    assert [(page["sample_count"], page["more_pages"]) for page in pages] == [(20, True), (0, True), (10, False)]


def test_default_page_size_and_order(analyst: Analyst) -> None:
    analyst.lab("samples", generate=30, cloud=True)
    analyst.lab("switches", records_per_page_default=7, sort_default="size asc")
    sizes = [entry["size"] for entry in analyst.search("size:[0 TO *]", ticloud=True)["entries"]]
    assert len(sizes) == 7
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(
    ("kind", "some"),
    [("wide", {"sha256", "sample_type"}), ("v1", {"status", "file_names"}), ("cloud", {"factor", "threatname"})],
)
def test_keys_of_local_entries(analyst: Analyst, kind: str, some: set[str]) -> None:
    analyst.load(classification="malicious", threat_name="Win32.Trojan.Delf")
    analyst.lab("switches", local_entries=kind)
    assert some <= set(analyst.search("classification:malicious")["entries"][0])


def test_keys_of_cloud_pages(analyst: Analyst, sample: str) -> None:
    assert sample
    analyst.lab("switches", total_count_in_cloud=False, cloud_cursor_keys=True)
    body = analyst.search("size:[0 TO *]", ticloud=True)
    assert "total_count" not in body
    assert body["end_of_dataset"] is True
    assert len(body["last_search_date"]) == 10


def test_the_total_counts_path_and_body(analyst: Analyst, sample: str) -> None:
    assert sample
    first, second = "/api/samples/v3/search/total-count", "/api/samples/v3/search/totalcount/"
    sent = {"json": {"query": "size:[0 TO *]"}}
    assert [analyst.post(path, **sent).status_code for path in (first, second)] == [200, 404]
    analyst.lab("switches", total_count_path="totalcount", total_count_body="flat")
    assert [analyst.post(path, **sent).status_code for path in (first, second)] == [404, 200]
    assert analyst.post(second, **sent).json() == {"total_count": 1}
    analyst.lab("switches", total_count_path="both")
    assert [analyst.post(path, **sent).status_code for path in (first, second)] == [200, 200]


def test_dates_of_a_search(analyst: Analyst) -> None:
    analyst.load(first_seen="2024-01-01T00:00:00Z", last_seen="2024-06-01T00:00:00Z", cloud=True, filename="a")
    january = {"start_search_date": "2024-01-31", "end_search_date": "2024-01-01"}
    assert analyst.search("size:[0 TO *]", ticloud=True, **january)["total_count"] == 0
    analyst.lab("switches", search_date_field="firstseen", dates_with_ticloud="required")
    assert analyst.search("size:[0 TO *]", ticloud=True, **january)["total_count"] == 1
    assert analyst.post("/api/samples/v3/search/", json={"query": "size:1", "ticloud": True}).status_code == 400


def test_the_longest_query_and_the_word_clean(analyst: Analyst, sample: str) -> None:
    assert sample
    path = "/api/samples/v3/search/"
    assert analyst.post(path, json={"query": "classification:clean"}).status_code == 400
    analyst.lab("switches", clean_in_queries=True, query_max_length=20)
    assert analyst.search("classification:clean")["total_count"] == 1
    assert analyst.post(path, json={"query": "classification:goodware"}).status_code == 400


def test_bodies_of_tags(analyst: Analyst, sample: str) -> None:
    path = f"/api/tag/{sample}/"
    assert analyst.post(path, json={"tags": ["a", "b"]}).json() == {"message": "Tags added."}
    assert body_of(analyst, path) == ["a", "b"]
    analyst.lab("switches", tags_body="object", tags_change_body="tags")
    assert analyst.delete(path, json={"tags": ["a"]}).json() == {"tags": ["b"]}
    analyst.lab("switches", tags_change_body="empty")
    assert analyst.post(path, json={"tags": ["c"]}).content == b""
    for wrong in ({}, {"tags": "a"}, {"tags": []}, {"tags": [1]}):
        assert analyst.post(path, json=wrong).status_code == 400
    assert analyst.get(f"/api/tag/{NOBODY}/").status_code == 404
    assert analyst.get(f"/api/tag/{'0' * 128}/").status_code == 404


def test_a_url_that_nobody_knows(analyst: Analyst) -> None:
    path = "/api/network-threat-intel/url/?url=http%3A%2F%2Fwww.example.com%2F"
    assert body_of(analyst, path)["classification"] == "unknown"
    analyst.lab("switches", vocabulary_case="upper")
    assert body_of(analyst, path)["classification"] == "UNKNOWN"
    analyst.lab("switches", url_nobody_knows="empty")
    assert body_of(analyst, path) == {}
    analyst.lab("switches", url_nobody_knows="404")
    assert analyst.get(path).status_code == 404
    assert analyst.get("/api/network-threat-intel/url/").status_code == 400
    assert [query["url"] for query in analyst.ledger()["cloud_queries"]] == ["http://www.example.com/"] * 4
