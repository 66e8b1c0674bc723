"""The keywords of the query language: what each reads from a sample, and how its values compare."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from connector.emulator.product.sample import Sample

Kind = Literal["text", "number", "date", "flag", "classification"]


@dataclass(frozen=True, slots=True)
class Field:
    kind: Kind
    read: Callable[[Sample], object]


def _texts(read: Callable[[Sample], tuple[str | None, ...]]) -> Field:
    return Field("text", lambda sample: tuple(text for text in read(sample) if text))


def _number(read: Callable[[Sample], int]) -> Field:
    return Field("number", read)


def _date(read: Callable[[Sample], datetime]) -> Field:
    return Field("date", read)


def _property(name: str) -> Field:
    return Field("text", lambda sample: sample.properties.get(name, ()))


def _uris(sample: Sample) -> tuple[str, ...]:
    return (*((sample.source_url,) if sample.source_url else ()), *sample.properties.get("uri", ()))


_FROM_PROPERTIES = (
    *("uri-source", "similar-to", "pe-import", "pe-function", "pe-export", "pe-section-name", "pe-section-sha1"),
    *("pe-resource", "pe-resource-sha1", "pe-resource-type", "pe-company-name", "pe-product-name"),
    *("pe-original-name", "pe-timestamp", "pdb-path", "cert-serial", "cert-subject-name", "cert-subject-country"),
    *("document-author", "document-subject", "document-title", "email-from", "email-subject", "dotnet-module-id"),
)
FIELDS: Mapping[str, Field] = {
    "classification": Field("classification", lambda s: s.verdict.classification),
    "threatname": _texts(lambda s: (s.verdict.threat_name,)),
    "threatlevel": _number(lambda s: s.verdict.threat_level),
    "riskscore": _number(lambda s: s.verdict.riskscore),
    "av-count": _number(lambda s: s.av_match),
    "available": Field("flag", lambda s: not s.only_extracted),
    "sampletype": _texts(lambda s: (s.identity.sample_type(),)),
    "type": _texts(lambda s: (s.identity.category, s.identity.file_type)),
    "filetype": _texts(lambda s: (s.identity.file_subtype, s.identity.file_type, s.identity.name, s.identity.category)),
    "size": _number(lambda s: s.size),
    "filename": _texts(lambda s: s.names),
    "filecount": _number(lambda s: s.extracted_count),
    "firstseen": _date(lambda s: s.first_seen),
    "lastseen": _date(lambda s: s.last_seen),
    "imphash": _texts(lambda s: (s.imphash,)),
    "tag": _texts(lambda s: s.ticore_tags),
    "tag-user": _texts(lambda s: s.user_tags),
    "uri": Field("text", _uris),
    "md5": _texts(lambda s: (s.hashes.md5,)),
    "sha1": _texts(lambda s: (s.hashes.sha1,)),
    "sha256": _texts(lambda s: (s.hashes.sha256,)),
    "sha512": _texts(lambda s: (s.hashes.sha512,)),
    **{name: _property(name) for name in _FROM_PROPERTIES},
}
