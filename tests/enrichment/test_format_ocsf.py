"""OCSF 1.5.0: valid by the models of ocsf-emitter, and no attribute that these do not have."""

import json
import typing

import pytest
from hypothesis import given, settings
from ocsf_emitter import _models as models
from ocsf_emitter import validate
from pydantic import BaseModel

from connector.enrichment.formats import ocsf, ocsf_terms
from connector.stix_terms import MALWARE_TYPE
from connector.verdict import File, Verdict
from connector.vocabulary import Tlp
from tests.enrichment.made import APPLIANCE, FINDINGS, compare, finding, findings, found

EVENTS, INVENTORY, DETECTIONS = (make(appliance=APPLIANCE) for make in (ocsf.events, ocsf.inventory, ocsf.findings))
RAW = b'{"class_uid":1001,"file":{"name":"x"},"observables":[{"name":"file.name","type_id":7}],"raw":1.50}'
EVENT = json.loads(RAW)
FREE = {"data"}  # any JSON may stand there


def document(form, name):
    return json.loads(form.render(found(FINDINGS[name]), FINDINGS[name]))


def model_of(annotation):
    """The model in an annotation such as ``list[Osint] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for one in typing.get_args(annotation) if (model := model_of(one))), None)


def assert_listed(told, model, path=""):
    """Every member is an attribute of the model; these models would take others as well."""
    for name, value in told.items():
        assert name in model.model_fields, f"{path}.{name}"
        inner = None if name in FREE else model_of(model.model_fields[name].annotation)
        for one in value if isinstance(value, list) else [value]:
            if inner is not None and isinstance(one, dict):
                assert_listed(one, inner, f"{path}.{name}")


def assert_valid(told):
    """Valid as its class; ``osint`` of a finding comes from the profile of that name, which its metadata declares."""
    model = {5021: models.OsintInventoryInfo, 2004: models.DetectionFinding}[told["class_uid"]]
    validate(model.model_validate(told))
    told = dict(told)
    if told["class_uid"] == 2004:
        assert told["metadata"]["profiles"] == ["osint"]
        for one in told.pop("osint"):
            models.Osint.model_validate(one)
            assert_listed(one, models.Osint, "osint")
    assert_listed(told, model)


@given(findings())
@settings(max_examples=100, deadline=None)
def test_every_document_is_valid_and_every_attribute_is_listed(some):
    assert_valid(json.loads(INVENTORY.render(found(some), some)))
    told = DETECTIONS.render(found(some), some)
    assert bool(told) == (some.known in ("malicious", "suspicious"))
    if told:
        assert_valid(json.loads(told))


@given(findings())
@settings(max_examples=50, deadline=None)
def test_every_enrichment_is_valid(some):
    told = json.loads(EVENTS.render(found(some), some))
    models.Enrichment.model_validate(told)
    assert_listed(told, models.Enrichment)
    assert told["data"]["classification"] == some.known


def test_the_models_are_of_the_version_that_is_told():
    from ocsf_emitter import defaults

    assert defaults.OCSF_SCHEMA_VERSION == ocsf_terms.VERSION


def test_the_event_and_its_observables_stay_as_they_came():
    pieces = [
        EVENTS.render(found(FINDINGS[name], "file.hashes.value"), FINDINGS[name]) for name in ("malicious", "goodware")
    ]
    (line,) = EVENTS.dress(RAW, EVENT, pieces)
    assert line.startswith(RAW[:-1])
    told = json.loads(line)
    assert told["observables"] == EVENT["observables"]
    assert [(one["name"], one["value"]) for one in told["enrichments"]] == [
        ("file.hashes.value", FINDINGS["malicious"].subject),
        ("file.hashes.value", FINDINGS["goodware"].subject),
    ]


def test_enrichments_that_an_event_has_are_kept():
    raw = b'{"enrichments":[{"name":"src_endpoint.ip","value":"192.0.2.1","data":{}}],"time":1}'
    (line,) = EVENTS.dress(raw, json.loads(raw), [b'{"ours":1}'])
    assert line == raw.replace(b"],", b',{"ours":1}],')


def test_a_finding_says_when_it_was_made_and_when_the_file_was_seen():
    told = document(DETECTIONS, "malicious")
    assert told["time"] == 1_785_000_000_250
    assert told["finding_info"]["first_seen_time"] == 1_715_500_680_000
    assert told["finding_info"]["last_seen_time"] == 1_784_539_815_250


@pytest.mark.parametrize(
    ("name", "severity", "score"),
    [("malicious", 5, 10), ("url", 4, 9), ("hostile", 4, 9), ("suspicious", 3, 7)],
)
def test_the_classification_decides_and_the_risk_score_places(name, severity, score):
    told = document(DETECTIONS, name)
    assert told["severity_id"] == severity
    assert told["osint"][0]["reputation"]["score_id"] == score


@pytest.mark.parametrize(
    ("classification", "riskscore", "score_id", "base_score"),
    [
        ("malicious", 0, 8, 6.0),
        ("goodware", 10, 5, 5.0),
        ("goodware", 0, 1, 0.0),
        ("suspicious", 10, 7, 10.0),
        ("unknown", 7, 0, 7.0),
    ],
)
def test_a_risk_score_beyond_its_band_is_brought_back_into_it(classification, riskscore, score_id, base_score):
    some = finding(Verdict(subject=File(md5="0" * 32), classification=classification, riskscore=riskscore))
    told = json.loads(INVENTORY.render(found(some), some))
    reputation = told["osint"][0]["reputation"]
    assert (reputation["score_id"], reputation["base_score"]) == (score_id, base_score)
    assert told["enrichments"][0]["data"]["riskscore"] == riskscore, "what the appliance said is told as well"


def test_without_a_risk_score_no_reputation_is_made_up():
    assert "reputation" not in document(DETECTIONS, "bare")["osint"][0]
    assert "risk_score" not in document(DETECTIONS, "bare")


def test_every_threat_type_that_stix_has_a_word_for_has_a_number():
    assert set(MALWARE_TYPE.values()) <= set(ocsf_terms.MALWARE)
    numbers = {number for number, _ in ocsf_terms.MALWARE.values()}
    assert numbers <= {int(one.value) for one in models.ClassificationId}


def test_a_type_without_a_number_is_other_and_keeps_its_word():
    assert document(DETECTIONS, "suspicious")["malware"][0]["classification_ids"] == [99]
    assert document(DETECTIONS, "suspicious")["malware"][0]["classifications"] == ["Exploit"]


@pytest.mark.parametrize("tlp", Tlp.__args__)
def test_each_marking_is_a_key_of_the_schema(tlp):
    told = json.loads(ocsf.inventory(tlp=tlp).render(found(FINDINGS["bare"]), FINDINGS["bare"]))
    assert told["osint"][0]["tlp"] == tlp.upper().replace("+", " ")


def test_a_verdict_has_one_uid_whenever_it_is_given_and_a_subject_one_finding():
    one = FINDINGS["malicious"]
    later = type(one)(one.subject, one.verdict, one.looked_up + 86400, one.until)
    again = json.loads(DETECTIONS.render(found(one), later))
    assert again["metadata"]["uid"] == document(DETECTIONS, "malicious")["metadata"]["uid"]
    assert again["metadata"]["uid"] != document(INVENTORY, "malicious")["metadata"]["uid"]
    assert again["finding_info"]["uid"] == f"spectra-analyze:{one.subject}"


def test_a_subject_that_an_event_names_twice_gives_one_document():
    one = FINDINGS["malicious"]
    pieces = [DETECTIONS.render(found(one, field), one) for field in ("file.hashes.value", "process.file.hashes.value")]
    assert DETECTIONS.dress(RAW, EVENT, pieces) == pieces[:1]


def test_the_golden_lines_are_made_again():
    compare(
        "ocsf-events.ndjson",
        [EVENTS.dress(RAW, EVENT, [EVENTS.render(found(one), one)])[0] for one in FINDINGS.values()],
    )
    compare("ocsf-inventory.ndjson", [INVENTORY.render(found(one), one) for one in FINDINGS.values()])
    compare("ocsf-findings.ndjson", [line for one in FINDINGS.values() if (line := DETECTIONS.render(found(one), one))])
