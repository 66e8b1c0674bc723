"""What the appliance thinks of a file or a URL, in domain words; vendor JSON goes in, a Verdict comes out.

The appliance has three vocabularies (old, current, search). All are read here, in any letter case, and unknown
fields are ignored. The classification decides; the risk score only places a verdict within its band.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from connector.vocabulary import Classification, HashType

WORDS: Final[dict[str, Classification]] = {
    "malicious": "malicious",
    "suspicious": "suspicious",
    "goodware": "goodware",
    "known": "goodware",  # old word of threat_status
    "clean": "goodware",
    "unknown": "unknown",
}
VAGUE_FAMILIES: Final = frozenset(
    {"generic", "heuristic", "unknown", "malware", "agent", "gen", "suspicious", "undefined"}
)
HASH_FIELDS: Final[tuple[HashType, ...]] = ("md5", "sha1", "sha256", "sha512")
STRICT: Final = ConfigDict(extra="forbid", strict=True)
_HEX: Final = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file by its hashes (lower case); at least one is known."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    kind: Literal["file"] = "file"
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    sha512: str | None = None
    name: str | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    file_type: str | None = None

    @property
    def strongest(self) -> tuple[HashType, str]:
        """The hash that names this file best: SHA-256, else SHA-1, else MD5, else SHA-512."""
        for kind in ("sha256", "sha1", "md5", "sha512"):
            value = getattr(self, kind)
            if value:
                return kind, value
        raise ValueError("a file needs at least one hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """A URL, with the file that was found there where the appliance says so."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    kind: Literal["url"] = "url"
    value: str
    served: File | None = None


@dataclass(frozen=True, slots=True)
class ThreatName:
    """A threat name of the form Platform[-Sub].Type.Family, taken apart; every part may be missing."""

    platform: str | None = None
    type: str | None = None
    family: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One answer about one subject.

    riskscore is 0 to 10 (goodware 0-5, suspicious and malicious 6-10); threat_level and trust_factor are 0 to 5 in
    the old vocabulary and are never converted, as the vendor publishes no formula. Times are RFC 3339 in UTC.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    subject: Annotated[File | Url, Field(discriminator="kind")]
    classification: Classification
    riskscore: Annotated[int, Field(ge=0, le=10)] | None = None
    threat_name: str | None = None
    reason: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    scanner_count: Annotated[int, Field(ge=0)] | None = None
    scanner_match: Annotated[int, Field(ge=0)] | None = None
    threat_level: Annotated[int, Field(ge=0, le=5)] | None = None
    trust_factor: Annotated[int, Field(ge=0, le=5)] | None = None
    source: Literal["local", "cloud"] | None = None

    @property
    def threat(self) -> ThreatName:
        return split_threat_name(self.threat_name)


def split_threat_name(name: str | None) -> ThreatName:
    """Take a threat name apart; a family that names nothing (Generic, Heuristic, ...) is left out."""
    parts = [part for part in (name or "").split(".", 2) if part]
    if len(parts) < 3:
        return ThreatName(platform=parts[0] if parts else None, type=parts[1] if len(parts) > 1 else None)
    family = parts[2]
    vague = family.lower() in VAGUE_FAMILIES or not re.search(r"[A-Za-z]", family)
    return ThreatName(platform=parts[0], type=parts[1], family=None if vague else family)


def read_time(value: object) -> str | None:
    """A vendor time as RFC 3339 in UTC, to the second or millisecond; None where there is none.

    Seen: ``2024-01-08T16:36:03Z``, with microseconds, and without any zone (network intelligence).
    """
    if not isinstance(value, str):
        return None
    value = value.strip()
    if not value[5:7].isdigit():  # an ISO week date is no RFC 3339
        return None
    try:
        moment = datetime.fromisoformat(value)
        if len(value) == 20 and value[10] == "T" and value[19] == "Z":
            return value
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    spec = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def read_classification(body: Mapping[str, Any]) -> Classification | None:
    """The classification in any of the vocabularies; a word that nobody documented counts as unknown."""
    for key in ("classification", "threat_status", "status"):
        word = body.get(key)
        if isinstance(word, str) and word:
            return WORDS.get(word.lower(), "unknown")
    return None


