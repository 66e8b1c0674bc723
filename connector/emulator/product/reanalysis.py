"""Analysing samples again, on request or because somebody read their report."""

from dataclasses import dataclass, replace

from connector.emulator.product.clock import fine_stamp
from connector.emulator.product.processing import enqueue_file
from connector.emulator.product.sample import Sample
from connector.emulator.product.state import Product

ENGINES = frozenset(
    {"cloud", "core", "rl_cloud_sandbox", "rl_dynamic_analysis", "cuckoo", "fireeye", "joe", "cape"}
    | {"assemblyline", "cisco_secure_malware_analytics", "vmray_tcbase"}
)
PUBLIC_ENGINES = frozenset({"cloud", "rl_cloud_sandbox", "rl_dynamic_analysis"})
_CONFIGURED = PUBLIC_ENGINES | {"core"}


@dataclass(frozen=True, slots=True)
class Queued:
    """What one engine said; the codes stand inside an answer of 200."""

    name: str
    code: int
    message: str


def reanalyze(product: Product, sample: Sample, engines: list[str]) -> list[Queued]:
    """Queue a sample again. The cloud and its sandbox make it public, as a submission would."""
    waiting = product.queue.holds(sample.hashes.sha1)
    public = [name for name in engines if name in PUBLIC_ENGINES]
    note(product, sample, trigger="analyze_bulk", public=public)
    if not waiting and _CONFIGURED.intersection(engines):
        fresh = replace(sample, last_seen=product.clock.now(), comments=())
        enqueue_file(product, fresh, to_cloud=bool(public))
    return [_reply(name, waiting=waiting) for name in engines]


def note(product: Product, sample: Sample, *, trigger: str, public: list[str]) -> None:
    product.ledger.reanalyses.append(
        {
            "at": fine_stamp(product.clock.now()),
            "sha1": sample.hashes.sha1,
            "trigger": trigger,
            "visibility": "public" if public else "private",
            "why": [f"analysis includes {name}" for name in public] or ["the sample stays on the appliance"],
        }
    )


def _reply(name: str, *, waiting: bool) -> Queued:
    if name not in _CONFIGURED:
        return Queued(name, 405, "Sandbox integration is not configured.")
    if waiting:
        return Queued(name, 200, "Sample is already queued for analysis.")
    return Queued(name, 201, f"Sample is queued for {'core ' if name == 'core' else ''}analysis.")
