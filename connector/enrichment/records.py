"""A finding as the bytes that a cache keeps, and back: a JSON array that begins with its version.

The subject is the cache's key and is not repeated. Whatever comes back from a cache may have been written by anybody:
it is believed only where every part has its type and range, else there is no finding.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from connector.enrichment.codec import dumps, loads
from connector.enrichment.values import Finding
from connector.verdict import File, Url, Verdict

VERSION: Final = "f1"
# VERSION, looked_up, until | the verdict | the value of a URL | the file: of it, or served at the URL
_HEAD, _VERDICT, _FILE = 3, 11, 7
_LENGTHS: Final = frozenset({_HEAD, _HEAD + _VERDICT + _FILE, _HEAD + _VERDICT + 1, _HEAD + _VERDICT + 1 + _FILE})
_FAR: Final = 1e300  # keeps NaN and the infinities out
_TEXT: Final = frozenset({str, type(None)})
_TIME: Final = frozenset({int, float})
_CLASSIFICATIONS: Final = frozenset({"malicious", "suspicious", "goodware", "unknown"})
_SOURCES: Final = frozenset({"local", "cloud", None})


def pack(finding: Finding) -> bytes:
    """The bytes of a finding. Text that is no Unicode (lone surrogates) and numbers of any size are kept too."""
    verdict = finding.verdict
    row: list[Any] = [VERSION, finding.looked_up, finding.until]
    if verdict is not None:
        row += _verdict_row(verdict)
    data = dumps(row)
    if b"?" in data and loads(data) != row:  # it stands for a surrogate
        data = json.dumps(row, separators=(",", ":")).encode("ascii")
    return data


def unpack(subject: str, data: bytes) -> Finding | None:
    """The finding of a subject; None for anything that ``pack`` did not make, and for what another version made."""
    for read in (loads, json.loads):  # the second knows surrogates and numbers of more than 64 bits
        try:
            row = read(data)
        except (TypeError, ValueError, RecursionError):
            continue
        if type(row) is list and len(row) in _LENGTHS and row[0] == VERSION:
            finding = _finding(subject, row)
            if finding is not None:
                return finding
    return None


def _finding(subject: str, row: list[Any]) -> Finding | None:
    looked_up, until = row[1], row[2]
    if (
        type(looked_up) not in _TIME
        or type(until) not in _TIME
        or not -_FAR < looked_up < _FAR
        or not -_FAR < until < _FAR
    ):
        return None
    if len(row) == _HEAD:
        return Finding(subject, None, looked_up, until)
    verdict = _verdict(row)
    return None if verdict is None else Finding(subject, verdict, looked_up, until)


def _verdict_row(verdict: Verdict) -> tuple[Any, ...]:
    subject = verdict.subject
    row = (
        verdict.classification,
        verdict.source,
        verdict.threat_name,
        verdict.reason,
        verdict.first_seen,
        verdict.last_seen,
        verdict.riskscore,
        verdict.threat_level,
        verdict.trust_factor,
        verdict.scanner_count,
        verdict.scanner_match,
    )
    if isinstance(subject, File):
        return row + _file_row(subject)
    return (*row, subject.value, *(_file_row(subject.served) if subject.served else ()))


def _file_row(file: File) -> tuple[Any, ...]:
    return (file.md5, file.sha1, file.sha256, file.sha512, file.name, file.file_type, file.size)


def _verdict(row: Sequence[Any]) -> Verdict | None:
    _, _, _, word, source, threat, reason, first, last, risk, level, trust, scanners, matches, *rest = row
    if not (type(word) is str and word in _CLASSIFICATIONS and type(source) in _TEXT and source in _SOURCES):
        return None
    if not (type(threat) in _TEXT and type(reason) in _TEXT and type(first) in _TEXT and type(last) in _TEXT):
        return None
    if not (_within(risk, 10) and _within(level, 5) and _within(trust, 5) and _counts(scanners) and _counts(matches)):
        return None
    subject = _subject(rest)
    if subject is None:
        return None
    return Verdict(
        subject=subject,
        classification=word,  # type: ignore[arg-type]  # one of the four
        riskscore=risk,
        threat_name=threat,
        reason=reason,
        first_seen=first,
        last_seen=last,
        scanner_count=scanners,
        scanner_match=matches,
        threat_level=level,
        trust_factor=trust,
        source=source,
    )


def _subject(rest: Sequence[Any]) -> File | Url | None:
    if len(rest) == _FILE:
        return _file(rest)
    value = rest[0]
    if type(value) is not str:
        return None
    if len(rest) == 1:
        return Url(value=value)
    served = _file(rest[1:])
    return None if served is None else Url(value=value, served=served)


def _file(row: Sequence[Any]) -> File | None:
    md5, sha1, sha256, sha512, name, kind, size = row
    for text in (md5, sha1, sha256, sha512, name, kind):
        if type(text) not in _TEXT:
            return None
    if not _counts(size):
        return None
    return File(md5=md5, sha1=sha1, sha256=sha256, sha512=sha512, name=name, size=size, file_type=kind)


def _within(value: Any, most: int) -> bool:
    return value is None or (type(value) is int and 0 <= value <= most)


def _counts(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 0)