def read_file(body: Mapping[str, Any], known: Mapping[str, str] | None = None) -> File | None:
    """The file that a vendor object speaks of; ``known`` gives the hash that was asked for."""
    hashes: dict[str, str] = dict(known or {})
    for kind in HASH_FIELDS:
        value = body.get(kind)
        if isinstance(value, str) and len(value) == _HEX[kind] and re.fullmatch("[0-9a-fA-F]+", value):
            hashes[kind] = value.lower()
    if not hashes:
        return None
    size = _first(body, "file_size", "size", "sample_size")
    return File(
        md5=hashes.get("md5"),
        sha1=hashes.get("sha1"),
        sha256=hashes.get("sha256"),
        sha512=hashes.get("sha512"),
        name=_text(_first(body, "filename", "proposed_filename")) or _first_text(body.get("aliases")),
        size=size if _is_int(size) and size >= 0 else None,
        file_type=_file_type(body),
    )


def read_verdict(
    body: Mapping[str, Any],
    known: Mapping[str, str] | None = None,
    source: Literal["local", "cloud"] | None = None,
) -> Verdict | None:
    """A verdict from any vendor object that holds one, else None.

    Reads classification v1, v2 and v3, the ticloud body, list and URL reports, and search entries.
    """
    classification = read_classification(body)
    file = read_file(body, known)
    if classification is None or file is None:
        return None
    first, last = _span(body)
    count, match = _scanners(body)
    return Verdict(
        subject=file,
        classification=classification,
        riskscore=_bounded(_first(body, "riskscore", "factor"), 10),
        threat_name=_threat_name(body),
        reason=_lower(_first(body, "classification_reason", "reason")),
        first_seen=first,
        last_seen=last,
        scanner_count=count,
        scanner_match=match,
        threat_level=_bounded(body.get("threat_level"), 5),
        trust_factor=_bounded(body.get("trust_factor"), 5),
        source=source or _source(body),
    )


def completed(verdict: Verdict, file: File) -> Verdict:
    """The verdict with what is known of its file from elsewhere and the answer does not say."""
    subject = verdict.subject
    if not isinstance(subject, File):
        return verdict
    size = subject.size if subject.size is not None else file.size
    return replace(verdict, subject=replace(subject, sha256=subject.sha256 or file.sha256, size=size))


def _span(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    first = read_time(_first(body, "first_seen", "firstseen", "local_first_seen"))
    last = read_time(_first(body, "last_seen", "lastseen", "local_last_seen", "cloud_last_lookup"))
    if first and last and last < first:
        last = first
    return first, last


def _threat_name(body: Mapping[str, Any]) -> str | None:
    name = _text(_first(body, "classification_result", "threat_name", "threatname"))
    if name:
        return name
    parts = [_text(body.get(key)) for key in ("threat_platform", "threat_type", "threat_family")]
    return ".".join(part for part in parts if part) or None


def _scanners(body: Mapping[str, Any]) -> tuple[int | None, int | None]:
    for key in ("av_scanners_summary", "av_scanners"):
        summary = body.get(key)
        if isinstance(summary, Mapping):
            return _bounded(summary.get("scanner_count")), _bounded(summary.get("scanner_match"))
    return None, _bounded(body.get("antivirus"))


def _source(body: Mapping[str, Any]) -> Literal["local", "cloud"] | None:
    word = body.get("data_source")
    if not isinstance(word, str) or not word:
        return None
    return "local" if word.lower() == "local" else "cloud"


def _file_type(body: Mapping[str, Any]) -> str | None:
    kind, subtype = _text(body.get("file_type")), _text(body.get("file_subtype"))
    if kind:
        return f"{kind}/{subtype}" if subtype else kind
    return _text(_first(body, "sampletype", "sample_type"))


def _first(body: Mapping[str, Any], *keys: str) -> Any:
    for key in keys:
        value = body.get(key)
        if value is not None:
            return value
    return None


def _first_text(values: object) -> str | None:
    return _text(values[0]) if isinstance(values, list) and values else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _lower(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and value else None


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bounded(value: Any, most: int | None = None) -> int | None:
    """A whole number from 0 to most, or None: a value out of its range is not a value."""
    if not _is_int(value) or value < 0 or (most is not None and value > most):
        return None
    return int(value)
