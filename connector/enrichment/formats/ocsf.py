"""Open Cybersecurity Schema Framework 1.5.0: events with ``enrichments[]``, and documents of two classes.

OSINT Inventory Info (5021) tells the reputation of every subject that has a verdict; Detection Finding (2004), with
the osint profile, is for what is malicious or suspicious. Times are milliseconds since 1970. ``time`` is when the
verdict was looked up: that is when this event of ours took place, and a SIEM places it by that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from connector.enrichment.codec import dumps
from connector.enrichment.formats import ocsf_terms as terms
from connector.enrichment.formats.appending import Appending
from connector.enrichment.formats.facts import PRODUCT, VENDOR, Facts, distinct, facts, kept, since_1970
from connector.enrichment.values import Finding, Found
from connector.stix_objects import pattern
from connector.stix_terms import MALWARE_TYPE, confidence
from connector.stix_text import clean
from connector.vocabulary import HashType, Tlp

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Events(Appending):
    """Events with an object in ``enrichments`` for each finding; whatever else they hold is untouched.

    Its ``data`` holds the appliance's own words, the hashes that are known of the file, and the marking.
    """

    tlp: Tlp
    appliance: str
    suffix: str = ".ndjson"
    keeps_events: bool = True
    path: ClassVar[tuple[str, ...]] = ("enrichments",)

    def render(self, found: Found, finding: Finding) -> bytes:
        return dumps(_enrichment(facts(finding), found, self.tlp, self.appliance))


@dataclass(frozen=True, slots=True)
class Documents:
    """A document for each finding: a Detection Finding of a threat, or else OSINT Inventory Info of every verdict."""

    tlp: Tlp
    appliance: str
    findings: bool
    suffix: str = ".ndjson"
    keeps_events: bool = False

    def render(self, found: Found, finding: Finding) -> bytes:
        told = facts(finding)
        if not self.findings:
            return dumps(_inventory(told, self.tlp, self.appliance))
        return dumps(_finding(told, self.tlp, self.appliance)) if told.is_threat else b""

    def dress(self, raw: bytes, event: Mapping[str, Any], rendered: Sequence[bytes]) -> Sequence[bytes]:
        return distinct(rendered)


def events(*, tlp: Tlp = "amber", appliance: str = "") -> Events:
    return Events(tlp, appliance)


def inventory(*, tlp: Tlp = "amber", appliance: str = "") -> Documents:
    """Documents of class OSINT Inventory Info (5021), for every verdict."""
    return Documents(tlp, appliance, findings=False)


def findings(*, tlp: Tlp = "amber", appliance: str = "") -> Documents:
    """Documents of class Detection Finding (2004), for what is malicious or suspicious."""
    return Documents(tlp, appliance, findings=True)


def _inventory(told: Facts, tlp: Tlp, appliance: str) -> Object:
    return {
        "class_uid": 5021,
        "class_name": "OSINT Inventory Info",
        "category_uid": 5,
        "category_name": "Discovery",
        "activity_id": 1,
        "activity_name": "Log",
        "type_uid": 502101,
        "type_name": "OSINT Inventory Info: Log",
        "time": told.looked_up,
        "severity_id": 1,
        "severity": terms.SEVERITIES[1],
        "message": told.sentence,
        "metadata": _metadata(told.uid("ocsf 5021")),
        "osint": [_osint(told, tlp, appliance)],
        "enrichments": [_enrichment(told, Found("osint[].value", told.key), tlp, appliance)],
    }


def _finding(told: Facts, tlp: Tlp, appliance: str) -> Object:
    severity = terms.severity_id(told.verdict, told.score)
    document = {
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200401,
        "type_name": "Detection Finding: Create",
        "time": told.looked_up,
        "severity_id": severity,
        "severity": terms.SEVERITIES[severity],
        "message": told.sentence,
        "status_id": 1,
        "status": "New",
        "is_alert": True,
        "metadata": {**_metadata(told.uid("ocsf 2004")), "profiles": ["osint"]},
        "finding_info": _finding_info(told, appliance),
        "confidence_score": confidence(told.verdict),
        **_confidence(told),
        "risk_score": None if told.score is None else told.score * 10,
        "malware": _malware(told),
        "evidences": [kept({"file": _file(told), "url": told.url and {"url_string": told.url}})],
        "observables": [_observable(told)],
        "osint": [_osint(told, tlp, appliance)],
        "enrichments": [_enrichment(told, Found("osint[].value", told.key), tlp, appliance)],
    }
    return kept(document)


def _enrichment(told: Facts, found: Found, tlp: Tlp, appliance: str) -> Object:
    """Which attribute is meant (``name``, ``value``), and in ``data`` what OCSF has no attributes for."""
    made = {
        "name": found.field,
        "value": found.subject,
        "type": "reputation",
        "provider": PRODUCT,
        "short_desc": told.sentence,
        "src_url": told.link(appliance),
        "created_time": told.looked_up,
        "reputation": _reputation(told),
        "data": {**told.vendor, **told.hashes, "tlp": terms.TLP[tlp]},
    }
    return kept(made)


def _metadata(uid: str) -> Object:
    return {"version": terms.VERSION, "product": {"name": "Spectra Analyze", "vendor_name": VENDOR}, "uid": uid}


def _finding_info(told: Facts, appliance: str) -> Object:
    info = {
        "uid": f"spectra-analyze:{told.key}",
        "title": f"{told.verdict.classification}: {told.threat or clean(told.key, 300)}",
        "desc": told.sentence,
        "types": [told.kind] if told.kind else None,
        "src_url": told.link(appliance),
        "first_seen_time": since_1970(told.verdict.first_seen),
        "last_seen_time": since_1970(told.verdict.last_seen),
    }
    return kept(info)


def _observable(told: Facts) -> Object:
    """What the finding is about, by the attribute that holds it (observable.type_id 8 and 6)."""
    if told.url is None:
        name, type_id, kind = "evidences[].file.hashes[].value", 8, "Hash"
    else:
        name, type_id, kind = "evidences[].url.url_string", 6, "URL String"
    return kept({"name": name, "type_id": type_id, "type": kind, "value": told.key, "reputation": _reputation(told)})


def _osint(told: Facts, tlp: Tlp, appliance: str) -> Object:
    type_id, kind = (4, "Hash") if told.url is None else (5, "URL")
    osint = {
        "value": told.key,
        "type_id": type_id,
        "type": kind,
        "desc": told.sentence,
        **_confidence(told),
        "tlp": terms.TLP[tlp],
        "vendor_name": VENDOR,
        "labels": [told.verdict.classification],
        "reputation": _reputation(told),
        "risk_score": None if told.score is None else told.score * 10,
        "malware": _malware(told),
        "file": _file(told),
        "created_time": since_1970(told.verdict.first_seen),
        "modified_time": since_1970(told.verdict.last_seen),
        "src_url": told.link(appliance),
    }
    if told.is_threat:
        of = {"detection_pattern_type_id": 1, "detection_pattern_type": "STIX"}
        osint |= {"detection_pattern": pattern(told.verdict.subject), **of}
    return kept(osint)


def _confidence(told: Facts) -> Object:
    sure = confidence(told.verdict)
    if sure is None:
        return {}
    number = 3 if sure >= 70 else 2 if sure >= 30 else 1
    return {"confidence_id": number, "confidence": terms.CONFIDENCES[number]}


def _reputation(told: Facts) -> Object | None:
    """None without a risk score, as ``base_score`` is required and would be made up."""
    if told.score is None:
        return None
    number = terms.score_id(told.verdict, told.score)
    return {"base_score": float(told.score), "score_id": number, "score": terms.SCORES[number], "provider": PRODUCT}


def _malware(told: Facts) -> list[Object] | None:
    if not told.is_threat or not told.threat:
        return None
    number, word = terms.MALWARE.get(MALWARE_TYPE.get(told.kind.lower(), ""), (99, told.kind) if told.kind else (0, ""))
    words = [word] if word else None
    made = {"name": told.threat, "classification_ids": [number], "classifications": words, "provider": PRODUCT}
    return [kept(made)]


def _file(told: Facts) -> Object | None:
    """The file, named by its strongest hash where no name is known: ``name`` is required, as is ``type_id``."""
    file = told.file
    if file is None:
        return None
    hashes = [
        {"algorithm_id": terms.ALGORITHMS[kind][0], "algorithm": terms.ALGORITHMS[kind][1], "value": value}
        for kind, value in cast("dict[HashType, str]", told.hashes).items()
    ]
    name = clean(file.name or "", 255) or file.strongest[1]
    return kept({"name": name, "type_id": 1, "type": "Regular File", "size": file.size, "hashes": hashes})
