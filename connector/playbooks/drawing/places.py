"""Places across for the vertices of layers: nothing overlaps, edges are short, and those that pass layers straight.

First the least squares of all offsets, layer by layer: that is an isotonic regression, solved exactly by pooling
neighbours (the algorithm of pool adjacent violators). Then single vertices, and whole lanes as one, move to the median
of what they hang on, as far as their neighbours let them, which makes almost straight edges straight.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import le
from statistics import median
from typing import Final

from connector.playbooks.drawing.layers import Layers

_ROUNDS, _STRAIGHTENINGS = 40, 30
_PORT: Final = 26.0
_LANE_WEIGHT: Final = 4.0


@dataclass(slots=True)
class Across:
    """Where vertices are across (their middles), with the offset of each edge's ends at the boxes they leave."""

    layers: Layers
    widths: Sequence[float]
    boxes: Sequence[float]
    gap: float
    x: list[float] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)
    links: list[list[tuple[int, float, float]]] = field(default_factory=list)
    side: dict[int, tuple[int | None, int | None]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.boxes)

    def apart(self, left: int, right: int) -> float:
        """How far apart the middles of two neighbours are at least."""
        boxes = left < self.count and right < self.count
        return (self.widths[left] + self.widths[right]) / 2 + (self.gap if boxes else self.gap * 0.5)


def across(layers: Layers, widths: Sequence[float], boxes: Sequence[float], gap: float) -> Across:
    """Places for every vertex by the widths that they take up; the first are ``boxes``, of their own widths."""
    made = Across(layers, widths, boxes, gap, x=[0.0] * len(widths))
    for row in layers.rows:
        for left, right in pairwise(row):
            made.x[right] = made.x[left] + made.apart(left, right)
        middle = (made.x[row[0]] + made.x[row[-1]]) / 2 if row else 0.0
        for vertex in row:
            made.x[vertex] -= middle
        for before, vertex, after in zip([None, *row[:-1]], row, [*row[1:], None], strict=True):
            made.side[vertex] = (before, after)
    made.ends = _ends(made)
    made.links = _links(made)
    for _ in range(_ROUNDS):
        for row in (*layers.rows, *layers.rows[::-1]):
            _settle(made, row)
    for _ in range(_STRAIGHTENINGS):
        _straighten(made)
    return made


def _ends(made: Across) -> list[tuple[float, float]]:
    """Of each edge how far from the middle of its boxes it leaves and comes in: side by side, as its lanes lie."""
    place = {vertex: number for row in made.layers.rows for number, vertex in enumerate(row)}
    chains = made.layers.chains
    leave, enter = [0.0] * len(chains), [0.0] * len(chains)
    for into, end, beside in ((leave, 0, 1), (enter, -1, -2)):
        at: dict[int, list[int]] = {}
        for number, chain in enumerate(chains):
            at.setdefault(chain[end], []).append(number)
        for vertex, numbers in at.items():
            numbers.sort(key=lambda number: place[chains[number][beside]])
            room = max(0.0, made.boxes[vertex] - 40) / max(1, len(numbers) - 1)
            step = min(_PORT, room)
            for position, number in enumerate(numbers):
                into[number] = (position - (len(numbers) - 1) / 2) * step
    return list(zip(leave, enter, strict=True))


def _links(made: Across) -> list[list[tuple[int, float, float]]]:
    """What each vertex hangs on: the other, how far from it this one wants to be, and how strongly."""
    links: list[list[tuple[int, float, float]]] = [[] for _ in made.widths]
    for chain, (leave, enter) in zip(made.layers.chains, made.ends, strict=True):
        for number, (a, b) in enumerate(pairwise(chain)):
            offset = (leave if number == 0 else 0.0) - (enter if number == len(chain) - 2 else 0.0)
            weight = _LANE_WEIGHT if a >= made.count and b >= made.count else 1.0
            links[a].append((b, -offset, weight))
            links[b].append((a, offset, weight))
    return links


