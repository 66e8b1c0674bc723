"""Splunk: CIM names and no event overridden; rows with the columns that Enterprise Security asks for."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings

from connector.enrichment.formats import splunk
from tests.enrichment.made import APPLIANCE, FINDINGS, GOLDEN, compare, findings, found, json_objects

CIM = json.loads((GOLDEN / "splunk-cim-malware-fields.json").read_text("utf-8"))
# Splunk Enterprise Security, "Supported types of threat intelligence": the headers of the two lookups.
FILE_INTEL, HTTP_INTEL = (
    ["description", "file_hash", "file_name", "weight"],
    ["description", "http_referrer", "http_user_agent", "url", "weight"],
)
EVENTS, ROWS = splunk.events(appliance=APPLIANCE), splunk.rows()
RAW = b'{"dest":"ws-17","user":"ana","bytes":18446744073709551617}'
EVENT = json.loads(RAW)


def piece(name):
    return EVENTS.render(found(FINDINGS[name], "process_hash"), FINDINGS[name])


def dressed(raw, *names):
    (line,) = EVENTS.dress(raw, json.loads(raw), [piece(name) for name in names])
    return json.loads(line)


def test_the_committed_list_is_the_published_one():
    place = os.environ.get("SPLUNK_ADDON_PACKAGE")
    if not place:
        pytest.skip("SPLUNK_ADDON_PACKAGE names no folder pytest_splunk_addon; the package itself needs pytest below 8")
    model = json.loads((Path(place) / "data_models" / "Malware.json").read_text("utf-8"))
    attacks = model["objects"][0]["fields"]
    assert {one["name"]: one.get("expected_values", []) for one in attacks} == CIM


@given(findings())
@settings(max_examples=100, deadline=None)
def test_every_field_is_one_of_cim_or_begins_with_rl(some):
    (line,) = EVENTS.dress(b"{}", {}, [EVENTS.render(found(some), some)])
    told = json.loads(line)
    for name, value in told.items():
        assert name in splunk.OWN if name.startswith("rl_") else name in CIM
        assert not isinstance(value, dict | list), "flat"
    assert told.get("severity", "low") in CIM["severity"]
    assert told["rl_classification"] == some.known
    assert ("signature" in told) == (some.known in ("malicious", "suspicious")), "CIM Malware is for malware"


def test_a_threat_is_told_in_the_fields_of_cim():
    told = dressed(RAW, "malicious")
    assert {
        name: told[name] for name in ("signature", "category", "severity", "vendor_product", "file_hash", "file_name")
    } == {
        "signature": "Win32.Ransomware.Fictional",
        "category": "Ransomware",
        "severity": "critical",
        "vendor_product": "ReversingLabs Spectra Analyze",
        "file_hash": FINDINGS["malicious"].subject,
        "file_name": "invoice.exe",
    }
    assert dressed(RAW, "url")["url"] == FINDINGS["url"].subject


@pytest.mark.parametrize("member", ["signature", "category", "severity", "severity_id", "vendor_product"])
def test_the_detection_of_another_product_stays_its_own(member):
    told = dressed(b'{"%b":"theirs"}' % member.encode(), "malicious")
    assert told[member] == "theirs"
    assert [name for name in told if not name.startswith("rl_")] == [member]
    assert told["rl_threat_name"] == "Win32.Ransomware.Fictional"


@pytest.mark.parametrize("member", ["file_hash", "file_name", "url"])
def test_an_event_that_names_its_subject_gets_no_other(member):
    told = dressed(b'{"%b":"theirs"}' % member.encode(), "malicious")
    assert told[member] == "theirs"
    assert {"file_hash", "file_name", "url"} & told.keys() == {member}
    assert told["signature"] == "Win32.Ransomware.Fictional"


@given(json_objects(), findings(), findings())
@settings(max_examples=100, deadline=None)
def test_no_member_of_any_event_is_overridden_and_none_is_doubled(event, one, other):
    event |= {"rl_tlp": "theirs"} if len(event) % 2 else {}
    raw = json.dumps(event).encode()
    (line,) = EVENTS.dress(
        raw, event, [EVENTS.render(found(one), one), EVENTS.render(found(other), other)][: 1 + len(event) % 2]
    )
    members = json.loads(line, object_pairs_hook=list)
    names = [name for name, _ in members]
    assert len(set(names)) == len(names)
    assert line.startswith(raw[:-1])


def test_of_several_findings_the_worst_is_on_top_and_all_are_listed():
    told = dressed(RAW, "goodware", "malicious", "suspicious")
    assert told["rl_classification"] == "malicious"
    assert told["signature"] == "Win32.Ransomware.Fictional"
    assert [one["rl_classification"] for one in told["rl_findings"]] == ["goodware", "malicious", "suspicious"]
    assert "rl_findings" not in dressed(RAW, "malicious")


def test_of_several_as_bad_the_first_is_on_top():
    assert dressed(RAW, "url", "malicious")["rl_subject"] == FINDINGS["url"].subject


def test_an_event_that_was_told_already_stays_as_it_is():
    (line,) = EVENTS.dress(RAW, EVENT, [piece("malicious")])
    assert EVENTS.dress(line, json.loads(line), [piece("malicious")]) == (line,)


@given(findings())
@settings(max_examples=100, deadline=None)
def test_a_row_has_the_columns_of_its_collection_and_a_weight_in_range(some):
    told = ROWS.render(found(some), some)
    assert bool(told) == (some.known in ("malicious", "suspicious"))
    if told:
        row = json.loads(told)
        del row["_key"]
        assert sorted(row) == (HTTP_INTEL if ":" in some.subject else FILE_INTEL)
        assert type(row["weight"]) is int
        assert 1 <= row["weight"] <= 100


def test_a_row_matches_by_hash_alone():
    assert json.loads(ROWS.render(found(FINDINGS["malicious"]), FINDINGS["malicious"]))["file_name"] == ""


def test_another_run_and_another_verdict_overwrite_the_row_of_a_subject():
    one = FINDINGS["malicious"]
    later = type(one)(one.subject, one.verdict, one.looked_up + 1, one.until)
    assert ROWS.render(found(one), later) == ROWS.render(found(one), one)
    keys = {json.loads(row)["_key"] for some in FINDINGS.values() if (row := ROWS.render(found(some), some))}
    assert len(keys) == 5


def test_a_threat_without_a_risk_score_has_the_weight_that_enterprise_security_defaults_to():
    assert json.loads(ROWS.render(found(FINDINGS["bare"]), FINDINGS["bare"]))["weight"] == 60


def test_the_golden_lines_are_made_again():
    compare("splunk-events.ndjson", [EVENTS.dress(RAW, EVENT, [piece(name)])[0] for name in FINDINGS])
    compare("splunk-rows.ndjson", [line for one in FINDINGS.values() if (line := ROWS.render(found(one), one))])
