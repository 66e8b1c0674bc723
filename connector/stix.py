"""Verdicts go in, one STIX 2.1 bundle comes out; the only file that knows the stix2 library.

Profiles: ``core`` says what was found (identity, marking, extension-definition, file or url, malware-analysis, and
for a threat indicator, malware, indicates, characterizes). ``full`` adds observed-data, based-on, sighting, note and
grouping. STIX suggests ``based-on`` only towards observed-data, so core has none, save for OpenCTI, which wants it
towards the observable.

Targets: ``generic``; ``opencti`` (based-on, score extension, a result name for each sample); ``misp`` (core only, as
its importer fails on observed-data, and on a URL inside malware-analysis, which is linked by ``related-to``);
``sentinel`` (the types it stores, TLP 1 ids); ``taxii`` (no object with a ``version``, on which a common server trips).

The same verdicts give the same bytes: ids, dates and order are functions of content. stix2 is imported by
``exemplars`` and ``strict`` only. ``python -m connector.stix`` writes exemplars.json anew.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from connector.stix_context import context
from connector.stix_forms import EXEMPLARS, Kit, Object, kit
from connector.stix_ids import own_id
from connector.stix_merge import once
from connector.stix_objects import Case, analysis, case, indicator, malware, observables, plain_facts, relation
from connector.stix_specimens import specimens
from connector.stix_terms import INDICATOR_TYPE, SENTINEL_TYPES, StixOptions
from connector.stix_text import moment, uri
from connector.verdict import File, Url, Verdict

__all__ = ["Bundle", "StixOptions", "bundle", "bundle_bytes", "exemplars", "strict"]

UNDATED: Final = (
    "the answer holds no date for {n} of the subjects; their STIX objects carry the time of the reply, so the same "
    "question gives other dates later"
)
NOT_A_URL: Final = "{n} of the subjects are no URL in the sense of RFC 3986 and are left out of the STIX bundle"
ENCODED: Final = "characters that RFC 3986 does not allow in a URL are percent-encoded in the STIX bundle"
FORGED: Final = "different files share an MD5 or SHA-1 here; in the STIX bundle only one of them keeps that hash"
CORE_ONLY: Final = "MISP gets the core profile: it cannot import observed-data"
TIGHTENED: Final = "Sentinel knows TLP 1 only, which has no AMBER+STRICT; the objects are marked RED"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as plain JSON data, or None where there is nothing to say; and what the reader should know."""

    objects: Object | None
    notices: tuple[str, ...]


def bundle(
    verdicts: Sequence[Verdict], options: StixOptions, answered_at: str, observed: Sequence[File | Url] = ()
) -> Bundle:
    """One bundle for all verdicts; ``observed`` are subjects without one, such as a file just submitted.

    ``answered_at`` (RFC 3339) is the date of what has no date of its own, and nothing else.
    """
    now = moment(answered_at)
    if now is None:
        raise ValueError("answered_at must be a time as in RFC 3339")
    told, seen, notices = _subjects(verdicts, observed)
    if options.target == "misp" and options.profile == "full":
        options = replace(options, profile="core")
        notices.append(CORE_ONLY)
    if options.target == "sentinel" and options.tlp == "amber+strict":
        notices.append(TIGHTENED)
    tools = kit(options)
    cases = [case(tools, verdict, now) for verdict in told]
    undated = sum(1 for each in cases if not each.dated)
    if undated:
        notices.append(UNDATED.format(n=undated))
    objects = _objects(tools, cases, seen)
    return Bundle(_boxed(objects, cases) if objects else None, tuple(notices))


def bundle_bytes(verdicts: Sequence[Verdict], options: StixOptions, answered_at: str) -> bytes:
    """The same bundle as JSON in UTF-8, for bulk work; nothing at all where there is nothing to say."""
    objects = bundle(verdicts, options, answered_at).objects
    return _dumps()(objects) if objects else b""


def strict(bundle: Mapping[str, Any]) -> list[str]:
    """What stix2 has to say against a bundle, object by object; an empty list when nothing."""
    import stix2  # noqa: PLC0415 - takes a quarter of a second, which no ordinary action should pay

    problems = []
    for item in (*bundle.get("objects", ()), {**bundle, "objects": []}):
        try:
            stix2.parse(item, allow_custom=False, version="2.1")
        except (stix2.exceptions.STIXError, ValueError, TypeError, KeyError, AttributeError) as error:
            problems.append(f"{item.get('id', 'an object without id')}: {error}")
    return problems


