"""The lab's pages take the forms that people write first."""

import httpx
import pytest

from connector.emulator import serve

SAMPLE = {"sha1": "a" * 40, "classification": "malicious"}


@pytest.mark.parametrize("body", [{"samples": [SAMPLE]}, [SAMPLE], SAMPLE], ids=["named", "bare list", "one sample"])
def test_samples_load_from_each_form(body):
    with serve() as lab:
        answer = httpx.post(f"{lab.url}/_lab/samples", json=body)

        assert answer.status_code == 200
        assert [loaded["sha1"] for loaded in answer.json()["loaded"]] == ["a" * 40]


@pytest.mark.parametrize("body", [{}, [], 7, [7]], ids=["empty object", "empty list", "number", "list of numbers"])
def test_what_holds_no_sample_is_refused_or_loads_none(body):
    with serve() as lab:
        answer = httpx.post(f"{lab.url}/_lab/samples", json=body)

        assert answer.status_code == 400 or answer.json() == {"loaded": []}


def test_a_bare_list_of_faults_is_a_fault_plan():
    with serve() as lab:
        planned = httpx.post(f"{lab.url}/_lab/faults", json=[{"match": {"path": "/api/uploads/"}, "status": 504}])

        assert planned.json() == {"planned": 1}
