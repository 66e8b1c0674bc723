"""A layered layout of a small directed graph: boxes and labels get their places, edges their ways between them.

The method of Sugiyama: cycles are broken, nodes get layers, layers an order with few crossings, and places that keep
edges short and straight. Nodes stand in the even layers, labels of edges in the odd ones, and an edge passes other
layers upright in a lane of its own, so nothing lies on anything else. Pure and deterministic: the same graph gives the
same drawing. Parts that do not hang together are set side by side, in rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from connector.playbooks.drawing.layers import Layers, layered
from connector.playbooks.drawing.places import Across, across

Point = tuple[float, float]
_GAP: Final = 28.0
_LANE: Final = 8.0
_LOOP: Final = 18.0


@dataclass(frozen=True, slots=True)
class Node:
    """A box, by its size in pixels."""

    id: str
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Link:
    """An edge between two nodes, by their ids, with the size of its label; without one, both are 0."""

    source: str
    target: str
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """The way of an edge, from its source to its target, and the middle of its label."""

    points: tuple[Point, ...]
    label: Point


@dataclass(frozen=True, slots=True)
class Layout:
    """The middle of each node by its id, the way of each link in the order given, and the size of the whole."""

    places: dict[str, Point]
    routes: tuple[Route, ...]
    width: float
    height: float


def arrange(nodes: Sequence[Node], links: Sequence[Link], width: float = 1100.0, *, sideways: bool = False) -> Layout:
    """The layout of a graph, downwards or ``sideways``; its parts are set in rows of about that width.

    Raises:
        KeyError: when a link names a node that there is not.
    """
    places: dict[str, Point] = {}
    routes: dict[int, Route] = {}
    x, y, tallest, widest, single = 0.0, 0.0, 0.0, 0.0, False
    for some, numbers in _parts(nodes, links):
        within = [links[number] for number in numbers]
        part = _sideways(some, within) if sideways else _part(some, within)
        if x and (x + part.width > width or (len(some) == 1) != single):
            x, y, tallest = 0.0, y + tallest + _GAP, 0.0
        single = len(some) == 1
        places |= {id_: (px + x, py + y) for id_, (px, py) in part.places.items()}
        routes |= {number: _moved(route, x, y) for number, route in zip(numbers, part.routes, strict=True)}
        widest, tallest, x = max(widest, x + part.width), max(tallest, part.height), x + part.width + _GAP
    return Layout(places, tuple(routes[number] for number in range(len(links))), widest, y + tallest)


def _moved(route: Route, x: float, y: float) -> Route:
    return Route(tuple((px + x, py + y) for px, py in route.points), (route.label[0] + x, route.label[1] + y))


def _parts(nodes: Sequence[Node], links: Sequence[Link]) -> list[tuple[list[Node], list[int]]]:
    """Nodes that hang together, with the numbers of their links, by their first nodes; single ones last."""
    leader = {node.id: node.id for node in nodes}

    def lead(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for link in links:
        leader[lead(link.target)] = lead(link.source)
    parts: dict[str, tuple[list[Node], list[int]]] = {}
    for node in nodes:
        parts.setdefault(lead(node.id), ([], []))[0].append(node)
    for number, link in enumerate(links):
        parts[lead(link.source)][1].append(number)
    return sorted(parts.values(), key=lambda part: len(part[0]) == 1)


def _sideways(nodes: Sequence[Node], links: Sequence[Link]) -> Layout:
    """One part from left to right: that is one downwards with the axes exchanged."""
    lying = [Node(node.id, node.height, node.width) for node in nodes]
    made = _part(lying, [Link(link.source, link.target, link.height, link.width) for link in links])
    routes = (Route(tuple((y, x) for x, y in route.points), route.label[::-1]) for route in made.routes)
    return Layout({name: (y, x) for name, (x, y) in made.places.items()}, tuple(routes), made.height, made.width)


def _part(nodes: Sequence[Node], links: Sequence[Link]) -> Layout:
    """One part: everything in layers; a loop is drawn at the right side of its node, which is given the room."""
    number = {node.id: place for place, node in enumerate(nodes)}
    loops: dict[str, float] = {}
    for link in links:
        if link.source == link.target:
            loops[link.source] = loops.get(link.source, 0.0) + link.width + 2 * _LOOP
    straight = [link for link in links if link.source != link.target]
    layers = layered(len(nodes), [(number[link.source], number[link.target]) for link in straight])
    widths = [node.width + 2 * loops.get(node.id, 0.0) for node in nodes]
    heights = [node.height for node in nodes]
    lanes = sum(len(chain) - 2 for chain in layers.chains)
    widths += [_LANE] * lanes
    heights += [0.0] * lanes
    for link, vertex in zip(straight, layers.labels, strict=True):
        widths[vertex], heights[vertex] = max(_LANE, link.width), link.height
    placed = across(layers, widths, [node.width for node in nodes], _GAP)
    left = min(x - w / 2 for x, w in zip(placed.x, widths, strict=True))
    placed.x = [x - left for x in placed.x]
    bands = _bands(layers, placed, heights)
    ways = iter(_ways(layers, placed, bands, heights))
    middle = {
        vertex: (top + bottom) / 2 for row, (top, bottom) in zip(layers.rows, bands, strict=True) for vertex in row
    }
    places = {node.id: (placed.x[place], middle[place]) for node, place in zip(nodes, range(len(nodes)), strict=True)}
    beside = {node.id: node.width / 2 for node in nodes}
    routes = [_loop(nodes[number[k.source]], places, k, beside) if k.source == k.target else next(ways) for k in links]
    return Layout(places, tuple(routes), max(x + w / 2 for x, w in zip(placed.x, widths, strict=True)), bands[-1][1])


def _bands(layers: Layers, placed: Across, heights: Sequence[float]) -> list[tuple[float, float]]:
    """Top and bottom of each layer; the further edges go sideways between two layers, the further these are apart."""
    aside = [0.0] * len(layers.rows)
    row_of = {vertex: number for number, row in enumerate(layers.rows) for vertex in row}
    for chain, (leave, enter) in zip(layers.chains, placed.ends, strict=True):
        at = [placed.x[vertex] for vertex in chain]
        at[0], at[-1] = at[0] + leave, at[-1] + enter
        for vertex, here, there in zip(chain, at, at[1:], strict=False):
            aside[row_of[vertex]] = max(aside[row_of[vertex]], abs(there - here))
    bands, top = [], 0.0
    for row, far in zip(layers.rows, aside, strict=True):
        bottom = top + max(heights[vertex] for vertex in row)
        bands.append((top, bottom))
        top = bottom + min(44.0, 12.0 + far * 0.14)
    return bands


def _ways(
    layers: Layers, placed: Across, bands: Sequence[tuple[float, float]], heights: Sequence[float]
) -> list[Route]:
    """The way of each edge: upright through layers, aslant between them."""
    row_of = {vertex: number for number, row in enumerate(layers.rows) for vertex in row}
    made = []
    for chain, ends, back, label in zip(layers.chains, placed.ends, layers.turned, layers.labels, strict=True):
        points: list[Point] = []
        for number, vertex in enumerate(chain):
            top, bottom = bands[row_of[vertex]]
            middle, half = (top + bottom) / 2, heights[vertex] / 2
            if number == 0:
                x = placed.x[vertex] + ends[0]
                points += [(x, middle + half), (x, bottom)]
            elif number == len(chain) - 1:
                x = placed.x[vertex] + ends[1]
                points += [(x, top), (x, middle - half)]
            else:
                points += [(placed.x[vertex], top), (placed.x[vertex], bottom)]
        points = _without_repeats(points)
        top, bottom = bands[row_of[label]]
        made.append(Route(tuple(points[::-1] if back else points), (placed.x[label], (top + bottom) / 2)))
    return made


def _without_repeats(points: list[Point]) -> list[Point]:
    """The same way without points that repeat, and without those amid an upright line."""
    kept: list[Point] = []
    for point in points:
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and kept[-2][0] == kept[-1][0] == point[0]:
            kept.pop()
        kept.append(point)
    return kept


def _loop(node: Node, places: dict[str, Point], link: Link, beside: dict[str, float]) -> Route:
    """A loop at the right side of its node; ``beside`` says from where on, as there may be several."""
    (x, y), quarter = places[node.id], node.height / 4
    side, out = x + node.width / 2, x + beside[node.id] + _LOOP
    beside[node.id] += link.width + 2 * _LOOP
    points = ((side, y - quarter), (out, y - quarter), (out, y + quarter), (side, y + quarter))
    return Route(points, (out + _LOOP / 2 + link.width / 2, y))
