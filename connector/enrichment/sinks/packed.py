"""Lines that leave in bodies: the lines of a batch are packed as their format wants it, and each body is one line."""

from collections.abc import Callable, Sequence
from typing import Any

from connector.enrichment.ports import Sink
from connector.enrichment.values import Output, Refusal

Pack = Callable[[Sequence[bytes]], list[tuple[bytes, int]]]


class PackedSink:
    """Before another sink; a body that is refused is the refusal of every line in it."""

    def __init__(self, sink: Sink, pack: Pack) -> None:
        self._sink, self._pack = sink, pack

    async def open(self, place: Any) -> None:
        await self._sink.open(place)

    async def write(self, output: Output) -> Sequence[Refusal]:
        bodies: list[bytes] = []
        starts: list[int] = []
        sizes: list[int] = []
        for body, size in self._pack(output.lines):
            starts.append(sum(sizes))
            bodies.append(body)
            sizes.append(size)
        refused = await self._sink.write(Output(output.batch, bodies, [output.origins[start] for start in starts]))
        return [Refusal(starts[each.line] + n, each.failure) for each in refused for n in range(sizes[each.line])]

    async def sync(self) -> Any:
        return await self._sink.sync()

    async def close(self) -> None:
        await self._sink.close()
