"""One complete specimen of every STIX object that we emit: what stix2 makes the forms from.

A specimen has every property that the object can have here. ``stix.exemplars()`` turns each into JSON with stix2,
and ``exemplars.json`` holds the outcome, so that a run without stix2 still writes what stix2 would have written.
"""

from typing import Any, Final

from connector.stix_ids import own_id
from connector.stix_terms import EPOCH, FACTS_SCHEMA_TEXT, PRODUCT, PUBLISHED, TLP2, TLP2_EXTENSION

IDENTITY: Final = own_id("identity", "ReversingLabs")
FACTS: Final = own_id("extension-definition", "spectra-analyze-verdict-1")

_DATES: Final = {"created": EPOCH, "modified": EPOCH}
_MARKED: Final = {"created_by_ref": IDENTITY, **_DATES, "object_marking_refs": [TLP2["amber"]]}
_SHA1: Final = "0" * 40
_FILE: Final = "file--00000000-0000-5000-8000-000000000000"
_LINK: Final = {"source_name": PRODUCT, "url": f"https://appliance.example/?q={_SHA1}", "external_id": _SHA1}
_FACTS: Final = {FACTS: {"extension_type": "property-extension", "classification": "malicious"}}

Specimen = tuple[str, dict[str, Any]]


def specimens() -> dict[str, Specimen]:
    """The stix2 class and the properties of each object, by the name of its form."""
    named = {**_findings(), **_links(), **_context()}
    for form, (_, properties) in named.items():
        properties["id"] = own_id(form, "form")  # else stix2 would draw one
    return {**_markings(), **_constants(), **_observables(), **named}


def _markings() -> dict[str, Specimen]:
    return {
        f"tlp:{tlp}": (
            "MarkingDefinition",
            {
                "id": marking,
                "created": PUBLISHED,
                "name": f"TLP:{tlp.upper()}",
                "extensions": {TLP2_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp}},
            },
        )
        for tlp, marking in TLP2.items()
    }


def _constants() -> dict[str, Specimen]:
    identity = {
        "id": IDENTITY,
        "created_by_ref": IDENTITY,
        **_DATES,
        "name": "ReversingLabs",
        "description": "Maker of Spectra Analyze, whose verdicts the objects of this bundle carry.",
        "identity_class": "organization",
        "sectors": ["technology"],
        "external_references": [{"source_name": "reversinglabs", "url": "https://www.reversinglabs.com/"}],
    }
    facts = {
        "id": FACTS,
        "created_by_ref": IDENTITY,
        **_DATES,
        "name": "spectra-analyze-verdict",
        "description": "The fields of a Spectra Analyze verdict that STIX has no property for. The schema property "
        "holds the JSON Schema of the extension.",
        "schema": FACTS_SCHEMA_TEXT,
        "version": "1.0.0",
        "extension_types": ["property-extension"],
    }
    return {"identity": ("Identity", identity), "extension-definition": ("ExtensionDefinition", facts)}


def _observables() -> dict[str, Specimen]:
    marking = {"object_marking_refs": [TLP2["amber"]]}
    return {
        "file": ("File", {"hashes": {"SHA-1": _SHA1}, "size": 0, **marking}),
        "url": ("URL", {"value": "https://example.com/", **marking}),
    }


def _findings() -> dict[str, Specimen]:
    malware = {**_MARKED, "name": "Example", "malware_types": ["trojan"], "is_family": True}
    return {
        "malware-analysis": ("MalwareAnalysis", _analysis()),
        "malware": ("Malware", malware),
        "indicator": ("Indicator", _indicator()),
    }


def _analysis() -> dict[str, Any]:
    return {
        **_MARKED,
        "product": PRODUCT,
        "analysis_ended": EPOCH,
        "result_name": "Win32.Trojan.Example",
        "result": "malicious",
        "analysis_sco_refs": [_FILE],
        "sample_ref": _FILE,
        "labels": ["malicious"],
        "confidence": 95,
        "external_references": [_LINK],
        "extensions": _FACTS,
    }


def _indicator() -> dict[str, Any]:
    return {
        **_MARKED,
        "name": "Win32.Trojan.Example",
        "description": "Spectra Analyze classified this file as malicious.",
        "indicator_types": ["malicious-activity"],
        "pattern": f"[file:hashes.'SHA-1' = '{_SHA1}']",
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": EPOCH,
        "valid_until": "2026-01-31T00:00:00Z",
        "labels": ["malicious"],
        "confidence": 95,
        "external_references": [_LINK],
        "extensions": _FACTS,
    }


def _links() -> dict[str, Specimen]:
    indicator = "indicator--00000000-0000-5000-8000-000000000000"
    link = {**_MARKED, "relationship_type": "indicates", "source_ref": indicator, "target_ref": own_id("malware", "")}
    sighting = {
        **_MARKED,
        "first_seen": EPOCH,
        "last_seen": EPOCH,
        "sighting_of_ref": indicator,
        "observed_data_refs": ["observed-data--00000000-0000-5000-8000-000000000000"],
        "where_sighted_refs": [IDENTITY],
    }
    return {"relationship": ("Relationship", link), "sighting": ("Sighting", sighting)}


def _context() -> dict[str, Specimen]:
    observed = {
        **_MARKED,
        "first_observed": EPOCH,
        "last_observed": EPOCH,
        "number_observed": 1,
        "object_refs": [_FILE],
    }
    note = {**_MARKED, "abstract": "Spectra Analyze verdict", "content": "-", "object_refs": [_FILE]}
    grouping = {**_MARKED, "name": "Spectra Analyze", "context": "malware-analysis", "object_refs": [_FILE]}
    return {
        "observed-data": ("ObservedData", observed),
        "note": ("Note", note),
        "grouping": ("Grouping", grouping),
    }
