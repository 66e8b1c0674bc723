"""What a report says of a run before it is markup: durations, times, verdicts each subject once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from connector.vocabulary import SEVERITY

Json = Mapping[str, Any]
HASHES: Final = ("sha256", "sha1", "md5", "sha512")


def lasting(seconds: float) -> str:
    """A duration as a person says it, with two units at most."""
    if seconds < 10:
        return f"{max(0.0, seconds):.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours < 1:
        return f"{minutes} min {whole % 60} s"
    return f"{hours} h {minutes % 60} min" if days < 1 else f"{days} d {hours % 24} h"


def moment(at: float) -> str:
    """A time since 1970 as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def readable(stamp: str) -> str:
    """A time of RFC 3339 in UTC as a person reads it, to the second; anything else as it is."""
    day, letter, time = stamp.partition("T")
    return f"{day} {time.removesuffix('Z').partition('.')[0]} UTC" if letter and time.endswith("Z") else stamp


def last_moment(timeline: Json) -> float:
    """When the run ended, else the last time that is known of it."""
    if timeline["ended_at"] is not None:
        return float(timeline["ended_at"])
    known = [at for visit in timeline["visits"] for at in (visit["entered"], visit["left"]) if at is not None]
    return max([float(timeline["started_at"]), *map(float, known)])


def subject_key(verdict: Json) -> str:
    """What a verdict speaks of: the URL, or the strongest hash of the file."""
    subject = verdict["subject"]
    if subject.get("kind") == "url":
        return str(subject["value"])
    return str(next((subject[kind] for kind in HASHES if subject.get(kind)), subject.get("name", "")))


def verdicts(visits: Sequence[Json]) -> list[dict[str, Any]]:
    """The last verdict on each subject, the gravest first; what a later one does not say, an earlier one may."""
    found: dict[str, dict[str, Any]] = {}
    for visit in visits:
        for verdict in visit["verdicts"]:
            known = found.get(subject_key(verdict), {})
            subject = {**known.get("subject", {}), **_said(verdict["subject"])}
            found[subject_key(verdict)] = {**known, **_said(verdict), "subject": subject}
    return sorted(found.values(), key=lambda verdict: -SEVERITY.get(verdict["classification"], 0))


def _said(value: Json) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}


def counted(rows: Iterable[Json]) -> str:
    """The verdicts in a few words, such as ``1 malicious, 2 goodware``."""
    found = Counter(str(row["classification"]) for row in rows)
    return ", ".join(f"{found[word]} {word}" for word in SEVERITY if found[word])
