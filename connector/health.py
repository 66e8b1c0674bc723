"""How the appliance is doing, for one client: breakers for each capability, the retry budget, places for submissions.

Values and arithmetic on a clock that is passed in; nothing here sleeps. Safe to share between threads.
Practice that the numbers come from: botocore's retry quota (100 tokens, 10 and 5 a retry, 1 back for a clean success),
circuit breakers with one probe, and AIMD for the number of submissions at once.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from connector.errors import (
    ApplianceRefused,
    AuthError,
    CapacityError,
    CircuitOpen,
    DeadlineExceeded,
    InputRefused,
    MaintenanceError,
    QuotaError,
    ServerError,
    SpectraError,
    StateError,
    StorageFull,
    TlsError,
    Truncated,
    Unreachable,
)
from connector.plan import Call

Capability = Literal["read", "submit", "delete", "cloud"]
CAPABILITIES: Final[tuple[Capability, ...]] = ("read", "submit", "delete", "cloud")
FAILURES: Final = 5  # in a row, after which a breaker opens
QUOTA_FAILURES: Final = 2  # a used-up quota is asked about once more, then left alone
SHORTEST_OPEN: Final = 30.0
LONGEST_OPEN: Final = 600.0
LONG_OPEN: Final = 900.0  # a full disk and a used-up quota do not mend themselves within seconds
PROBE_SECONDS: Final = 60.0  # after which a probe that never ended no longer keeps others out
BUDGET: Final = 100
COST: Final = 10
THROTTLE_COST: Final = 5
MOST_AT_ONCE: Final = 64

_WORDS: Final = {"read": "look-ups", "submit": "submissions", "delete": "deletions", "cloud": "cloud requests"}


def capabilities(call: Call) -> tuple[Capability, ...]:
    """What a call needs: reading, submitting or deleting, and the cloud beside it."""
    own: Capability = "delete" if call.effect == "destroy" else call.effect
    if not call.cloud:
        return (own,)
    return ("cloud",) if own == "read" else (own, "cloud")


def cost_of(error: SpectraError) -> int:
    """What a retry after this error takes from the budget."""
    return THROTTLE_COST if isinstance(error, CapacityError | QuotaError) else COST


@dataclass(slots=True)
class Breaker:
    """One capability: closed; open until a time; or letting one probe through."""

    failures: int = 0
    openings: int = 0
    until: float | None = None
    probe_ends: float = 0.0
    code: str = ""

    def wait(self, now: float) -> float:
        """Seconds until the next call may go, 0 where it may go now; a call that may go after that is the probe."""
        if self.until is None:
            return 0.0
        if now < self.until:
            return self.until - now
        if now < self.probe_ends:
            return self.probe_ends - now
        return 0.0

    def close(self) -> None:
        self.failures, self.openings, self.until, self.probe_ends, self.code = 0, 0, None, 0.0, ""

    def fail(self, now: float, code: str, most: int = FAILURES, seconds: float | None = None) -> None:
        self.failures += 1
        if self.until is not None and now < self.until:
            return  # it was under way when the breaker opened, and says no more than those that opened it
        if self.failures >= most or self.until is not None:
            self.open(now, code, seconds or min(LONGEST_OPEN, SHORTEST_OPEN * 2.0**self.openings))

    def open(self, now: float, code: str, seconds: float) -> None:
        self.openings += 1
        self.until = max(self.until or 0.0, now + seconds)
        self.probe_ends, self.code = 0.0, code


@dataclass(slots=True)
class Health:
    """What one client knows of its appliance's health."""

    clock: Callable[[], float]
    tokens: int = BUDGET
    at_once: int = MOST_AT_ONCE
    _flying: int = 0
    _proven: bool = False
    _breakers: dict[Capability, Breaker] = field(default_factory=lambda: {name: Breaker() for name in CAPABILITIES})
    _lock: threading.Condition = field(default_factory=threading.Condition)

    def admit(self, call: Call) -> None:
        """Let a call through, or refuse it while what it needs is known to fail.

        Raises:
            CircuitOpen: with ``retry_after``, the seconds until the next try.
        """
        needed = capabilities(call)
        with self._lock:
            now = self.clock()
            waits = {name: self._breakers[name].wait(now) for name in needed}
            worst = max(needed, key=lambda name: waits[name])
            if waits[worst] > 0:
                raise _open(worst, self._breakers[worst].code, waits[worst])
            for name in needed:
                if self._breakers[name].until is not None:
                    self._breakers[name].probe_ends = now + PROBE_SECONDS

    def judged(self, call: Call, error: SpectraError | None, spent: int = 0) -> None:
        """Take in how a call ended."""
        with self._lock:
            if error is None:
                self._succeeded(call, spent)
            else:
                self._failed(call, error)

    def _succeeded(self, call: Call, spent: int) -> None:
        self._proven = self._proven or call.authorised
        self.tokens = min(BUDGET, self.tokens + (spent or 1))
        for name in capabilities(call):
            self._breakers[name].close()
        if call.effect == "submit":
            self.at_once = min(MOST_AT_ONCE, self.at_once + 1)
            self._lock.notify_all()

    def _failed(self, call: Call, error: SpectraError) -> None:
        now, code, needed = self.clock(), error.code, capabilities(call)
        if isinstance(error, CapacityError) and call.effect == "submit":
            self.at_once = 1
        if isinstance(error, AuthError | TlsError):
            everything = isinstance(error, TlsError) or not self._proven
            self._open(CAPABILITIES if everything else needed, now, code, SHORTEST_OPEN)
        elif isinstance(error, MaintenanceError | StorageFull):
            long = LONG_OPEN if isinstance(error, StorageFull) else SHORTEST_OPEN
            self._open(("submit",), now, code, long)
        elif isinstance(error, QuotaError) and call.cloud:
            self._breakers["cloud"].fail(now, code, most=QUOTA_FAILURES, seconds=LONG_OPEN)
        elif counts(error):
            for name in needed:
                self._breakers[name].fail(now, code)
        elif isinstance(error, ApplianceRefused):
            for name in needed:
                self._breakers[name].close()

    def _open(self, names: tuple[Capability, ...], now: float, code: str, seconds: float) -> None:
        for name in names:
            self._breakers[name].open(now, code, seconds)

    def spend(self, cost: int) -> None:
        """Take a retry's cost from the budget.

        Raises:
            CircuitOpen: when the budget does not hold it: too much of what was asked lately had to be asked again.
        """
        with self._lock:
            if cost > self.tokens:
                raise CircuitOpen(
                    "the budget for retries is used up; nothing was sent again", retry_after=SHORTEST_OPEN
                )
            self.tokens -= cost

    @contextmanager
    def place(self, call: Call, left: Callable[[], float]) -> Iterator[None]:
        """One of the places for submissions: many while the appliance has room, one after it said that it has none.

        Raises:
            DeadlineExceeded: when none came free in time; nothing was sent.
        """
        if call.effect != "submit":
            yield
            return
        with self._lock:
            free = self._lock.wait_for(lambda: self._flying < self.at_once, timeout=max(0.0, left()))
            if not free:
                raise DeadlineExceeded("no place for a submission came free in time; nothing was sent")
            self._flying += 1
        try:
            yield
        finally:
            with self._lock:
                self._flying -= 1
                self._lock.notify_all()


def counts(error: SpectraError) -> bool:
    """Whether an error says that the appliance, or the way to it, is not well. Refused input never does."""
    if isinstance(error, InputRefused | StateError | CircuitOpen):
        return False
    return isinstance(error, Unreachable | ServerError | CapacityError | QuotaError | Truncated)


def _open(name: Capability, code: str, seconds: float) -> CircuitOpen:
    return CircuitOpen(
        f"{_WORDS[name]} failed again and again (last: {code}) and are not tried for {seconds:.0f} s more; "
        "nothing was sent",
        retry_after=seconds,
    )
