"""Statistics of a run without end in memory that has one: the most frequent families, and how far it was when."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

MOST_FAMILIES: Final = 500
MOST_SAMPLES: Final = 300
FIRST_STEP: Final = 0.25  # seconds between samples, doubled whenever there are too many


class Sample(NamedTuple):
    """How far the run was: seconds of running, events and look-ups until then."""

    seconds: float
    events: int
    look_ups: int


class Families:
    """The most frequent families in bounded memory (Misra and Gries, 1982, with 500 counters).

    A family's ``count`` is never too high, and too low by at most ``error``, which is at most a 501st of all that was
    counted. A family that made up more than that is never missed. With 500 different families or fewer all is exact.
    """

    __slots__ = ("counts", "error")

    def __init__(self, counts: Mapping[str, int] | None = None, error: int = 0) -> None:
        self.counts, self.error = dict(counts or {}), error

    def add(self, family: str) -> None:
        counts = self.counts
        if family in counts:
            counts[family] += 1
        elif len(counts) < MOST_FAMILIES:
            counts[family] = 1
        else:
            self.counts = {name: count - 1 for name, count in counts.items() if count > 1}
            self.error += 1

    def top(self, most: int) -> list[tuple[str, int]]:
        """The most frequent first; of equals, in the order of the alphabet."""
        return sorted(dict(self.counts).items(), key=lambda pair: (-pair[1], pair[0]))[:most]


class Series:
    """How far the run was at up to 300 moments; when there are more, every second one is kept."""

    __slots__ = ("due", "samples", "step")

    def __init__(self, samples: Iterable[Iterable[Any]] = (), step: float = FIRST_STEP) -> None:
        self.samples, self.step = [Sample(*sample) for sample in samples], step
        self.due = self.samples[-1].seconds + step if self.samples else step

    def add(self, sample: Sample) -> None:
        self.samples.append(sample)
        if len(self.samples) > MOST_SAMPLES:
            self.samples = self.samples[1::2]
            self.step *= 2
        self.due = sample.seconds + self.step
