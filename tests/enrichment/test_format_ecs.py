"""ECS: only fields that the schema lists, with its types and words; indicators as Elastic's rules look for them."""

import json
import os
import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings

from connector.enrichment.formats import ecs
from connector.stix import bundle_bytes
from connector.stix_terms import StixOptions
from connector.vocabulary import Tlp
from tests.enrichment.made import APPLIANCE, FINDINGS, GOLDEN, compare, finding, findings, found

FIELDS = json.loads((GOLDEN / "ecs-9.4.0-fields.json").read_text("utf-8"))
TYPES = {"keyword": str, "wildcard": str, "long": int, "float": float, "date": str, "nested": list}
EVENTS, INDICATORS = ecs.events(appliance=APPLIANCE), ecs.indicators(appliance=APPLIANCE)
RAW = b'{"@timestamp":"2026-07-25T17:00:00Z","host":{"name":"ws-17"},"event":{"id":18446744073709551617}}'
EVENT = json.loads(RAW)


def dressed(*names):
    pieces = [EVENTS.render(found(FINDINGS[name]), FINDINGS[name]) for name in names]
    (line,) = EVENTS.dress(RAW, EVENT, pieces)
    return json.loads(line)


def document(name):
    return json.loads(INDICATORS.render(found(FINDINGS[name]), FINDINGS[name]))


