"""What drawings are made of: boxes of several shapes, marks of states, edges as smooth lines with a head, labels."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from connector.playbooks.drawing.layout import Point, Route
from connector.playbooks.drawing.markup import Markup, join, number, tag
from connector.playbooks.drawing.style import DRAWING, PALETTE

_HEAD: Final = (7.0, 4.0)
PADDING: Final = 6.0
LABEL_SIZE: Final = 11.5
LABEL_HEIGHT: Final = 16.0
_GLYPHS: Final = {
    "done": "M-4 0.3 L-1.2 3.2 L4.2 -3",
    "failed": "M-3 -3 L3 3 M3 -3 L-3 3",
    "waiting": "M0 -4.2 V0.4 L3 2.4",
    "running": "M-4 0 H-3.9 M0 0 H0.1 M4 0 H4.1",
    "stopped": "M-3.5 0 H3.5",
}


def sheet(content: str, width: float, height: float, *, name: str, title: str, about: str, interactive: bool) -> Markup:
    """An SVG document of that content, with its style, so that it looks the same within a page and alone.

    One whose parts can be chosen is a group to a screen reader, any other one image.
    """
    wide, high = width + 2 * PADDING, height + 2 * PADDING
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", about, id=f"{name}-about"),
        tag("style", Markup(PALETTE + DRAWING)),
        content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=" ".join(map(number, (-PADDING, -PADDING, wide, high))),
        width=wide,
        height=high,
        class_="drawing",
        id=name,
        role="group" if interactive else "img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-about",
    )


def box(shape: str, middle: Point, width: float, height: float) -> Markup:
    """The outline of a node: ``pill``, ``hexagon``, ``bars`` (two lines at the sides), ``shelves`` or ``card``."""
    x, y = middle[0] - width / 2, middle[1] - height / 2
    if shape == "hexagon":
        return tag("path", class_="box", d=_hexagon(x, y, width, height))
    round_ = height / 2 if shape == "pill" else 7.0
    outline = tag("rect", class_="box", x=x, y=y, width=width, height=height, rx=round_)
    bottom, right = y + height, x + width
    lines = {
        "bars": f"M{_at(x + 6, y)} V{number(bottom)} M{_at(right - 6, y)} V{number(bottom)}",
        "shelves": f"M{_at(x, y + 5)} H{number(right)} M{_at(x, bottom - 5)} H{number(right)}",
    }
    return join(outline, tag("path", class_="bars", d=lines[shape])) if shape in lines else outline


def _hexagon(x: float, y: float, width: float, height: float) -> str:
    side, right, bottom = 12.0, x + width, y + height
    points = ((x + side, y), (right - side, y), (right, y + height / 2), (right - side, bottom), (x + side, bottom))
    return "M" + " L".join(_at(*point) for point in (*points, (x, y + height / 2))) + " Z"


def mark(state: str, x: float, y: float) -> Markup:
    """The sign of a state, so that it is told by more than its colour."""
    if state not in _GLYPHS:
        return tag("circle", class_="hollow", cx=x, cy=y, r=6.5)
    glyph = tag("path", class_="glyph", d=_GLYPHS[state], transform=f"translate({number(x)} {number(y)})")
    return join(tag("circle", class_="mark", cx=x, cy=y, r=8.5), glyph)


def edge(route: Route, label: str, label_width: float, *, sideways: bool = False) -> Markup:
    """A line with its head and its label, which has its own ground so that it is read well."""
    drawn = [
        tag("path", class_="way", d=smooth(route.points, sideways=sideways)),
        tag("polygon", class_="head", points=_head(route.points, sideways=sideways)),
    ]
    if label:
        x, y = route.label
        ground = tag(
            "rect",
            class_="ground",
            x=x - label_width / 2,
            y=y - LABEL_HEIGHT / 2,
            width=label_width,
            height=LABEL_HEIGHT,
        )
        drawn += [ground, tag("text", label, class_="said", x=x, y=y + 4, text_anchor="middle")]
    return join(*drawn)


def _head(points: Sequence[Point], *, sideways: bool) -> str:
    """The corners of an arrow head: in the direction of the last piece, or where that is aslant, of the whole."""
    (x, y), (to_x, to_y) = points[-2] if len(points) > 1 else points[-1], points[-1]
    long, half = _HEAD
    if x != to_x and (sideways or y == to_y):
        back = long if x > to_x else -long
        corners = [(to_x, to_y), (to_x + back, to_y - half), (to_x + back, to_y + half)]
    else:
        back = long if y > to_y else -long
        corners = [(to_x, to_y), (to_x - half, to_y + back), (to_x + half, to_y + back)]
    return " ".join(f"{number(px)},{number(py)}" for px, py in corners)


def smooth(points: Sequence[Point], *, sideways: bool = False) -> str:
    """A way as a path: straight where it is upright or level, else a curve that begins and ends in its direction."""
    path = [f"M{_at(*points[0])}"]
    for (x, y), (to_x, to_y) in pairwise(points):
        if x == to_x or y == to_y:
            path.append(f"L{_at(to_x, to_y)}")
        elif sideways:
            middle = (x + to_x) / 2
            path.append(f"C{_at(middle, y)} {_at(middle, to_y)} {_at(to_x, to_y)}")
        else:
            middle = (y + to_y) / 2
            path.append(f"C{_at(x, middle)} {_at(to_x, middle)} {_at(to_x, to_y)}")
    return " ".join(path)


def _at(x: float, y: float) -> str:
    return f"{number(x)} {number(y)}"
