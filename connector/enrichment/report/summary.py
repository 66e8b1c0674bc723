"""A run in numbers for machines: totals, verdicts, families, what the cache saved, and what went wrong."""

from collections.abc import Mapping
from typing import Any, Final

from connector.enrichment.counts import PASSED, Counts
from connector.playbooks.drawing.page_facts import moment

Json = Mapping[str, Any]
TOP: Final = 20
FORMAT: Final = 1


def summary(counts: Counts) -> dict[str, Any]:
    """The summary of a run, plain JSON data with all its keys always there.

    Seconds are seconds, ratios are between 0 and 1, times are RFC 3339 in UTC. ``verdicts`` counts events by the worst
    that was said of what they name, ``subjects`` what was looked up. What cannot be said is None. ``time_saved`` is
    the sum of the look-ups that were not needed, each as long as the mean; as look-ups run side by side, the run
    itself became shorter by less. ``series`` holds [seconds of running, events, look-ups], each counted from the start.
    """
    seconds = counts.seconds
    return {
        "format": FORMAT,
        "started": moment(counts.started),
        "ended": None if counts.ended is None else moment(counts.ended),
        "seconds": round(seconds, 3),
        "events_per_second": _rate(counts.read, seconds),
        "events": _events(counts),
        "lines": {"written": counts.lines_written, "refused": counts.refused_lines},
        "malformed_hashes": counts.malformed,
        "verdicts": dict(counts.verdicts),
        "subjects": dict(counts.findings),
        "families": [{"family": family, "subjects": count} for family, count in counts.families.top(TOP)],
        "families_error": counts.families.error,
        "answers": {"memory": counts.hits_memory, "cache": counts.hits_cache, "appliance": counts.look_ups},
        "cache": _cache(counts),
        "look_ups": _look_ups(counts, seconds),
        "waits": {"count": counts.waits, "seconds": round(counts.wait_seconds, 3)},
        "quota_left": counts.quota_left,
        "series": _series(counts, seconds),
    }


def _events(counts: Counts) -> dict[str, Any]:
    return {
        "read": counts.read,
        "enriched": counts.enriched,
        "passed": {end: counts.ends[end] for end in PASSED},
        "dead": sum(counts.dead.values()),
        "dead_by_reason": dict(sorted(counts.dead.items(), key=lambda pair: (-pair[1], pair[0]))),
        "adds_up": counts.balance(),
    }


def _cache(counts: Counts) -> dict[str, Any]:
    """What was saved: every answer from memory or the cache is a look-up that was not needed."""
    saved, mean, ratio = counts.hits_memory + counts.hits_cache, _mean(counts), counts.hit_ratio
    return {
        "hits": saved,
        "misses": counts.look_ups,
        "hit_ratio": None if ratio is None else round(ratio, 6),
        "time_saved": None if mean is None else round(saved * mean, 3),
    }


def _look_ups(counts: Counts, seconds: float) -> dict[str, Any]:
    mean = _mean(counts)
    return {
        "count": counts.look_ups,
        "per_second": _rate(counts.look_ups, seconds),
        "mean_seconds": None if mean is None else round(mean, 6),
        "errors": dict(sorted(counts.errors.items())),
    }


def _mean(counts: Counts) -> float | None:
    return counts.look_up_seconds / counts.look_ups if counts.look_ups else None


def _rate(count: int, seconds: float) -> float | None:
    return round(count / seconds, 1) if seconds > 0 else None


def _series(counts: Counts, seconds: float) -> list[list[float]]:
    """The samples from zero to the end."""
    samples = list(counts.series.samples)
    last = samples[-1] if samples else (0.0, 0, 0)
    end = (round(seconds, 3), counts.read, counts.look_ups)
    return [[0.0, 0, 0], *(list(sample) for sample in samples), *([list(end)] if end[0] > last[0] else [])]