def leaves(value, path=""):
    """Every field that holds a value, by its dotted name; lists are walked as Elasticsearch does."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value


def assert_listed(told):
    """The fields that are not ``reversinglabs`` are in the published list, of its type, with its words."""
    for path, value in leaves(told):
        if "reversinglabs" in path.split("."):
            continue
        listed = FIELDS[path]
        assert isinstance(value, list) == listed.get("array", False), path
        for one in value if isinstance(value, list) else [value]:
            assert type(one) is TYPES[listed["type"]], path
            assert one in listed.get("expected", [one]), path
            if listed["type"] == "date":
                assert datetime.fromisoformat(one).tzinfo is not None


@given(findings())
@settings(max_examples=150, deadline=None)
def test_every_field_is_one_that_ecs_lists(some):
    assert_listed({"threat": {"enrichments": [json.loads(EVENTS.render(found(some), some))]}})
    told = INDICATORS.render(found(some), some)
    assert bool(told) == (some.known in ("malicious", "suspicious"))
    if told:
        assert_listed(json.loads(told))


def test_the_committed_list_is_the_published_one():
    place = os.environ.get("ECS_PACKAGE")
    if not place:
        pytest.skip("ECS_PACKAGE names no folder of the npm package @elastic/ecs 9.4.0")
    text = (Path(place) / "build" / "commonjs" / "ecs_flat.js").read_text("utf-8")
    for name, listed in FIELDS.items():
        start = re.search(rf"^    '?{re.escape(name)}'?: \{{$", text, re.MULTILINE)
        assert start, name
        published = text[start.start() : text.index("\n    },", start.start())]
        assert f"\n        type: '{listed['type']}'" in published, name
        assert all(f"'{word}'" in published for word in listed.get("expected", ()))
        assert ("normalize: ['array']" in published) == listed.get("array", False)


def test_the_event_stays_as_it_came_and_gets_an_enrichment_for_each_finding():
    pieces = [EVENTS.render(found(FINDINGS[name]), FINDINGS[name]) for name in ("malicious", "url")]
    (line,) = EVENTS.dress(RAW, EVENT, pieces)
    assert line.startswith(RAW[:-1])
    told = json.loads(line)["threat"]["enrichments"]
    assert [one["matched"] for one in told] == [
        {"field": "file.hash.sha256", "atomic": FINDINGS["malicious"].subject, "type": "reputation_lookup"},
        {"field": "url.full", "atomic": FINDINGS["url"].subject, "type": "reputation_lookup"},
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"threat":{"framework":"MITRE ATT&CK","enrichments":[{"matched":{"type":"indicator_match_rule"}}]}}',
        b'{"threat.enrichments":[{"matched":{"type":"indicator_match_rule"}}]}',
    ],
)
def test_enrichments_that_an_event_has_are_kept(raw):
    (line,) = EVENTS.dress(raw, json.loads(raw), [b'{"ours":1}'])
    told = json.loads(line)
    told = told.get("threat.enrichments") or told["threat"]["enrichments"]
    assert told == [{"matched": {"type": "indicator_match_rule"}}, {"ours": 1}]
    assert b'"framework"' not in raw or b'"framework":"MITRE ATT&CK"' in line


def test_an_empty_event_and_one_with_spaces_behind_it_are_dressed_too():
    for raw in (b"{}", RAW + b" \r", RAW + b"\n"):
        (line,) = EVENTS.dress(raw, json.loads(raw), [b'{"ours":1}'])
        assert json.loads(line)["threat"] == {"enrichments": [{"ours": 1}]}
        assert b"\n" not in line


def test_what_is_no_threat_is_told_with_a_confidence_that_says_so():
    told = dressed("goodware", "unknown", "malicious", "suspicious")["threat"]["enrichments"]
    assert [one["indicator"]["confidence"] for one in told] == ["None", "Not Specified", "High", "Medium"]
    assert [one["reversinglabs"]["classification"] for one in told] == [
        "goodware",
        "unknown",
        "malicious",
        "suspicious",
    ]


@pytest.mark.parametrize("name", ["malicious", "suspicious", "bare", "hostile", "url"])
def test_an_indicator_document_is_what_the_rules_of_elastic_look_for(name):
    told = document(name)
    assert told["event"]["kind"] == "enrichment"
    assert told["event"]["category"] == ["threat"]
    assert told["event"]["type"] == ["indicator"]
    assert told["event"]["module"].startswith("ti_")
    assert told["@timestamp"] == "2026-07-25T17:20:00.250Z", "rules look back 30 days from now"
    assert told.get("labels", {}).get("is_ioc_transform_source") != "true", "rules leave such documents out"
    indicator = told["threat"]["indicator"]
    assert ("hash" in indicator["file"]) if name != "url" else ("full" in indicator["url"])


def test_a_url_is_no_indicator_of_the_file_it_served():
    assert "file" not in document("url")["threat"]["indicator"]
    assert document("url")["related"]["hash"]


@pytest.mark.parametrize("name", ["goodware", "unknown"])
def test_no_indicator_document_is_made_of_what_is_no_threat(name):
    assert INDICATORS.render(found(FINDINGS[name]), FINDINGS[name]) == b""


@pytest.mark.parametrize("name", ["malicious", "suspicious", "bare", "url"])
def test_the_indicator_has_the_id_of_the_stix_indicator(name):
    objects = json.loads(bundle_bytes([FINDINGS[name].verdict], StixOptions(), "2026-07-25T00:00:00Z"))["objects"]
    assert document(name)["threat"]["indicator"]["id"] == [one["id"] for one in objects if one["type"] == "indicator"]


def test_the_same_finding_gives_the_same_bytes_and_a_new_verdict_a_new_event_id():
    one = FINDINGS["malicious"]
    assert INDICATORS.render(found(one), one) == INDICATORS.render(found(one, "process.hash.md5"), one)
    later = type(one)(one.subject, one.verdict, one.looked_up + 86400, one.until)
    again = json.loads(INDICATORS.render(found(one), later))
    assert again["event"]["id"] == document("malicious")["event"]["id"]
    assert again["@timestamp"] != document("malicious")["@timestamp"]
    changed = finding(FINDINGS["suspicious"].verdict, one.subject)
    assert document("suspicious")["event"]["id"] == json.loads(INDICATORS.render(found(one), changed))["event"]["id"]
    assert document("suspicious")["event"]["id"] != document("malicious")["event"]["id"]


@pytest.mark.parametrize("tlp", Tlp.__args__)
def test_each_marking_is_one_that_ecs_expects(tlp):
    told = json.loads(ecs.events(tlp=tlp).render(found(FINDINGS["bare"]), FINDINGS["bare"]))
    assert told["indicator"]["marking"] == {"tlp": tlp.upper(), "tlp_version": "2.0"}
    assert_listed({"threat": {"enrichments": [told]}})


def test_without_an_appliance_there_is_no_link():
    told = ecs.events().render(found(FINDINGS["malicious"]), FINDINGS["malicious"])
    assert b"reference" not in told
    assert f"{APPLIANCE}/?q=".encode() in EVENTS.render(found(FINDINGS["malicious"]), FINDINGS["malicious"])


def test_the_golden_lines_are_made_again():
    compare(
        "ecs-events.ndjson",
        [EVENTS.dress(RAW, EVENT, [EVENTS.render(found(one), one)])[0] for one in FINDINGS.values()],
    )
    compare(
        "ecs-indicators.ndjson", [line for one in FINDINGS.values() if (line := INDICATORS.render(found(one), one))]
    )
