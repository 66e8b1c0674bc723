"""The diagram of a playbook as SVG, coloured by what happened in a run: steps that were done, ways that were taken."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.playbooks.cacao import AnyStep, Playbook
from connector.playbooks.drawing.layout import Layout, Link, Node, Point, arrange
from connector.playbooks.drawing.markup import Markup, join, tag
from connector.playbooks.drawing.shapes import LABEL_HEIGHT, LABEL_SIZE, box, edge, mark, sheet
from connector.playbooks.drawing.text import cut, lines, width
from connector.playbooks.drawing.words import kind_of, name_of, steps_in_order, way_of
from connector.playbooks.graph import Edge, edges

Visits = Sequence[Mapping[str, Any]]
STATES: Final = {
    "done": "done",
    "failed": "failed",
    "waiting": "waiting",
    "running": "running",
    "stopped": "stopped",
    "none": "not reached",
}
_SHAPES: Final = {
    "start": "pill",
    "end": "pill",
    "playbook-action": "bars",
    "parallel": "shelves",
    "if-condition": "hexagon",
    "while-condition": "hexagon",
    "switch-condition": "hexagon",
}
_WIDTH, _LINE, _TITLE = 208.0, 16.0, 13.0
_LONGEST_LABEL: Final = 170.0


@dataclass(frozen=True, slots=True)
class _Box:
    """A step as it is drawn."""

    title: list[str]
    small: str
    shape: str
    width: float
    height: float


def state_of(visit: Mapping[str, Any], run: str) -> str:
    """The state of a visit as it is shown: what a run that has ended left open was stopped."""
    state = str(visit["state"])
    return "stopped" if run in {"failed", "cancelled", "done"} and state in {"running", "waiting"} else state


def run_drawing(playbook: Playbook, visits: Visits = (), run: str = "done") -> Markup:
    """The diagram as one SVG document.

    ``visits`` are those of a run as JSON values, in order; those of other playbooks are left out. ``run`` is the state
    of the run. Without visits every step is drawn as not reached.
    """
    mine = [visit for visit in visits if visit["playbook"] in {"", playbook.id} and visit["step"] in playbook.workflow]
    states = {str(visit["step"]): state_of(visit, run) for visit in mine}
    counts = Counter(str(visit["step"]) for visit in mine if visit["type"] not in {"start", "end"})
    taken = _taken(playbook, mine)
    shapes = {name: _box(playbook.workflow[name], counts[name]) for name in steps_in_order(playbook)}
    ways = [way for way in edges(playbook) if way.target in playbook.workflow]
    said = [cut(way_of(way, playbook.workflow[way.source]), LABEL_SIZE, _LONGEST_LABEL) for way in ways]
    placed = _arranged(shapes, ways, said)
    order = sorted(range(len(ways)), key=lambda number: ways[number] in taken)  # what was taken lies on top
    drawn = [
        *(_way(placed, number, said[number], taken=ways[number] in taken) for number in order),
        *(
            _step(name, shape, placed.places[name], states.get(name, "none"), counts[name])
            for name, shape in shapes.items()
        ),
    ]
    title, about = f"Steps of {playbook.name}", _about(playbook, states)
    return sheet(
        join(*drawn), placed.width, placed.height, name="steps-drawing", title=title, about=about, interactive=False
    )


def _about(playbook: Playbook, states: Mapping[str, str]) -> str:
    """The diagram in words, for who does not see it."""
    found = Counter(states.get(name, "none") for name in playbook.workflow)
    return f"{len(playbook.workflow)} steps: " + ", ".join(f"{found[s]} {w}" for s, w in STATES.items() if found[s])


def _taken(playbook: Playbook, visits: Visits) -> set[Edge]:
    """The edges that the run went along."""
    reached = {visit["step"] for visit in visits}
    went = {(visit["step"], label) for visit in visits for label in _went(visit)}
    return {way for way in edges(playbook) if (way.source, way.label) in went and way.target in reached}


def _went(visit: Mapping[str, Any]) -> Iterable[str]:
    """The labels of the edges that a visit leads along, whether or not the step has them."""
    took = visit["took"]
    if took is not None:
        yield from ("on_true",) if str(took).startswith("round ") and visit["type"] == "while-condition" else ()
        yield f"case {took}" if visit["type"] == "switch-condition" else str(took)
    if visit["type"] == "parallel":
        yield "next_steps"
    if visit["state"] == "done":
        yield from ("on_completion", "on_success")
    elif visit["state"] == "failed":
        yield "on_failure"


def _box(step: AnyStep, count: int) -> _Box:
    """The measures of a step: its name on at most two lines, and what it is below."""
    shape = _SHAPES.get(step.type, "card")
    name, kind = name_of(step), kind_of(step)
    if shape == "pill":
        title = lines(name, _TITLE, _WIDTH - 52, 1)
        return _Box(title, "", shape, max(96.0, width(title[0], _TITLE) + 58), 32.0)
    inset = 16.0 if shape == "hexagon" else 8.0 if shape == "bars" else 0.0
    title = lines(name, _TITLE, _WIDTH - 48 - inset - (26 if count > 1 else 0), 2)
    return _Box(title, cut(kind, 11, _WIDTH - 48 - inset), shape, _WIDTH, 18.0 + _LINE * len(title) + 14.0)


def _arranged(shapes: Mapping[str, _Box], ways: Sequence[Edge], said: Sequence[str]) -> Layout:
    nodes = [Node(name, shape.width, shape.height) for name, shape in shapes.items()]
    links = [
        Link(way.source, way.target, _label_width(text), LABEL_HEIGHT if text else 0.0)
        for way, text in zip(ways, said, strict=True)
    ]
    return arrange(nodes, links)


def _label_width(text: str) -> float:
    return width(text, LABEL_SIZE) + 8 if text else 0.0


def _way(placed: Layout, number: int, text: str, *, taken: bool) -> Markup:
    return tag("g", edge(placed.routes[number], text, _label_width(text)), class_="taken" if taken else "open")


def _step(name: str, shape: _Box, middle: Point, state: str, count: int) -> Markup:
    """One step: its outline, the sign of its state, its name, its kind, and how often it was visited."""
    x, y = middle
    left = x - shape.width / 2 + (16.0 if shape.shape in {"hexagon", "bars"} else 8.0)
    top = y - (_LINE * len(shape.title) + (14.0 if shape.small else 0.0)) / 2
    parts = [box(shape.shape, middle, shape.width, shape.height), mark(state, left + 10, y)]
    parts += [
        tag("text", text, class_="title", x=left + 27, y=top + 12.5 + _LINE * row)
        for row, text in enumerate(shape.title)
    ]
    if shape.small:
        parts.append(tag("text", shape.small, class_="small", x=left + 27, y=top + 11.5 + _LINE * len(shape.title)))
    if count > 1:
        right = x + shape.width / 2 - (16.0 if shape.shape != "card" else 10.0)
        parts.append(
            tag("text", f"\N{MULTIPLICATION SIGN}{count}", class_="count", x=right, y=top + 12, text_anchor="end")
        )
    times = f", {count} times" if count > 1 else ""
    told = tag("title", f"{' '.join(shape.title)}: {STATES[state]}{times}")
    return tag("g", told, *parts, class_=f"step {'none' if state == 'stopped' else state}", data_step=name)
