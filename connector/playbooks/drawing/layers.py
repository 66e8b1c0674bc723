"""Layers of a directed graph and the order within them: cycles broken, few crossings, a lane for each edge.

Vertices are numbers. Those of the graph stand in even layers; each edge is a chain of vertices, one in every layer
that it passes, and the one in the odd layer nearest to its source holds its label.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

Pair = tuple[int, int]
_SWEEPS: Final = 10
_SWEEPS_OF_MANY, _MANY = 3, 1500


@dataclass(slots=True)
class Layers:
    """Vertices by layer, in order; of each edge its chain downwards, whether that is against it, and its label."""

    rows: list[list[int]]
    chains: list[list[int]]
    turned: list[bool]
    labels: list[int]
    above: dict[int, list[int]] = field(default_factory=dict)
    below: dict[int, list[int]] = field(default_factory=dict)


def layered(count: int, pairs: Sequence[Pair]) -> Layers:
    """The layers of a graph of so many vertices; no pair is a loop."""
    turned = _turned(count, pairs)
    down = [(b, a) if back else (a, b) for (a, b), back in zip(pairs, turned, strict=True)]
    ranks = _ranks(count, down)
    made = _laned(count, down, turned, ranks)
    _order(made)
    return made


def _outgoing(count: int, pairs: Sequence[Pair]) -> list[list[int]]:
    """For each vertex the numbers of the pairs that leave it."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    for number, (source, _) in enumerate(pairs):
        leaving[source].append(number)
    return leaving


def _turned(count: int, pairs: Sequence[Pair]) -> list[bool]:
    """Which pairs close a cycle, found depth first: first from vertices that nothing leads to."""
    leaving, entered = _outgoing(count, pairs), {target for _, target in pairs}
    turned = [False] * len(pairs)
    state = [0] * count  # 1: on the way, 2: done
    for root in sorted(range(count), key=lambda vertex: vertex in entered):
        if state[root]:
            continue
        way = [(root, iter(leaving[root]))]
        state[root] = 1
        while way:
            vertex, edges = way[-1]
            number = next(edges, None)
            if number is None:
                state[vertex] = 2
                way.pop()
                continue
            target = pairs[number][1]
            turned[number] = state[target] == 1
            if state[target] == 0:
                state[target] = 1
                way.append((target, iter(leaving[target])))
    return turned


def _ranks(count: int, pairs: Sequence[Pair]) -> list[int]:
    """The layer of each vertex: two below the lowest that leads to it; what leads on more than in comes down to it."""
    leaving, missing = _outgoing(count, pairs), [0] * count
    for _, target in pairs:
        missing[target] += 1
    entering = list(missing)
    ranks, order = [0] * count, [vertex for vertex in range(count) if not missing[vertex]]
    for vertex in order:
        for number in leaving[vertex]:
            target = pairs[number][1]
            ranks[target] = max(ranks[target], ranks[vertex] + 2)
            missing[target] -= 1
            if not missing[target]:
                order.append(target)
    for vertex in reversed(order):
        if len(leaving[vertex]) > entering[vertex]:
            ranks[vertex] = min(ranks[pairs[number][1]] for number in leaving[vertex]) - 2
    return ranks


def _laned(count: int, pairs: Sequence[Pair], turned: list[bool], ranks: list[int]) -> Layers:
    """Every edge as a chain of vertices, and all of them in layers, in the order in which they are met."""
    ranks = list(ranks)
    made = Layers([[] for _ in range(max(ranks, default=0) + 1)], [], turned, [])
    made.above, made.below = {v: [] for v in range(count)}, {v: [] for v in range(count)}
    for (upper, lower), back in zip(pairs, turned, strict=True):
        between = range(ranks[upper] + 1, ranks[lower])
        chain = [upper, *range(len(ranks), len(ranks) + len(between)), lower]
        ranks += between
        for a, b in pairwise(chain):
            made.below.setdefault(a, []).append(b)
            made.above.setdefault(b, []).append(a)
            made.above.setdefault(a, [])
            made.below.setdefault(b, [])
        made.chains.append(chain)
        made.labels.append(chain[-2 if back else 1])
    _fill(made, ranks, count)
    return made


def _fill(made: Layers, ranks: list[int], count: int) -> None:
    """Put the vertices into their layers, depth first, so that what hangs together stands together."""
    met: set[int] = set()
    for root in sorted(range(count), key=lambda vertex: (ranks[vertex], vertex)):
        left = [root]
        while left:
            vertex = left.pop()
            if vertex not in met:
                met.add(vertex)
                made.rows[ranks[vertex]].append(vertex)
                left += reversed(made.below[vertex])


def _order(made: Layers) -> None:
    """Fewer crossings: sweeps down and up, each layer by the middle of its neighbours; the best order stays."""
    best, fewest = [list(row) for row in made.rows], crossings(made)
    for sweep in range(_SWEEPS if sum(map(len, best)) <= _MANY else _SWEEPS_OF_MANY):
        if fewest == 0:
            break
        rows, near = (made.rows, made.above) if sweep % 2 == 0 else (made.rows[::-1], made.below)
        for fixed, moving in pairwise(rows):
            _sort(fixed, moving, near)
        found = crossings(made)
        if found < fewest:
            best, fewest = [list(row) for row in made.rows], found
    made.rows = best


def _sort(fixed: list[int], moving: list[int], near: dict[int, list[int]]) -> None:
    """One layer by the mean place of its neighbours in the other; what has none keeps its place."""
    place = {vertex: number for number, vertex in enumerate(fixed)}
    scale = len(fixed) / max(1, len(moving))
    middle = {}
    for number, vertex in enumerate(moving):
        places = [place[other] for other in near[vertex]]
        middle[vertex] = sum(places) / len(places) if places else number * scale
    moving.sort(key=middle.__getitem__)


def crossings(made: Layers) -> int:
    """How many pairs of edges cross."""
    found = 0
    for upper, lower in pairwise(made.rows):
        place = {vertex: number for number, vertex in enumerate(lower)}
        seen: list[int] = []
        for vertex in upper:
            ends = sorted(place[other] for other in made.below[vertex])
            found += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return found
