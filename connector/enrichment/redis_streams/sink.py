"""Lines into a Redis stream, each with the id of its event; within a window what comes again is not added again.

An entry has the fields ``event`` (the line) and ``id``. Beside the stream lies a mark for each line, a key that lives
``remember`` seconds: what a worker wrote but could not acknowledge before it died is written again by another, and
known by its mark. The window has to be longer than the takeover of a dead worker's events takes, and no longer, as
each mark takes about 150 bytes of the server's memory meanwhile; behind it an entry may come twice, with the
same id.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final

from connector.enrichment.ids import line_ids
from connector.enrichment.redis_streams.address import read_address
from connector.enrichment.redis_streams.link import Link
from connector.enrichment.values import Failure, Output, Refusal
from connector.errors import ConfigError, Unreachable

REMEMBER: Final = 600
LINES: Final = 256  # in one call of the script: a millisecond of the server's time
BYTES: Final = 1 << 20
LONGEST: Final = 64 << 20
ANSWER: Final = 10.0
# The mark is set behind the entry: where the entry cannot be added, the script ends and nothing is marked.
_ADD: Final = """
local head = {'XADD', KEYS[1]}
if ARGV[1] ~= '0' then head = {'XADD', KEYS[1], 'MAXLEN', '~', ARGV[1]} end
local n = #head
head[n + 1], head[n + 2], head[n + 4] = '*', 'event', 'id'
local marked = ARGV[2] ~= '0'
local added = 0
for i = 3, #ARGV, 2 do
  local mark = KEYS[(i + 1) / 2]
  if not marked or redis.call('EXISTS', mark) == 0 then
    head[n + 3], head[n + 5] = ARGV[i + 1], ARGV[i]
    redis.call(unpack(head))
    if marked then redis.call('SET', mark, '', 'EX', ARGV[2]) end
    added = added + 1
  end
end
return added
"""


class RedisSink:
    """Adds lines to a stream that keeps about ``max_len`` entries, or all of them with 0.

    ``remember`` is for how many seconds a line is known again, 0 for not at all. The server's answer is what makes a
    line durable here; how durable that is, its own settings say (appendfsync, replicas).

    Raises:
        ConfigError: for an address or a number that is not accepted.
    """

    def __init__(self, address: str, *, max_len: int = 0, remember: int = REMEMBER, ca: str | None = None) -> None:
        where = read_address(address, stream=True, ca=ca)
        if max_len < 0 or remember < 0:
            raise ConfigError("max_len and remember must be 0 or greater")
        self._stream = str(where.stream)
        self._max_len, self._remember = max_len, remember
        self._link = Link(where, ANSWER)
        self._add: Any = None
        self.repeated = 0  # lines that were there already

    async def open(self, place: Any) -> None:
        """Look whether the server takes us; one that is away may come later.

        Raises:
            StateError: when it refuses us.
        """
        del place
        try:
            async with self._link.guarded() as client:
                await client.xlen(self._stream)
        except Unreachable:
            return

    async def write(self, output: Output) -> Sequence[Refusal]:
        """Add the lines in order; after it raised, the whole output may be written again.

        Raises:
            Unreachable: while the server is away, read-only, or out of memory.
            StateError: when what lies there is no stream, or may not be written.
        """
        ids = line_ids(output.batch, output.origins)
        async with self._link.guarded() as client:
            self._add = self._add or client.register_script(_ADD)
            for chosen in _parts(output.lines):
                keys: list[str | bytes] = [self._stream]
                values: list[int | str | bytes] = [self._max_len, self._remember]
                for n in chosen:
                    values += ids[n], output.lines[n]
                    keys.append(self._mark(ids[n]))
                self.repeated += len(chosen) - int(await self._add(keys, values))
        return [_refusal(n) for n, line in enumerate(output.lines) if len(line) > LONGEST]

    def _mark(self, name: str) -> bytes:
        return b"spectra:seen:" + blake2b(f"{self._stream}\n{name}".encode(), digest_size=12).digest()

    async def sync(self) -> None:
        """Nothing to do: the server has answered for all that was written."""

    async def close(self) -> None:
        await self._link.close()


def _parts(lines: Sequence[bytes]) -> Iterator[list[int]]:
    """The numbers of the lines in parts that one call takes."""
    part: list[int] = []
    size = 0
    for n, line in enumerate(lines):
        if len(line) > LONGEST:
            continue
        if part and (len(part) == LINES or size + len(line) > BYTES):
            yield part
            part, size = [], 0
        part.append(n)
        size += len(line)
    if part:
        yield part


def _refusal(n: int) -> Refusal:
    return Refusal(n, Failure("too_long", f"the line has more than {LONGEST} bytes, which the stream is not given"))
