"""A run's summary as one HTML file: no script, no network, no other file, light and dark, on a screen and on paper.

Its Content-Security-Policy allows its own style by hash and nothing else. The summary itself is in the file as JSON
(``<script type="application/json" id="summary">``, which no browser runs).
"""

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any, Final

from connector.enrichment.report.charts import Bar, bars, counted, plot, rates, span_table, stack
from connector.enrichment.report.style import STYLE
from connector.enrichment.report.summary import Json
from connector.enrichment.report.words import ENDS, REASONS, amount, lasting, many, percent
from connector.playbooks.drawing.markup import Markup, tag
from connector.playbooks.drawing.page_facts import readable
from connector.playbooks.drawing.page_parts import section

_HASH: Final = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
KNOWN: Final = {
    "malicious": "Malicious",
    "suspicious": "Suspicious",
    "goodware": "Goodware",
    "unknown": "Unknown",
    "not_found": "Not found",
}
_SOURCES: Final = {"memory": "Memory of this run", "cache": "Cache", "appliance": "Appliance"}


def summary_page(summary: Json) -> str:
    """The page of a summary, as a complete HTML document; ``summary`` is what ``report.summary.summary`` gives."""
    some = bool(summary["events"]["read"])
    parts = [
        tag("div", _verdicts(summary), _families(summary), class_="pair"),
        _over_time(summary),
        tag("div", _answers(summary), _ends(summary), class_="pair"),
    ]
    main = tag("main", *(parts if some else ()), _troubles(summary))
    foot = tag("footer", tag("p", "Made by the Spectra Analyze connector. Times are in UTC."))
    body = tag("body", _head(summary), main, foot, _data("summary", summary))
    return f"<!doctype html>\n{tag('html', _meta(), body, lang='en')}\n"


def _meta() -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", "Enrichment summary"),
        tag("style", Markup(STYLE)),
    )


def _head(summary: Json) -> Markup:
    events, cache, look_ups = summary["events"], summary["cache"], summary["look_ups"]
    rate, mean, saved = summary["events_per_second"], look_ups["mean_seconds"], cache["time_saved"]
    figures = [
        ("Events", amount(events["read"]), f"in {lasting(summary['seconds'])}"),
        ("Events a second", amount(rate) if rate is not None else "\N{EN DASH}", None),
        ("Enriched", amount(events["enriched"]), _of(events["enriched"], events["read"])),
        ("Look-ups", amount(look_ups["count"]), f"{lasting(mean)} each" if mean is not None else None),
        ("Needed no look-up", percent(cache["hit_ratio"]), f"{lasting(saved)} of look-ups saved" if saved else None),
    ]
    shown = [
        tag("div", tag("dt", name), tag("dd", number, tag("small", about) if about else None))
        for name, number, about in figures
    ]
    return tag(
        "header",
        tag("p", "Enrichment", class_="eyebrow"),
        tag("h1", _sentence(summary)),
        tag("p", _when(summary), class_="summary muted"),
        tag("dl", *shown, class_="figures"),
        None if events["adds_up"] else _alert(),
    )


def _alert() -> Markup:
    text = "The events counted as enriched, passed on and dead are not as many as were read. Please report this."
    return tag("div", tag("h2", "The counts do not add up"), tag("p", text), class_="alert failed", role="alert")


def _sentence(summary: Json) -> str:
    verdicts, read = summary["verdicts"], summary["events"]["read"]
    told = [f"{amount(verdicts[word])} {word}" for word in ("malicious", "suspicious") if verdicts[word]]
    if not read:
        return "No events were read"
    events = many(read, "event")
    return f"{' and '.join(told)} among {events}" if told else f"Nothing malicious or suspicious among {events}"


def _when(summary: Json) -> str:
    ended = summary["ended"]
    return f"From {readable(summary['started'])} {f'to {readable(ended)}' if ended else 'on, not over yet'}"


def _of(part: int, whole: int) -> str | None:
    return f"{percent(part / whole)} of all" if whole else None


def _verdicts(summary: Json) -> Markup:
    counts = {word: count for word, count in summary["verdicts"].items() if count or word != "not_found"}
    rows = [Bar(KNOWN[word], count, word) for word, count in counts.items()]
    chart = bars("Verdicts", ("Verdict", "Events"), rows, whole=sum(counts.values()))
    note = "Enriched events, each by the worst that is known of what it names."
    return section("verdicts", "Verdicts", chart, tag("p", note, class_="note"))


