"""The choices of the STIX mapping, as tables that an analyst can read and argue with.

Each table names the place that it comes from. Nothing here is code that decides; the rest of the mapping looks
its answers up here.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from connector.verdict import Verdict

Profile = Literal["core", "full"]
Target = Literal["generic", "opencti", "misp", "sentinel", "taxii"]
Tlp = Literal["clear", "green", "amber", "amber+strict", "red"]

PRODUCT: Final = "reversinglabs-spectra-analyze"  # lower case with dashes, as STIX 2.1 section 4.12 wants it
EPOCH: Final = "2026-01-01T00:00:00.000Z"  # of everything that has no date of its own; never changes
PUBLISHED: Final = "2022-10-01T00:00:00.000Z"  # of the TLP 2.0 markings, fixed by OASIS

RESULT: Final = {"malicious": "malicious", "suspicious": "suspicious", "goodware": "benign", "unknown": "unknown"}
INDICATOR_TYPE: Final = {"malicious": "malicious-activity", "suspicious": "anomalous-activity"}

# TLP 2.0: the property-extension and the ids that OASIS published (cti-stix-common-objects).
TLP2_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
TLP2: Final[dict[str, str]] = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
# TLP 1 (STIX 2.1 section 7.2.1.4) for the one target that knows no other. AMBER+STRICT did not exist: a marking
# may be tightened on its way, never loosened, so it becomes RED.
TLP1: Final[dict[str, str]] = {
    "clear": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "green": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "amber": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "amber+strict": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
    "red": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
# What OpenCTI reads its score, detection flag and observable type from, instead of x_opencti_ properties.
OPENCTI_EXTENSION: Final = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
# What the upload interface of Sentinel stores with meaning; the other types are dropped before it sees them.
SENTINEL_TYPES: Final = frozenset({"indicator", "identity", "relationship", "attack-pattern", "threat-actor"})

MALICIOUS_CONFIDENCE: Final = {10: 95, 9: 90, 8: 85, 7: 75, 6: 65}

# The vendor's threat types (its malware naming standard) in the words of malware-type-ov (STIX 2.1 section 10.17).
# A type that has no honest counterpart there (Exploit, Hacktool, Phishing, PUA, ...) is left out, not guessed.
MALWARE_TYPE: Final[dict[str, str]] = {
    "adware": "adware",
    "backdoor": "backdoor",
    "bot": "bot",
    "botnet": "bot",
    "bootkit": "bootkit",
    "coinminer": "resource-exploitation",
    "ddos": "ddos",
    "downloader": "downloader",
    "dropper": "dropper",
    "exploitkit": "exploit-kit",
    "infostealer": "spyware",
    "keylogger": "keylogger",
    "miner": "resource-exploitation",
    "ransomware": "ransomware",
    "rat": "remote-access-trojan",
    "rogue": "rogue-security-software",
    "rootkit": "rootkit",
    "spyware": "spyware",
    "trojan": "trojan",
    "virus": "virus",
    "webshell": "webshell",
    "wiper": "wiper",
    "worm": "worm",
}

_SCORE5: Final = {"type": "integer", "minimum": 0, "maximum": 5}
_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 1000}
FACTS_SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Spectra Analyze verdict, on indicator and malware-analysis",
    "type": "object",
    "required": ["extension_type", "classification"],
    "additionalProperties": False,
    "properties": {
        "extension_type": {"const": "property-extension"},
        "classification": {"enum": ["malicious", "suspicious", "goodware", "unknown"]},
        "riskscore": {"type": "integer", "minimum": 0, "maximum": 10},
        "threat_name": _TEXT,
        "classification_reason": _TEXT,
        "threat_level": _SCORE5,
        "trust_factor": {**_SCORE5, "description": "0 is the most trusted"},
        "scanner_count": _COUNT,
        "scanner_match": _COUNT,
        "file_type": _TEXT,
        "file_name": _TEXT,
        "source": {"enum": ["local", "cloud"]},
    },
}
FACTS_SCHEMA_TEXT: Final = json.dumps(FACTS_SCHEMA, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class StixOptions:
    """Who reads the bundle, how much it says, and how it may be shared.

    ``url_days`` is how long a URL indicator stays valid after it was last seen (0: without end); hashes do not
    age. ``appliance_url`` adds a link to the sample's page on the appliance, so it shows the appliance's address.
    """

    profile: Profile = "core"
    target: Target = "generic"
    tlp: Tlp = "amber"
    pattern_hashes: Literal["strongest", "all"] = "strongest"
    url_days: int = 30
    appliance_url: str | None = None


def confidence(verdict: Verdict) -> int | None:
    """How sure the classification is, 0 to 100; None where nothing was found out.

    Malicious grows with the risk score, suspicious stays in the middle band, goodware falls with the risk score.
    A classification without a score gets the least of its row.
    """
    risk = verdict.riskscore
    if verdict.classification == "malicious":
        return MALICIOUS_CONFIDENCE.get(risk or 0, 60)
    if verdict.classification == "suspicious":
        return 50 if (risk or 0) >= 6 else 40
    if verdict.classification == "goodware":
        return 45 if risk is None else 95 - 10 * min(risk, 9)
    return None
