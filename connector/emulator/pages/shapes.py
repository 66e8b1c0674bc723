"""Verdicts in the words of each API generation, with the letter case that was seen there."""

from collections.abc import Mapping

from connector.emulator.product.clock import stamp
from connector.emulator.product.hashes import Hashes
from connector.emulator.product.sample import SCANNERS, Sample
from connector.emulator.product.state import Product
from connector.emulator.switches import Switches


def spelled(switches: Switches, word: str, documented: str) -> str:
    """Write a classification word in the case that the switch asks for."""
    forms = {"lower": word.lower(), "upper": word.upper(), "capitalized": word.capitalize()}
    return forms.get(switches.vocabulary_case, documented)


def origin(hashes: Hashes | None) -> Mapping[str, str | None] | None:
    """Name the file that a verdict was taken over from."""
    if hashes is None:
        return None
    return {"sha1": hashes.sha1, "sha256": hashes.sha256, "md5": hashes.md5, "imphash": None}


def status_word(sample: Sample) -> str:
    """Classification in the old words, which call goodware known."""
    return "known" if sample.verdict.classification == "goodware" else sample.verdict.classification


def current_classification(product: Product, sample: Sample, *, from_cloud: bool) -> dict[str, object]:
    """Body of the v3 classification, keys in the order of the capture of 2024."""
    verdict, word = sample.verdict, sample.verdict.classification
    return {
        "classification": spelled(product.switches, word, word),
        "riskscore": verdict.riskscore,
        "first_seen": stamp(sample.first_seen),
        "last_seen": stamp(sample.last_seen),
        "classification_result": verdict.threat_name,
        "classification_reason": verdict.reason.capitalize(),
        **_provenance(product, sample, from_cloud=from_cloud),
    }


def old_classification(product: Product, sample: Sample, *, from_cloud: bool) -> dict[str, object]:
    """Body of the v2 classification as captured in 2021, in capitals."""
    word = status_word(sample)
    verdict = sample.verdict
    return {
        "threat_status": spelled(product.switches, word, word.upper()),
        "trust_factor": verdict.trust_factor,
        "threat_level": verdict.threat_level,
        "first_seen": stamp(sample.first_seen),
        "last_seen": stamp(sample.last_seen),
        "threat_name": verdict.threat_name,
        "classification_reason": verdict.reason.upper(),
        **_provenance(product, sample, from_cloud=from_cloud),
    }


def ticloud_old(switches: Switches, sample: Sample) -> dict[str, object]:
    """Cloud reputation in the old words, lowercase here."""
    word = status_word(sample)
    return {
        "threat_status": spelled(switches, word, word),
        "threat_name": sample.verdict.threat_name,
        "trust_factor": sample.verdict.trust_factor,
        "threat_level": sample.verdict.threat_level,
        "first_seen": stamp(sample.first_seen),
        "last_seen": stamp(sample.last_seen),
    }


def ticloud_new(switches: Switches, sample: Sample) -> dict[str, object]:
    """Cloud reputation as the v2 list's sub-object had it in 2022."""
    verdict, word = sample.verdict, sample.verdict.classification
    return {
        "classification": spelled(switches, word, word),
        "riskscore": verdict.riskscore,
        "first_seen": stamp(sample.first_seen),
        "last_seen": stamp(sample.last_seen),
        "classification_result": verdict.threat_name,
        "classification_reason": verdict.reason,
    }


def scanners(sample: Sample) -> dict[str, object]:
    """Antivirus results in numbers."""
    found, share = sample.av_match, round(100 * sample.av_match / SCANNERS, 1)
    counts = {"vendor_match": found, "scanner_match": found, "vendor_count": SCANNERS, "scanner_count": SCANNERS}
    return {
        "scanner_count": SCANNERS,
        "scanner_match": found,
        "scanner_percent": share,
        "vendor_count": SCANNERS,
        "vendor_match": found,
        "vendor_percent": share,
        "antivirus": counts,
    }


def _provenance(product: Product, sample: Sample, *, from_cloud: bool) -> dict[str, object]:
    hashes = sample.hashes
    looked = sample.cloud_lookup or (product.clock.now() if from_cloud else None)
    return {
        "classification_origin": origin(sample.verdict.origin),
        "cloud_last_lookup": stamp(looked) if looked else None,
        "data_source": product.switches.cloud_data_source if from_cloud else "LOCAL",
        "sha1": hashes.sha1,
        "sha256": hashes.sha256,
        "md5": hashes.md5,
    }
