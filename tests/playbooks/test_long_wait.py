"""A wait of three quarters of an hour, in virtual time: it outlives twenty processes, and submits once."""

import time
from dataclasses import replace

import pytest

from connector.emulator import serve
from connector.emulator.product.loading import load
from tests.playbooks.victim import Job, Victims
from tests.playbooks.victim_books import order, shipped

pytestmark = pytest.mark.slow
MINUTES = 45
WAIT = MINUTES * 60.0 - 5  # the vendor's limit for a URL is 45 minutes, which this one keeps to
RESTARTS = 20
URL = "https://example.test/slow"


@pytest.fixture(scope="module")
def appliance():
    with serve(processing_seconds=WAIT) as made:
        load(made.product, {"url": URL, "classification": "malicious", "threat_name": "Win32.Trojan.Slow"})
        yield made


@pytest.fixture(scope="module")
def victims():
    made = Victims()
    yield made
    made.close()


def test_a_wait_of_45_minutes_outlives_twenty_restarts_with_one_submission(appliance, victims, tmp_path):
    given = order(shipped("detonate-url", delay=None), "long", {"url": URL})
    job = Job(
        folder=str(tmp_path),
        url=appliance.url,
        token=appliance.token,
        run="long",
        order=given.as_dict(),
        clock=str(tmp_path / "clock"),
    )
    began, died = time.monotonic(), 0
    for number in range(RESTARTS):
        ended = victims.run(replace(job, order=None if number else job.order, sleeps=2))
        assert ended.status == -9, ((tmp_path / "log").read_text(), ended)
        died += 1
    ended = victims.run(replace(job, order=None))
    assert ended.told is not None, (tmp_path / "log").read_text()
    told, ahead = ended.told, float((tmp_path / "clock").read_text())
    assert (told["state"], died) == ("done", RESTARTS), told["sentence"]
    assert told["outputs"]["__verdict__"] == "malicious"
    assert WAIT <= told["ended_at"] - told["started_at"] < WAIT + 180
    spent = time.monotonic() - began
    assert WAIT - spent <= ahead < WAIT + 120  # the rest of it was real
    assert spent < 100
    assert len(appliance.product.ledger.submissions) == 1
    looks = sum(str(r["path"]).startswith("/api/uploads/v2/url-samples/") for r in appliance.product.ledger.requests)
    assert MINUTES - 1 <= looks <= MINUTES + RESTARTS
