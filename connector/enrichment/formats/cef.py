"""CEF: one line of the Common Event Format for each finding, in the keys of its extension dictionary.

Source: the CEF Implementation Standard of ArcSight (version 25 and later), chapters 1 (header, escaping, encoding) and
2 (extension dictionary, with the longest value of each key in characters). Times are milliseconds since 1970.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.enrichment.formats.facts import since_1970
from connector.enrichment.values import Finding, Found
from connector.printable import printable
from connector.stix_ids import OURS, uuid5
from connector.verdict import File, Verdict
from connector.version import __version__

VENDOR: Final = "ReversingLabs"
PRODUCT: Final = "Spectra Analyze"
Value = str | int | None

LONGEST: Final[dict[str, int]] = {
    "externalId": 40,
    "fileHash": 255,
    **dict.fromkeys(("cat", "fileType", "fname", "reason", "request"), 1023),
    **dict.fromkeys(("cs1", "cs2", "cs3", "cs4", "cs5"), 4000),
}
LONGEST_VERSION: Final = 31  # deviceVersion
# What the dictionary has no key for, in the custom fields that it leaves to the sender.
LABELS: Final[dict[str, str]] = {
    "cs1": "threatName",
    "cs2": "fileMd5",
    "cs3": "fileSha1",
    "cs4": "threatFamily",
    "cs5": "eventField",
    "cn1": "riskScore",
    "cn2": "scannerMatch",
    "cn3": "scannerCount",
}
# Severity by risk score: 0-3 is low, 4-6 medium, 7-8 high and 9-10 very high. Without a score, the least of the row.
_SEVERITY: Final[dict[str, tuple[int, ...]]] = {
    "malicious": (7, 7, 7, 7, 7, 7, 7, 7, 8, 9, 10),
    "suspicious": (4, 4, 4, 4, 4, 4, 4, 5, 5, 6, 6),
    "goodware": (0, 0, 1, 1, 2, 3, 3, 3, 3, 3, 3),
    "unknown": (0, 0, 1, 1, 2, 3, 3, 3, 3, 3, 3),
}
_HEADER: Final = str.maketrans({"\\": "\\\\", "|": "\\|"})
_VALUE: Final = str.maketrans({"\\": "\\\\", "=": "\\=", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True, slots=True)
class Events:
    """A line is one CEF event about one subject, in UTF-8; ``header`` is what all lines begin with."""

    header: str
    suffix: str = ".cef"
    keeps_events: bool = False

    def render(self, found: Found, finding: Finding) -> bytes:
        verdict = finding.verdict
        if verdict is None:
            return b""
        kind, word = verdict.subject.kind, verdict.classification
        name = f"{word.capitalize()} {'URL' if kind == 'url' else kind}"
        event = f"{self.header}|{kind}-{word}|{name}|{severity(verdict)}|"
        return (event + " ".join(_pairs(found, finding, verdict))).encode("utf-8")

    def dress(self, _: bytes, __: Mapping[str, Any], rendered: Sequence[bytes]) -> Sequence[bytes]:
        return [piece for piece in rendered if piece]


def events(device_version: str = __version__) -> Events:
    """The format; ``device_version`` is what the header says: the release of the appliance where it is known."""
    version = _one_line(device_version)[:LONGEST_VERSION] or "0"
    return Events("|".join(("CEF:0", VENDOR, PRODUCT, version.translate(_HEADER))))


def severity(verdict: Verdict) -> int:
    """0 to 10: malicious 7 to 10, suspicious 4 to 6, all else 0 to 3; within its row it grows with the risk score."""
    row = _SEVERITY[verdict.classification]
    return row[0] if verdict.riskscore is None else row[max(0, min(verdict.riskscore, 10))]


def _pairs(found: Found, finding: Finding, verdict: Verdict) -> Iterator[str]:
    """The extension as key=value, every custom field with its label; a key without a value is left out."""
    for key, value in _fields(found, finding, verdict):
        text = _fit(value, LONGEST[key]) if isinstance(value, str) else str(value)
        if value is not None and text:
            yield f"{key}={text}"
            if key in LABELS:
                yield f"{key}Label={LABELS[key]}"


def _fields(found: Found, finding: Finding, verdict: Verdict) -> Iterator[tuple[str, Value]]:
    subject = verdict.subject
    file = subject if isinstance(subject, File) else subject.served
    yield "rt", int(finding.looked_up * 1000)
    yield "start", since_1970(verdict.first_seen)
    yield "end", since_1970(verdict.last_seen)
    yield "externalId", _event_id(verdict)
    yield "cat", verdict.classification
    yield "reason", verdict.reason
    yield "request", None if isinstance(subject, File) else subject.value
    yield from _file_fields(file) if file is not None else ()
    yield "cs1", verdict.threat_name
    yield "cs4", verdict.threat.family
    yield "cs5", found.field
    yield "cn1", verdict.riskscore
    yield "cn2", verdict.scanner_match
    yield "cn3", verdict.scanner_count


def _file_fields(file: File) -> Iterator[tuple[str, Value]]:
    kind, strongest = file.strongest
    yield "fileHash", strongest
    yield "fname", file.name
    yield "fsize", file.size
    yield "fileType", file.file_type
    yield "cs2", None if kind == "md5" else file.md5
    yield "cs3", None if kind == "sha1" else file.sha1


def _event_id(verdict: Verdict) -> str:
    """The id of what was found out: the same verdict on the same subject has the same one, whenever it is told."""
    subject = verdict.subject
    key = subject.strongest[1] if isinstance(subject, File) else subject.value
    facts = (key, verdict.classification, verdict.riskscore, verdict.threat_name, verdict.last_seen)
    return uuid5(OURS, ascii(("cef", *facts)))


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _fit(text: str, longest: int) -> str:
    """A value that fits its key and is read back as it was: escaped, and with nothing that steers a terminal."""
    kept = text.strip()[:longest].strip()
    return "".join(char if char in "\r\n" else printable(char) for char in kept).translate(_VALUE)
