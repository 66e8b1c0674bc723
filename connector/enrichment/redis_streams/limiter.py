"""One limiter for all workers: the arithmetic of budget.py as a script in Redis, whose clock is everybody's.

The state is a hash under one key. Where it is missing although this worker took permits already, the server has lost
its data, and the new state begins without any slack. Numbers are written with %.0f: they are whole and below 2**53,
and Lua would round them to 14 digits otherwise.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

from connector.enrichment.budget import DAY, LONGEST_PAUSE, SECOND, Terms, micros
from connector.enrichment.redis_streams.address import read_address
from connector.enrichment.redis_streams.link import Link
from connector.errors import SpectraError

ANSWER: Final = 2.0
PAUSE_SEEN: Final = 0.25  # seconds after which a worker without rate and quota has seen the pause of another
KEPT: Final = 3 * 86_400  # seconds that the state is kept after the last permit; a quota looks back for one day
# ARGV: now in microseconds or '' for the server's clock, whether a state was seen, rate step and slack, quota step and
# slack, and the pause to begin. Answers: the wait, the day, and the permits used in it.
_SCRIPT: Final = f"""
local now = tonumber(ARGV[1])
if not now then
  local clock = redis.call('TIME')
  now = clock[1] * {SECOND} + clock[2]
end
local rate_step, rate_slack = tonumber(ARGV[3]), tonumber(ARGV[4])
local quota_step, quota_slack = tonumber(ARGV[5]), tonumber(ARGV[6])
local state = redis.call('HMGET', KEYS[1], 'rate', 'quota', 'paused', 'day', 'used')
local rate, quota, paused = tonumber(state[1]), tonumber(state[2]), tonumber(state[3])
local day, used = tonumber(state[4]), tonumber(state[5])
if not (rate and quota and paused and day and used) then
  rate, quota, paused, day, used = 0, 0, 0, 0, 0
  if ARGV[2] == '1' or state[1] then
    rate, quota = now + rate_slack + rate_step, now + quota_slack + quota_step
    day = math.floor(now / {DAY})
  end
end
local wait = 0
if ARGV[7] ~= '' then
  paused = math.max(paused, now + math.min(math.max(tonumber(ARGV[7]), 0), {LONGEST_PAUSE}))
else
  rate = math.min(rate, now + rate_slack + rate_step)
  quota = math.min(quota, now + quota_slack + quota_step)
  paused = math.min(paused, now + {LONGEST_PAUSE})
  wait = math.max(rate - rate_slack, quota - quota_slack, paused) - now
  if wait <= 0 then
    wait = 0
    local today = math.floor(now / {DAY})
    if today <= day then used = used + 1 else used = 1 end
    rate, quota, day = math.max(rate, now) + rate_step, math.max(quota, now) + quota_step, today
  end
end
local function whole(number) return string.format('%.0f', number) end
redis.call('HSET', KEYS[1], 'rate', whole(rate), 'quota', whole(quota), 'paused', whole(paused),
           'day', whole(day), 'used', whole(used))
redis.call('EXPIRE', KEYS[1], {KEPT})
local today = math.floor(now / {DAY})
if today > day then used = 0 end
return {{wait, used}}
"""


class RedisLimiter:
    """Permits for all workers with the same address and name. ``now`` takes the place of the server's clock in tests.

    Raises:
        ConfigError: for an address that is not accepted.
    """

    def __init__(
        self,
        address: str,
        name: str,
        terms: Terms,
        *,
        ca: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], int] | None = None,
    ) -> None:
        self._link = Link(read_address(address, stream=False, ca=ca), ANSWER, again=1)
        self._key = f"spectra:limit:v1:{sha256(name.encode()).hexdigest()[:16]}"
        self._terms, self._clock, self._now = terms, clock, now
        self._script: Any = None
        self._seen = False
        self._free = not terms.rate and not terms.quota
        self._free_until = 0.0
        self._paused_until = 0.0  # by this worker's clock: holds also while the server is away
        self._used: int | None = None
        self.failures = 0

    async def take(self) -> float:
        """Take a permit. Where neither rate nor quota is set, the server is asked only now and then.

        Raises:
            Unreachable: while the server is away: without it nobody knows what the others take.
            StateError: when it refuses us.
        """
        now = self._clock()
        if now < self._paused_until:
            return self._paused_until - now
        if now < self._free_until:
            return 0.0
        wait, self._used = await self._asked("")
        if self._free and not wait:
            self._free_until = now + PAUSE_SEEN
        return wait / SECOND

    async def pause(self, seconds: float) -> None:
        """Let nobody go for so long; while the server is away, at least not this worker. Never raises for that."""
        self._free_until = 0.0
        try:
            await self._asked(micros(seconds))
        except SpectraError:
            self.failures += 1
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    async def left(self) -> int | None:
        """The quota less the permits given since midnight UTC by the server's clock; as last heard while it is away."""
        if self._terms.quota is None:
            return None
        with suppress(SpectraError):
            _, self._used = await self._asked(0)  # a pause that ends now
        return max(0, self._terms.quota - (self._used or 0))

    async def close(self) -> None:
        await self._link.close()

    async def _asked(self, pause: int | str) -> tuple[int, int]:
        terms = self._terms
        now = self._now() if self._now is not None else ""
        values = (now, int(self._seen), terms.rate_step, terms.rate_slack, terms.quota_step, terms.quota_slack, pause)
        async with self._link.guarded() as client:
            self._script = self._script or client.register_script(_SCRIPT)
            wait, used = await self._script((self._key,), values)
        self._seen = True
        return wait, used