def _settle(made: Across, row: list[int]) -> None:
    """The places of one layer that are best for it while all others stay."""
    wanted, weights, shifts = [], [], []
    shift = 0.0
    for number, vertex in enumerate(row):
        links = made.links[vertex]
        total = sum(weight for _, _, weight in links)
        pull = sum((made.x[other] + offset) * weight for other, offset, weight in links)
        shift += made.apart(row[number - 1], vertex) if number else 0.0
        shifts.append(shift)
        wanted.append((pull / total if total else made.x[vertex]) - shift)
        weights.append(total or 0.01)
    for vertex, place, shift in zip(row, pooled(wanted, weights), shifts, strict=True):
        made.x[vertex] = place + shift


def pooled(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The values that never fall and are nearest to these, by weighted least squares."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(wanted, weights, strict=True):
        total, mass, size = value * weight, weight, 1
        while pools and pools[-1][0] / pools[-1][1] > total / mass:
            before = pools.pop()
            total, mass, size = total + before[0], mass + before[1], size + before[2]
        pools.append((total, mass, size))
    return [total / mass for total, mass, size in pools for _ in range(size)]


def _straighten(made: Across) -> None:
    """Every box, then every lane, to the middle of what it hangs on, as far as there is room."""
    hung = _hung(made)
    for vertex in (vertex for row in made.layers.rows for vertex in row if vertex < made.count and hung[vertex]):
        low, high = _room(made, [vertex])
        if low <= high:
            made.x[vertex] = min(max(_wanted(made, hung, vertex), low), high)
    for chain, (leave, enter) in zip(made.layers.chains, made.ends, strict=True):
        _straighten_lane(made, chain[1:-1], made.x[chain[0]] + leave, made.x[chain[-1]] + enter)


def _hung(made: Across) -> list[list[tuple[int, float, bool]]]:
    """Of each box the boxes at the other ends of its edges: how far from them it wants to be, and if they are above."""
    hung: list[list[tuple[int, float, bool]]] = [[] for _ in range(made.count)]
    for chain, (leave, enter) in zip(made.layers.chains, made.ends, strict=True):
        hung[chain[0]].append((chain[-1], enter - leave, False))
        hung[chain[-1]].append((chain[0], leave - enter, True))
    return hung


def _wanted(made: Across, hung: Sequence[Sequence[tuple[int, float, bool]]], vertex: int) -> float:
    """Where a box should be: in line with the one before it or after it in a sequence, else amid all of its edges."""
    for above in (True, False):
        found = [(other, offset) for other, offset, up in hung[vertex] if up == above]
        if len(found) == 1 and sum(up != above for _, _, up in hung[found[0][0]]) == 1:
            return made.x[found[0][0]] + found[0][1]
    return median(made.x[other] + offset for other, offset, _ in hung[vertex])


def _straighten_lane(made: Across, lane: list[int], top: float, bottom: float) -> None:
    """A lane as one upright line where there is room for it, else as few of them as can be."""
    while lane:
        size = next((size for size in range(len(lane), 0, -1) if le(*_room(made, lane[:size]))), 0)
        if not size:
            return
        low, high = _room(made, lane[:size])
        ends = (bottom, top) if size == len(lane) else (top, bottom)
        place = next((end for end in ends if low <= end <= high), min(max(ends[0], low), high))
        for vertex in lane[:size]:
            made.x[vertex] = place
        lane, top = lane[size:], place


def _room(made: Across, vertices: Iterable[int]) -> tuple[float, float]:
    """From where to where all of these can move without coming too near to a neighbour."""
    low, high = float("-inf"), float("inf")
    for vertex in vertices:
        left, right = made.side[vertex]
        if left is not None:
            low = max(low, made.x[left] + made.apart(left, vertex))
        if right is not None:
            high = min(high, made.x[right] - made.apart(vertex, right))
    return low, high
