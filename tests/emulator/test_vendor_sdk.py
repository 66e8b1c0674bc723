"""The vendor's own client, unmodified, drives the emulator through everything it knows of these endpoints."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ReversingLabs.SDK.a1000 import A1000
from ReversingLabs.SDK.helper import (
    BadRequestError,
    ForbiddenError,
    NotAllowedError,
    NotFoundError,
    RequestTooLargeError,
    ServiceUnavailableError,
    TooManyRequestsError,
)

from connector.emulator import RunningAppliance, serve

# the client opens the files it is given by path, and never closes them
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
NOBODY = "0" * 40


@pytest.fixture
def appliance() -> Iterator[RunningAppliance]:
    with serve(processing_seconds=0) as running:
        yield running


@pytest.fixture
def sdk(appliance: RunningAppliance) -> Iterator[Any]:
    client = A1000(appliance.url, token=appliance.token, wait_time_seconds=0, retries=20)
    yield client
    client._session.close()


def submitted(sdk: Any, content: bytes = b"content", **more: Any) -> str:
    answer = sdk.submit_file_from_handle(io.BytesIO(content), **more)
    assert answer.status_code == 201
    return str(answer.json()["detail"]["sha1"])


def load(appliance: RunningAppliance, **sample: Any) -> None:
    from connector.emulator.product.loading import load

    load(appliance.product, sample)


def test_it_logs_in_with_a_password(appliance: RunningAppliance) -> None:
    client = A1000(appliance.url, username="admin", password="password-for-the-lab")
    client.test_connection()
    client._session.close()
    with pytest.raises(BadRequestError):
        A1000(appliance.url, username="admin", password="wrong")


def test_it_tests_the_connection(appliance: RunningAppliance, sdk: Any) -> None:
    sdk.test_connection()
    stranger = A1000(appliance.url, token="f" * 40)
    with pytest.raises(ForbiddenError):
        stranger.test_connection()
    stranger._session.close()


def test_it_submits_files_by_path_and_by_handle(appliance: RunningAppliance, sdk: Any, tmp_path: Path) -> None:
    path = tmp_path / "by path.txt"
    path.write_bytes(b"by path")
    assert sdk.submit_file_from_path(str(path)).json()["detail"]["filename"] == "by path.txt"
    submitted(
        sdk,
        b"by handle",
        custom_filename="chosen.bin",
        tags="one,two",
        comment="seen",
        analysis={"cloud": True},
        metadata={"source": "mail"},
    )
    first, second = appliance.product.ledger.submissions
    assert (first["visibility"], second["visibility"]) == ("private", "public")
    assert second["fields"] == {
        "filename": "chosen.bin",
        "tags": "one,two",
        "comment": "seen",
        "analysis": '{"cloud": true}',
        "metadata": '{"source": "mail"}',
    }


def test_it_follows_a_file_to_its_summary_and_its_details(sdk: Any) -> None:
    handle = io.BytesIO(b"MZ SPECTRA-LAB-MALICIOUS:Win32.Trojan.Delf")
    (summary,) = sdk.submit_file_and_get_summary_report(file_handle=handle).json()["results"]
    assert (summary["classification"], summary["classification_result"]) == ("malicious", "Win32.Trojan.Delf")
    assert sdk.file_analysis_status([summary["sha1"]], "processed").json()["results"][0]["status"] == "processed"
    (details,) = sdk.get_detailed_report_v2(summary["sha1"]).json()["results"]
    assert details["sha256"] == summary["sha256"]
    (some,) = sdk.get_summary_report_v2(
        summary["sha1"], fields=["sha1", "md5"], include_networkthreatintelligence=False, skip_reanalysis=True
    ).json()["results"]
    assert set(some) == {"sha1", "md5"}


def test_it_follows_a_url_to_its_report(appliance: RunningAppliance, sdk: Any) -> None:
    load(appliance, url="http://example.com/", classification="goodware", riskscore=2)
    report = sdk.submit_url_and_get_report("http://example.com/", crawler="local").json()["report"]
    assert report["classification"] == "goodware"
    task = sdk.submit_url("http://example.org/", crawler="cloud").json()["detail"]["id"]
    assert sdk.check_submitted_url_status(str(task)).json()["processing_status"] == "error"
    with pytest.raises(Exception, match="no route"):
        sdk.get_submitted_url_report(str(task), retry=False)
    with pytest.raises(NotFoundError):
        sdk.check_submitted_url_status("999")


def test_it_looks_a_url_up(appliance: RunningAppliance, sdk: Any) -> None:
    url = "http://example.com/a?b=c%20d&e=f"
    load(appliance, url=url, classification="malicious", threat_name="Win32.Trojan.Delf")
    report = sdk.network_url_report(url).json()
    assert (report["requested_url"], report["classification"]) == (url, "malicious")
    assert report["analysis"]["top_threats"][0]["threat_name"] == "Win32.Trojan.Delf"
    nobody = sdk.network_url_report("http://example.org/").json()
    assert (nobody["classification"], "analysis" in nobody) == ("unknown", False)
    with pytest.raises(BadRequestError):
        sdk.network_url_report("ftp://example.org/")


def test_it_classifies(appliance: RunningAppliance, sdk: Any) -> None:
    load(appliance, sha1="1" * 40, classification="malicious", cloud=True, local=False)
    body = sdk.get_classification_v3("1" * 40, av_scanners=True).json()
    assert body["classification"] == "malicious"
    assert body["av_scanners"]["scanner_count"] > 0
    assert "classification" not in sdk.get_classification_v3("1" * 40, local_only=True).json()
    missing = sdk.get_classification_v3(NOBODY)
    assert (missing.status_code, missing.json()["message"]) == (200, "Hash not found.")


def test_it_searches_and_gathers_all_pages(appliance: RunningAppliance, sdk: Any) -> None:
    for number in range(45):
        load(appliance, sha1=f"{number:040x}", classification="malicious", size=number, cloud=True)
    page = sdk.advanced_search_v3("classification:malicious", page_number=2, records_per_page=20)
    assert len(page.json()["rl"]["web_search_api"]["entries"]) == 20
    here = sdk.advanced_search_v3_aggregated("classification:malicious", sorting_criteria="size", sorting_order="asc")
    assert [entry["sha1"] for entry in here] == [f"{number:040x}" for number in range(45)]
    dates = {"start_search_date": "2100-01-01", "end_search_date": "2000-01-01"}
    there = sdk.advanced_search_v3_aggregated("classification:malicious", ticloud=True, max_results=30, **dates)
    assert len(there) == 30
    with pytest.raises(BadRequestError):
        sdk.advanced_search_v3("unheard:of")


def test_it_deletes_one_and_many(appliance: RunningAppliance, sdk: Any) -> None:
    first, second, third = (submitted(sdk, text) for text in (b"1", b"2", b"3"))
    sdk.test_connection()
    assert sdk.delete_samples(first).json()["results"]["detail"]["sha1"] == first
    with pytest.raises(NotFoundError):
        sdk.delete_samples(first)
    task = sdk.delete_samples([second, third])
    assert task.status_code == 202
    assert sdk.check_sample_removal_status_v2(str(task.json()["id"])).status_code == 200
    results = sdk.file_analysis_status([second, third], "not_found").json()["results"]
    assert [item["hash_value"] for item in results] == [second, third]
    assert len(appliance.product.local) == 0


def test_it_reanalyzes(sdk: Any) -> None:
    sha1 = submitted(sdk)
    sdk.test_connection()
    answer = sdk.reanalyze_samples_v2(
        [sha1],
        titanium_cloud=True,
        titanium_core=True,
        joe_sandbox=True,
        rl_cloud_sandbox=True,
        rl_cloud_sandbox_platform="linux",
    )
    (result,) = answer.json()["results"]
    assert {item["name"]: item["code"] for item in result["analysis"]} == {
        "cloud": 201,
        "core": 201,
        "rl_cloud_sandbox": 201,
        "joe": 405,
    }


def test_it_tags(sdk: Any) -> None:
    sha1 = submitted(sdk)
    sdk.post_user_tags(sha1, ["a", "b"])
    assert sdk.get_user_tags(sha1).json() == ["a", "b"]
    sdk.delete_user_tags(sha1, ["a"])
    assert sdk.get_user_tags(sha1).json() == ["b"]


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"maintenance": True}, NotAllowedError),
        ({"max_upload_bytes": 1}, RequestTooLargeError),
        ({"memory_percent": 95.0}, TooManyRequestsError),
        ({"disk_free_percent": 10.0}, ServiceUnavailableError),
    ],
)
def test_it_raises_its_own_errors_for_the_appliances_state(
    appliance: RunningAppliance, sdk: Any, state: dict[str, object], error: type[Exception]
) -> None:
    appliance.product.resources = appliance.product.resources.changed(state)
    with pytest.raises(error):
        submitted(sdk)
