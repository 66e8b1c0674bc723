"""Answers have the keys and types of the vendor's documentation and of bodies captured from real appliances."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.analyst import Analyst

Captured = Callable[[str], Any]
Opener = Callable[..., Analyst]
PETYA = {
    "sha1": "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5",
    "sha256": "121c3fc43774abf1054ca9b7c10ebb49677889a527f34c7268872e7d670a2233",
    "md5": "debaf7021f49695eadcaaab58d502eb9",
    "classification": "malicious",
    "riskscore": 10,
    "threat_name": "Win32.Ransomware.Petya",
    "first_seen": "2024-01-08T16:36:03Z",
    "last_seen": "2024-06-10T10:31:18Z",
}


def shape(value: Any) -> Any:
    """Keys and types, without the values; a list is its first item's shape."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize("name", ["upload_file_2024.json", "docs_upload_file.json"])
def test_a_submitted_file_is_answered_as_documented_and_as_captured(
    analyst: Analyst, captured: Captured, name: str
) -> None:
    answer = analyst.upload(name="test.txt")
    assert answer.status_code == 201
    assert shape(answer.json()) == shape(captured(name))
    assert list(answer.json()["detail"]) == list(captured(name)["detail"])


@pytest.mark.parametrize("name", ["upload_url_2024.json", "docs_upload_url.json"])
@pytest.mark.parametrize("path", ["/api/uploads/", "/api/submit/url/"])
def test_a_submitted_url_has_no_sha1_and_no_href(analyst: Analyst, captured: Captured, name: str, path: str) -> None:
    answer = analyst.post(path, data={"url": "https://www.example.com"})
    assert answer.status_code == 201
    assert shape(answer.json()) == shape(captured(name))
    assert answer.json()["detail"]["filename"] == "https://www.example.com"


def test_the_real_href_is_a_search_for_the_sha1(analyst: Analyst) -> None:
    detail = analyst.upload().json()["detail"]
    assert detail["href"] == f"/?q={detail['sha1']}"


def test_times_of_submissions_have_microseconds_and_a_z(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True, set="2015-06-18T12:01:15.123456Z")
    assert analyst.upload().json()["detail"]["created"] == "2015-06-18T12:01:15.123456Z"


def test_processed_status_is_as_captured(analyst: Analyst, captured: Captured) -> None:
    analyst.load(**PETYA)
    answer = analyst.post("/api/samples/status/?status=processed", data={"hash_values": [PETYA["sha1"]]})
    assert answer.json() == captured("file_status_processed.json")


def test_classification_v3_is_as_captured(analyst: Analyst, captured: Captured) -> None:
    analyst.load(**PETYA)
    expected = captured("classification_v3_local_2024.json")
    body = analyst.get(f"/api/samples/v3/{PETYA['sha1']}/classification/?localonly=0&av_scanners=0").json()
    assert list(body) == list(expected)
    same = set(expected) - {"cloud_last_lookup"}
    assert {key: body[key] for key in same} == {key: expected[key] for key in same}


def test_classification_v3_of_an_unknown_hash_is_a_200_that_says_so(analyst: Analyst, captured: Captured) -> None:
    expected = captured("classification_v3_not_found.json")
    answer = analyst.get(f"/api/samples/v3/{expected['hash_value']}/classification/")
    assert (answer.status_code, answer.json()) == (200, expected)


def test_classification_v2_is_as_captured(analyst: Analyst, captured: Captured) -> None:
    expected = captured("classification_v2_2021.json")
    analyst.load(
        sha1=expected["sha1"],
        classification="malicious",
        riskscore=10,
        threat_name=expected["threat_name"],
        reason="cloud",
        first_seen=expected["first_seen"],
    )
    body = analyst.get(f"/api/v2/samples/{expected['sha1']}/classification/").json()
    assert list(body) == list(expected)
    for key in ("threat_status", "trust_factor", "threat_level", "threat_name", "classification_reason", "first_seen"):
        assert body[key] == expected[key]


def test_the_ticloud_part_of_a_report_is_as_captured(analyst: Analyst, captured: Captured) -> None:
    expected = captured("ticloud_subobject_2022.json")
    sha1 = analyst.load(classification="goodware", riskscore=5, cloud=True)
    answer = analyst.post("/api/samples/v2/list/", data={"hash_values": [sha1], "fields": ["ticloud"]})
    assert shape(answer.json()["results"][0]["ticloud"]) == shape(expected)


