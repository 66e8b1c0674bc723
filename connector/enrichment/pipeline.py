"""The stream: batches come from a source, are told what is known, and leave through a sink; few are inside at once.

Order of what is made durable: the lines, the dead letters, the checkpoint, and last what the source may forget. A run
that is cut off at any point goes on from the checkpoint: nothing is lost, and what comes twice has the same event id.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from connector.enrichment.counts import Counts
from connector.enrichment.dressing import Dresser, Prepared, Tally
from connector.enrichment.look_ups import LookUps
from connector.enrichment.patience import Patience
from connector.enrichment.ports import Sink, Source
from connector.enrichment.values import Batch, Failure, Output
from connector.errors import SpectraError, Unreachable

T = TypeVar("T")
IDLE: Final = 0.2  # seconds without a batch after which what was written is made durable, or ``settle``, if shorter
LEAST: Final = 0.01
LAST: Final = 1.0  # seconds after that for what was found to leave
DRAIN: Final = 7.0  # seconds that what is under way may take when the run is stopped


class Letters(Protocol):
    """What is needed of the dead-letter file."""

    async def open(self, place: Any) -> None: ...

    async def write(self, batch: Batch, dead: dict[int, Failure]) -> None: ...

    async def sync(self) -> Any: ...

    async def close(self) -> None: ...


class Keeper(Protocol):
    """What is needed of a checkpoint."""

    def load(self) -> dict[str, Any] | None: ...

    def save(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """``ahead`` batches are inside at most; what was written is made durable every ``settle`` seconds."""

    ordered: bool = True
    ahead: int = 4
    settle: float = 1.0


@dataclass(slots=True)
class Parts:
    """What a run is made of."""

    source: Source
    sink: Sink
    letters: Letters
    dresser: Dresser
    look_ups: LookUps
    counts: Counts
    patience: Patience
    wall: Callable[[], float]
    keeper: Keeper | None = None
    header: Callable[[], Any] = lambda: None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(slots=True)
class Inside:
    """A batch on its way: ``ready`` ends when all of its subjects are told; None where they were at once."""

    prepared: Prepared
    ready: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Pipeline:
    """One run from a source to a sink."""

    parts: Parts
    options: Options
    _arrived: asyncio.Queue[Inside | None] = field(default_factory=asyncio.Queue)
    _room: asyncio.Semaphore = field(init=False)
    _inside: int = 0
    _finding: set[asyncio.Task[None]] = field(default_factory=set)
    _unsettled: list[Batch] = field(default_factory=list)
    _settled_at: float = 0.0
    _taken: Any = None
    _position: Any = None
    _open_to_more: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _given_up: asyncio.Event = field(default_factory=asyncio.Event)
    _pushing: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.options.ahead)
        self._open_to_more.set()

    def stop(self) -> None:
        """Take in no more; what is inside is finished within DRAIN seconds, and what is not comes again next time."""
        if not self._stopping:
            self._stopping = True
            self.parts.source.stop()
            asyncio.get_running_loop().call_later(DRAIN, self._give_up)

    @property
    def stopped(self) -> bool:
        return self._stopping

    def _give_up(self) -> None:
        self._given_up.set()
        for task in self._finding:
            task.cancel()
        if self._pushing is not None:  # a write to somebody who does not read may never end
            asyncio.get_running_loop().call_later(LAST, self._pushing.cancel)

    async def run(self, state: dict[str, Any] | None = None) -> None:
        """Run to the end of the source, or until ``stop``; ``state`` is what the checkpoint holds.

        Raises:
            SpectraError: what ended the run early; what was settled stays so, and the same command goes on from there.
        """
        await self._open(state or {})
        pulling, pushing = asyncio.create_task(self._pull()), asyncio.create_task(self._push())
        self._pushing = pushing
        try:
            await asyncio.wait((pulling, pushing), return_when=asyncio.FIRST_COMPLETED)
            if pulling.done():
                pulling.result()
            await asyncio.wait((pushing,))  # its end is the run's; one that gave up leaves a pull that waits for room
            if not (pushing.cancelled() and self._given_up.is_set()):
                pushing.result()
        finally:
            for task in (pulling, pushing, *self._finding):
                task.cancel()
            await asyncio.gather(pulling, pushing, *self._finding, return_exceptions=True)
            await self.parts.look_ups.close()

    async def _open(self, state: dict[str, Any]) -> None:
        await self.parts.sink.open(state.get("sink"))
        await self.parts.letters.open(state.get("dead"))
        self._position = self._taken = state.get("position")
        await self.parts.source.open(self._position)
        if self.parts.keeper is not None and not state:  # or what a killed run wrote would pass for somebody else's
            await self._make_durable()
        self._settled_at = self.parts.wall()

    async def _pull(self) -> None:
        """Take batches in, as many as have room; the source may be away for a while."""
        while True:
            try:
                await self._pull_until_away()
                break
            except Unreachable as error:
                if self._stopping:
                    break
                await self._wait_out(error)
        self._arrived.put_nowait(None)

    async def _pull_until_away(self) -> None:
        async for batch in self.parts.source.batches():
            self.parts.patience.worked()
            if batch is None:
                continue
            await self._open_to_more.wait()
            await self._room.acquire()
            self._take(batch)
            await asyncio.sleep(0)  # the writer's turn; a file would never wait

    def _take(self, batch: Batch) -> None:
        inside = Inside(self.parts.dresser.prepare(batch, self.parts.wall()))
        self._inside += 1
        self._taken = batch.position
        if not inside.prepared.missing:
            self._arrived.put_nowait(inside)
            return
        inside.ready = asyncio.create_task(self._find(inside))
        self._finding.add(inside.ready)
        inside.ready.add_done_callback(self._looked)
        if self.options.ordered:
            self._arrived.put_nowait(inside)
        else:
            inside.ready.add_done_callback(lambda _: self._arrived.put_nowait(inside))

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._finding.discard(task)
        if not task.cancelled():
            task.exception()  # the first to fail ends the run, and the others have nothing to add

    async def _find(self, inside: Inside) -> None:
        missing = inside.prepared.missing
        self.parts.dresser.tell(inside.prepared, await self.parts.look_ups.find(list(missing)))

    async def _push(self) -> None:
        """Write batches as they are ready, and make them durable now and then."""
        ended = False
        while not ended or self._inside:
            try:
                inside = await self._next()
            except TimeoutError:
                await self._settle_when_whole()
                continue
            if inside is None:
                ended = True
                continue
            if not await self._is_ready(inside):
                break
            await self._write(inside.prepared)
            self._inside -= 1
            self._room.release()
            if self.parts.wall() - self._settled_at >= self.options.settle:
                await self._settle_when_whole()
        await self._settle()

    async def _next(self) -> Inside | None:
        """The next that arrived; TimeoutError when nothing does, and something is to be settled."""
        if not self._arrived.empty():
            return self._arrived.get_nowait()
        async with asyncio.timeout(self._idle if self._unsettled else None):
            return await self._arrived.get()

    @property
    def _idle(self) -> float:
        return min(IDLE, max(LEAST, self.options.settle))

    async def _is_ready(self, inside: Inside) -> bool:
        """Wait for the findings of a batch; False when the run was stopped and they did not come in time."""
        if inside.ready is None:
            return True
        if self._unsettled:  # what is out does not wait for what is looked up
            await asyncio.wait((inside.ready,), timeout=self._idle)
            if not inside.ready.done():
                await self._settle_when_whole()
        try:
            await inside.ready
        except asyncio.CancelledError:
            if not self._given_up.is_set():
                raise
            return False
        return True

    async def _settle_when_whole(self) -> None:
        """Settle; without order only when nothing is inside, and nothing more is let in until then."""
        if self.options.ordered or not self._inside:
            await self._settle()
            self._open_to_more.set()
        else:
            self._open_to_more.clear()

    async def _write(self, prepared: Prepared) -> None:
        output, tally = self.parts.dresser.dress(prepared)
        refused = await self._sent(prepared, output, tally) if output.lines else 0
        if tally.dead:
            await self.parts.letters.write(prepared.batch, tally.dead)
        self.parts.counts.add_batch(tally, answered=prepared.named, refused=refused)
        self._position = prepared.batch.position
        prepared.batch.events = []  # they are out; what is kept until it is settled must not grow with the speed
        self._unsettled.append(prepared.batch)

    async def _sent(self, prepared: Prepared, output: Output, tally: Tally) -> int:
        """Write to the sink, which may be away for a while; what it refuses goes to the dead letters."""
        refused = await self._patiently(lambda: self.parts.sink.write(output))
        for refusal in refused:
            self.parts.dresser.refuse(prepared, tally, output.origins[refusal.line], refusal.failure)
        return len(refused)

    async def _settle(self) -> None:
        """Make durable what was written: lines, dead letters, the checkpoint; then the source may forget it."""
        self._settled_at = self.parts.wall()
        if not self._unsettled:
            return
        await self._make_durable()
        batches, self._unsettled = self._unsettled, []
        await self._patiently(lambda: self.parts.source.done(batches))

    async def _make_durable(self) -> None:
        parts = self.parts
        sink, dead = await self._patiently(parts.sink.sync), await parts.letters.sync()
        if parts.keeper is not None:
            position = self._position if self.options.ordered else self._taken
            state = {"position": position, "sink": sink, "dead": dead, "header": parts.header()}
            parts.keeper.save(state | {"counts": parts.counts.as_dict()})

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something over and over while the other side is away."""
        while True:
            try:
                done = await work()
            except Unreachable as error:
                if self._given_up.is_set():
                    raise
                await self._wait_out(error)
            else:
                self.parts.patience.worked()
                return done

    async def _wait_out(self, error: SpectraError) -> None:
        """Wait, but not after the run gave up."""
        self.parts.counts.failed(error.code)
        seconds = self.parts.patience.failed(error)
        waits = asyncio.ensure_future(self.parts.sleep(seconds)), asyncio.create_task(self._given_up.wait())
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
