"""When the next look-up may go, as arithmetic alone: a rate, and a daily quota that is spread over the day.

The generic cell rate algorithm (GCRA, ITU-T I.371): of each limit one number is kept, the theoretical arrival time of
the next permit (TAT). One is given at ``now`` when ``TAT - slack <= now``; then ``TAT = max(TAT, now) + step``.

Why no window holds too much: let permits be given at t1 <= ... <= tn. Each raises TAT by at least ``step``, so that
after n - 1 of them TAT >= t1 + (n - 1) * step, and the last was given only where tn >= TAT - slack. Hence
n <= (tn - t1 + slack) / step + 1, and with slack = (burst - 1) * step: n <= (tn - t1) / step + burst.

- The rate: step is a second / rate, rounded up, so that t seconds hold at most rate * t + burst permits.
- The quota: step is more than a day / (quota - burst + 1), so that *any* 24 hours, their ends included, hold fewer
  than quota - burst + 1 + burst permits, which is at most ``quota``. Its own burst is a fiftieth of the quota: a pause
  or an idle time of up to a fiftieth of a day is made up for, and at least 98 % of a quota can be used.

A clock that jumps back never opens a limit: right after a permit TAT is at most ``now + slack + step``, so what is
further ahead was written under another clock and is brought back to that, which is the state of a limit without any
slack left. A clock that jumps forward is the same as an idle time: it gives the slack once and no more.

All numbers are whole microseconds, since 1970 or of a duration, and far below 2**53: they are exact as doubles too,
so that the same arithmetic in Lua (within Redis) gives the same numbers.
"""

import math
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from connector.errors import ConfigError

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
LONGEST_PAUSE: Final = DAY
FASTEST: Final = 10_000.0  # per second: a step of 100 microseconds, where rounding up takes less than 1 %
SLOWEST: Final = 1 / 86_400
MOST_BURST: Final = 1_000_000
MOST_QUOTA: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What is allowed: ``rate`` a second with ``burst`` at once, and ``quota`` in any 24 hours; None is no limit.

    ``burst`` 0 stands for the permits of a tenth of a second, and two at least: enough that workers who wake up late
    still reach the rate. The steps and slacks, in microseconds, are all that the arithmetic needs; step 0 is no limit.

    Raises:
        ConfigError: for a number that is out of its range.
    """

    rate: float | None = None
    burst: int = 0
    quota: int | None = None
    rate_step: int = field(init=False)
    rate_slack: int = field(init=False)
    quota_step: int = field(init=False)
    quota_slack: int = field(init=False)

    def __post_init__(self) -> None:
        rate, burst, quota = _checked(self.rate, self.burst, self.quota)
        rate_step = math.ceil(SECOND / rate) if rate else 0
        at_once = max(1, quota // 50)
        quota_step = DAY // (quota - at_once + 1) + 1 if quota else 0
        self._derive("rate_step", rate_step)
        self._derive("rate_slack", rate_step * ((burst or max(2, math.ceil(rate / 10))) - 1))
        self._derive("quota_step", quota_step)
        self._derive("quota_slack", quota_step * (at_once - 1))

    def _derive(self, name: str, value: int) -> None:
        object.__setattr__(self, name, value)


def _checked(rate: float | None, burst: int, quota: int | None) -> tuple[float, int, int]:
    if rate is not None and not SLOWEST <= rate <= FASTEST:
        raise ConfigError(f"the rate must be from one a day to {FASTEST:.0f} a second; leave it out for no limit")
    if not 0 <= burst <= MOST_BURST:
        raise ConfigError(f"the burst must be from 1 to {MOST_BURST}, or 0 for a tenth of a second")
    if quota is not None and not 1 <= quota <= MOST_QUOTA:
        raise ConfigError(f"the quota must be from 1 to {MOST_QUOTA} look-ups a day; leave it out for no limit")
    return rate or 0.0, burst, quota or 0


class State(NamedTuple):
    """What is remembered, in microseconds since 1970; all zero where nothing was taken yet.

    ``day`` is the number of the UTC day since 1970, and ``used`` the permits given in it.
    """

    rate: int = 0
    quota: int = 0
    paused_until: int = 0
    day: int = 0
    used: int = 0


NEW: Final = State()


def micros(seconds: float) -> int:
    """Seconds as whole microseconds, for the functions here."""
    return int(seconds * SECOND)


def take(state: State, terms: Terms, now: int) -> tuple[State, int]:
    """Take a permit at ``now``; the microseconds to wait before asking again, 0 where it was given.

    The state that comes back is to be kept in both cases: it differs without a permit where the clock jumped back.
    """
    rate = min(state.rate, now + terms.rate_slack + terms.rate_step)
    quota = min(state.quota, now + terms.quota_slack + terms.quota_step)
    paused = min(state.paused_until, now + LONGEST_PAUSE)
    wait = max(rate - terms.rate_slack, quota - terms.quota_slack, paused) - now
    if wait > 0:
        return State(rate, quota, paused, state.day, state.used), wait
    day = now // DAY
    used = state.used + 1 if day <= state.day else 1
    return State(max(rate, now) + terms.rate_step, max(quota, now) + terms.quota_step, paused, day, used), 0


def pause(state: State, now: int, length: int) -> State:
    """Give nothing for ``length`` microseconds, a day at the most; a longer pause under way stays as it is."""
    until = now + min(max(length, 0), LONGEST_PAUSE)
    return state if until <= state.paused_until else state._replace(paused_until=until)


def left(state: State, terms: Terms, now: int) -> int | None:
    """The quota less the permits given since midnight UTC; None without a quota.

    As the quota is spread, what is left late in a day is more than the rest of the day will give.
    """
    if terms.quota is None:
        return None
    return max(0, terms.quota - (state.used if now // DAY <= state.day else 0))


def spent(terms: Terms, now: int) -> State:
    """A state without any slack, for one that was lost: whatever was given before, no limit is opened by it."""
    rate, quota = now + terms.rate_slack + terms.rate_step, now + terms.quota_slack + terms.quota_step
    return State(rate, quota, 0, now // DAY, 0)
