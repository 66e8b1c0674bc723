"""Runs plans for one appliance under asyncio: reads on the loop with the [fast] extra, all else in worker threads.

A submission reads its file and hashes it, which must not hold the loop; and only the blocking transport tells surely
whether a request left. Without the extra, reads go the same way: httpx's asynchronous pool is slower than threads.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from connector.driver import Driver
from connector.errors import SpectraError
from connector.exchange import Deadline, Wire, inspect
from connector.plan import Call, Inspect, Pause, Plan, Reply, Step

if TYPE_CHECKING:
    from connector.fast import FastReads

T = TypeVar("T")
THREADS: Final = 64


class AsyncDriver:
    """Runs plans for one appliance on one event loop."""

    def __init__(self, wire: Wire, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.wire = wire
        self._sleep = sleep
        self._fast = fast_reads(wire)
        self._blocking = Driver(wire)
        self._threads = ThreadPoolExecutor(THREADS, "spectra")

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
        if step.effect == "read" and self._fast is not None:
            return await self._fast.send(step, deadline)
        return await self._in_a_thread(step, deadline)

    async def _in_a_thread(self, call: Call, deadline: Deadline) -> Reply:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._blocking.send, call, deadline)
        except asyncio.CancelledError:
            deadline.cancel()  # breaks a transfer off that the thread is still at
            raise

    async def close(self) -> None:
        """Close all connections; a transfer that is still running ends first."""
        if self._fast is not None:
            await self._fast.close()
        await asyncio.to_thread(self._threads.shutdown)
        self._blocking.close()


def fast_reads(wire: Wire) -> "FastReads | None":
    """The reads of the [fast] extra, where it is installed."""
    try:
        from connector.fast import FastReads  # noqa: PLC0415  # an extra
    except ImportError:
        return None
    return FastReads(wire)
