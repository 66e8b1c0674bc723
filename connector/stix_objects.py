"""One verdict as STIX objects: the observable, the analysis, and, for a threat, the indicator and its family.

Each object is a copy of a form (see stix_forms) with its values filled in. ``Case`` holds what the objects of one
verdict share, worked out once.
"""

import re
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from connector.stix_forms import Kit, Object
from connector.stix_ids import HASH_NAMES, file_id, own_id, url_id
from connector.stix_specimens import FACTS
from connector.stix_terms import INDICATOR_TYPE, MALWARE_TYPE, OPENCTI_EXTENSION, PRODUCT, RESULT, confidence
from connector.stix_text import clean, later, literal, milliseconds, moment
from connector.verdict import File, Url, Verdict, split_threat_name

_STIX_NAME: Final = {kind: name for name, kind in HASH_NAMES}
_PATH: Final = {"MD5": "file:hashes.MD5", **{n: f"file:hashes.'{n}'" for n, _ in HASH_NAMES if n != "MD5"}}
_PLAIN_FACTS: Final = ("riskscore", "threat_level", "trust_factor", "scanner_count", "scanner_match", "source")
plain_facts: Final = attrgetter(*_PLAIN_FACTS)
_FLAW: Final = re.compile(r"(?i)(cve|can)-")


class Threat(NamedTuple):
    """A threat name made fit for STIX: whole, its type in lower case, its family, and the type in STIX's words."""

    name: str
    label: str
    family: str
    kind: str | None


class Case(NamedTuple):
    """One verdict and what its objects share; ``key`` is the strongest hash, or the URL."""

    verdict: Verdict
    file: File | None
    key: str
    observables: list[Object]
    threat: Threat
    first: str
    last: str
    created: str
    modified: str
    seen: str | None
    dated: bool
    facts: Object
    link: Object | None

    @property
    def subject_ref(self) -> str:
        return str(self.observables[0]["id"])

    @property
    def title(self) -> str:
        """The key, short enough for a name."""
        return self.key if self.file is self.verdict.subject else clean(self.key, 300)


def case(kit: Kit, verdict: Verdict, answered_at: str) -> Case:
    """Everything that the objects of a verdict share. Without any date, the time of the reply is the date."""
    subject, threat = verdict.subject, _threat(verdict.threat_name or "")
    file = subject if isinstance(subject, File) else subject.served
    seen, known = moment(verdict.last_seen), moment(verdict.first_seen)
    first = known or seen or answered_at
    created, modified = milliseconds(first), milliseconds(seen or first)
    if modified < created:
        seen, modified = first, created
    return Case(
        verdict=verdict,
        file=file,
        key=subject.strongest[1].lower() if isinstance(subject, File) else subject.value,
        observables=observables(kit, subject),
        threat=threat,
        first=first,
        last=seen or first,
        created=created,
        modified=modified,
        seen=seen,
        dated=bool(seen or known),
        facts=_facts(verdict, file, threat.name),
        link=_link(kit, file),
    )


@lru_cache(maxsize=4096)
def _threat(name: str) -> Threat:
    """A threat name taken apart; a page of results holds few different ones.

    The vendor names exploits by the flaw (``Document-PDF.Exploit.CVE-2012-0158``), which is no family.
    """
    name = clean(name)
    parts = split_threat_name(name)
    label, family = (parts.type or "").lower()[:64].strip(), (parts.family or "")[:200].strip()
    return Threat(name, label, "" if _FLAW.match(family) else family, MALWARE_TYPE.get(label))


def observables(kit: Kit, subject: File | Url) -> list[Object]:
    """The subject itself first, then the file that a URL served."""
    if isinstance(subject, File):
        return [_file(kit, subject)]
    url = kit.new("url", url_id(subject.value))
    url["value"] = subject.value
    return [url] if subject.served is None else [url, _file(kit, subject.served)]


def _file(kit: Kit, file: File) -> Object:
    """Hashes and size only: a name or an extension would change the id that every product computes."""
    hashes = {}
    if file.md5:
        hashes["MD5"] = file.md5.lower()
    if file.sha1:
        hashes["SHA-1"] = file.sha1.lower()
    if file.sha256:
        hashes["SHA-256"] = file.sha256.lower()
    if file.sha512:
        hashes["SHA-512"] = file.sha512.lower()
    made = kit.new("file", file_id(hashes))
    made["hashes"] = hashes
    return _with(made, "size", file.size)


def analysis(kit: Kit, case: Case) -> Object:
    """What the appliance found; of a URL, ``sample_ref`` is the file it served (only a file can be a sample)."""
    made = _dated(kit.new("malware-analysis", own_id("malware-analysis", case.key)), case)
    opencti = kit.options.target == "opencti"  # it takes analyses of one name for one and the same
    name = f"Spectra Analyze {case.title}" if opencti else case.threat.name
    made["result"] = RESULT[case.verdict.classification]
    made["labels"] = [case.verdict.classification]
    made["extensions"] = {FACTS: case.facts.copy()}
    of_url = isinstance(case.verdict.subject, Url) and kit.options.target != "misp"  # its importer fails on a URL here
    _with(made, "sample_ref", case.observables[-1]["id"] if case.file else None)
    _with(made, "analysis_sco_refs", [o["id"] for o in case.observables] if of_url else None)
    _with(made, "analysis_ended", case.seen)
    _with(made, "result_name", name or None)
    _with(made, "confidence", confidence(case.verdict))
    return _with(made, "external_references", case.link and [case.link.copy()])