def exemplars() -> dict[str, Object]:
    """The forms, made by stix2 from the specimens; what exemplars.json must hold."""
    import stix2  # noqa: PLC0415 - see strict

    made = {}
    for name, (kind, properties) in specimens().items():
        made[name] = json.loads(getattr(stix2.v21, kind)(**properties).serialize())
    return made


def _subjects(
    verdicts: Sequence[Verdict], observed: Sequence[File | Url]
) -> tuple[list[Verdict], list[File | Url], list[str]]:
    """Every subject once, and URLs in the form that STIX wants."""
    told, seen, forged = once(verdicts, observed)
    notices = [FORGED] if forged else []
    if any(isinstance(v.subject, Url) for v in told) or any(isinstance(s, Url) for s in seen):
        proper = [(v, _proper(v.subject)) for v in told]
        urls = [_proper(s) for s in seen]
        missing = sum(1 for _, s in proper if s is None) + urls.count(None)
        if missing:
            notices.append(NOT_A_URL.format(n=missing))
        if any(s and s != v.subject for v, s in proper) or any(u and u not in seen for u in urls):
            notices.append(ENCODED)
        told = [replace(v, subject=s) for v, s in proper if s]
        seen = [u for u in urls if u]
    return told, seen, notices


def _proper(subject: File | Url) -> File | Url | None:
    if isinstance(subject, File):
        return subject
    value = uri(subject.value)
    return None if value is None else subject if value == subject.value else replace(subject, value=value)


def _objects(tools: Kit, cases: Sequence[Case], seen: Sequence[File | Url]) -> list[Object]:
    """All objects in their order, each id once; empty where they would say nothing about any subject."""
    found: dict[str, Object] = {}
    for each in cases:
        for made in _told(tools, each):
            found.setdefault(made["id"], made)
    for subject in seen:
        for made in observables(tools, subject):
            found.setdefault(made["id"], made)
    objects = list(found.values())
    if tools.options.target == "sentinel":
        objects = _storable(objects)
    return [*_preamble(tools, bool(cases)), *objects] if objects else []


def _told(tools: Kit, case: Case) -> list[Object]:
    """What one verdict says."""
    result = analysis(tools, case)
    said = [*case.observables, result]
    if case.verdict.classification in INDICATOR_TYPE:
        sign = indicator(tools, case)
        family = malware(tools, case)
        said.append(sign)
        if family is not None:
            said += [
                family,
                relation(tools, case, "characterizes", result["id"], family["id"]),
                relation(tools, case, "indicates", sign["id"], family["id"]),
            ]
        if tools.options.target == "opencti":
            said.append(relation(tools, case, "based-on", sign["id"], case.subject_ref))
    if tools.options.target == "misp" and isinstance(case.verdict.subject, Url):
        said.append(relation(tools, case, "related-to", result["id"], case.subject_ref))
    return said + context(tools, case, said) if tools.options.profile == "full" else said


def _preamble(tools: Kit, has_verdicts: bool) -> list[Object]:
    """What the objects refer to: the marking, who says it, and what the vendor's fields mean."""
    target, tlp = tools.options.target, tools.options.tlp
    wanted = [] if target == "sentinel" else [f"tlp:{tlp}"]
    if has_verdicts:
        wanted.append("identity")
        wanted += [] if target in {"sentinel", "taxii"} else ["extension-definition"]
    return [tools.constant(name) for name in wanted]


def _storable(objects: Iterable[Object]) -> list[Object]:
    """What Sentinel stores, without relationships that would lead nowhere."""
    kept = [o for o in objects if o["type"] in SENTINEL_TYPES]
    ids = {o["id"] for o in kept}
    return [o for o in kept if o["type"] != "relationship" or {o["source_ref"], o["target_ref"]} <= ids]


def _boxed(objects: list[Object], cases: Sequence[Case]) -> Object:
    """The bundle. Its id is over what is in it, so the same answer is the same bundle."""
    content = [o["id"] + o.get("modified", "") for o in objects]
    content += [f"{each.threat.name} {plain_facts(each.verdict)} {each.verdict.reason}" for each in cases]
    return {"type": "bundle", "id": own_id("bundle", "\n".join(content)), "objects": objects}


@lru_cache(maxsize=1)
def _dumps() -> Callable[[Any], bytes]:
    try:
        import orjson  # noqa: PLC0415 - an extra; the standard library does without
    except ImportError:
        encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
        return lambda value: encoder.encode(value).encode()
    return orjson.dumps


if __name__ == "__main__":
    EXEMPLARS.write_text(json.dumps(exemplars(), indent=1, ensure_ascii=False) + "\n", "utf-8")
