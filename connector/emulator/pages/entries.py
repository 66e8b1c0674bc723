"""One search result: the cloud's keys, and those of the appliance's own samples, which differ."""

from connector.emulator.pages import shapes
from connector.emulator.product.clock import stamp
from connector.emulator.product.sample import Sample
from connector.emulator.product.state import Product


def cloud_entry(product: Product, sample: Sample) -> dict[str, object]:
    """Keys of the captures of 2024; threat name and file name come only when there is one."""
    verdict, word = sample.verdict, sample.verdict.classification
    body: dict[str, object] = {
        "available": not sample.only_extracted,
        "sha1": sample.hashes.sha1,
        "classification": shapes.spelled(product.switches, word, word),
    }
    if verdict.threat_name:
        body["threatname"] = verdict.threat_name
    body |= {"size": sample.size, "sampletype": sample.identity.sample_type(), "antivirus": sample.av_match}
    if sample.names:
        body["filename"] = sample.name
    return body | {
        "lastseen": stamp(sample.last_seen),
        "filecount": sample.extracted_count,
        "factor": verdict.riskscore,
        "sha256": sample.hashes.sha256,
        "firstseen": stamp(sample.first_seen),
        "md5": sample.hashes.md5,
    }


def local_entry(product: Product, sample: Sample) -> dict[str, object]:
    """Keys of local results; no capture of v2 or v3 exists, so a switch chooses among the evidence."""
    kind = product.switches.local_entries
    if kind == "cloud":
        return cloud_entry(product, sample)
    return _solr_entry(sample) if kind == "v1" else _v2_entry(product, sample, wide=kind == "wide")


def _v2_entry(product: Product, sample: Sample, *, wide: bool) -> dict[str, object]:
    verdict, word = sample.verdict, sample.verdict.classification
    platform, kind, family = verdict.threat_parts()
    body: dict[str, object] = {
        "sha1": sample.hashes.sha1,
        "classification": shapes.spelled(product.switches, word, word),
        "riskscore": verdict.riskscore,
        "sample_type": sample.identity.sample_type(),
        "threat_platform": platform,
        "threat_type": kind,
        "threat_family": family,
    }
    if wide:
        body |= {
            "sha256": sample.hashes.sha256,
            "md5": sample.hashes.md5,
            "sample_size": sample.size,
            "file_names": list(sample.names),
            "first_seen": stamp(sample.first_seen),
            "last_seen": stamp(sample.last_seen),
        }
    return body


def _solr_entry(sample: Sample) -> dict[str, object]:
    """A small likeness of v1's big document, with the keys that were captured."""
    return {
        "sha1": sample.hashes.sha1,
        "sha256": sample.hashes.sha256,
        "md5": sample.hashes.md5,
        "status": shapes.status_word(sample).capitalize(),
        "threat_name": sample.verdict.threat_name,
        "sample_type": sample.identity.sample_type(),
        "file_names": list(sample.names),
        "sample_size": sample.size,
        "first_seen": stamp(sample.first_seen),
    }
