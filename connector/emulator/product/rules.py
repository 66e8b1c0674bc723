"""The open rule table: what static analysis says about content, so that anyone can make a sample of any verdict.

Only the head of a file is looked at. Put `SPECTRA-LAB-MALICIOUS` (or SUSPICIOUS, GOODWARE, UNKNOWN) in a file
to have it classified so; `SPECTRA-LAB-MALICIOUS:Win32.Trojan.Emotet/9` also gives its threat name and riskscore.
"""

import re

from connector.emulator.product.sample import Verdict

HEAD_BYTES = 1 << 20
EICAR = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE"
_MARKER = re.compile(
    rb"SPECTRA-LAB-(MALICIOUS|SUSPICIOUS|GOODWARE|UNKNOWN)(?::([A-Za-z0-9][A-Za-z0-9.-]{2,80}[A-Za-z0-9]))?(?:/(10|[0-9]))?"
)
_PLATFORMS = ((b"MZ", "Win32"), (b"\x7fELF", "Linux"), (b"%PDF", "Document-PDF"), (b"#!", "Script"))
_RISKSCORES = {"malicious": 10, "suspicious": 7, "goodware": 0, "unknown": 5}
_THREAT_TYPES = {"malicious": "Trojan", "suspicious": "Malware"}
_WORST_FIRST = ("malicious", "suspicious", "unknown", "goodware")


def judge(head: bytes) -> Verdict:
    """Classify by content alone; what no rule names stays unknown."""
    if marker := _MARKER.search(head):
        return _marked(head, *(group.decode() if group else "" for group in marker.groups()))
    if EICAR in head:
        return Verdict("malicious", 10, "Text.TestFile.EICAR", "antivirus")
    return Verdict()


def worst(verdicts: list[Verdict]) -> Verdict:
    """Choose what a container takes over from the files inside it."""
    return min(verdicts, key=lambda v: (_WORST_FIRST.index(v.classification), -v.riskscore), default=Verdict())


def _marked(head: bytes, word: str, name: str, riskscore: str) -> Verdict:
    classification = word.lower()
    score = int(riskscore) if riskscore else _RISKSCORES[classification]
    if classification == "unknown":
        return Verdict("unknown", score)
    kind = _THREAT_TYPES.get(classification)
    platform = next((label for magic, label in _PLATFORMS if head.startswith(magic)), "Document")
    threat = name or (f"{platform}.{kind}.SpectraLab" if kind else None)
    return Verdict(classification, score, threat, "antivirus")
