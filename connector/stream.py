"""Many awaits over few places: work on an iterable with a bounded number at once, in order or as they end.

A fixed number of workers share one iterator, so neither tasks nor results pile up: a million inputs need the memory
of a few hundred. In order, a worker waits when it is a whole window ahead of the slowest.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Final, TypeVar

I = TypeVar("I")  # noqa: E741  # I for input, O for output
O = TypeVar("O")  # noqa: E741
AHEAD: Final = 4  # windows of at_once that results may wait for the slowest one


async def each(
    inputs: Iterable[I] | AsyncIterable[I], work: Callable[[I], Awaitable[O]], at_once: int, *, ordered: bool = True
) -> AsyncIterator[tuple[I, O]]:
    """Yield every input with what ``work`` made of it. Closing the iterator stops the workers.

    Raises:
        Exception: whatever ``work`` or the inputs raise; the other workers are stopped then.
    """
    source = _numbered(inputs)
    done: asyncio.Queue[tuple[int, I, O] | None] = asyncio.Queue(at_once * AHEAD)
    room = asyncio.Semaphore(at_once * AHEAD)
    turn = asyncio.Lock()

    async def worker() -> None:
        while True:
            await room.acquire()
            async with turn:
                try:
                    position, item = await anext(source)
                except StopAsyncIteration:
                    room.release()
                    return
            await done.put((position, item, await work(item)))

    async def all_workers() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(worker())
        finally:
            await done.put(None)

    running = asyncio.create_task(all_workers())
    try:
        async for item, made in _sorted(done) if ordered else _as_they_come(done):
            room.release()
            yield item, made
        await _unwrapped(running)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _numbered(inputs: Iterable[I] | AsyncIterable[I]) -> AsyncIterator[tuple[int, I]]:
    position = 0
    if isinstance(inputs, AsyncIterable):
        async for item in inputs:
            yield position, item
            position += 1
        return
    for item in inputs:
        yield position, item
        position += 1


async def _as_they_come(done: "asyncio.Queue[tuple[int, I, O] | None]") -> AsyncIterator[tuple[I, O]]:
    while (entry := await done.get()) is not None:
        yield entry[1], entry[2]


async def _sorted(done: "asyncio.Queue[tuple[int, I, O] | None]") -> AsyncIterator[tuple[I, O]]:
    waiting: dict[int, tuple[I, O]] = {}
    expected = 0
    while (entry := await done.get()) is not None:
        waiting[entry[0]] = entry[1], entry[2]
        while expected in waiting:
            yield waiting.pop(expected)
            expected += 1


async def _unwrapped(running: "asyncio.Task[None]") -> None:
    """Raise the one exception of a group as itself."""
    try:
        await running
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
