"""The appliance's clock: real by default, and in the lab set, advanced, frozen or let run."""

import time
from datetime import UTC, datetime


class Clock:
    """Tells the time to everything in the appliance; nothing else here reads the host's clock."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._frozen: float | None = None

    def time(self) -> float:
        return time.time() + self._offset if self._frozen is None else self._frozen

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    @property
    def frozen(self) -> bool:
        return self._frozen is not None

    def freeze(self) -> None:
        self._frozen = self.time()

    def run(self) -> None:
        """Go on from the time shown now."""
        if self._frozen is not None:
            self._offset = self._frozen - time.time()
            self._frozen = None

    def advance(self, seconds: float) -> None:
        if self._frozen is None:
            self._offset += seconds
        else:
            self._frozen += seconds

    def set(self, moment: datetime) -> None:
        self.advance(moment.timestamp() - self.time())


def stamp(moment: datetime) -> str:
    """Write a time as the appliance does in most bodies: seconds and a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def fine_stamp(moment: datetime) -> str:
    """Write a time as submissions and list reports do: microseconds and a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_stamp(text: str) -> datetime:
    """Read ISO 8601; a time without a zone is UTC, as all of the appliance's are."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
