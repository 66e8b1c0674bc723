"""Deleting: at once, by a task, one by one; and what cannot be deleted."""

import io
import zipfile
from typing import Any

import pytest

from tests.emulator.analyst import Analyst

NOBODY = "0" * 40


def present(analyst: Analyst, *hashes: str) -> list[bool]:
    results = analyst.post("/api/samples/status/", data={"hash_values": list(hashes)}).json()["results"]
    return [item["status"] == "processed" for item in results]


def test_the_deprecated_bulk_delete_is_done_when_it_answers(analyst: Analyst) -> None:
    first, second = analyst.load(filename="a"), analyst.load(filename="b")
    answer = analyst.post("/api/samples/delete_bulk/", json={"hash_value": [first, NOBODY]})
    assert answer.status_code == 200
    assert [item["code"] for item in answer.json()["results"]] == [200, 404]
    assert present(analyst, first, second) == [False, True]


def test_the_current_bulk_delete_is_a_task(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True)
    first, second = analyst.load(filename="a"), analyst.load(filename="b")
    answer = analyst.post("/api/samples/v2/delete_bulk/", data={"hash_values": [first, second, NOBODY]})
    assert answer.status_code == 202
    status = f"/api/samples/v2/delete_bulk/status/?id={answer.json()['id']}"
    assert analyst.get(status).status_code == 202
    assert present(analyst, first, second) == [True, True]
    analyst.wait(1)
    assert analyst.get(status).status_code == 200
    assert present(analyst, first, second) == [False, False]
    deletes = analyst.ledger()["deletes"]
    assert [(item["hash_value"], item["result"]) for item in deletes] == [
        (first, "deleted"),
        (second, "deleted"),
        (NOBODY, "Sample not found."),
    ]


@pytest.mark.parametrize("number", ["99", "", "abc", "²"])
def test_the_status_of_an_unknown_task_is_404(analyst: Analyst, number: str) -> None:
    assert analyst.get("/api/samples/v2/delete_bulk/status/", params={"id": number}).status_code == 404


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256", "sha512"])
def test_any_hash_deletes_a_sample_entirely(analyst: Analyst, kind: str) -> None:
    hashes = analyst.lab("samples", samples=[{"sha1": "1" * 40}])["loaded"][0]
    assert analyst.delete(f"/api/samples/{hashes[kind]}/").status_code == 200
    assert [present(analyst, text) for text in hashes.values()] == [[False]] * 4
    assert analyst.delete(f"/api/samples/{hashes[kind]}/").status_code == 404


def test_a_sample_in_process_is_405_by_sha1_and_404_by_other_hashes(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True)
    sha1 = analyst.upload(b"x").json()["detail"]["sha1"]
    import hashlib

    assert analyst.delete(f"/api/samples/{sha1}/").status_code == 405
    for kind in ("md5", "sha256"):
        assert analyst.delete(f"/api/samples/{hashlib.new(kind, b'x').hexdigest()}/").status_code == 404
    analyst.wait()
    assert analyst.delete(f"/api/samples/{sha1}/").status_code == 200


def test_a_file_that_exists_only_as_extracted_is_405_by_sha1(analyst: Analyst) -> None:
    import hashlib

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inside.txt", b"inside")
    analyst.upload(buffer.getvalue(), name="a.zip")
    analyst.wait()
    inside = hashlib.sha1(b"inside").hexdigest()
    assert analyst.delete(f"/api/samples/{inside}/").status_code == 405
    analyst.upload(b"inside")
    analyst.wait()
    assert analyst.delete(f"/api/samples/{inside}/").status_code == 200


def test_what_the_cloud_knows_outlives_a_deletion(analyst: Analyst) -> None:
    sha1 = analyst.load(classification="malicious", cloud=True)
    analyst.delete(f"/api/samples/{sha1}/")
    body: Any = analyst.get(f"/api/samples/v3/{sha1}/classification/").json()
    assert (body["classification"], body["data_source"]) == ("malicious", "TICLOUD")
    assert "classification" not in analyst.get(f"/api/samples/v3/{sha1}/classification/?localonly=1").json()
