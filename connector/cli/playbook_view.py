"""What the command line shows of playbooks and runs: tables, a live view of the steps, pages; all as plain text."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from connector.cli.failure import OTHER, wants_json
from connector.cli.text import plain
from connector.errors import ConfigError

if TYPE_CHECKING:
    from connector.playbooks.dry import Planned
    from connector.playbooks.linting.finding import Finding

OVER: Final = frozenset({"done", "failed", "cancelled", "interrupted"})
COLOURS: Final = {
    "done": "green",
    "failed": "bold red",
    "waiting": "yellow",
    "running": "cyan",
    "queued": "cyan",
    "cancelled": "magenta",
    "interrupted": "magenta",
}
MARKS: Final = {"done": "✓", "failed": "✗", "waiting": "…", "running": "▶"}
LOOK_SECONDS: Final = 0.25
NEXT: Final = {
    "failed": "spectra playbook resume {run} goes on from the step that failed",
    "cancelled": "spectra playbook resume {run} goes on from there",
    "interrupted": "nobody runs it now; spectra playbook resume {run} goes on from there",
}
Timeline = Mapping[str, Any]


def exit_code(told: Timeline) -> int:
    """0 for a run that is done or under way, 1 for one that is not what was wanted."""
    return OTHER if told["state"] in {"failed", "cancelled", "interrupted"} else 0


def watch(look: Callable[[], Timeline], *, as_json: bool) -> Timeline:
    """Show a run until it is over; its last timeline."""
    told = asyncio.run(watch_async(look, as_json=as_json))
    print_timeline(told, as_json=as_json)
    return told


async def watch_async(look: Callable[[], Timeline], *, as_json: bool) -> Timeline:
    """Look at a run until it is over, with a live view of its steps on a terminal."""
    if wants_json(forced=as_json):
        return await _until_over(look, lambda _told: None)
    console = Console(stderr=True, highlight=False)
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        return await _until_over(look, lambda told: live.update(_view(told)))


async def _until_over(look: Callable[[], Timeline], update: Callable[[Timeline], None]) -> Timeline:
    while True:
        told = await asyncio.to_thread(look)
        update(told)
        if told["state"] in OVER:
            return told
        await asyncio.sleep(LOOK_SECONDS)


def _view(told: Timeline) -> RenderableType:
    visits = [visit for visit in told["visits"] if visit["type"] not in {"start", "end"}]
    lines: list[RenderableType] = [_title(told), _steps(visits[-20:], told["started_at"])]
    return Group(*lines, *_wanted(told))


def _title(told: Timeline) -> Text:
    state = told["state"]
    return Text.from_markup(
        f"[bold]{plain(told['playbook']['name'])}[/]  [{COLOURS[state]}]{state}[/]  [dim]{plain(told['run'])}[/]"
    )


def _steps(visits: Iterable[Timeline], began: float) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for visit in visits:
        colour = COLOURS[visit["state"]]
        about = visit["sentence"] or visit["decided_by"] or visit["branch"] or visit["took"] or ""
        table.add_row(
            f"[{colour}]{MARKS[visit['state']]}[/]",
            f"[dim]{visit['entered'] - began:8.1f} s[/]",
            plain(visit["name"]),
            f"[{colour}]{plain(str(about)[:100])}[/]",
        )
    return table


def _wanted(told: Timeline) -> list[RenderableType]:
    waiting = told["waiting"]
    if waiting is None:
        return []
    until = "" if waiting["until"] is None else f" until {stamp(waiting['until'])}"
    if waiting["kind"] != "approval":
        return [Text.from_markup(f"[dim]{plain(waiting['name'])}: waits{until}[/]")]
    command = f"spectra playbook approve {told['run']} '{waiting['name']}'"
    return [
        Text.from_markup(f"[yellow]{plain(waiting['text'])}[/]"),
        Text.from_markup(f"[dim]waits{until}; answer with:[/] {plain(command)} [dim](or --reject)[/]"),
    ]


def stamp(at: float) -> str:
    """A time as it is shown, in UTC to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def print_timeline(told: Timeline, *, as_json: bool) -> None:
    """How a run is: its state, what it waits for or why it failed, and what it gave."""
    if wants_json(forced=as_json):
        click.echo(json.dumps({name: value for name, value in told.items() if name != "playbook"}, ensure_ascii=False))
        return
    out = Console(highlight=False)
    out.print(_view(told))
    if told["sentence"]:
        out.print(f"[red]{plain(told['sentence'])}[/]", soft_wrap=True)
    for name, text in told["outputs"].items():
        out.print(f"[bold]{plain(name.strip('_'))}[/]: {plain(_short(text))}", soft_wrap=True)
    if told["state"] in NEXT:
        out.print(f"[dim]next: {plain(NEXT[told['state']].format(run=told['run']))}[/]", soft_wrap=True)


