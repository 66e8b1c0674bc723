"""What every format says of a finding, in plain values that are fit to be shown: bounded, on one line, in range."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connector.enrichment.values import Finding
from connector.stix_ids import OURS, uuid5
from connector.stix_text import clean, moment
from connector.verdict import File, Url, Verdict, split_threat_name

VENDOR: Final = "ReversingLabs"
PRODUCT: Final = "ReversingLabs Spectra Analyze"
THREATS: Final = frozenset({"malicious", "suspicious"})
# The risk score only places a verdict in the band of its classification (see connector.verdict).
_BANDS: Final = {"malicious": (6, 10), "suspicious": (6, 10), "goodware": (0, 5), "unknown": (0, 10)}
_NUMBERS: Final = ("threat_level", "trust_factor", "scanner_count", "scanner_match")


@dataclass(frozen=True, slots=True)
class Facts:
    """A finding made fit to be told. ``key`` is the strongest hash or the URL; ``score`` is 0 to 10, in its band.

    ``looked_up`` is in milliseconds since 1970; ``vendor`` holds what only the vendor has words for.
    """

    verdict: Verdict
    file: File | None
    url: str | None
    key: str
    score: int | None
    threat: str
    family: str
    kind: str
    looked_up: int
    vendor: dict[str, Any]

    @property
    def is_threat(self) -> bool:
        return self.verdict.classification in THREATS

    @property
    def hashes(self) -> dict[str, str]:
        """The hashes of the file that the verdict is about, or that its URL served, by ``md5``, ``sha1``, ..."""
        return hashes(self.file)

    @property
    def sentence(self) -> str:
        """One line for an analyst: ``Win32.Ransomware.Fictional (malicious, risk score 10/10, 27 of 28 scanners)``."""
        told: list[str] = [self.verdict.classification]
        if self.score is not None:
            told.append(f"risk score {self.score}/10")
        if self.verdict.scanner_match is not None:
            of = f" of {self.verdict.scanner_count}" if self.verdict.scanner_count is not None else ""
            told.append(f"{self.verdict.scanner_match}{of} scanners")
        text = ", ".join(told)
        return f"{self.threat} ({text})" if self.threat else text

    def link(self, appliance: str) -> str | None:
        """The sample's page on the appliance, which finds it by SHA-1."""
        sha1 = self.file and self.file.sha1
        return f"{appliance.rstrip('/')}/?q={sha1}" if appliance and sha1 else None

    def uid(self, what: str) -> str:
        """A UUID that is the same for the same verdict on the same subject, whenever and however often it is given."""
        verdict = self.verdict
        content = (what, self.key, verdict.classification, str(verdict.riskscore), self.threat)
        return uuid5(OURS, "\n".join(content).encode("utf-8", "replace").decode())


def facts(finding: Finding) -> Facts:
    """The facts of a finding that has a verdict.

    Raises:
        ValueError: the finding has no verdict.
    """
    verdict = finding.verdict
    if verdict is None:
        raise ValueError("a finding without a verdict has nothing to tell")
    subject = verdict.subject
    url = subject.value if isinstance(subject, Url) else None
    file = subject.served if isinstance(subject, Url) else subject
    threat = clean(verdict.threat_name or "")
    parts = split_threat_name(threat)
    return Facts(
        verdict=verdict,
        file=file,
        url=url,
        key=url if isinstance(subject, Url) and url is not None else _strongest(file),
        score=placed(verdict),
        threat=threat,
        family=parts.family or "",
        kind=parts.type or "",
        looked_up=round(finding.looked_up * 1000),
        vendor=_vendor(verdict, file, threat),
    )


def _strongest(file: File | None) -> str:
    return file.strongest[1] if file is not None else ""


def placed(verdict: Verdict) -> int | None:
    """The risk score within the band of its classification: a malicious 2 is no 2, it is the least malicious."""
    if verdict.riskscore is None:
        return None
    low, high = _BANDS[verdict.classification]
    return max(low, min(high, verdict.riskscore))


def hashes(file: File | None) -> dict[str, str]:
    if file is None:
        return {}
    every = {"md5": file.md5, "sha1": file.sha1, "sha256": file.sha256, "sha512": file.sha512}
    return {kind: value for kind, value in every.items() if value}


def _vendor(verdict: Verdict, file: File | None, threat: str) -> dict[str, Any]:
    """The appliance's own words, as it gave them: ``classification`` always, the others where they are known."""
    told: dict[str, Any] = {
        "classification": verdict.classification,
        "riskscore": verdict.riskscore,
        "threat_name": threat,
        "reason": clean(verdict.reason or ""),
        **{name: getattr(verdict, name) for name in _NUMBERS},
        "file_type": clean((file and file.file_type) or ""),
        "source": verdict.source,
    }
    return kept(told)


def kept(members: dict[str, Any]) -> dict[str, Any]:
    """The members that say something: without None, empty texts, lists and objects. Zero and False are kept."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", [], {})}


def distinct(documents: Sequence[bytes]) -> Sequence[bytes]:
    """Each document once: an event may name one subject in two fields."""
    return documents if len(documents) == 1 else list(dict.fromkeys(documents))


def since_1970(time: str | None) -> int | None:
    """The milliseconds since 1970 of a time as verdicts have it (RFC 3339, UTC); None where STIX knows no such one."""
    known = moment(time)
    return None if known is None else round(datetime.fromisoformat(known).timestamp() * 1000)


def as_time(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
