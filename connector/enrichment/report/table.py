"""A run's summary for a person at a terminal; without one it is plain text of the same words."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector.enrichment.report.summary import Json
from connector.enrichment.report.words import ENDS, REASONS, amount, lasting, percent
from connector.printable import printable

COLOURS: Final = {"malicious": "bold red", "suspicious": "yellow", "goodware": "green"}
TOP: Final = 5


def show(summary: Json, console: Console | None = None) -> None:
    """Print a summary, to standard error unless told otherwise: standard output may be full of events."""
    out = console or Console(stderr=True, highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for name, number, about in _rows(summary):
        colour = COLOURS.get(name.strip(), "red" if name == "dead" and number != "0" else "")
        table.add_row(Text(name), Text(number, style=colour), Text(printable(about)))
    out.print(table)
    if not summary["events"]["adds_up"]:
        out.print(Text("the counts do not add up: please report this with the summary (--summary FILE)", style="red"))


def _rows(told: Json) -> Iterator[tuple[str, str, str]]:
    events, rate = told["events"], told["events_per_second"]
    pace = f", {amount(rate)} a second" if rate is not None else ""
    yield "events", amount(events["read"]), f"in {lasting(told['seconds'])}{pace}"
    yield "enriched", amount(events["enriched"]), ""
    for word, count in told["verdicts"].items():
        if count:
            yield f"  {word}", amount(count), ""
    passed = {ENDS[end]: count for end, count in events["passed"].items() if count}
    yield "passed on", amount(sum(passed.values())), _list(passed)
    dead = {REASONS.get(reason, reason): count for reason, count in events["dead_by_reason"].items()}
    yield "dead", amount(events["dead"]), _list(dead)
    yield from _cost(told)
    if told["families"]:
        top = ", ".join(f"{each['family']} ({amount(each['subjects'])})" for each in told["families"][:TOP])
        yield "families", "", top


def _cost(told: Json) -> Iterator[tuple[str, str, str]]:
    look_ups, cache, waits = told["look_ups"], told["cache"], told["waits"]
    mean = look_ups["mean_seconds"]
    yield "look-ups", amount(look_ups["count"]), f"{lasting(mean)} each" if mean is not None else ""
    saved = f"{lasting(cache['time_saved'])} of look-ups saved" if cache["time_saved"] else ""
    yield "cache hits", percent(cache["hit_ratio"]), saved
    if waits["count"]:
        yield "waits", amount(waits["count"]), f"{lasting(waits['seconds'])} in all"
    if look_ups["errors"]:
        yield "errors", amount(sum(look_ups["errors"].values())), _list(look_ups["errors"])
    if told["quota_left"] is not None:
        yield "quota left", amount(told["quota_left"]), ""
    if told["malformed_hashes"]:
        yield "malformed", amount(told["malformed_hashes"]), "fields for hashes that held something else"


def _list(counts: Json) -> str:
    return ", ".join(f"{amount(count)} {word}" for word, count in counts.items())
