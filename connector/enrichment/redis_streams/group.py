"""The commands of one consumer in a group of a stream; what they are sent and what they answer, and no more.

Commands and replies as documented on redis.io (XREADGROUP, XPENDING, XCLAIM, XAUTOCLAIM); Redis 6.2 or newer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from connector.enrichment.redis_streams.entries import Row
from connector.enrichment.redis_streams.link import ask, code_of

PAGE: Final = 500
ACKNOWLEDGED: Final = 1000  # entries in one command
HANDED_OVER: Final = 30 * 86_400_000  # milliseconds of idle time that no other worker waits for
GONE: Final = ("NOGROUP", "UNBLOCKED")  # the stream or the group was deleted, before or while it was read
_START: Final = b"0-0"

# What others left idle, a page of it, becomes this consumer's. Answers where to go on, and each id with its deliveries.
_IDLE: Final = """
local page = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'JUSTID')
local told = {page[1]}
for _, id in ipairs(page[2]) do
  local row = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if row then told[#told + 1], told[#told + 2] = id, row[4] end
end
return told
"""
# What this consumer holds, a page of it: made fresh (IDLE 0), so that nobody takes it over. Answers the last id.
_REFRESH: Final = """
local rows = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], '+', ARGV[4], ARGV[2])
if #rows == 0 then return false end
local command = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], '0'}
for _, row in ipairs(rows) do command[#command + 1] = row[1] end
command[#command + 1] = 'JUSTID'
redis.call(unpack(command))
return rows[#rows][1]
"""
# The same, made old, so that anybody takes it over at once; the delivery was not the event's fault and is not counted.
_HAND_OVER: Final = """
local rows = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], '+', ARGV[4], ARGV[2])
if #rows == 0 then return false end
for _, row in ipairs(rows) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], '0', row[1], 'IDLE', ARGV[5],
             'RETRYCOUNT', math.max(row[4] - 1, 0), 'JUSTID')
end
return rows[#rows][1]
"""


def is_gone(error: ResponseError) -> bool:
    """Whether the group has to be made again."""
    return any(word in str(error) for word in GONE)


@dataclass(frozen=True, slots=True)
class Member:
    """A consumer of a group."""

    stream: str
    group: str
    consumer: str

    async def create(self, client: Redis, begin: str) -> None:
        """Make the group, and the stream with it, where it is missing; it begins at ``begin``: 0, or $ for the end."""
        try:
            await client.xgroup_create(self.stream, self.group, begin, mkstream=True)
        except ResponseError as error:
            if code_of(error) != "BUSYGROUP":
                raise

    async def read(self, client: Redis, count: int, block: int) -> Sequence[Row]:
        """Entries that nobody was given yet; waits ``block`` milliseconds for the first."""
        head = ("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", count, "BLOCK", block)
        answer = await ask(client, *head, "STREAMS", self.stream, ">")
        return answer[0][1] if answer else ()

    async def own(self, client: Redis, after: str) -> dict[str, int]:
        """A page of what this consumer was given and did not acknowledge: how often each entry was delivered."""
        start = f"({after}" if after else "-"
        head = ("XPENDING", self.stream, self.group, start, "+", PAGE, self.consumer)
        answer = await ask(client, *head)
        return {row[0].decode(): row[3] for row in answer}

    async def idle(self, client: Redis, after: bytes, least: int, count: int) -> tuple[bytes, dict[str, int]]:
        """Have what lay idle for ``least`` milliseconds, and how often it was delivered; and where to go on."""
        run = client.register_script(_IDLE)
        answer: Any = await run([self.stream], [self.group, self.consumer, least, after or _START, count])
        found = {name.decode(): deliveries for name, deliveries in zip(answer[1::2], answer[2::2], strict=True)}
        return b"" if answer[0] == _START else answer[0], found

    async def have(self, client: Redis, ids: Sequence[str]) -> list[Row]:
        """The entries of these ids, delivered once more; those that were deleted from the stream are forgotten."""
        head: tuple[str | int, ...] = ("XCLAIM", self.stream, self.group, self.consumer, 0, *ids)
        answer = await ask(client, *head)
        rows = [row for row in answer if row is not None and row[1] is not None]
        there = {row[0].decode() for row in rows}
        await self.forget(client, [name for name in ids if name not in there], delete=False)
        return rows

    async def forget(self, client: Redis, ids: Sequence[str], *, delete: bool) -> None:
        """Acknowledge entries, and delete them from the stream where that is wanted."""
        if not ids:
            return
        async with client.pipeline(transaction=False) as pipe:
            for start in range(0, len(ids), ACKNOWLEDGED):
                part = ids[start : start + ACKNOWLEDGED]
                pipe.xack(self.stream, self.group, *part)
                if delete:
                    pipe.xdel(self.stream, *part)
            await pipe.execute()

    async def refresh(self, client: Redis) -> None:
        """Show that this consumer still works on all that it holds."""
        await self._over_all(client, _REFRESH)

    async def leave(self, client: Redis, *, for_good: bool) -> None:
        """Let others take over at once what this consumer still holds; with nothing held, ``for_good`` removes it."""
        held = await self._over_all(client, _HAND_OVER, HANDED_OVER)
        if for_good and not held:
            await client.xgroup_delconsumer(self.stream, self.group, self.consumer)

    async def _over_all(self, client: Redis, script: str, *more: int) -> bool:
        """Run a script on page after page of what this consumer holds; whether it holds anything."""
        run, start, some = client.register_script(script), "-", False
        while last := await run([self.stream], [self.group, self.consumer, start, PAGE, *more]):
            start, some = f"({last.decode()}", True
        return some
