"""Charts that are tables: each number stands beside its bar, so that whoever cannot see the bars reads the same.

Bars are inline SVG in percent of the room there is, so that they fit a telephone, a desk and paper without a script,
and text keeps its size. Every text from outside is escaped and stands for itself in direction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from connector.enrichment.report.words import amount, lasting, percent
from connector.playbooks.drawing.markup import Markup, line, shorter, tag

Points = Sequence[tuple[float, float]]
LONGEST: Final = 48
ROWS: Final = 20
_ROUND: Final = (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8)
_WIDE: Final = 1000
_HIGH: Final = 100
_LEAST: Final = 0.004  # of the room there is


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a bar chart; ``kind`` gives the colour."""

    label: str
    count: int
    kind: str


def bars(name: str, heads: tuple[str, str], rows: Sequence[Bar], *, whole: int = 0, swatches: bool = False) -> Markup:
    """A horizontal bar chart; with ``whole``, each row says its share of it and the bars are measured by it too.

    With ``swatches`` there are no bars, and each row shows the colour of its part of a stack.
    """
    most = whole or max((bar.count for bar in rows), default=0)
    titles = [tag("th", heads[0], scope="col", role="columnheader")]
    if not swatches:
        titles.append(tag("th", tag("span", aria_hidden="true"), role="presentation"))
    titles.append(tag("th", heads[1], scope="col", role="columnheader", class_="number"))
    if whole:
        titles.append(tag("th", "Share", scope="col", role="columnheader", class_="number"))
    columns = [
        tag("col", class_="legend-col" if swatches else "what-col"),
        None if swatches else tag("col"),
        tag("col", class_="count-col"),
        tag("col", class_="share-col") if whole else None,
    ]
    return tag(
        "table",
        tag("colgroup", *columns),
        tag("thead", tag("tr", *titles, role="row"), role="rowgroup"),
        tag("tbody", *(_bar(bar, most, whole, swatches=swatches) for bar in rows), role="rowgroup"),
        class_="bars shared" if whole else "bars",
        role="table",
        aria_label=name,
    )


def _bar(bar: Bar, most: int, whole: int, *, swatches: bool) -> Markup:
    name = tag("bdi", shorter(line(bar.label), LONGEST))
    part = bar.count / most if most else 0.0
    drawn = tag(
        "svg",
        tag("rect", class_="rail", width="100%", height="100%", rx=3),
        tag("rect", class_="filled", width=_share(part), height="100%", rx=3) if bar.count else None,
        aria_hidden="true",
    )
    return tag(
        "tr",
        tag("th", tag("i", class_="swatch") if swatches else None, name, scope="row", role="rowheader"),
        None if swatches else tag("td", drawn, class_="drawn", role="presentation"),
        tag("td", amount(bar.count), class_="number", role="cell"),
        tag("td", percent(bar.count / whole), class_="number share", role="cell") if whole else None,
        class_=bar.kind,
        role="row",
    )


def _share(part: float) -> str:
    """A width: what is there is seen, however little."""
    return f"{max(_LEAST, min(1.0, part)) * 100:.2f}%"


def stack(rows: Sequence[Bar]) -> Markup:
    """One bar of several parts; its numbers are in the table that stands with it."""
    whole, at, parts = sum(bar.count for bar in rows), 0.0, []
    wide = {bar: max(_LEAST, bar.count / whole) for bar in rows if bar.count}
    for bar, part in wide.items():
        share = part / sum(wide.values()) * 100
        title = tag("title", f"{line(bar.label)}: {amount(bar.count)}")
        place = {"x": f"{at:.2f}%", "width": f"{share:.2f}%", "height": "100%"}
        parts.append(tag("rect", title, class_=f"filled {bar.kind}", **place))
        at += share
    return tag("svg", *parts, class_="stack", aria_hidden="true")


def rates(series: Sequence[Sequence[float]], column: int) -> list[tuple[float, float]]:
    """From totals at moments to (end of a span, rate a second within it)."""
    return [
        (after[0], (after[column] - before[column]) / (after[0] - before[0]))
        for before, after in pairwise(series)
        if after[0] > before[0]
    ]


def plot(kind: str, points: Points) -> Markup:
    """A rate over time, drawn as steps: each holds for the span that ends at its moment."""
    top, end = ceiling(max(rate for _, rate in points)), points[-1][0]
    steps = [(x / end * _WIDE, _HIGH - rate / top * _HIGH) for x, rate in points]
    way = " ".join(_steps(steps))
    ridge, area = f"M0 {steps[0][1]:.1f} {way}", f"M0 {_HIGH} V{steps[0][1]:.1f} {way} V{_HIGH} Z"
    grid = [tag("line", class_="grid", x1=0, x2=_WIDE, y1=y, y2=y) for y in (0, _HIGH // 2, _HIGH)]
    drawn = tag(
        "svg",
        *grid,
        tag("path", class_="area", d=area),
        tag("path", class_="ridge", d=ridge),
        viewBox=f"0 0 {_WIDE} {_HIGH}",
        preserveAspectRatio="none",
    )
    up = [tag("span", amount(value)) for value in (top, top / 2, 0)]
    along = [tag("span", _clock(end * part)) for part in (0, 0.5, 1)]
    sides = tag("div", *up, class_="up"), drawn, tag("div", *along, class_="along")
    return tag("div", *sides, class_=f"plot {kind}", aria_hidden="true")


def _steps(steps: Points) -> Iterator[str]:
    for number, (x, y) in enumerate(steps):
        yield f"{f'V{y:.1f} ' if number else ''}H{x:.1f}"


def ceiling(value: float) -> float:
    """The next round number: 1, 1.2, 1.6, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power < value:
        power *= 10
    while power / 10 >= value:
        power /= 10
    return next((step * power / 10 for step in _ROUND if step * power / 10 >= value), power)


def _clock(seconds: float) -> str:
    return "0" if seconds == 0 else lasting(seconds).replace(".0 s", " s")


def span_table(name: str, series: Sequence[Sequence[float]]) -> Markup:
    """What happened when, in at most 20 spans."""
    step = max(1, -(-(len(series) - 1) // ROWS))
    kept = [*series[::step], *([series[-1]] if (len(series) - 1) % step else [])]
    heads = ("Until", "Events a second", "Look-ups a second")
    titles = [tag("th", head, scope="col", class_="number" if number else None) for number, head in enumerate(heads)]
    rows = [
        tag("tr", tag("th", lasting(at), scope="row"), *(tag("td", amount(rate), class_="number") for rate in both))
        for at, *both in _both(kept)
    ]
    return tag("table", tag("thead", tag("tr", *titles)), tag("tbody", *rows), class_="bars numbers", aria_label=name)


def _both(series: Sequence[Sequence[float]]) -> Iterator[tuple[float, float, float]]:
    for (at, events), (_, look_ups) in zip(rates(series, 1), rates(series, 2), strict=True):
        yield at, events, look_ups


def counted(counts: Mapping[str, int], labels: Mapping[str, str], kind: str | None = None) -> list[Bar]:
    """Bars of what was counted at all; each has the colour of its word unless one is given."""
    return [Bar(labels.get(word, word), count, kind or word) for word, count in counts.items() if count]
