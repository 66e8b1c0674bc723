"""The processing queue: what was accepted and is not done yet, and when it will be, by the appliance's clock."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from connector.emulator.product.sample import Sample


@dataclass(frozen=True, slots=True, order=True)
class Job:
    """A file to analyse with what lies inside it, or a URL task to carry out; `to_cloud` makes the result public."""

    due: float
    number: int
    sample: Sample | None = field(default=None, compare=False)
    children: tuple[Sample, ...] = field(default=(), compare=False)
    to_cloud: bool = field(default=False, compare=False)
    task: int | None = field(default=None, compare=False)


class Queue:
    """Gives out jobs when they are due. Nothing runs meanwhile: a request comes, and time has passed or not."""

    def __init__(self) -> None:
        self._heap: list[Job] = []
        self._hashes: Counter[str] = Counter()
        self.crawling: set[int] = set()

    def __len__(self) -> int:
        return len(self._heap) + len(self.crawling)

    def push(self, job: Job) -> None:
        heapq.heappush(self._heap, job)
        if job.sample:
            self._hashes.update(job.sample.hashes.all())

    def due(self, now: float) -> Iterator[Job]:
        while self._heap and self._heap[0].due <= now:
            job = heapq.heappop(self._heap)
            if job.sample:
                self._hashes.subtract(job.sample.hashes.all())
            yield job

    def holds(self, any_hash: str) -> bool:
        return self._hashes.get(any_hash, 0) > 0

    def next_due(self) -> float | None:
        return self._heap[0].due if self._heap else None
