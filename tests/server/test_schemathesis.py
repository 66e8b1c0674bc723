"""Schemathesis, which makes requests from the OpenAPI document and holds every answer against it, finds nothing."""

import re

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from connector.emulator import serve
from connector.server.openapi import document
from connector.settings import Settings
from tests.server.served import started

# A schema does not say all: hashes of one type, a digest of these hashes, what the query language knows, an id that is
# taken. So 422 and 409 may be answers to what the schema accepts; what they must hold is checked below.
ACCEPTED = ["2xx", "404", "409", "422", "429"]
CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": 4711,
        "generation": {"mode": "all"},
        "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
    }
)
DOCUMENT = document(has_roots=False)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)


@pytest.fixture(scope="module")
def free():
    """A server that allows everything, of an appliance that is quick."""
    with serve(processing_seconds=0) as appliance:
        allowed = {"allow_cloud": True, "allow_delete": True, "allow_internal_urls": True}
        chosen = Settings(url=appliance.url, token=appliance.token, state="memory", file_roots=(), **allowed)
        with started(chosen) as server:
            yield server


def check(case, free) -> None:
    """One request, and all that can be held against its answer."""
    if case.headers and case.headers.get("Spectra-In-Doubt") == "true":
        case.headers["Spectra-In-Doubt"] = "false"  # in doubt, 15 s of looking and an unknown outcome are right
    if case.path == "/actions/submit_url" and isinstance(case.body, dict) and case.body.get("wait") is True:
        case.body["wait"] = False  # a URL that nobody serves is a job that fails, which is right, too

    answer = case.call_and_validate(base_url=free.url, headers={"Authorization": f"Bearer {free.key}"})

    if answer.status_code == 422:
        body = answer.json()
        assert body["violations"] or body["appliance_status"] == 400
        assert body["outcome"] in {"not_sent", "rejected"}


def checked(path: str):
    """The test of one path: a name for each, as runs on several processors tell tests apart by their names."""

    @SCHEMA.include(path=path).parametrize()
    @settings(max_examples=20, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    def test(case, free):
        check(case, free)

    return test


for _path in DOCUMENT["paths"]:
    globals()[f"test_nothing_is_found_at{re.sub('[^a-z]+', '_', _path)}"] = checked(_path)


def test_every_path_has_its_test():
    tests = [name for name in globals() if name.startswith("test_nothing_is_found_at_")]

    assert len(tests) == len(DOCUMENT["paths"])
