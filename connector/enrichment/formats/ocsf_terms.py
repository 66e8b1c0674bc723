"""The numbers of OCSF 1.5.0 and their captions, as tables; each names the object of the schema that it is from."""

from typing import Final

from connector.verdict import Verdict
from connector.vocabulary import HashType, Tlp

VERSION: Final = "1.5.0"

ALGORITHMS: Final[dict[HashType, tuple[int, str]]] = {  # fingerprint.algorithm_id
    "md5": (1, "MD5"),
    "sha1": (2, "SHA-1"),
    "sha256": (3, "SHA-256"),
    "sha512": (4, "SHA-512"),
}
TLP: Final[dict[Tlp, str]] = {  # osint.tlp
    "clear": "CLEAR",
    "green": "GREEN",
    "amber": "AMBER",
    "amber+strict": "AMBER STRICT",
    "red": "RED",
}
SCORES: Final = {  # reputation.score_id
    0: "Unknown",
    1: "Very Safe",
    2: "Safe",
    3: "Probably Safe",
    4: "Leans Safe",
    5: "May not be Safe",
    6: "Exercise Caution",
    7: "Suspicious/Risky",
    8: "Possibly Malicious",
    9: "Probably Malicious",
    10: "Malicious",
}
SEVERITIES: Final = {1: "Informational", 3: "Medium", 4: "High", 5: "Critical"}  # severity_id
CONFIDENCES: Final = {1: "Low", 2: "Medium", 3: "High"}  # confidence_id
# malware.classification_ids are those of STIX malware-type-ov, which connector.stix_terms maps the vendor's types to.
MALWARE: Final[dict[str, tuple[int, str]]] = {
    "adware": (1, "Adware"),
    "backdoor": (2, "Backdoor"),
    "bot": (3, "Bot"),
    "bootkit": (4, "Bootkit"),
    "ddos": (5, "DDOS"),
    "downloader": (6, "Downloader"),
    "dropper": (7, "Dropper"),
    "exploit-kit": (8, "Exploit-Kit"),
    "keylogger": (9, "Keylogger"),
    "ransomware": (10, "Ransomware"),
    "remote-access-trojan": (11, "Remote-Access-Trojan"),
    "resource-exploitation": (13, "Resource-Exploitation"),
    "rogue-security-software": (14, "Rogue-Security-Software"),
    "rootkit": (15, "Rootkit"),
    "spyware": (17, "Spyware"),
    "trojan": (18, "Trojan"),
    "virus": (19, "Virus"),
    "webshell": (20, "Webshell"),
    "wiper": (21, "Wiper"),
    "worm": (22, "Worm"),
}
_GOODWARE: Final = (1, 2, 3, 3, 4, 5)
_MALICIOUS: Final = (8, 8, 8, 8, 8, 8, 8, 9, 9, 10, 10)


def score_id(verdict: Verdict, score: int | None) -> int:
    """The reputation's score, which the classification decides and the risk score places within its band."""
    if verdict.classification == "unknown":
        return 0
    if verdict.classification == "suspicious":
        return 7
    if verdict.classification == "malicious":
        return _MALICIOUS[score or 0]
    return _GOODWARE[5 if score is None else min(score, 5)]


def severity_id(verdict: Verdict, score: int | None) -> int:
    """Critical and high for malicious, medium for suspicious, informational for the rest."""
    if verdict.classification == "malicious":
        return 5 if (score or 0) >= 9 else 4
    return 3 if verdict.classification == "suspicious" else 1
