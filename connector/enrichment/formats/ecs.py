"""Elastic Common Schema: events with ``threat.enrichments[]``, and indicator documents for indicator match rules.

Field names are those of ECS 9.4.0 (its fields.csv, and the package @elastic/ecs). What only the vendor has words for
goes under the proper name ``reversinglabs``, as the page "Custom fields" of the ECS reference advises: in an event
inside each enrichment, since ``threat.enrichments`` is of type nested, so two findings of one event are never mixed
up as they would be in lists at its top level; in an indicator document at the top level, beside ``threat``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from connector.enrichment.codec import dumps
from connector.enrichment.formats.appending import Appending
from connector.enrichment.formats.facts import PRODUCT, Facts, as_time, distinct, facts, kept
from connector.enrichment.values import Finding, Found
from connector.stix_ids import own_id
from connector.stix_objects import pattern
from connector.stix_terms import PRODUCT as PROVIDER
from connector.stix_terms import confidence
from connector.stix_text import clean
from connector.vocabulary import Tlp

VERSION: Final = "9.4.0"


@dataclass(frozen=True, slots=True)
class Events(Appending):
    """Events with an enrichment for each finding; ``tlp`` marks it and ``appliance`` is where its link leads.

    Goodware and unknown are told as well, with a confidence of ``None`` and ``Not Specified``: it is the confidence
    that the indicator is a threat.
    """

    tlp: Tlp
    appliance: str
    suffix: str = ".ndjson"
    keeps_events: bool = True
    path: ClassVar[tuple[str, ...]] = ("threat", "enrichments")

    def render(self, found: Found, finding: Finding) -> bytes:
        told = facts(finding)
        matched = {"field": found.field, "atomic": found.subject, "type": "reputation_lookup"}
        indicator = _indicator(told, self.tlp, self.appliance)
        return dumps({"indicator": indicator, "matched": matched, "reversinglabs": told.vendor})


@dataclass(frozen=True, slots=True)
class Indicators:
    """A ``threat.indicator`` document for each threat; none for goodware and unknown, as a rule would alert on them.

    The rules of Elastic Security look for ``event.module`` ti_*, the fields of the indicator, an ``@timestamp`` of
    the last 30 days (so it is when the verdict was looked up), and no ``labels.is_ioc_transform_source`` of "true".
    ``event.id`` is the same for the same verdict on the same subject, and ``threat.indicator.id`` is that of the
    STIX indicator: as ``_id`` of the document, the one keeps each change of a verdict and the other the last.
    """

    tlp: Tlp
    appliance: str
    suffix: str = ".ndjson"
    keeps_events: bool = False

    def render(self, found: Found, finding: Finding) -> bytes:
        told = facts(finding)
        return dumps(_document(told, self.tlp, self.appliance)) if told.is_threat else b""

    def dress(self, raw: bytes, event: Mapping[str, Any], rendered: Sequence[bytes]) -> Sequence[bytes]:
        return distinct(rendered)


def events(*, tlp: Tlp = "amber", appliance: str = "") -> Events:
    return Events(tlp, appliance)


def indicators(*, tlp: Tlp = "amber", appliance: str = "") -> Indicators:
    return Indicators(tlp, appliance)


def _document(told: Facts, tlp: Tlp, appliance: str) -> dict[str, Any]:
    indicator = _indicator(told, tlp, appliance)
    indicator["id"] = [own_id("indicator", pattern(told.verdict.subject))]
    if told.url is not None:
        indicator.pop("file", None)  # a rule for hashes would alert on the file, which this verdict is not about
    software = {"name": told.family, "type": "Malware"} if told.family else None
    event = {
        "kind": "enrichment",
        "category": ["threat"],
        "type": ["indicator"],
        "module": "ti_reversinglabs",
        "dataset": "ti_reversinglabs.spectra_analyze",
        "id": told.uid("ecs"),
        "risk_score": None if told.score is None else told.score * 10.0,
        "severity": told.score,
    }
    document = {
        "@timestamp": as_time(told.looked_up),
        "ecs": {"version": VERSION},
        "event": kept(event),
        "threat": kept({"feed": {"name": PRODUCT}, "indicator": indicator, "software": software}),
        "related": kept({"hash": list(told.hashes.values())}),
        "reversinglabs": told.vendor,
    }
    return kept(document)


def _indicator(told: Facts, tlp: Tlp, appliance: str) -> dict[str, Any]:
    """The members of ``indicator``, which are the same in an enrichment and in a document."""
    verdict, file = told.verdict, told.file
    indicator = {
        "type": "file" if told.url is None else "url",
        "name": told.key,
        "description": told.sentence,
        "provider": PROVIDER,
        "reference": told.link(appliance),
        "confidence": _confidence(told),
        "first_seen": verdict.first_seen,
        "last_seen": verdict.last_seen,
        "modified_at": verdict.last_seen,
        "scanner_stats": verdict.scanner_match,
        "marking": {"tlp": tlp.upper(), "tlp_version": "2.0"},
        "file": file and kept({"hash": told.hashes, "name": clean(file.name or "", 255), "size": file.size}),
        "url": told.url and {"full": told.url, "original": told.url},
    }
    return kept(indicator)


def _confidence(told: Facts) -> str:
    """How sure it is that this is a threat, in the words that ECS expects (STIX 2.1 appendix A)."""
    if told.verdict.classification == "goodware":
        return "None"
    sure = confidence(told.verdict)
    if sure is None:
        return "Not Specified"
    return "High" if sure >= 70 else "Medium" if sure >= 30 else "Low"
