"""Samples and verdicts that the lab brings along, instead of the world outside."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from connector.emulator.product.analysis import detections
from connector.emulator.product.clock import read_stamp
from connector.emulator.product.hashes import KINDS, Hashes, completed, hashes_of, kind_of
from connector.emulator.product.identity import identify
from connector.emulator.product.refusals import Invalid
from connector.emulator.product.rules import judge
from connector.emulator.product.sample import CLASSIFICATIONS, Identity, Sample, Verdict
from connector.emulator.product.state import Product

_TEXTS = frozenset(
    {*KINDS, "content_base64", "classification", "threat_name", "reason", "category", "file_type", "file_subtype"}
    | {"identification_name", "filename", "first_seen", "last_seen", "url", "imphash"}
)
_NUMBERS = frozenset({"riskscore", "size", "av_match", "extracted_file_count"})
_LISTS = frozenset({"tags", "ticore_tags", "comments", "aliases"})
_FLAGS = frozenset({"local", "cloud"})
_DEFAULT_SCORES = {"malicious": 10, "suspicious": 7, "goodware": 0, "unknown": 5}


def load(product: Product, entry: Mapping[str, object]) -> Sample:
    """Put one described sample on the appliance, in the cloud, behind a URL, or only in the rules' knowledge.

    `local` is true unless a `url` is given; neither local nor cloud means: so it will be judged when uploaded.
    """
    _check(entry)
    sample = _sample(product, entry)
    if isinstance(url := entry.get("url"), str):
        product.sites[url] = sample
    if entry.get("local", "url" not in entry):
        product.local.put(sample)
    elif not entry.get("cloud"):
        product.verdicts[sample.hashes.sha1] = sample.verdict
    if entry.get("cloud"):
        product.cloud.put(replace(sample, user_tags=(), comments=()))
    return sample


def _check(entry: Mapping[str, object]) -> None:
    for name, value in entry.items():
        if name in _TEXTS:
            good = isinstance(value, str)
        elif name in _NUMBERS:
            good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        elif name in _LISTS:
            good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        elif name in _FLAGS:
            good = isinstance(value, bool)
        elif name == "properties":
            good = isinstance(value, dict)
        else:
            known = sorted(_TEXTS | _NUMBERS | _LISTS | _FLAGS | {"properties"})
            raise Invalid(f"Unknown sample field '{name}'. Known: {', '.join(known)}.")
        if not good and value is not None:
            raise Invalid(f"Sample field '{name}' has the wrong type.")


def _sample(product: Product, entry: Mapping[str, object]) -> Sample:
    content = _content(entry)
    verdict = _verdict(entry, content)
    first, last = _date(product, entry, "first_seen"), _date(product, entry, "last_seen")
    return Sample(
        id=next(product.ids.samples),
        hashes=_hashes(entry, content),
        size=_number(entry, "size", len(content) if content is not None else 1024),
        identity=_identity(entry, content),
        names=(*_list(entry, "aliases", _text(entry, "filename")),),
        verdict=verdict,
        first_seen=min(first, last),
        last_seen=last,
        user_tags=_list(entry, "tags"),
        ticore_tags=_list(entry, "ticore_tags"),
        comments=_list(entry, "comments"),
        av_match=_number(entry, "av_match", detections(verdict)),
        extracted_count=_number(entry, "extracted_file_count", 0),
        imphash=_text(entry, "imphash"),
        source_url=_text(entry, "url"),
        properties=_properties(entry),
    )


def _content(entry: Mapping[str, object]) -> bytes | None:
    text = _text(entry, "content_base64")
    try:
        return base64.b64decode(text, validate=True) if text is not None else None
    except binascii.Error as error:
        raise Invalid("content_base64 is not base64.") from error


def _hashes(entry: Mapping[str, object], content: bytes | None) -> Hashes:
    if content is not None:
        return hashes_of(content)
    known = {kind: text for kind in KINDS if (text := _text(entry, kind))}
    if not known and "url" in entry:
        return hashes_of(f"content of {entry['url']}".encode())
    if not known:
        raise Invalid("A sample needs a hash, content_base64 or a url.")
    for kind, text in known.items():
        if kind_of(text) != kind:
            raise Invalid(f"'{kind}' is not a {kind} hash.")
    return completed(known)


def _verdict(entry: Mapping[str, object], content: bytes | None) -> Verdict:
    classification = _text(entry, "classification")
    if classification is None:
        return judge(content) if content is not None else Verdict()
    if classification not in CLASSIFICATIONS:
        raise Invalid(f"classification must be one of {', '.join(CLASSIFICATIONS)}.")
    score = _number(entry, "riskscore", _DEFAULT_SCORES[classification])
    if score > 10:
        raise Invalid("riskscore must be 0 to 10.")
    reason = "unknown" if classification == "unknown" else "antivirus"
    return Verdict(classification, score, _text(entry, "threat_name"), _text(entry, "reason") or reason)


def _identity(entry: Mapping[str, object], content: bytes | None) -> Identity:
    guess = identify(content) if content is not None else Identity()
    return Identity(
        _text(entry, "category") or guess.category,
        _text(entry, "file_type") or guess.file_type,
        _text(entry, "file_subtype") or guess.file_subtype,
        _text(entry, "identification_name") or guess.name,
        guess.version,
    )


def _date(product: Product, entry: Mapping[str, object], name: str) -> datetime:
    text = _text(entry, name)
    try:
        return read_stamp(text) if text else product.clock.now().replace(microsecond=0)
    except ValueError as error:
        raise Invalid(f"'{name}' is not an ISO 8601 time.") from error


def _properties(entry: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    given = entry.get("properties")
    pairs = given.items() if isinstance(given, dict) else ()
    return {str(k): tuple(map(str, v)) if isinstance(v, list) else (str(v),) for k, v in pairs}


def _text(entry: Mapping[str, object], name: str) -> str | None:
    value = entry.get(name)
    return value if isinstance(value, str) and value else None


def _number(entry: Mapping[str, object], name: str, default: int) -> int:
    value = entry.get(name)
    return value if isinstance(value, int) else default


def _list(entry: Mapping[str, object], name: str, first: str | None = None) -> tuple[str, ...]:
    value = entry.get(name)
    items = [str(item) for item in value] if isinstance(value, list) else []
    return tuple(dict.fromkeys([first, *items] if first else items))
