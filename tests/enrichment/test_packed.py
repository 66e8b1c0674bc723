"""Lines that leave in bodies come whole, once, and are refused by the line."""

import asyncio

import pytest

from connector.enrichment.sinks.packed import PackedSink
from connector.enrichment.values import Batch, Failure, Output, Refusal
from connector.errors import Unreachable


class Behind:
    """The sink behind: away at first, then takes all but the second body."""

    def __init__(self):
        self.away, self.outputs = 2, []

    async def write(self, output):
        self.outputs.append(output)
        if self.away:
            self.away -= 1
            raise Unreachable("away")
        return [Refusal(1, Failure("refused", "not this one"))]


def by_two(lines):
    return [(b"+".join(lines[n : n + 2]), len(lines[n : n + 2])) for n in range(0, len(lines), 2)]


def test_an_output_that_is_written_again_is_the_same_bodies_and_a_refused_body_is_all_its_lines():
    behind = Behind()
    sink = PackedSink(behind, by_two)
    output = Output(Batch([b"e"] * 5, None, "x"), [b"a", b"b", b"c", b"d", b"e"], [0, 1, 2, 3, 4])

    async def again_and_again():
        for _ in range(2):
            with pytest.raises(Unreachable):
                await sink.write(output)
        return await sink.write(output)

    refused = asyncio.run(again_and_again())
    assert [each.line for each in refused] == [2, 3]
    assert all(each is behind.outputs[0] for each in behind.outputs)
    assert behind.outputs[0].lines == [b"a+b", b"c+d", b"e"]
    assert behind.outputs[0].origins == [0, 2, 4]
