"""STIX bundles and Sentinel indicators say of a finding what the STIX mapping says of its verdict, and nothing else."""

import json

import pytest
from hypothesis import given
from stix2validator import ValidationOptions, validate_instance

from connector.enrichment.formats.stix import answered_at, bundles
from connector.enrichment.ports import Format
from connector.enrichment.values import Finding
from connector.stix import StixOptions, bundle
from tests.enrichment.made import FINDINGS, MALICIOUS, UNKNOWN, compare, finding, findings, found

FORM: Format = bundles(StixOptions())


@pytest.mark.parametrize("name", FINDINGS)
def test_a_line_is_the_bundle_of_the_verdict(name: str) -> None:
    of = FINDINGS[name]
    line = FORM.render(found(of), of)
    assert json.loads(line) == bundle([of.verdict], StixOptions(), answered_at(of)).objects
    assert b"\n" not in line


@pytest.mark.parametrize("target", ["generic", "taxii", "opencti", "misp"])
def test_the_objects_are_valid_stix(target: str) -> None:
    options = ValidationOptions(version="2.1", disabled=["202", "203", "401", "212"])
    for of in FINDINGS.values():
        line = bundles(StixOptions(target=target)).render(found(of), of)
        result = validate_instance(json.loads(line), options)
        assert result.is_valid, result.errors


def test_golden() -> None:
    compare("stix.ndjson", [FORM.render(found(of), of) for of in FINDINGS.values()])


def test_the_objects_of_a_dated_verdict_do_not_depend_on_when_it_was_looked_up() -> None:
    later = Finding("x", MALICIOUS, 1_790_000_000.0, 1_790_000_001.0)
    assert FORM.render(found(later), later) == FORM.render(found(FINDINGS["malicious"]), FINDINGS["malicious"])


def test_a_verdict_without_a_date_carries_the_time_of_its_look_up() -> None:
    (made,) = (
        o
        for o in json.loads(FORM.render(found(finding(UNKNOWN)), finding(UNKNOWN)))["objects"]
        if o["type"] == "malware-analysis"
    )
    assert made["created"] == answered_at(finding(UNKNOWN)) == "2026-07-25T17:20:00.250Z"


@given(findings())
def test_any_finding_gives_one_line_or_none(of: Finding) -> None:
    line = FORM.render(found(of), of)
    assert b"\n" not in line
    assert not line or json.loads(line)["type"] == "bundle"
    assert list(FORM.dress(b"{}", {}, [line, b"x"])) == [piece for piece in (line, b"x") if piece]


def test_it_is_a_format_of_documents() -> None:
    assert (FORM.keeps_events, FORM.suffix) == (False, ".ndjson")
    assert FORM.render(found(finding(None, "0" * 64)), finding(None, "0" * 64)) == b""
