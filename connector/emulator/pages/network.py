"""Network threat intelligence: what the cloud and third parties know of a URL, from the vendor's page of that name."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from connector.emulator.pages import shapes
from connector.emulator.pages.exchange import Answer, Request, as_json
from connector.emulator.product.classifying import ask_about_url
from connector.emulator.product.refusals import Invalid, NotHere
from connector.emulator.product.sample import CLASSIFICATIONS, Sample
from connector.emulator.product.state import Product

_PARTIES = 20  # how many a capture of 2023 lists
_DETECTING: Mapping[str, tuple[str, int]] = {  # how many of them agree: the emulator's own numbers
    "malicious": ("malicious", 12),
    "suspicious": ("malicious", 2),
    "goodware": ("clean", 15),
    "unknown": ("clean", 0),
}


async def url_reputation(product: Product, request: Request) -> Answer:
    """The report on one URL; the analysis is there only where the vendor analysed it."""
    url = request.query.get("url", "")
    if not url:
        raise Invalid("This field is required.", field="url")
    if not url.lower().startswith(("http://", "https://")) or not urlsplit(url).netloc:
        raise Invalid("Enter a valid URL.", field="url")
    sample = ask_about_url(product, url)
    if sample is None:
        return _nobody_knows(product, url)
    word = sample.verdict.classification
    return as_json(
        {
            "requested_url": url,
            "classification": shapes.spelled(product.switches, word, word),
            "third_party_reputations": _reputations(product, word),
            "analysis": _analysis(url, sample),
        }
    )


def _nobody_knows(product: Product, url: str) -> Answer:
    if product.switches.url_nobody_knows == "404":
        raise NotHere("No results found for this URL.")
    if product.switches.url_nobody_knows == "empty":
        return as_json({})
    word = shapes.spelled(product.switches, "unknown", "unknown")
    reputations = _reputations(product, "unknown")
    return as_json({"third_party_reputations": reputations, "classification": word, "requested_url": url})


def _reputations(product: Product, word: str) -> dict[str, object]:
    detection, agreeing = _DETECTING[word]
    found = [detection] * agreeing + ["undetected"] * (_PARTIES - agreeing)
    time = _stamp(product.clock.now())
    sources = [
        {"source": f"party_{number}", "detection": said, "update_time": time, "detect_time": None, "category": None}
        for number, said in enumerate(found, 1)
    ]
    counts = {said: found.count(said) for said in ("malicious", "clean", "undetected")}
    return {"sources": sources, "statistics": {"total": _PARTIES, **counts}}


def _analysis(url: str, sample: Sample) -> dict[str, object]:
    once = {
        "domain": urlsplit(url).hostname,
        "http_response_code": 200,
        "analysis_id": f"{sample.id:08d}",
        "availability_status": "online",
        "serving_ip_address": "2001:db8::2a",
        "analysis_time": _stamp(sample.last_seen),
    }
    verdict = sample.verdict
    threat = {"threat_name": verdict.threat_name, "risk_score": verdict.riskscore, "files_count": 1}
    return {
        "analysis_history": [once | {"final_url": url}],
        "last_analysis": once,
        "first_analysis": _stamp(sample.first_seen),
        "analysis_count": 1,
        "top_threats": [threat] if verdict.threat_name else [],
        "statistics": {word: int(word == verdict.classification) for word in CLASSIFICATIONS} | {"total": 1},
    }


def _stamp(moment: datetime) -> str:
    """Write a time as network intelligence does, without a zone."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