def _families(summary: Json) -> Markup:
    found, error = summary["families"][:10], summary["families_error"]
    if not found:
        return section("families", "Top families", tag("p", "No look-up named a family.", class_="muted"))
    rows = [Bar(each["family"], each["subjects"], "family") for each in found]
    note = "Distinct files and URLs that were looked up."
    if error:
        note += f" There are more families than are counted one by one: each number may be too low by up to {error:,}."
    return section(
        "families",
        "Top families",
        bars("Top families", ("Family", "Subjects"), rows),
        tag("p", note, class_="note"),
    )


def _over_time(summary: Json) -> Markup | None:
    series = summary["series"]
    if len(series) < 4:
        return None  # too short a run to have a course
    parts: list[Markup] = []
    for column, name, kind in ((1, "Events a second", "memory"), (2, "Look-ups a second", "appliance")):
        points = rates(series, column)
        if any(rate for _, rate in points):
            most = tag("span", f", at most {amount(max(rate for _, rate in points))}")
            parts += [tag("h3", name, most), plot(kind, points)]
    numbers = tag("details", tag("summary", "Numbers"), span_table("Over time", series))
    return tag("div", section("over-time", "Over time", *parts, numbers), class_="over")


def _answers(summary: Json) -> Markup:
    counts = summary["answers"]
    rows = [Bar(_SOURCES[word], counts[word], word) for word in _SOURCES]
    whole = sum(counts.values())
    if not whole:
        return section("answers", "Where answers came from", tag("p", "Nothing was asked.", class_="muted"))
    table = bars("Where answers came from", ("Answered by", "Answers"), rows, whole=whole, swatches=True)
    saved, waits = summary["cache"]["time_saved"], summary["waits"]
    notes = []
    if saved:
        notes.append(f"What needed no look-up would have taken {lasting(saved)} of look-ups, one after the other.")
    if waits["count"]:
        notes.append(f"{many(waits['count'], 'look-up')} waited for a turn, {lasting(waits['seconds'])} in all.")
    if summary["quota_left"] is not None:
        notes.append(f"Left of the quota: {many(summary['quota_left'], 'look-up')}.")
    note = tag("p", " ".join(notes), class_="note") if notes else None
    return section("answers", "Where answers came from", stack(rows), table, note)


def _ends(summary: Json) -> Markup:
    events = summary["events"]
    rows = [
        Bar("Enriched", events["enriched"], "enriched"),
        *(Bar(f"Passed on: {bar.label}", bar.count, bar.kind) for bar in counted(events["passed"], ENDS, "passed")),
        Bar("Dead letters", events["dead"], "dead"),
    ]
    lines = summary["lines"]
    notes = [f"Written: {many(lines['written'], 'line')}."]
    if lines["refused"]:
        notes.append(f"Refused by the other side: {many(lines['refused'], 'line')}.")
    if summary["malformed_hashes"]:
        notes.append(f"Fields for hashes that held something else: {amount(summary['malformed_hashes'])}.")
    chart = bars("How events ended", ("Event", "Events"), rows, whole=events["read"])
    return section("ends", "How events ended", chart, tag("p", " ".join(notes), class_="note"))


def _troubles(summary: Json) -> Markup | None:
    """What went wrong: dead letters by reason, and errors that were waited out or told."""
    reasons, errors = summary["events"]["dead_by_reason"], summary["look_ups"]["errors"]
    parts = []
    if reasons:
        rows = counted(reasons, {word: text[0].upper() + text[1:] for word, text in REASONS.items()}, "dead")
        parts.append(section("dead", "Dead letters", bars("Dead letters by reason", ("Reason", "Events"), rows)))
    if errors:
        chart = bars("Errors", ("Error", "Times"), counted(errors, {}, "suspicious"))
        parts.append(section("errors", "Errors on the way", chart))
    return tag("div", *parts, class_="pair") if parts else None


def _data(name: str, value: Any) -> Markup:
    """JSON within a script element: no character of it can end the element, as all that could is escaped."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return tag("script", Markup(text), type="application/json", id=name)
