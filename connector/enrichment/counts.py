"""What a run did so far, in numbers that add up: every event that was read ended in exactly one way.

All is told once for a batch or once for a look-up, never once for an event. One thread writes; others may read.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from connector.enrichment.bounded import FIRST_STEP, Families, Sample, Series
from connector.enrichment.values import KNOWN, Failure, Finding, Known

PASSED: Final = ("without_subject", "not_found", "not_shown", "over_quota")
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # of look-ups, seconds


class Ended(Protocol):
    """How the events of one batch ended (``dressing.Tally``)."""

    @property
    def read(self) -> int: ...

    @property
    def malformed(self) -> int: ...

    @property
    def lines(self) -> int: ...

    @property
    def ends(self) -> Mapping[Any, int]: ...

    @property
    def verdicts(self) -> Mapping[Known, int]: ...

    @property
    def dead(self) -> Mapping[int, Failure]: ...


class Counts:
    """The numbers of one run, also over several processes one after the other that share a checkpoint.

    ``ends`` counts events: enriched, and those of PASSED; ``dead`` by reason. ``findings`` counts subjects that were
    looked up, by what was said of them, ``verdicts`` the enriched events by the worst of it. ``answered`` are the
    subjects of events for which there was an answer, each time that an event named one. ``buckets`` are look-ups by
    the bounds of their seconds, the last those above all. ``errors`` are failures by their code, of the appliance and
    of whatever else was away. ``quota_left`` and ``lag`` (events that wait at the source) are None while unknown.
    """

    __slots__ = (
        *("answered", "buckets", "clock", "dead", "earlier", "ended", "ends", "errors", "families", "findings"),
        *("began", "hits_cache", "lag", "lines_written", "look_up_seconds", "malformed", "quota_left", "read"),
        *("refused_lines", "series", "started", "verdicts", "wait_seconds", "waits"),
    )

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Begin to count; ``clock`` gives seconds since 1970."""
        self.clock = clock
        self.started = self.began = clock()
        self.ended: float | None = None
        self.earlier = 0.0
        self.read = self.malformed = self.lines_written = self.refused_lines = self.answered = self.hits_cache = 0
        self.waits, self.wait_seconds, self.look_up_seconds = 0, 0.0, 0.0
        self.ends: dict[str, int] = dict.fromkeys(("enriched", *PASSED), 0)
        self.verdicts: dict[str, int] = dict.fromkeys(KNOWN, 0)
        self.findings: dict[str, int] = dict.fromkeys(KNOWN, 0)
        self.dead: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.families = Families()
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.series = Series()
        self.quota_left: int | None = None
        self.lag: int | None = None

    def add_batch(self, tally: Ended, *, answered: int | None = None, refused: int = 0) -> None:
        """Take in how the events of a batch ended; of its lines, the sink refused so many.

        ``answered`` left out, an event counts as one subject.
        """
        self.read += tally.read
        self.malformed += tally.malformed
        self.lines_written += tally.lines - refused
        self.refused_lines += refused
        ends = tally.ends
        for end, count in ends.items():
            self.ends[end] += count
        if answered is None:
            answered = ends.get("enriched", 0) + ends.get("not_found", 0) + ends.get("not_shown", 0)
        self.answered += answered
        for known, count in tally.verdicts.items():
            self.verdicts[known] += count
        for failure in tally.dead.values():
            self.dead[failure.reason] += 1
        seconds = self.seconds
        if seconds >= self.series.due:
            self.series.add(Sample(round(seconds, 3), self.read, self.look_ups))

    def looked_up(self, known: Known, seconds: float, family: str | None) -> None:
        """The appliance answered for one subject after so many seconds."""
        self.findings[known] += 1
        self.look_up_seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        if family:
            self.families.add(family)

    def cached(self, number: int, findings: Iterable[Finding] = ()) -> None:
        """The cache answered for so many subjects; the families of ``findings`` count like those looked up."""
        self.hits_cache += number
        for finding in findings:
            if finding.known in {"malicious", "suspicious"} and finding.verdict and finding.verdict.threat.family:
                self.families.add(finding.verdict.threat.family)

    def failed(self, code: str) -> None:
        """The appliance, or another side, failed with an error of this code."""
        self.errors[code] += 1

    def waited(self, seconds: float) -> None:
        """A look-up waited so long for its permit."""
        self.waits += 1
        self.wait_seconds += seconds

    def finish(self) -> None:
        """The run is over; ``seconds`` stands still."""
        self.ended = self.clock()

    @property
    def seconds(self) -> float:
        """How long the run took so far, without the time between its processes."""
        return self.earlier + max(0.0, (self.clock() if self.ended is None else self.ended) - self.began)

    @property
    def enriched(self) -> int:
        return self.ends["enriched"]

    @property
    def passed(self) -> int:
        """Events that went on as they came."""
        return sum(self.ends[end] for end in PASSED)

    @property
    def look_ups(self) -> int:
        """Look-ups that the appliance answered."""
        return sum(self.findings.values())

    @property
    def hits_memory(self) -> int:
        """Subjects answered from what the run remembered: neither the cache nor the appliance was asked."""
        return max(0, self.answered - self.hits_cache - self.look_ups)

    @property
    def hit_ratio(self) -> float | None:
        """Which part of the subjects needed no look-up; None before the first answer."""
        asked = max(self.answered, self.hits_cache + self.look_ups)
        return None if not asked else 1 - self.look_ups / asked

    def balance(self) -> bool:
        """Whether every event that was read ended enriched, passed on or dead, and in one of these ways only."""
        return self.read == self.enriched + self.passed + sum(self.dead.values())

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON data, for a checkpoint."""
        plain = {name: getattr(self, name) for name in _NUMBERS}
        copied = {name: dict(getattr(self, name)) for name in _BY_WORD}
        return {
            **plain,
            **copied,
            "seconds": self.seconds,
            "families": dict(self.families.counts),
            "families_error": self.families.error,
            "buckets": list(self.buckets),
            "samples": [list(sample) for sample in self.series.samples],
            "step": self.series.step,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], clock: Callable[[], float] = time.time) -> "Counts":
        """Go on counting from what ``as_dict`` gave; what is not in it begins anew."""
        counts = cls(clock)
        for name in _NUMBERS:
            setattr(counts, name, data.get(name, getattr(counts, name)))
        for name in _BY_WORD:
            getattr(counts, name).update(data.get(name, {}))
        counts.earlier = data.get("seconds", 0.0)
        counts.families = Families(data.get("families"), data.get("families_error", 0))
        if len(data.get("buckets", ())) == len(counts.buckets):
            counts.buckets = list(data["buckets"])
        counts.series = Series(data.get("samples", ()), data.get("step", FIRST_STEP))
        return counts


_NUMBERS: Final = (
    *("started", "read", "malformed", "lines_written", "refused_lines", "answered", "hits_cache"),
    *("look_up_seconds", "waits", "wait_seconds", "quota_left"),
)
_BY_WORD: Final = ("ends", "verdicts", "findings", "dead", "errors")
