"""Events from a Redis stream that the workers of a group share; each entry is one worker's until it is done.

A worker first takes up what its consumer name was given before, then what dead workers left, then what is new. What it
holds it refreshes, so that a slow batch is not taken over; what it holds when it ends, others may have at once.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from connector.enrichment.redis_streams.address import read_address
from connector.enrichment.redis_streams.entries import Bounds, Row, batch_of
from connector.enrichment.redis_streams.group import Member, is_gone
from connector.enrichment.redis_streams.link import Link
from connector.enrichment.values import Batch
from connector.errors import ConfigError, SpectraError, Unreachable

BYTES: Final = 4 << 20  # of events in one read, as far as the last read lets one tell
SHARE: Final = 4  # parts of claim_after: how often what is held is refreshed, and what lies idle is looked for
ANSWER: Final = 5.0  # seconds that a server may take, beside the time that it was asked to wait
FAREWELL: Final = 2.0


class RedisSource:
    """The entries of a stream; ``claim_after`` is the idle time in seconds after which a worker counts as dead.

    ``count`` entries are read at once, waiting ``block`` seconds for the first, and only while fewer than
    ``most_pending`` are not done. A group that is made here begins at the stream's first entry, or with ``from_end``
    behind its last. ``delete`` removes entries from the stream when they are done. A consumer without a name gets one
    of its own, which is no other's and ends with it.

    Raises:
        ConfigError: for an address or a number that is not accepted.
    """

    def __init__(
        self,
        address: str,
        group: str,
        consumer: str | None = None,
        *,
        ca: str | None = None,
        claim_after: float = 60.0,
        count: int = 500,
        block: float = 0.5,
        most_pending: int = 20_000,
        bounds: Bounds | None = None,
        from_end: bool = False,
        delete: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        where = read_address(address, stream=True, ca=ca)
        if not group:
            raise ConfigError("group: workers that read a stream share it by the name of their group; give one")
        if claim_after <= 0 or count < 1 or block <= 0 or most_pending < 1:
            raise ConfigError("claim_after, count, block and most_pending must be greater than 0")
        name = consumer or f"{socket.gethostname()}-{os.getpid()}-{token_hex(3)}"
        self._member = Member(str(where.stream), group, name)
        self._passing = not consumer
        self._link = Link(where, block + ANSWER)
        self._claim_after, self._block, self._most_pending = claim_after, block, most_pending
        self._most = self._count = count
        self._bounds = bounds or Bounds()
        self._begin, self._delete, self._clock = "$" if from_end else "0", delete, clock
        self._held: set[str] = set()
        self._room = asyncio.Event()
        self._stopped = asyncio.Event()
        self._ready = False
        self._own: str | None = ""  # the last of our own that was looked at; None when all were
        self._idle, self._look_at = b"", 0.0
        self._refresher: asyncio.Task[None] | None = None

    @property
    def origin(self) -> str:
        return f"redis:{self._member.stream}"

    @property
    def consumer(self) -> str:
        return self._member.consumer

    async def open(self, position: Any) -> None:
        """Join the group; ``position`` is not used, as the group remembers. A server that is away may come later.

        Raises:
            StateError: when it cannot be joined.
        """
        del position
        with suppress(Unreachable):
            async with self._link.guarded() as client:
                await self._join(client)
        self._refresher = asyncio.create_task(self._refreshing())

    async def _join(self, client: Redis) -> None:
        await self._member.create(client, self._begin)
        self._ready = True

    async def batches(self) -> AsyncIterator[Batch | None]:
        """Batches without end; may be called again after it raised, and then goes on.

        Raises:
            Unreachable: while the server is away.
            StateError: when the stream cannot be read.
        """
        self._own, self._look_at = "", 0.0
        while not self._stopped.is_set():
            batch = await self._next() if await self._has_room() else None
            if self._stopped.is_set():
                return  # what was read just now is ours still, and ``close`` hands it over
            if batch is not None and batch.ids is not None:
                self._held.update(batch.ids)
            yield batch

    async def _has_room(self) -> bool:
        if len(self._held) < self._most_pending:
            return True
        self._room.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._room.wait(), self._block)
        return len(self._held) < self._most_pending

    async def _next(self) -> Batch | None:
        async with self._link.guarded() as client:
            try:
                if not self._ready:
                    await self._join(client)
                return await self._own_batch(client) or await self._idle_batch(client) or await self._new_batch(client)
            except ResponseError as error:
                if not is_gone(error):
                    raise
                self._ready = False  # made anew by the next turn
        return None

    async def _own_batch(self, client: Redis) -> Batch | None:
        """What this consumer was given earlier, and no batch of this run holds."""
        while self._own is not None:
            page = await self._member.own(client, self._own)
            self._own = next(reversed(page), None)
            if (batch := await self._had(client, page)) is not None:
                return batch
        return None

    async def _idle_batch(self, client: Redis) -> Batch | None:
        """What dead workers left, looked for now and then."""
        while self._clock() >= self._look_at:
            least = int(self._claim_after * 1000)
            self._idle, found = await self._member.idle(client, self._idle, least, self._count)
            if not self._idle:
                self._look_at = self._clock() + self._claim_after / SHARE
            if (batch := await self._had(client, found)) is not None:
                return batch
        return None

    async def _had(self, client: Redis, found: dict[str, int]) -> Batch | None:
        """The entries among these that no batch holds; what was found tells how often they came before."""
        ids = [name for name in found if name not in self._held]
        if not ids:
            return None
        rows = await self._member.have(client, ids)
        return self._batch(rows, {name: found[name] + 1 for name in ids}) if rows else None

    async def _new_batch(self, client: Redis) -> Batch | None:
        rows = await self._member.read(client, self._count, max(1, int(self._block * 1000)))
        return self._batch(rows, {}) if rows else None

    def _batch(self, rows: Sequence[Row], deliveries: dict[str, int]) -> Batch:
        batch = batch_of(rows, self.origin, deliveries, self._bounds)
        size = sum(map(len, batch.events)) // len(rows) or 1
        self._count = max(1, min(self._most, BYTES // size))
        return batch

    def stop(self) -> None:
        self._stopped.set()
        self._room.set()

    async def done(self, batches: Sequence[Batch]) -> None:
        """Acknowledge the entries of these batches; may be called again with the same after it raised.

        Raises:
            Unreachable: while the server is away.
        """
        ids = [name for batch in batches for name in batch.ids or ()]
        async with self._link.guarded() as client:
            await self._member.forget(client, ids, delete=self._delete)
        self._held.difference_update(ids)
        self._room.set()

    async def _refreshing(self) -> None:
        """Refresh what is held; a server that is away is noticed where batches are read."""
        while True:
            await asyncio.sleep(self._claim_after / SHARE)
            if self._held:
                with suppress(SpectraError):
                    async with self._link.guarded() as client:
                        await self._member.refresh(client)

    async def close(self) -> None:
        """Leave the group: others take over at once what is not done. Never raises for a server that is away."""
        self.stop()
        if self._refresher is not None:
            self._refresher.cancel()
            await asyncio.gather(self._refresher, return_exceptions=True)
            with suppress(RedisError, OSError, SpectraError, TimeoutError):
                await asyncio.wait_for(self._member.leave(self._link.client, for_good=self._passing), FAREWELL)
        await self._link.close()
