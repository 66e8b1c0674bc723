"""What the full profile adds to a verdict: when it was seen, by whom, a note to read, and a box around it all.

Products that do not read indicator patterns live on observed-data; analysts live on notes. A reader of core misses
none of the facts, only these ways of saying them.
"""

from typing import Final

from connector.stix_forms import Kit, Object
from connector.stix_ids import own_id
from connector.stix_objects import Case, relation
from connector.stix_specimens import IDENTITY

_MARKDOWN: Final = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>()#+!|~"})
_ROWS: Final = {
    "classification": "classification",
    "riskscore": "risk score (0-10)",
    "threat_name": "threat name",
    "classification_reason": "reason",
    "threat_level": "threat level (0-5)",
    "trust_factor": "trust factor (0-5, 0 is the most trusted)",
    "scanner_match": "AV scanners that found it",
    "scanner_count": "AV scanners in all",
    "file_type": "file type",
    "file_name": "file name",
    "source": "source",
}


def context(kit: Kit, case: Case, said: list[Object]) -> list[Object]:
    """The additions for one verdict; ``said`` is what the core profile made of it."""
    observed = _observed(kit, case)
    added = [observed]
    indicator = next((o["id"] for o in said if o["type"] == "indicator"), None)
    if indicator is not None:
        added.append(relation(kit, case, "based-on", indicator, observed["id"]))
        added.append(_sighting(kit, case, indicator, observed["id"]))
    added.append(_note(kit, case, [o["id"] for o in said if o["type"] in {"file", "url", "malware-analysis"}]))
    added.append(_grouping(kit, case, [o["id"] for o in (*said, *added)]))
    return added


def _new(kit: Kit, case: Case, kind: str) -> Object:
    made = kit.new(kind, own_id(kind, case.key))
    made["created"], made["modified"] = case.created, case.modified
    return made


def _observed(kit: Kit, case: Case) -> Object:
    made = _new(kit, case, "observed-data")
    made["first_observed"], made["last_observed"] = case.first, case.last
    made["object_refs"] = [o["id"] for o in case.observables]
    return made


def _sighting(kit: Kit, case: Case, indicator: str, observed: str) -> Object:
    made = _new(kit, case, "sighting")
    made["first_seen"], made["last_seen"] = case.first, case.last
    made["sighting_of_ref"] = indicator
    made["observed_data_refs"] = [observed]
    made["where_sighted_refs"] = [IDENTITY]
    return made


def _note(kit: Kit, case: Case, about: list[str]) -> Object:
    """The facts as a Markdown table. Words that came from a file cannot end the cell or start a link."""
    made = _new(kit, case, "note")
    rows = [f"| {title} | {_cell(case.facts[key])} |" for key, title in _ROWS.items() if key in case.facts]
    made["content"] = "\n".join(["| field | value |", "|---|---|", *rows, ""])
    made["object_refs"] = about
    return made


def _cell(value: str | int) -> str:
    return str(value).translate(_MARKDOWN)


def _grouping(kit: Kit, case: Case, about: list[str]) -> Object:
    made = _new(kit, case, "grouping")
    made["name"] = f"Spectra Analyze verdict on {case.title}"
    made["object_refs"] = about
    return made
