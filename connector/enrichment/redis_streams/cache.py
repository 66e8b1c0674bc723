"""Findings in a Redis that many workers share, and who of them asks for what.

Keys: ``spectra:finding:v1:SCOPE:SUBJECT`` holds a finding until it is no longer to be used, and
``spectra:asking:v1:SCOPE:SUBJECT`` the worker that looks it up. SCOPE is a digest, so that answers of another
appliance or action are never served. A server that is away is an empty cache: no look-up waits for it.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from secrets import token_hex
from typing import Any, Final, TypeVar

from redis.exceptions import RedisError

from connector.enrichment.records import pack, unpack
from connector.enrichment.redis_streams.address import read_address
from connector.enrichment.redis_streams.link import Link
from connector.enrichment.values import Finding

T = TypeVar("T")
ANSWER: Final = 1.0
LEFT_ALONE: Final = 2.0  # seconds after a failure for which the server is not asked
LONGEST: Final = 256  # characters of a subject in a key; a longer one is named by its digest
AT_ONCE: Final = 500
LONGEST_LIFE: Final = 400 * 86_400_000  # milliseconds
_PUT: Final = "for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[2 * i - 1], 'PX', ARGV[2 * i]) end"
_CLAIM: Final = """
local ours = {}
for i, key in ipairs(KEYS) do
  local holder = redis.call('GET', key)
  if not holder or holder == ARGV[1] then
    redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
    ours[#ours + 1] = i
  end
end
return ours
"""
_RELEASE: Final = (
    "for _, key in ipairs(KEYS) do if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end end"
)


class RedisCache:
    """A cache for all workers with the same address and scope.

    ``failures`` counts what the server did not answer within ``answer`` seconds.

    Raises:
        ConfigError: for an address that is not accepted.
    """

    def __init__(
        self,
        address: str,
        scope: str,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        ca: str | None = None,
        answer: float = ANSWER,
    ) -> None:
        self._link = Link(read_address(address, stream=False, ca=ca), answer, again=1)
        self._scope = sha256(scope.encode()).hexdigest()[:16]
        self._me = token_hex(8)
        self._wall, self._clock = wall, clock
        self._alone_until = 0.0
        self._scripts: dict[str, Any] = {}
        self.failures = 0

    async def get(self, subjects: Sequence[str]) -> Mapping[str, Finding]:
        found: dict[str, Finding] = {}
        now = self._wall()
        for part in _parts(subjects):
            for subject, data in zip(part, await self._read(self._keys("finding", part)), strict=False):
                finding = unpack(subject, data) if data is not None else None
                if finding is not None and finding.until > now:
                    found[subject] = finding
        return found

    async def put(self, findings: Sequence[Finding]) -> None:
        now = self._wall()
        fresh = [finding for finding in findings if finding.until > now]
        for part in _parts(fresh):
            values: list[bytes | int] = []
            for finding in part:
                values += pack(finding), max(1, min(LONGEST_LIFE, int((finding.until - now) * 1000)))
            await self._run(_PUT, self._keys("finding", [finding.subject for finding in part]), values, None)

    async def claim(self, subjects: Sequence[str], seconds: float) -> frozenset[str]:
        """Those that nobody else looks up, and that are this worker's now for so long; all, while the server is away.

        What this worker claimed already is given to it again.
        """
        ours: set[str] = set()
        for part in _parts(subjects):
            everything = range(1, len(part) + 1)
            places = await self._run(_CLAIM, self._keys("asking", part), [self._me, int(seconds * 1000)], everything)
            ours.update(part[place - 1] for place in places)
        return frozenset(ours)

    async def release(self, subjects: Sequence[str]) -> None:
        """Let others look these up, as far as they are this worker's."""
        for part in _parts(subjects):
            await self._run(_RELEASE, self._keys("asking", part), [self._me], None)

    async def close(self) -> None:
        await self._link.close()

    def _keys(self, kind: str, subjects: Sequence[str]) -> list[str]:
        head = f"spectra:{kind}:v1:{self._scope}:"
        return [head + (subject if len(subject) <= LONGEST else _digest(subject)) for subject in subjects]

    async def _read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        async def read() -> Any:
            return await self._link.client.mget(keys)

        return await self._tried(read, ())

    async def _run(self, script: str, keys: Sequence[str], values: Sequence[Any], instead: T) -> T:
        async def run() -> T:
            if script not in self._scripts:
                self._scripts[script] = self._link.client.register_script(script)
            answer: T = await self._scripts[script](keys, values)
            return answer

        return await self._tried(run, instead)

    async def _tried(self, work: Callable[[], Awaitable[T]], instead: T) -> T:
        """What the server says, or ``instead`` where it does not; then it is left alone for a moment."""
        if self._clock() < self._alone_until:
            self.failures += 1
            return instead
        try:
            answer = await work()
        except (RedisError, OSError):
            self.failures += 1
            self._alone_until = self._clock() + LEFT_ALONE
            return instead
        return answer


def _parts(things: Sequence[T]) -> list[Sequence[T]]:
    return [things[start : start + AT_ONCE] for start in range(0, len(things), AT_ONCE)]


def _digest(subject: str) -> str:
    return f"sha256:{sha256(subject.encode('utf-8', 'surrogatepass')).hexdigest()}"
