"""Splunk: events with flat fields of the Common Information Model, and rows for the threat intelligence collections.

CIM names are those of the data model Malware (dataset Malware_Attacks, as published in the CIM manual and carried by
pytest-splunk-addon); columns of rows are those that the page "Supported types of threat intelligence" of the Splunk
Enterprise Security manual requires of ``file_intel`` and ``http_intel``, and the KV store's own ``_key``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from connector.enrichment.codec import dumps, loads
from connector.enrichment.formats.facts import PRODUCT, Facts, distinct, facts, kept
from connector.enrichment.formats.splice import add
from connector.enrichment.values import Finding, Found
from connector.stix_ids import OURS, uuid5
from connector.stix_text import clean
from connector.vocabulary import Tlp

SEVERITIES: Final = {"malicious": "high", "suspicious": "medium"}
RANKS: Final = {"goodware": b"1", "unknown": b"2", "suspicious": b"3", "malicious": b"4"}
DEFAULT_WEIGHT: Final = 60  # of a threat without a risk score (inputs.conf.spec of SA-ThreatIntelligence)
# Members that say whose detection an event is: where it has one, it is another product's and stays that.
DETECTION: Final = frozenset({"signature", "category", "severity", "severity_id", "vendor_product"})
OWN: Final = frozenset(
    f"rl_{name}"
    for name in (
        *("classification", "riskscore", "threat_name", "reason", "threat_level", "trust_factor", "scanner_count"),
        *("scanner_match", "file_type", "source", "field", "subject", "first_seen", "last_seen", "link", "tlp", "time"),
        *("md5", "sha1", "sha256", "sha512", "findings"),
    )
)
RESERVED: Final = DETECTION | OWN
_HEAD: Final = 15


@dataclass(frozen=True, slots=True)
class Events:
    """Events with the verdict in flat fields; no member that an event has is ever overridden.

    Every finding is told in ``rl_`` fields. The worst of an event has them at the top level; where there are several,
    all stand in the list ``rl_findings``. A threat is told in CIM fields as well (``signature``, ``category``,
    ``severity``, ``severity_id``, ``vendor_product``), all of them or none: an event that has one of them is the
    detection of another product, and half of ours in it would be nobody's. What names the subject (``file_hash``,
    ``file_name``, or ``url``) is added beside them where the event has none of these names.

    A rendered piece begins with how bad it is and with two lengths: up to where its members are ``rl_`` ones only, and
    up to where those of CIM are without the subject's.
    """

    tlp: Tlp
    appliance: str
    suffix: str = ".ndjson"
    keeps_events: bool = True

    def render(self, found: Found, finding: Finding) -> bytes:
        told = facts(finding)
        own = kept(_own(told, found, finding, self))
        detection = {**own, **kept(_detection(told))}
        whole = {**detection, **kept(_subject(told, found))} if told.is_threat else detection
        first, second, third = (dumps(members)[1:-1] for members in (own, detection, whole))
        return b"%b%07d%07d%b" % (RANKS[told.verdict.classification], len(first), len(second), third)

    def dress(self, raw: bytes, event: Mapping[str, Any], rendered: Sequence[bytes]) -> Sequence[bytes]:
        worst = rendered[0] if len(rendered) == 1 else max(rendered, key=itemgetter(0))
        named = "file_hash" in event or "file_name" in event or "url" in event
        members = worst[_HEAD : _HEAD + int(worst[8:_HEAD])] if named else worst[_HEAD:]
        if len(rendered) == 1 and RESERVED.isdisjoint(event):
            return (add(raw, event, members),)
        if not DETECTION.isdisjoint(event):
            members = _own_of(worst)
        if len(rendered) > 1:
            members += b',"rl_findings":[' + b",".join(b"{" + _own_of(one) + b"}" for one in rendered) + b"]"
        if not OWN.isdisjoint(event):
            members = _without(members, event)
        return (add(raw, event, members) if members else raw,)


@dataclass(frozen=True, slots=True)
class Rows:
    """A row for each threat: of ``file_intel`` where it has a ``file_hash``, of ``http_intel`` where it has a ``url``.

    None for goodware and unknown, as Enterprise Security raises the risk of whatever matches a row. ``weight`` is the
    risk score times ten (1 to 100). ``file_name`` stays empty, as a name alone would match as well, whatever the file.
    ``_key`` is made of the subject: another run, or another verdict, overwrites it.
    """

    suffix: str = ".ndjson"
    keeps_events: bool = False

    def render(self, found: Found, finding: Finding) -> bytes:
        told = facts(finding)
        return dumps(_row(told)) if told.is_threat else b""

    def dress(self, raw: bytes, event: Mapping[str, Any], rendered: Sequence[bytes]) -> Sequence[bytes]:
        return distinct(rendered)


def events(*, tlp: Tlp = "amber", appliance: str = "") -> Events:
    return Events(tlp, appliance)


def rows(*, tlp: Tlp = "amber", appliance: str = "") -> Rows:
    """Rows; these collections have no column for a marking or a link, so both are left out."""
    return Rows()


def _own_of(piece: bytes) -> bytes:
    return piece[_HEAD : _HEAD + int(piece[1:8])]


def _without(members: bytes, event: Mapping[str, Any]) -> bytes:
    """The members that the event has not."""
    there: dict[str, Any] = loads(b"{" + members + b"}")
    return dumps({name: value for name, value in there.items() if name not in event})[1:-1]


def _own(told: Facts, found: Found, finding: Finding, form: Events) -> dict[str, Any]:
    """The members that are ours alone; ``rl_time`` is when the verdict was looked up, in seconds since 1970."""
    verdict = told.verdict
    more = {
        "field": found.field,
        "subject": found.subject,
        "first_seen": verdict.first_seen,
        "last_seen": verdict.last_seen,
        "link": told.link(form.appliance),
        "tlp": form.tlp.upper(),
        "time": round(finding.looked_up, 3),
        **told.hashes,
    }
    return {f"rl_{name}": value for name, value in {**told.vendor, **more}.items()}


def _detection(told: Facts) -> dict[str, Any]:
    """The CIM members of a threat; a signature there always is, as CIM wants one."""
    verdict = told.verdict
    if not told.is_threat:
        return {}
    severity = "critical" if verdict.classification == "malicious" and (told.score or 0) >= 9 else None
    return {
        "signature": told.threat or verdict.classification,
        "category": told.kind or verdict.classification,
        "severity": severity or SEVERITIES[verdict.classification],
        "severity_id": told.score,
        "vendor_product": PRODUCT,
    }


def _subject(told: Facts, found: Found) -> dict[str, Any]:
    if told.url is not None:
        return {"url": found.subject}
    return {"file_hash": found.subject, "file_name": clean((told.file and told.file.name) or "", 255)}


def _row(told: Facts) -> dict[str, Any]:
    weight = DEFAULT_WEIGHT if told.score is None else max(1, told.score * 10)
    if told.url is not None:
        told_of = {"http_referrer": "", "http_user_agent": "", "url": told.url}
    else:
        told_of = {"file_hash": told.key, "file_name": ""}
    key = uuid5(OURS, f"splunk:{told.key}".encode("utf-8", "replace").decode())
    return {"_key": key, "description": told.sentence, **told_of, "weight": weight}