def malware(kit: Kit, case: Case) -> Object | None:
    """The family, where the threat name ends in a real one. Its id is its content: one object for all samples."""
    family, kind = case.threat.family, case.threat.kind
    if not family:
        return None
    made = kit.new("malware", _family_id(family, kind))
    made["name"] = family
    return _with(made, "malware_types", kind and [kind])


@lru_cache(maxsize=4096)
def _family_id(family: str, kind: str | None) -> str:
    return own_id("malware", f"{family}:{kind or ''}")


def indicator(kit: Kit, case: Case) -> Object:
    """How to recognise the threat. The id is over the strongest pattern: same hash, same indicator, for ever."""
    verdict, name, label, every = case.verdict, case.threat.name, case.threat.label, kit.options.pattern_hashes == "all"
    strongest = pattern(verdict.subject)
    made = _dated(kit.new("indicator", own_id("indicator", strongest)), case)
    made["name"] = f"{name}: {case.title}" if name else case.title
    made["description"] = _sentence(case)
    made["indicator_types"] = [INDICATOR_TYPE[verdict.classification]]
    made["pattern"] = pattern(verdict.subject, every=True) if every else strongest
    made["valid_from"] = case.first
    made["labels"] = [verdict.classification, label] if label else [verdict.classification]
    made["confidence"] = confidence(verdict)
    made["extensions"] = _extensions(kit, case)
    days = kit.options.url_days if isinstance(verdict.subject, Url) else 0
    _with(made, "valid_until", later(case.last, days) if days > 0 else None)
    return _with(made, "external_references", case.link and [case.link.copy()])


def pattern(subject: File | Url, *, every: bool = False) -> str:
    """The pattern over the strongest hash, or over every known one, or over the URL."""
    if isinstance(subject, Url):
        return f"[url:value = {literal(subject.value)}]"
    if not every:
        kind, value = subject.strongest
        return f"[{_PATH[_STIX_NAME[kind]]} = '{value.lower()}']"
    known = [(name, value) for name, kind in reversed(HASH_NAMES) if (value := getattr(subject, kind))]
    return "[" + " OR ".join(f"{_PATH[name]} = '{value.lower()}'" for name, value in known) + "]"


def relation(kit: Kit, case: Case, kind: str, source: str, target: str) -> Object:
    """A relationship; its id is over its kind and its two ends."""
    made = _dated(kit.new("relationship", own_id("relationship", f"{kind}:{source}:{target}")), case)
    made["relationship_type"] = kind
    made["source_ref"], made["target_ref"] = source, target
    return made


def _dated(made: Object, case: Case) -> Object:
    made["created"], made["modified"] = case.created, case.modified
    return made


def _with(made: Object, key: str, value: Any) -> Object:
    """Fill a property in, or take it out of the form where there is no value."""
    if value is None:
        del made[key]
    else:
        made[key] = value
    return made


def _facts(verdict: Verdict, file: File | None, threat_name: str) -> Object:
    """What STIX has no property for, as the property-extension that extension-definition describes."""
    made: Object = {"extension_type": "property-extension", "classification": verdict.classification}
    for name, value in zip(_PLAIN_FACTS, plain_facts(verdict), strict=True):
        if value is not None:
            made[name] = value
    texts: list[tuple[str, str | None]] = [("threat_name", threat_name), ("classification_reason", verdict.reason)]
    if file is not None:
        texts += [("file_type", file.file_type), ("file_name", file.name)]
    for name, text in texts:
        if text and (text := clean(text)):
            made[name] = text
    return made


def _extensions(kit: Kit, case: Case) -> Object:
    if kit.options.target != "opencti":
        return {FACTS: case.facts.copy()}
    risk = case.verdict.riskscore
    score = {
        "extension_type": "property-extension",
        "score": confidence(case.verdict) if risk is None else 10 * risk,
        "detection": case.verdict.classification == "malicious",
        "main_observable_type": "Url" if isinstance(case.verdict.subject, Url) else "StixFile",
    }
    return {FACTS: case.facts.copy(), OPENCTI_EXTENSION: score}


def _link(kit: Kit, file: File | None) -> Object | None:
    """The sample's page on the appliance, which finds it by SHA-1."""
    base, sha1 = kit.options.appliance_url, file and file.sha1
    if not base or not sha1:
        return None
    return {"source_name": PRODUCT, "url": f"{base.rstrip('/')}/?q={sha1}", "external_id": sha1}


def _sentence(case: Case) -> str:
    verdict, what = case.verdict, "URL" if isinstance(case.verdict.subject, Url) else "file"
    parts = []
    if verdict.riskscore is not None:
        parts.append(f"risk score {verdict.riskscore}/10")
    if verdict.scanner_match is not None:
        of = f" of {verdict.scanner_count}" if verdict.scanner_count is not None else ""
        parts.append(f"found by {verdict.scanner_match}{of} AV scanners")
    if reason := case.facts.get("classification_reason"):
        parts.append(f"reason: {reason}")
    because = f" ({'; '.join(parts)})" if parts else ""
    return f"Spectra Analyze classified this {what} as {verdict.classification}{because}."
