"""What the upload interface of Microsoft Sentinel asks of each object (its documentation, STIX objects API)."""

import re

import pytest

from connector.stix import StixOptions, bundle
from connector.stix_terms import SENTINEL_TYPES, TLP1
from tests.test_stix_cases import ANSWERED_AT, CASES

REQUIRED = {
    "indicator": {"id", "type", "spec_version", "created", "modified", "pattern", "pattern_type", "valid_from"},
    "identity": {"id", "type", "spec_version", "created", "modified", "name"},
    "relationship": {
        "id",
        "type",
        "spec_version",
        "created",
        "modified",
        "source_ref",
        "target_ref",
        "relationship_type",
    },
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("profile", ["core", "full"])
def test_only_what_it_stores_and_all_that_it_needs(name: str, profile: str) -> None:
    """Allowed types, required properties, proper ids, markings of TLP 1, and no reference that leads nowhere."""
    made = bundle(CASES[name], StixOptions(profile=profile, target="sentinel"), ANSWERED_AT).objects
    objects = made["objects"] if made else []
    ids = {o["id"] for o in objects}
    for o in objects:
        assert o["type"] in SENTINEL_TYPES
        assert set(o) >= REQUIRED[o["type"]]
        assert re.fullmatch(rf"{o['type']}--[0-9a-f]{{8}}-([0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}", o["id"])
        assert set(o.get("object_marking_refs", [])) <= set(TLP1.values())
        assert {v for k, v in o.items() if k.endswith("_ref")} <= ids
    assert bool(objects) == any(v.classification in {"malicious", "suspicious"} for v in CASES[name])


def test_a_hash_pattern_has_one_key_and_one_value() -> None:
    """That is what it can turn into an observable to match logs with."""
    made = bundle(CASES["malicious"], StixOptions(target="sentinel"), ANSWERED_AT).objects
    (indicator,) = (o for o in made["objects"] if o["type"] == "indicator")
    assert re.fullmatch(r"\[file:hashes\.'SHA-256' = '[0-9a-f]{64}'\]", indicator["pattern"])
