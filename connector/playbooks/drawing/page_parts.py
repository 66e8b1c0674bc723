"""The parts of a run's page but for its visits: the head, verdicts, drawings, what was given and what came out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from connector.playbooks.cacao import Playbook
from connector.playbooks.drawing.markup import Attribute, Markup, block, line, shorter, tag
from connector.playbooks.drawing.page_facts import HASHES, Json, counted, last_moment, lasting, moment, readable
from connector.playbooks.drawing.run import STATES, run_drawing, state_of
from connector.playbooks.drawing.stix import stix_drawing
from connector.playbooks.drawing.words import name_of
from connector.playbooks.extension import needs_of

_LONGEST: Final = 20_000
_PALETTE: Final = {
    "queued": "none",
    "cancelled": "none",
    "interrupted": "waiting",
    "malicious": "failed",
    "suspicious": "waiting",
    "goodware": "done",
    "unknown": "none",
}
_KINDS: Final = ("seen", "judged", "failed", "waiting", "done", "none")


def badge(word: str) -> Markup:
    """A word with the colour of its meaning."""
    known = word in STATES or word in _PALETTE
    return tag("span", line(word), class_=f"badge {_PALETTE.get(word, word) if known else 'none'}")


def section(name: str, heading: str, *content: str | None) -> Markup:
    """A part of the page under a heading that names it."""
    title = tag("h2", heading, id=f"{name}-heading")
    return tag("section", title, *content, id=name, aria_labelledby=f"{name}-heading")


def row(*cells: Markup, **attributes: Attribute) -> Markup:
    return tag("tr", *cells, role="row", **attributes)


def cell(label: str, *content: str | None, **attributes: Attribute) -> Markup:
    """A cell that carries the label of its column, which it shows where the table has become a list."""
    return tag("td", tag("div", *content), role="cell", data_label=label or None, **attributes)


def table(label: str, heads: Sequence[str], rows: Sequence[Markup], kind: str = "") -> Markup:
    """A table whose roles are said, as its style may make it a list on a narrow page."""
    top = tag("tr", *(tag("th", head, scope="col", role="columnheader") for head in heads), role="row")
    return tag(
        "table",
        tag("thead", top, role="rowgroup"),
        tag("tbody", *rows, role="rowgroup"),
        class_=f"table {kind}".strip(),
        role="table",
        aria_label=label,
    )


def head(timeline: Json, playbook: Playbook, rows: Sequence[Json]) -> Markup:
    """The name of the playbook, the state of the run, and when it was."""
    ended = timeline["ended_at"]
    facts = [
        ("Run", line(timeline["run"])),
        ("Started", readable(moment(timeline["started_at"]))),
        ("Ended", readable(moment(ended)) if ended is not None else "not yet"),
        ("Duration" if ended is not None else "So far", lasting(last_moment(timeline) - timeline["started_at"])),
    ]
    title = tag("div", tag("h1", line(playbook.name)), badge(str(timeline["state"])), class_="headline")
    shown = [tag("div", tag("dt", name), tag("dd", value, class_="number")) for name, value in facts]
    return tag(
        "header",
        tag("p", "Playbook run", class_="eyebrow"),
        title,
        tag("p", _summary(timeline, rows), class_="summary"),
        tag("dl", *shown, class_="facts"),
        _failure(timeline, playbook),
        _waiting(timeline),
    )


def _summary(timeline: Json, rows: Sequence[Json]) -> str:
    """The run in one sentence."""
    calls = sum(len(visit["calls"]) for visit in timeline["visits"])
    steps = sum(visit["type"] not in {"start", "end"} for visit in timeline["visits"])
    told = f"{counted(rows)}. " if rows else "No verdict so far. "
    return told.capitalize() + f"{_many(steps, 'step')} taken, {_many(calls, 'call')} made."


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _failure(timeline: Json, playbook: Playbook) -> Markup | None:
    if not timeline["sentence"]:
        return None
    sentence = str(timeline["sentence"])
    inner = [
        v for v in timeline["visits"] if v["state"] == "failed" and v["sentence"] and sentence.endswith(v["sentence"])
    ]
    step = playbook.workflow.get(timeline["failed_step"] or "")
    name = name_of(step) if step else ""
    if inner:
        name = line(max(inner, key=lambda visit: str(visit["where"]).count("."))["name"])
    return _alert("failed", f"Failed at {_quoted(name)}" if name else "Failed", tag("p", line(sentence)))


def _quoted(text: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK}"


def _waiting(timeline: Json) -> Markup | None:
    """What is waited for, until when, and how to answer it."""
    found = timeline["waiting"]
    if not found:
        return None
    kind, until = found.get("kind", "approval" if found.get("text") else "time"), found.get("until")
    name = line(found.get("name") or found["step"])
    heading = {"approval": "Waits for a person", "time": "Waits until its time has come"}.get(kind, "Waits")
    command = f"spectra playbook approve {line(timeline['run'])} {line(found['step'])}"
    return _alert(
        "waiting",
        f"{heading}: {_quoted(name)}",
        tag("p", line(found["text"])) if found.get("text") else None,
        tag("p", f"Until {readable(moment(until))}.") if until is not None else None,
        tag("p", "To allow it: ", tag("code", command)) if kind == "approval" else None,
    )


def _alert(state: str, heading: str, *content: str | None) -> Markup:
    return tag("div", tag("h2", heading), *content, class_=f"alert {state}", role="note")


def verdict_table(rows: Sequence[Json]) -> Markup:
    """The verdicts, one subject a row."""
    heads = ("Subject", "Classification", "Risk score", "Threat name", "First seen", "Source")
    body = [row(*_verdict(verdict, heads)) for verdict in rows]
    content = (
        table("Verdicts", heads, body, "verdicts") if rows else tag("p", "No step brought a verdict.", class_="muted")
    )
    return section("verdicts", "Verdicts", content)


def _verdict(verdict: Json, heads: Sequence[str]) -> list[Markup]:
    subject, score = verdict["subject"], verdict.get("riskscore")
    if subject.get("kind") == "url":
        named: list[Markup] = [tag("span", line(subject["value"]), class_="subject mono")]
    else:
        named = [tag("span", line(subject["name"]), class_="subject")] if subject.get("name") else []
        hashes = [(kind, subject[kind]) for kind in HASHES if subject.get(kind)]
        named += [tag("code", line(value), class_="hash" if named else "", title=kind) for kind, value in hashes[:1]]
    return [
        cell(heads[0], *named),
        cell(heads[1], badge(str(verdict["classification"]))),
        cell(heads[2], f"{score} of 10" if score is not None else "\N{EN DASH}", class_="number"),
        cell(heads[3], line(verdict.get("threat_name") or "\N{EN DASH}")),
        cell(heads[4], line(readable(str(verdict.get("first_seen") or "\N{EN DASH}"))), class_="number"),
        cell(heads[5], line(verdict.get("source") or "\N{EN DASH}")),
    ]


def diagram(timeline: Json, playbook: Playbook) -> Markup:
    """The steps as a diagram, with what its colours mean."""
    state = str(timeline["state"])
    drawn = run_drawing(playbook, timeline["visits"], state)
    found = {state_of(visit, state) for visit in timeline["visits"]}
    found |= {"none"} if {visit["step"] for visit in timeline["visits"]} < playbook.workflow.keys() else set()
    legend = [_legend("none" if name == "stopped" else name, word) for name, word in STATES.items() if name in found]
    return section("steps", "Steps", scrolled("Steps", drawn), tag("ul", *legend, class_="legend"))


def _legend(kind: str, word: str) -> Markup:
    return tag("li", tag("i"), word, class_=kind)


def scrolled(label: str, drawn: Markup) -> Markup:
    """A drawing that is scrolled where it would become too small to read."""
    natural = drawn.partition(' width="')[2].partition('"')[0]
    style = f"--natural:{natural}px"
    return tag("div", drawn, class_="scroll", style=style, role="region", aria_label=f"{label}, drawing", tabindex="0")


def stix_part(bundle: Mapping[str, Any], run: str) -> Markup:
    """The graph of all objects, the details of the one that is chosen, and the button that saves them all."""
    drawn = stix_drawing(bundle)
    detail = tag(
        "aside",
        tag("h3", "Choose an object or a relationship", aria_live="polite"),
        tag("pre", "Its JSON is shown here.", tabindex="0", aria_label="JSON of the object"),
        id="stix-detail",
        class_="detail",
        aria_label="Details",
        hidden=True,
    )
    file = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in run)[:80]
    save = tag(
        "button", "Save the STIX bundle", id="save-bundle", type="button", hidden=True, data_file=f"{file}.stix.json"
    )
    words = ("observed", "judgement", "threat", "suspicious", "benign", "context")
    used = [kind for kind in _KINDS if f'class="object {kind}"' in drawn]
    legend = [_legend(kind, word) for kind, word in zip(_KINDS, words, strict=True) if kind in used]
    about = drawn.partition('id="stix-drawing-about">')[2].partition("<")[0]
    return section(
        "stix",
        "STIX objects",
        tag(
            "div",
            tag("div", scrolled("STIX objects", drawn), tag("ul", *legend, class_="legend")),
            detail,
            class_="graph",
        ),
        tag("p", Markup(f"{about}. Dashed lines are references within an object."), class_="note"),
        tag("div", save, class_="tools"),
    )


def values(timeline: Json, playbook: Playbook) -> Markup:
    """What was given to the run and what came out of it."""
    return section(
        "values",
        "Given and found",
        tag(
            "div",
            _pairs("Given", timeline["given"], playbook, "Nothing was given."),
            _pairs("Outputs", timeline["outputs"], playbook, "Nothing came out so far."),
            class_="two",
        ),
    )


def _pairs(heading: str, texts: Mapping[str, str | None], playbook: Playbook, otherwise: str) -> Markup:
    if not texts:
        return tag("div", tag("h3", heading), tag("p", otherwise, class_="muted"))
    shown = []
    for name, text in texts.items():
        variable = playbook.playbook_variables.get(name)
        about = f" \N{EN DASH} {line(variable.description)}" if variable and variable.description else ""
        content = tag("pre", shorter(block(_pretty(text)), _LONGEST)) if text is not None else tag("p", "nothing")
        shown.append(tag("div", tag("dt", tag("code", line(name)), about), tag("dd", content)))
    return tag("div", tag("h3", heading), tag("dl", *shown, class_="pairs"))


def _pretty(text: str) -> str:
    """JSON with a line for each value; any other text as it is."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def about(playbook: Playbook) -> Markup:
    """What the playbook says of itself."""
    needs = needs_of(playbook)
    facts = [
        ("Labels", ", ".join(playbook.labels or ())),
        ("Needs", ", ".join(needs.scopes) if needs else ""),
        ("Changed", readable(playbook.modified.replace(".000Z", "Z"))),
        ("Id", playbook.id),
    ]
    shown = [tag("div", tag("dt", name), tag("dd", line(value))) for name, value in facts if value]
    words = tag("p", block(playbook.description), class_="plain") if playbook.description else None
    return section("playbook", "The playbook", words, tag("dl", *shown, class_="facts"))
