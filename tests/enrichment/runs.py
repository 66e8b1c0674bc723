"""Counts of runs that look like real ones, for what shows them."""

from collections import Counter
from dataclasses import dataclass, field

from connector.enrichment.counts import PASSED, Counts
from connector.enrichment.values import Failure

HOSTILE = "</script><img src=x onerror=alert(1)>\u202egnp.exe\x1b[31m"
FAMILIES = ("Emotet", "AgentTesla", "Qakbot", "LockBit", "Formbook", "RedLine", "Remcos", "AsyncRAT", "Lumma", "Gozi")


@dataclass
class Tally:
    """What ``dressing.Tally`` is, which a test holds against it."""

    read: int = 0
    malformed: int = 0
    lines: int = 0
    ends: Counter = field(default_factory=Counter)
    verdicts: Counter = field(default_factory=Counter)
    dead: dict[int, Failure] = field(default_factory=dict)


class Clock:
    """Seconds since 1970 that pass when told so."""

    def __init__(self, now: float = 1_764_072_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def batch(enriched=0, without=0, not_found=0, not_shown=0, over_quota=0, dead=(), **verdicts) -> Tally:
    """How a batch ended, as the pipeline tells it; ``dead`` are reasons."""
    ends = {"enriched": enriched, **dict(zip(PASSED, (without, not_found, not_shown, over_quota), strict=True))}
    read = sum(ends.values()) + len(dead)
    letters = {number: Failure(reason, "why it is dead") for number, reason in enumerate(dead)}
    return Tally(read, 0, read - len(dead), Counter(ends), Counter(verdicts), letters)


def empty() -> Counts:
    counts = Counts(Clock())
    counts.finish()
    return counts


def busy(families=FAMILIES) -> Counts:
    """A run of 12 s over 1,240,003 events: most are answered from memory, look-ups fall off as the cache fills."""
    clock = Clock()
    counts = Counts(clock)
    for second in range(48):
        clock.now += 0.25
        for number in range(max(2, 60 - 2 * second)):
            bad = number % 3 == 0
            family = families[min(number * number % 17, len(families) - 1)] if bad else None
            counts.looked_up("malicious" if bad else "goodware", 0.018 + 0.002 * (number % 9), family)
        counts.cached(31)
        ends = {"enriched": 21_000 + 40 * second, "without": 3_200, "not_found": 800 + second, "over_quota": 5}
        told = {"malicious": 310, "suspicious": 42, "unknown": 1_500}
        told["goodware"] = ends["enriched"] - sum(told.values())
        counts.add_batch(batch(**ends, **told))
    counts.add_batch(batch(dead=("not_json", "not_json", "too_long")))
    counts.malformed = 7
    counts.waited(0.4)
    counts.failed("server_error")
    counts.quota_left = 3_760
    counts.finish()
    return counts


def hostile() -> Counts:
    """A run whose families were named by somebody who would like to own the page."""
    return busy(families=(HOSTILE, "غول" * 4, "W" * 400, "Emotet"))
