"""Lines that leave in bodies: the lines of a batch are packed as their format wants it, and each body is one line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from connector.enrichment.ports import Sink
from connector.enrichment.values import Output, Refusal

Pack = Callable[[Sequence[bytes]], list[tuple[bytes, int]]]


@dataclass(frozen=True, slots=True)
class _Packed:
    """The bodies of an output, and where in it the lines of each begin and how many they are."""

    of: Output
    bodies: Output
    starts: Sequence[int]
    sizes: Sequence[int]


class PackedSink:
    """Before another sink; a body that is refused is the refusal of every line in it.

    The same output again, after the sink was away, is given on as the same bodies: by that a sink knows what it has.
    """

    def __init__(self, sink: Sink, pack: Pack) -> None:
        self._sink, self._pack = sink, pack
        self._last: _Packed | None = None

    async def open(self, place: Any) -> None:
        await self._sink.open(place)

    async def write(self, output: Output) -> Sequence[Refusal]:
        last = self._last
        if last is None or last.of is not output:
            last = self._last = self._packed(output)
        refused = await self._sink.write(last.bodies)
        self._last = None
        return [
            Refusal(last.starts[each.line] + n, each.failure) for each in refused for n in range(last.sizes[each.line])
        ]

    def _packed(self, output: Output) -> _Packed:
        packed = self._pack(output.lines)
        sizes = [size for _, size in packed]
        starts = list(accumulate(sizes, initial=0))[:-1]
        bodies = Output(output.batch, [body for body, _ in packed], [output.origins[start] for start in starts])
        return _Packed(output, bodies, starts, sizes)

    async def sync(self) -> Any:
        return await self._sink.sync()

    async def close(self) -> None:
        await self._sink.close()