def _short(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= 160 else f"{line[:160]} … ({len(text or '')} characters; --json shows all)"


def print_history(told: Timeline) -> None:
    """Every step of a run, with what was called and what came of it."""
    out = Console(highlight=False)
    out.print(_title(told))
    table = Table(box=None, pad_edge=False)
    for title in ("at", "step", "called", "came of it", "took"):
        table.add_column(title, overflow="fold")
    for visit in told["visits"]:
        colour = COLOURS[visit["state"]]
        about = [visit["sentence"], visit["decided_by"], visit["branch"], visit["took"]]
        seconds = (visit["left"] or time.time()) - visit["entered"]
        table.add_row(
            stamp(visit["entered"]),
            plain(visit["name"]),
            plain("; ".join(visit["calls"])),
            f"[{colour}]{plain(' · '.join([visit['state'], *[str(a) for a in about if a]]))}[/]",
            f"{seconds:.1f} s",
        )
    out.print(table)
    out.print(Group(*_wanted(told)))


def print_runs(runs: Sequence[Mapping[str, Any]]) -> None:
    out = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for title in ("state", "began", "playbook", "run"):
        table.add_column(title, overflow="fold")
    for run in runs:
        state = run["state"]
        table.add_row(f"[{COLOURS[state]}]{state}[/]", stamp(run["started_at"]), plain(run["playbook"]), run["run"])
    out.print(table if runs else "there are no runs")


def print_planned(calls: "Sequence[Planned]", *, as_json: bool) -> None:
    """Every call that a run would make."""
    if wants_json(forced=as_json):
        click.echo(json.dumps({"calls": [call.as_dict() for call in calls]}, ensure_ascii=False))
        return
    out = Console(highlight=False)
    for call in calls:
        out.print(
            f"[bold]{plain(call.name)}[/]" + (f"  [dim]after {call.delay_seconds:g} s[/]" if call.delay_seconds else "")
        )
        for condition in call.under:
            out.print(f"  [dim]if {plain(condition)}[/]", soft_wrap=True)
        out.print(
            f"  {call.kind}: {plain(call.text)}" + (f"  [dim]to {plain(call.to)}[/]" if call.to else ""), soft_wrap=True
        )
        if call.body:
            out.print(f"  {plain(call.body)}", soft_wrap=True)


def print_findings(found: "Mapping[str, Sequence[Finding]]") -> None:
    out = Console(highlight=False)
    for name, findings in found.items():
        out.print(f"[bold]{plain(name)}[/]: {len(findings) or 'no'} finding{'' if len(findings) == 1 else 's'}")
        for finding in findings:
            colour = "red" if finding.severity == "error" else "yellow"
            out.print(f"  [{colour}]{finding.severity} {finding.code}[/] {plain(finding.pointer)}", soft_wrap=True)
            out.print(f"    {plain(finding.message)}", soft_wrap=True)
            out.print(f"    [dim]{plain(finding.mend)}[/]", soft_wrap=True)


def print_shelf(texts: Mapping[str, Mapping[str, Any]]) -> None:
    """The playbooks that come with the package."""
    out = Console(highlight=False)
    for name, playbook in texts.items():
        out.print(f"[bold]{plain(name)}[/]  {plain(_needs(playbook))}")
        out.print(f"  {plain(playbook['description'])}", soft_wrap=True)


def print_playbook(playbook: Mapping[str, Any]) -> None:
    """What a playbook does, needs and gives."""
    out = Console(highlight=False)
    out.print(f"[bold]{plain(playbook.get('name', ''))}[/]\n{plain(playbook.get('description', ''))}", soft_wrap=True)
    out.print(plain(_needs(playbook)))
    for name, variable in playbook.get("playbook_variables", {}).items():
        if variable.get("external"):
            about = f"{variable['type']}: {variable.get('description', '')}"
            out.print(f"  --var {plain(name.strip('_'))}=...  {plain(about)}", soft_wrap=True)


def _needs(playbook: Mapping[str, Any]) -> str:
    from connector.playbooks.extension import NEEDS

    scopes = playbook.get("playbook_extensions", {}).get(NEEDS, {}).get("scopes", ())
    return f"needs the scopes {', '.join(scopes)}" if scopes else ""


def write_page(told: Timeline, path: Path) -> None:
    """The run's page, to a file.

    Raises:
        ConfigError: when it cannot be written.
    """
    from connector.playbooks.drawing.page import timeline_page

    _write(path, timeline_page(dict(told)))


def write_stix(told: Timeline, path: Path) -> None:
    """The STIX objects of all verdicts of a run, each once, as one bundle.

    Raises:
        ConfigError: when it cannot be written.
    """
    from connector.playbooks.bundles import merged_stix

    _write(path, json.dumps(merged_stix(told["visits"]), ensure_ascii=False, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"the file {path.name} cannot be written ({type(error).__name__})") from None
    sys.stderr.write(f"written: {path}\n")
