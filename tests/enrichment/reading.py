"""Sources and sinks of files, driven from tests: read to the end, go on at a position, write and commit."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from connector.enrichment.ids import event_id
from connector.enrichment.values import Batch, Output


async def _read(source: Any, position: Any, most: int | None) -> list[Batch]:
    got: list[Batch] = []
    await source.open(position)
    try:
        async for batch in source.batches():
            if batch is not None:
                got.append(batch)
            if most is not None and sum(len(one.events) for one in got) >= most:
                source.stop()
    finally:
        await source.close()
    return got


def read(source: Any, position: Any = None, most: int | None = None) -> list[Batch]:
    """Every batch of a source; ``stop`` is called when so many events came."""
    return asyncio.run(_read(source, position, most))


def events(batches: Sequence[Batch]) -> list[bytes]:
    return [event for batch in batches for event in batch.events]


def ids(batches: Sequence[Batch]) -> list[str]:
    return [event_id(batch, n) for batch in batches for n in range(len(batch.events))]


def broken(batches: Sequence[Batch]) -> list[Any]:
    return [failure for batch in batches for failure in (batch.broken or {}).values()]


def output(*lines: bytes) -> Output:
    return Output(Batch(list(lines), None, "test"), list(lines), range(len(lines)))


class Scripted:
    """A sleep that does the next thing of a script instead; when nothing is left it stops the source."""

    def __init__(self, *steps: Callable[[], Any] | None) -> None:
        self.steps = list(steps)
        self.source: Any = None

    async def __call__(self, seconds: float) -> None:
        if not self.steps:
            self.source.stop()
            return
        step = self.steps.pop(0)
        if step is not None:
            step()
