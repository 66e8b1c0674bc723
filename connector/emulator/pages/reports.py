"""Reports of samples in lists, summary and details, with the fields that were asked for."""

from collections.abc import Callable, Mapping

from connector.emulator.pages import shapes
from connector.emulator.product.clock import fine_stamp
from connector.emulator.product.sample import SCANNERS, Sample
from connector.emulator.product.state import Product

Reader = Callable[[Product, Sample], object]
_TICORE_CODES = {"unknown": 0, "goodware": 1, "suspicious": 2, "malicious": 3}
_SOURCE = 513  # the only `classification_source` ever captured
ON_REQUEST = frozenset({"ticore", "ticloud", "summary", "aliases"})  # come only when asked for, says the vendor


def summary(product: Product, sample: Sample, fields: list[str]) -> dict[str, object]:
    """One result of the v2 list: the fields asked for, or all but the heavy ones."""
    chosen = fields or [name for name in FIELDS if name not in ON_REQUEST]
    return {name: FIELDS[name](product, sample) for name in chosen if name in FIELDS}


def details(product: Product, sample: Sample, fields: list[str]) -> dict[str, object]:
    """One result of the detailed list: flat with fields, in sections without."""
    if not fields:
        return {
            "sample_summary": summary(product, sample, []),
            "ticore": _ticore(product, sample),
            "ticloud": _ticloud(product, sample),
            "sources": [{"url": sample.source_url}] if sample.source_url else [],
            "network_indicators": [],
        }
    body = summary(product, sample, fields)
    return body | {name: None for name in fields if name in DETAIL_FIELDS and name not in FIELDS}


def url_report(product: Product, sample: Sample) -> dict[str, object]:
    """Report of a finished URL submission, everything included."""
    body = {name: read(product, sample) for name, read in FIELDS.items()}
    return body if product.switches.url_report_shape == "flat" else {"sample_summary": body}


def old_summary(product: Product, sample: Sample) -> dict[str, object]:
    """One result of the v1 list: the same facts in the old words."""
    word = shapes.status_word(sample)
    body = {name: FIELDS[name](product, sample) for name in _OLD_FIELDS}
    cloud = product.cloud.find(sample.hashes.sha1)
    return body | {
        "threat_status": shapes.spelled(product.switches, word, word),
        "threat_level": sample.verdict.threat_level,
        "trust_factor": sample.verdict.trust_factor,
        "threat_name": sample.verdict.threat_name,
        "ticloud": shapes.ticloud_old(product.switches, cloud) if cloud else None,
    }


def _classification(product: Product, sample: Sample) -> str:
    word = sample.verdict.classification
    return shapes.spelled(product.switches, word, word)


def _ticloud(product: Product, sample: Sample) -> Mapping[str, object] | None:
    cloud = product.cloud.find(sample.hashes.sha1)
    return shapes.ticloud_new(product.switches, cloud) if cloud else None


def _origin(_product: Product, sample: Sample) -> object:
    source = sample.verdict.origin
    return {**(shapes.origin(source) or {}), "sha512": source.sha512} if source else None


def _tags(_product: Product, sample: Sample) -> object:
    return {"ticore": list(sample.ticore_tags), "user": list(sample.user_tags)}


def _indicators(_product: Product, sample: Sample) -> object:
    done = {"failed": 0, "success": int(sample.extracted_count > 0), "partial": 0}
    return {"id": sample.id, "sha1": sample.hashes.sha1, "indicators": [], "unpacking_status": done}


def _discussion(_product: Product, sample: Sample) -> object:
    return [{"comment": text} for text in sample.comments]


def _scanner_summary(_product: Product, sample: Sample) -> object:
    counts = shapes.scanners(sample)
    del counts["antivirus"]
    return counts


def _scanner_list(_product: Product, sample: Sample) -> object:
    name = sample.verdict.threat_name or "Generic"
    found = sample.av_match
    return [{"name": f"scanner-{n:02}", "result": name if n <= found else ""} for n in range(1, SCANNERS + 1)]


def _ticore(_product: Product, sample: Sample) -> object:
    hashes, identity, verdict = sample.hashes, sample.identity, sample.verdict
    listed = [{"name": kind, "value": getattr(hashes, kind)} for kind in ("md5", "sha1", "sha256", "sha512")]
    file = {"file_type": identity.file_type, "file_subtype": identity.file_subtype, "size": sample.size}
    named = {"success": identity.name != "Unknown", "name": identity.name, "version": identity.version}
    return {
        "info": {"file": file | {"hashes": listed, "proposed_filename": None}, "identification": named},
        "classification": {
            "propagated": verdict.origin is not None,
            "classification": _TICORE_CODES[verdict.classification],
            "factor": verdict.trust_factor,
            "result": verdict.threat_name,
            "rca_factor": verdict.riskscore,
        },
        "indicators": [],
        "tags": list(sample.ticore_tags),
    }


FIELDS: Mapping[str, Reader] = {
    "id": lambda _, s: s.id,
    "sha1": lambda _, s: s.hashes.sha1,
    "sha256": lambda _, s: s.hashes.sha256,
    "sha512": lambda _, s: s.hashes.sha512,
    "md5": lambda _, s: s.hashes.md5,
    "imphash": lambda _, s: s.imphash,
    "category": lambda _, s: s.identity.category,
    "file_type": lambda _, s: s.identity.file_type,
    "file_subtype": lambda _, s: s.identity.file_subtype,
    "identification_name": lambda _, s: s.identity.name,
    "identification_version": lambda _, s: s.identity.version,
    "file_size": lambda _, s: s.size,
    "extracted_file_count": lambda _, s: s.extracted_count,
    "local_first_seen": lambda _, s: fine_stamp(s.first_seen),
    "local_last_seen": lambda _, s: fine_stamp(s.last_seen),
    "classification_origin": _origin,
    "classification_reason": lambda _, s: s.verdict.reason,
    "classification_source": lambda _, s: _SOURCE,
    "classification": _classification,
    "riskscore": lambda _, s: s.verdict.riskscore,
    "classification_result": lambda _, s: s.verdict.threat_name,
    "ticore": _ticore,
    "tags": _tags,
    "summary": _indicators,
    "ticloud": _ticloud,
    "aliases": lambda _, s: list(s.names),
    "networkthreatintelligence": lambda *_: {},
    "domainthreatintelligence": lambda *_: {},
    "discussion": _discussion,
    "proposed_filename": lambda *_: None,
    "av_scanners": _scanner_list,
    "av_scanners_summary": _scanner_summary,
}
DETAIL_FIELDS = frozenset(FIELDS) | {
    *("rl_auxiliary_analysis", "cape", "cisco_secure_malware_analytics", "cuckoo", "joe", "fireeye"),
    *("rl_cloud_sandbox", "vmray_tcbase", "sources", "sample_summary", "network_indicators", "behavior", "hashes"),
}
_OLD_FIELDS = (
    *("id", "sha1", "sha256", "sha512", "md5", "category", "file_type", "file_subtype", "identification_name"),
    *("identification_version", "file_size", "extracted_file_count", "local_first_seen", "local_last_seen"),
    *("classification_origin", "classification_reason", "aliases"),
)
