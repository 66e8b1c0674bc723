"""Advanced Search pages, sorts and bounds its results as documented, and stays quick over a large library."""

import time
from typing import Any

import pytest

from tests.emulator.analyst import Analyst


def codes(analyst: Analyst, version: str = "v3", **body: Any) -> int:
    return analyst.post(f"/api/samples/{version}/search/", json=body).status_code


def walk(analyst: Analyst, **more: Any) -> list[str]:
    found, page = [], 1
    while True:
        body = analyst.search("size:[0 TO *]", page=page, **more)
        found += [entry["sha1"] for entry in body["entries"]]
        if not body["more_pages"]:
            return found
        page = body["next_page"]


def test_walking_all_pages_finds_every_sample_once(analyst: Analyst) -> None:
    analyst.lab("samples", generate=250, seed=7)
    for size in (1, 20, 99, 100):
        found = walk(analyst, records_per_page=size) if size > 1 else walk(analyst, records_per_page=50)
        assert len(found) == len(set(found)) == 250


def test_the_same_seed_makes_the_same_samples(analyst: Analyst) -> None:
    analyst.lab("samples", generate=20, seed=7)
    first = sorted(walk(analyst))
    analyst.lab("samples", generate=20, seed=7)
    assert sorted(walk(analyst)) == first
    analyst.lab("samples", generate=20, seed=8)
    assert len(walk(analyst)) == 40


@pytest.mark.parametrize(
    ("field", "key"), [("sha1", "sha1"), ("firstseen", "firstseen"), ("size", "size"), ("filecount", "filecount")]
)
def test_results_come_in_the_order_asked_for(analyst: Analyst, field: str, key: str) -> None:
    analyst.lab("samples", generate=100, cloud=True)
    for order, turned in (("asc", False), ("desc", True)):
        body = analyst.search("size:[0 TO *]", ticloud=True, sort=f"{field} {order}", records_per_page=100)
        values = [entry[key] for entry in body["entries"]]
        assert values == sorted(values, reverse=turned)


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": 5},
        {"query": "unheard:of"},
        {"query": "size:1", "page": 0},
        {"query": "size:1", "page": None},
        {"query": "size:1", "page": "1"},
        {"query": "size:1", "records_per_page": 101},
        {"query": "size:1", "records_per_page": 0},
        {"query": "size:1", "sort": "riskscore desc"},
        {"query": "size:1", "sort": "size"},
        {"query": "size:1", "sort": 1},
        {"query": "size:1", "ticloud": "true"},
        {"query": "size:1 " * 1001},
    ],
)
def test_wrong_values_are_400(analyst: Analyst, version: str, body: dict[str, Any]) -> None:
    assert codes(analyst, version, **body) == 400


def test_one_search_never_mixes_the_appliance_and_the_cloud(analyst: Analyst) -> None:
    local = analyst.load(classification="malicious", filename="local")
    cloud = analyst.load(classification="malicious", filename="cloud", local=False, cloud=True)
    (here,) = analyst.search("classification:malicious")["entries"]
    (there,) = analyst.search("classification:malicious", ticloud=True)["entries"]
    assert (here["sha1"], there["sha1"]) == (local, cloud)
    assert set(here) == {
        *("sha1", "classification", "riskscore", "sample_type", "threat_platform", "threat_type", "threat_family")
    }


def test_names_are_left_out_of_cloud_entries_without_them(analyst: Analyst) -> None:
    analyst.load(classification="goodware", cloud=True)
    (entry,) = analyst.search("classification:goodware", ticloud=True)["entries"]
    assert not {"threatname", "filename"} & set(entry)


def test_v3_walks_back_from_the_later_to_the_earlier_date_and_v2_knows_no_dates(analyst: Analyst) -> None:
    for day in ("2024-05-01", "2024-05-15", "2024-05-31"):
        analyst.load(filename=day, first_seen=f"{day}T10:00:00Z", last_seen=f"{day}T10:00:00Z", cloud=True)
    dates = {"start_search_date": "2024-05-30", "end_search_date": "2024-05-01"}
    assert analyst.search("size:[0 TO *]", ticloud=True, **dates)["total_count"] == 2
    assert analyst.search("size:[0 TO *]", "v2", ticloud=True, **dates)["total_count"] == 3
    turned = {"start_search_date": "2024-05-01", "end_search_date": "2024-05-30"}
    assert codes(analyst, query="size:1", **turned) == 400
    assert codes(analyst, "v2", query="size:1", **turned) == 200
    assert codes(analyst, query="size:1", start_search_date="01.05.2024") == 400


def test_the_total_count_is_the_clouds(analyst: Analyst) -> None:
    analyst.lab("samples", generate=5, cloud=True)
    analyst.load(filename="here only")
    answer = analyst.post("/api/samples/v3/search/total-count", json={"query": "size:[0 TO *]"})
    assert answer.json() == {"rl": {"web_search_api": {"total_count": 5}}}


def test_cloud_results_end_at_a_limit(analyst: Analyst) -> None:
    analyst.lab("switches", cloud_results_limit=100)
    analyst.lab("samples", generate=150, cloud=True)
    assert analyst.search("size:[0 TO *]", ticloud=True, records_per_page=100)["more_pages"]
    answer = analyst.post(
        "/api/samples/v3/search/", json={"query": "size:[0 TO *]", "ticloud": True, "records_per_page": 100, "page": 2}
    )
    assert (answer.status_code, answer.json()["message"]) == (400, "Max limit reached")


def test_a_kept_result_is_never_older_than_the_library(analyst: Analyst) -> None:
    for count in range(1, 4):
        sha1 = analyst.load(filename=str(count))
        assert analyst.search("size:[0 TO *]")["total_count"] == count
    analyst.delete(f"/api/samples/{sha1}/")
    assert analyst.search("size:[0 TO *]")["total_count"] == 2


def test_a_relative_date_moves_with_the_clock(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True)
    analyst.load(filename="a")
    assert analyst.search("lastseen:1d-")["total_count"] == 1
    analyst.wait(86_400 * 2)
    assert analyst.search("lastseen:1d-")["total_count"] == 0


@pytest.mark.slow
def test_a_hundred_thousand_samples_are_searched_quickly(analyst: Analyst) -> None:
    analyst.http.timeout = 120
    analyst.lab("samples", generate=100_000, seed=1)
    first = analyst.search("classification:malicious", records_per_page=100)
    assert first["total_count"] > 20_000
    begun = time.perf_counter()
    for page in range(2, 22):
        assert analyst.search("classification:malicious", records_per_page=100, page=page)["sample_count"] == 100
    assert (time.perf_counter() - begun) / 20 < 0.2