def test_a_summary_report_has_every_key_of_the_capture(analyst: Analyst, captured: Captured) -> None:
    expected = captured("summary_report_v2_2022.json")
    sha1 = analyst.load(classification="malicious", threat_name="Win32.Trojan.Delf", cloud=True, filename="a.zip")
    fields = [*expected["results"][0]]
    body = analyst.post("/api/samples/v2/list/", data={"hash_values": [sha1], "fields": fields}).json()
    assert list(body) == list(expected)
    result, known = body["results"][0], expected["results"][0]
    assert set(result) == set(known)
    heavy = {"ticore", "ticloud", "classification_origin", "summary", "tags"}
    for key in set(known) - heavy:
        assert shape(result[key]) == shape(known[key]), key
    for key in ("summary", "tags", "ticloud"):
        assert set(result[key]) == set(known[key])
    assert set(result["ticore"]["info"]) <= set(known["ticore"]["info"])
    assert result["ticore"]["classification"]["classification"] == known["ticore"]["classification"]["classification"]


def test_a_finished_url_has_the_keys_of_the_capture(analyst: Analyst, captured: Captured) -> None:
    expected = captured("url_status_complete_2024_trimmed.json")
    analyst.load(url="https://www.example.com/", classification="goodware", riskscore=2, imphash="20dd26497880c05c")
    task = analyst.post("/api/submit/url/", data={"url": "https://www.example.com/"}).json()["detail"]["id"]
    analyst.wait()
    body = analyst.get(f"/api/uploads/v2/url-samples/{task}").json()
    assert body["processing_status"] == "complete"
    assert body["message"] == ""
    for key, value in expected["report"].items():
        assert shape(body["report"][key]) == shape(value), key


def test_cloud_entries_of_a_search_are_as_captured(analyst: Analyst, captured: Captured) -> None:
    first = captured("search_entries_cloud_2024.json")[0]
    kind, subtype, name = first["sampletype"].split("/")
    analyst.load(
        **{key: first[key] for key in ("sha1", "sha256", "md5", "classification", "size", "filename")},
        riskscore=first["factor"],
        threat_name=first["threatname"],
        first_seen=first["firstseen"],
        last_seen=first["lastseen"],
        file_type=kind,
        file_subtype=subtype,
        identification_name=name,
        av_match=first["antivirus"],
        cloud=True,
        local=False,
    )
    entry = analyst.search("classification:malicious", ticloud=True)["entries"][0]
    assert entry == first
    assert list(entry) == list(first)


def test_a_search_answer_has_the_published_envelope(analyst: Analyst, captured: Captured) -> None:
    expected = captured("search_envelope_cloud.json")["rl"]["web_search_api"]
    analyst.lab("samples", generate=3, cloud=True)
    body = analyst.search("size:[0 TO *]", ticloud=True, records_per_page=2)
    assert set(body) == set(expected)
    assert (body["more_pages"], body["next_page"], body["total_count"], body["sample_count"]) == (True, 2, 3, 2)


def test_a_single_deletion_is_as_captured(analyst: Analyst, captured: Captured) -> None:
    expected = captured("delete_single_2024.json")
    detail = expected["results"]["detail"]
    analyst.load(**detail)
    answer = analyst.delete(f"/api/samples/{detail['sha1']}/")
    assert (answer.status_code, answer.json()) == (200, expected)


def test_reanalysis_is_as_captured(analyst: Analyst, captured: Captured) -> None:
    expected = captured("reanalyze_bulk_v2_2024.json")
    detail = expected["results"][0]["detail"]
    analyst.load(**detail)
    engines = [item["name"] for item in expected["results"][0]["analysis"]]
    data = {"hash_value": [detail["sha1"]], "analysis": ",".join(engines), "rl_cloud_sandbox_platform": "windows10"}
    body = analyst.post("/api/samples/v2/analyze_bulk/", data=data).json()
    assert body["results"][0]["detail"] == detail
    codes = {item["name"]: (item["code"], item["message"]) for item in body["results"][0]["analysis"]}
    known = {item["name"]: (item["code"], item["message"]) for item in expected["results"][0]["analysis"]}
    assert {name: codes[name] for name in codes if name != "rl_cloud_sandbox"} == {
        name: known[name] for name in known if name != "rl_cloud_sandbox"
    }
    again = analyst.post("/api/samples/v2/analyze_bulk/", data=data).json()["results"][0]["analysis"]
    assert known["rl_cloud_sandbox"] in {(item["code"], item["message"]) for item in again}


def test_a_token_is_forty_hexadecimal_characters(analyst: Analyst) -> None:
    credentials = {"username": "admin", "password": "password-for-the-lab"}
    for sent in ({"data": credentials}, {"json": credentials}):
        token = analyst.post("/api-token-auth/", **sent).json()["token"]
        assert token == analyst.appliance.token
        assert len(token) == 40
        assert int(token, 16) >= 0
