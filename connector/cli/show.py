"""A readable summary of an outcome on a terminal: what it says, the verdicts, and the next step."""

import json
import shlex
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connector.cli.text import plain

COLOURS: Final = {
    "malicious": "bold red",
    "suspicious": "yellow",
    "goodware": "green",
    "deleted": "yellow",
    "partial": "yellow",
    "not_found": "cyan",
    "pending": "cyan",
    "submitted": "cyan",
    "planned": "cyan",
}


def show(outcome: dict[str, Any], stix_file: Path | None = None, console: Console | None = None) -> None:
    """Print the summary of one outcome, given as parsed JSON."""
    out = console or Console(highlight=False)
    colour = COLOURS.get(outcome["branch"], "default")
    out.print(f"{outcome['action']}: [{colour}]{outcome['branch']}[/]")
    for name, value in outcome["result"].items():
        if value not in (None, "", [], {}) and name not in {"entries", "reports"}:
            out.print(f"  {name}: {plain(value)}")
    if outcome["verdicts"]:
        out.print(_verdicts(outcome["verdicts"]))
    else:
        for entry in outcome["result"].get("entries", [])[:50]:
            state = entry.get("state") or entry.get("status") or ("found" if entry.get("found") else "not found")
            out.print(f"  {entry['hash_value']}  {state}")
    if outcome["stix"]:
        where = f", written to {stix_file}" if stix_file else ""
        out.print(f"STIX 2.1: {len(outcome['stix']['objects'])} objects{escape(where)}")
    for notice in outcome["notices"]:
        out.print(f"[dim]note: {plain(notice)}[/]")
    if outcome["next"]:
        out.print(f"next, in {outcome['next']['after_seconds']:g} s: {plain(_command(outcome['next']))}")


def _verdicts(verdicts: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("verdict", "risk", "threat", "subject", "name"):
        table.add_column(title, overflow="fold")
    for verdict in verdicts[:100]:
        subject = verdict["subject"]
        known = subject.get("value") or subject.get("sha256") or subject.get("sha1") or subject.get("md5") or ""
        word = verdict["classification"]
        table.add_row(
            f"[{COLOURS.get(word, 'default')}]{word}[/]",
            "" if verdict["riskscore"] is None else str(verdict["riskscore"]),
            plain(verdict["threat_name"] or ""),
            plain(known),
            plain(subject.get("name") or ""),
        )
    return table


def _command(step: dict[str, Any]) -> str:
    return f"spectra run {step['action']} {shlex.quote(json.dumps(step['params']))}"
