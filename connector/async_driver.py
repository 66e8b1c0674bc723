"""Runs plans for one appliance under asyncio: reads on the loop, submissions and deletions in a worker thread."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, cast

from connector.driver import POOL, Driver, transport
from connector.errors import SpectraError
from connector.exchange import Deadline, Wire, inspect, mapped, read_reply, reader_of
from connector.http import httpx
from connector.plan import Call, Inspect, Pause, Plan, Reply, Step

T = TypeVar("T")
SHARDS: Final = 10


class AsyncDriver:
    """Runs plans for one appliance under asyncio; reads on the loop, submissions in a worker thread.

    A submission reads its file and hashes it, which must not hold the loop; and only the blocking transport tells
    surely whether a request left, which a submission's outcome depends on.
    """

    def __init__(self, wire: Wire, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.wire = wire
        self._sleep = sleep
        self._reads = _async_transport(wire)
        self._blocking = Driver(wire)

    async def run(self, plan: Plan[T]) -> T:
        """Run a plan to its end; raises what the plan raises."""
        deadline = self.wire.deadline()
        try:
            step = next(plan)
            while True:
                try:
                    reply = await self.perform(step, deadline)
                except SpectraError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(reply)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # Generator's return type is lost on StopIteration
        finally:
            plan.close()

    async def perform(self, step: Step, deadline: Deadline) -> Reply | None:
        if isinstance(step, Pause):
            await self._sleep(self.wire.seconds(step, deadline))
            return None
        if isinstance(step, Inspect):
            inspect(step, self.wire.settings)
            return None
        if step.effect == "read":
            return await self.send(step, deadline)
        try:
            return await asyncio.to_thread(self._blocking.send, step, deadline)
        except asyncio.CancelledError:
            deadline.cancel()
            raise

    async def send(self, call: Call, deadline: Deadline) -> Reply:
        """One read."""
        with mapped(call):
            deadline.need(0)
            async with asyncio.timeout(deadline.left()):
                response = await self._reads.handle_async_request(self.wire.request(call, deadline))
                try:
                    reader = reader_of(response)
                    async for chunk in cast("httpx.AsyncByteStream", response.stream):
                        reader.feed(chunk)
                finally:
                    await response.aclose()
            return read_reply(response, reader.body(), None)

    async def close(self) -> None:
        await self._reads.aclose()
        self._blocking.close()


def _async_transport(wire: Wire) -> httpx.AsyncBaseTransport:
    """The [fast] transport where it is installed and no proxy is asked for, else shards of httpx's own."""
    try:
        from connector.fast import fast_transport  # noqa: PLC0415  # an extra
    except ImportError:
        return _Shards([transport(httpx.AsyncHTTPTransport, wire, POOL) for _ in range(SHARDS)])
    if wire.settings.proxy is not None:
        return _Shards([transport(httpx.AsyncHTTPTransport, wire, POOL) for _ in range(SHARDS)])
    return fast_transport(wire.context)


class _Shards(httpx.AsyncBaseTransport):
    """Several small pools in turn: httpcore's pool slows down with the square of its connections."""

    def __init__(self, transports: list[httpx.AsyncHTTPTransport]) -> None:
        self._transports = transports
        self._turn = itertools.cycle(transports)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await next(self._turn).handle_async_request(request)

    async def aclose(self) -> None:
        for one in self._transports:
            await one.aclose()
