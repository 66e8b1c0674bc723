"""How long the other side may be away: ever longer waits, shared by all who ask, until a run gives up in order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from connector.errors import SpectraError

FIRST: Final = 1.0
LONGEST: Final = 60.0


@dataclass(slots=True)
class Patience:
    """Since when something fails without a success in between, and how long to wait before it is asked again.

    ``most`` are the seconds after which the failure is raised; 0 waits for ever.
    """

    most: float
    clock: Callable[[], float]
    since: float | None = None
    until: float = 0.0
    failures: int = 0

    def worked(self) -> None:
        self.since, self.failures = None, 0

    def failed(self, error: SpectraError) -> float:
        """Seconds to wait now. Many who fail at the same moment count as one failure.

        Raises:
            SpectraError: the error itself, when it has lasted for longer than ``most`` seconds.
        """
        now = self.clock()
        self.since = now if self.since is None else self.since
        if self.most and now - self.since >= self.most:
            raise error
        if now >= self.until:
            wait = error.retry_after or min(LONGEST, FIRST * 2.0**self.failures)
            self.failures += 1
            left = self.since + self.most - now if self.most else wait
            self.until = now + max(0.1, min(wait, left))
        return self.until - now
