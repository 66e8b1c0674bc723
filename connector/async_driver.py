"""Runs plans for one appliance under asyncio: reads on the loop with the [fast] extra, all else in worker threads.

A submission reads its file and hashes it, which must not hold the loop; and only the blocking transport tells surely
whether a request left. Without the extra, reads go the same way: httpx's asynchronous pool is slower than threads.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from connector.driver import Driver, Run
from connector.errors import SpectraError
from connector.exchange import Wire, bare
from connector.plan import Brought, Call, Judged, Pause, Plan, Step

if TYPE_CHECKING:
    from connector.fast import FastReads

T = TypeVar("T")
Gate = Callable[[Call], Awaitable[float]]  # waits until a call may go; the seconds that it waited earn their time
THREADS: Final = 64


class AsyncDriver:
    """Runs plans for one appliance on one event loop; ``gate`` is asked before every request, retries included."""

    def __init__(
        self, wire: Wire, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, gate: Gate | None = None
    ) -> None:
        self.wire = wire
        self._sleep = sleep
        self._gate = gate
        self._fast = fast_reads(wire)
        self.blocking = Driver(wire)
        self._threads = ThreadPoolExecutor(THREADS, "spectra")

    async def run(self, plan: Plan[T]) -> T:
        """Run a plan to its end; raises what the plan raises, without the frames of the plan and of its exchanges."""
        run = Run(self.wire.deadline())
        try:
            step = next(plan)
            while True:
                try:
                    brought = await self.perform(step, run)
                except SpectraError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(brought)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # Generator's return type is lost on StopIteration
        except BaseException as error:  # noqa: BLE001  # also a defect and a cancellation, each as itself
            raise bare(error) from None
        finally:
            plan.close()
            self.blocking.intents.leave(run.current)

    async def perform(self, step: Step, run: Run) -> Brought:
        """Do one step, and give what it brings; files, the journal and what changes something go to a thread."""
        if isinstance(step, Pause):
            await self._sleep(self.wire.seconds(step, run.deadline))
            return None
        if isinstance(step, Judged):
            return self.blocking.perform(step, run)
        if self._gate is not None and isinstance(step, Call):
            run.deadline.ends += await self._gate(step)
        if isinstance(step, Call) and step.effect == "read" and self._fast is not None:
            self.wire.health.admit(step)
            return await self._fast.send(step, run.deadline)
        return await self._in_a_thread(step, run)

    async def _in_a_thread(self, step: Step, run: Run) -> Brought:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self.blocking.perform, step, run)
        except asyncio.CancelledError:
            run.deadline.cancel()  # breaks a transfer off that the thread is still at
            raise

    async def close(self) -> None:
        """Close all connections and the journal; a transfer that is still running ends first."""
        if self._fast is not None:
            await self._fast.close()
        await asyncio.to_thread(self._threads.shutdown)
        self.blocking.close()


def fast_reads(wire: Wire) -> "FastReads | None":
    """The reads of the [fast] extra, where it is installed."""
    try:
        from connector.fast import FastReads  # noqa: PLC0415  # an extra
    except ImportError:
        return None
    return FastReads(wire)
