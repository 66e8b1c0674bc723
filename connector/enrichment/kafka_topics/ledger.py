"""Which offsets of a partition may be committed: those before the first event that is not yet done.

Batches are done in any order, but a committed offset says that everything before it is done. Offsets of a partition may
have holes (compaction, transactions), so what counts is the order in which they came. Safe to share between threads.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Run:
    """What one batch holds of a partition; ``after`` is the offset behind its last event."""

    partition: int
    after: int
    done: bool = False


@dataclass(slots=True)
class Ledger:
    """The runs of every partition that is owned, oldest first, and what is to be committed."""

    _lanes: dict[int, deque[Run]] = field(default_factory=dict)
    _due: dict[int, int] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def own(self, partitions: Iterable[int]) -> None:
        with self._changed:
            for partition in partitions:
                self._lanes[partition] = deque()

    def disown(self, partitions: Iterable[int]) -> None:
        """Forget partitions: what was not committed of them comes again, to whoever owns them then."""
        with self._changed:
            for partition in partitions:
                self._lanes.pop(partition, None)
                self._due.pop(partition, None)

    def owns(self, partition: int) -> bool:
        with self._changed:
            return partition in self._lanes

    def take(self, ends: Mapping[int, int]) -> tuple[Run, ...]:
        """Note what came: for each partition the offset behind its last event."""
        with self._changed:
            runs = tuple(Run(partition, after) for partition, after in ends.items() if partition in self._lanes)
            for run in runs:
                self._lanes[run.partition].append(run)
            return runs

    def finish(self, runs: Iterable[Run]) -> None:
        """Note what is done; doing it twice changes nothing, and neither does a run of a partition that was lost."""
        with self._changed:
            for run in runs:
                run.done = True
                lane = self._lanes.get(run.partition, ())
                while lane and lane[0].done:
                    self._due[run.partition] = lane.popleft().after
            self._changed.notify_all()

    def due(self) -> dict[int, int]:
        """What is to be committed: by partition the offset of the first event that is not done."""
        with self._changed:
            return dict(self._due)

    def committed(self, offsets: Mapping[int, int]) -> None:
        with self._changed:
            for partition, offset in offsets.items():
                if self._due.get(partition) == offset:
                    del self._due[partition]

    def wait_until_done(self, partitions: Iterable[int], seconds: float) -> bool:
        """Wait until nothing of these partitions is under way; False where it still is after so long."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(self._lanes.get(p) for p in partitions), seconds)
