"""The visits of a run as a table: when, which step, what was called, said and assigned, and how long it took."""

from collections.abc import Iterator
from typing import Final

from connector.playbooks.drawing.markup import Markup, line, tag
from connector.playbooks.drawing.page_facts import Json, last_moment, lasting, moment, readable
from connector.playbooks.drawing.page_parts import badge, cell, row, section, table
from connector.playbooks.drawing.run import state_of
from connector.playbooks.drawing.shapes import mark
from connector.playbooks.drawing.words import KINDS

_HEADS: Final = ("From start", "Step", "What happened", "Duration")
_QUIET: Final = frozenset({"start", "end"})


def visit_table(timeline: Json) -> Markup:
    """The timeline: one row a visit, in order; the ends of branches, which say nothing, are left out."""
    visits = timeline["visits"]
    shown = [v for v in visits if v["type"] != "end" or v["state"] != "done" or v is visits[-1]]
    start, end = float(timeline["started_at"]), last_moment(timeline)
    rows = [_visit(visit, start, end, str(timeline["state"])) for visit in shown]
    content = table("Timeline", _HEADS, rows, "visits") if rows else tag("p", "Not begun yet.", class_="muted")
    return section("timeline", "Timeline", content)


def _visit(visit: Json, start: float, end: float, run: str) -> Markup:
    state, entered = state_of(visit, run), float(visit["entered"])
    left = float(visit["left"]) if visit["left"] is not None else end
    quiet = visit["type"] in _QUIET and state == "done"
    depth = str(visit["where"]).count(".")
    sign = tag("svg", mark(state, 10, 10), viewBox="0 0 20 20", aria_hidden="true", class_="drawing")
    name = tag("div", sign, tag("span", line(visit["name"]) or line(visit["type"])), class_="name")
    kind = None if quiet else tag("span", f"{KINDS.get(visit['type'], line(visit['type']))}, {state}", class_="kind")
    happened = [tag("li", item) for item in _happened(visit)]
    long = [tag("span", lasting(left - entered), class_="number"), _bar(entered - start, left - entered, end - start)]
    return row(
        cell(_HEADS[0], _time(entered, start), class_="at number"),
        cell("", name, kind, class_="step", style=f"--depth:{min(depth, 6)}" if depth else None),
        cell("", tag("ul", *happened, class_="what") if happened else None),
        cell(_HEADS[3], *long, class_="long") if not quiet else cell("", class_="long"),
        class_=("quiet " if quiet else "") + ("none" if state == "stopped" else state),
    )


def _time(at: float, start: float) -> Markup:
    stamp = moment(at)
    return tag("time", f"+{lasting(at - start)}", datetime=stamp, title=readable(stamp))


def _bar(begin: float, long: float, whole: float) -> Markup:
    """When in the run the visit was, and for which part of it."""
    scale = 100 / whole if whole > 0 else 0.0
    style = f"--from:{min(99.0, max(0.0, begin * scale)):.2f}%;--for:{min(100.0, max(0.0, long * scale)):.2f}%"
    return tag("div", tag("i", style=style), class_="bar", aria_hidden="true")


def _happened(visit: Json) -> Iterator[Markup]:
    """What there is to say of a visit, a line each."""
    answers = [*visit["statuses"], *[None] * len(visit["calls"])]
    for call, status in zip(visit["calls"], answers, strict=False):
        yield tag("span", tag("code", line(call)), f" answered {status}" if status is not None else "")
    if visit["branch"]:
        yield tag("span", "Outcome: ", badge(str(visit["branch"])))
    if visit["took"] is not None:
        yield tag("span", _way(visit))
    if visit["asked"]:
        yield tag("span", f"Asked: \N{LEFT DOUBLE QUOTATION MARK}{line(visit['asked'])}\N{RIGHT DOUBLE QUOTATION MARK}")
    if visit["decided_by"]:
        yield tag("span", line(visit["decided_by"]).capitalize())
    for name, text in visit["assigned"].items():
        yield tag("span", tag("code", line(name)), " = ", tag("code", line(text)), class_="set")
    if visit["sentence"]:
        yield tag("span", line(visit["sentence"]), class_="wrong")


def _way(visit: Json) -> str:
    """Which way a condition went, in words."""
    took = line(visit["took"])
    words = {"on_true": "Way taken: yes", "on_false": "Way taken: no", "default": "Way taken: otherwise"}
    if visit["type"] == "while-condition":
        rounds = took.removeprefix("round ")
        return f"{rounds} round{'' if rounds == '1' else 's'}"
    return words.get(took, f"Way taken: {took}")
