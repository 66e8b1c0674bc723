"""spectra journal: the submissions and deletions that were begun here, what became of them, and what is left to do."""

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from connector.cli.failure import wants_json
from connector.cli.text import plain
from connector.errors import StateError

if TYPE_CHECKING:
    from connector.journal import Journal
    from connector.operation import Entry

STATES: Final = ("intent", "accepted", "done", "refused", "unknown")
COLOURS: Final = {"intent": "cyan", "accepted": "cyan", "done": "green", "refused": "default", "unknown": "bold red"}
MOST_STEPS: Final = 20
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on a terminal too.")


@click.group()
@click.option("--state", metavar="FOLDER", envvar="SPECTRA_STATE", help="The setting state: where the journal is.")
@click.pass_context
def journal(ctx: click.Context, state: str | None) -> None:
    """List, show and resolve submissions and deletions: what was begun, and what became of it.

    The states: intent (it may have been sent), accepted (the appliance has it), done, refused (nothing was done),
    unknown (it may have been done, and it is not sent again until you resolve it).
    """
    ctx.obj = state


@journal.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be given again.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="The newest so many.")
@json_option
@click.pass_obj
def list_entries(state: str | None, states: tuple[Any, ...], limit: int, as_json: bool) -> None:
    """List operations, the newest first."""
    with _open(state) as opened:
        rows = [_row(opened, entry) for entry in opened.entries(*states, limit=limit)]
    if wants_json(forced=as_json):
        entries = [{name: value for name, value in row.items() if name != "outcome"} for row in rows]
        click.echo(json.dumps({"entries": entries}))
    else:
        _print_table(rows)


@journal.command("show")
@click.argument("operation_id", metavar="ID")
@json_option
@click.pass_obj
def show_entry(state: str | None, operation_id: str, as_json: bool) -> None:
    """Show one operation, and what to look for on the appliance where it is not known what became of it."""
    with _open(state) as opened:
        entry = opened.find(operation_id)
        row = None if entry is None else _row(opened, entry)
    if row is None:
        raise StateError("there is no operation of this ID in the journal", hint="run: spectra journal list")
    _print(row, as_json=as_json)


@journal.command("resolve")
@click.argument("operation_id", metavar="ID")
@click.option("--happened", type=click.Choice(["yes", "no"]), required=True, help="Was it done on the appliance?")
@click.option("--note", default="", help="Who looked, and what was found; kept with the operation.")
@json_option
@click.pass_obj
def resolve_entry(state: str | None, operation_id: str, happened: str, note: str, as_json: bool) -> None:
    """Say what became of an operation that never ended: yes makes it done; after no the same ID may run again."""
    with _open(state) as opened:
        row = _row(opened, opened.resolve(operation_id, happened == "yes", note))
    _print(row, as_json=as_json)


def _open(state: str | None) -> "Journal":
    from connector.journal import Journal  # after --help: SQLite is slow to load
    from connector.settings import IN_MEMORY, state_folder

    if state == IN_MEMORY:
        raise StateError(
            "a journal in memory ends with its process, so there is nothing to look at",
            hint="name a folder with --state or SPECTRA_STATE",
        )
    return Journal.open(state_folder(state))


def _row(opened: "Journal", entry: "Entry") -> dict[str, Any]:
    """An entry as it is printed: with whether it is being run, and the next step."""
    running = opened.is_running(entry)
    outcome = None if entry.outcome is None else _parsed(entry.outcome)
    return asdict(entry) | {"outcome": outcome, "running": running, "next": next_step(entry, running=running)}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def next_step(entry: "Entry", *, running: bool) -> str | None:
    """What to do about an operation now, or None where there is nothing to do."""
    if running:
        return "wait: it is being run"
    name = shlex.quote(entry.id)
    match entry.state:
        case "accepted":
            return (
                f"run {entry.action} again with operation_id {name}: it is not sent again, only its end is waited for"
            )
        case "intent" | "unknown":
            how = f"spectra journal resolve {name} --happened yes|no"
            return f"it may have been done: {what_to_check(entry)}; then {how}"
        case _:
            return None


def what_to_check(entry: "Entry") -> str:
    """Where on the appliance one sees whether an operation was done."""
    when = f"from {entry.began} on" if entry.state == "intent" else f"between {entry.began} and {entry.changed}"
    if "url" in entry.subject:
        return f"look among the appliance's submissions for this URL {when}"
    if "tags" in entry.subject:
        asked = shlex.quote(json.dumps({"hash_value": entry.subject["hash_value"]}))
        return f"spectra run get_tags {asked} shows the tags; the same operation can safely be run again"
    hashes = entry.subject.get("hash_values") or [entry.subject.get("sha1") or entry.subject.get("sha256")]
    asked = shlex.quote(json.dumps({"hash_values": hashes}))
    if "hash_values" in entry.subject:
        return f"spectra run get_file_status {asked}: what is not found was deleted"
    if hashes != [None]:
        return f"spectra run get_file_status {asked}: found with a submission {when} means yes"
    return f"look among the appliance's submissions {when}"


def _print(row: dict[str, Any], *, as_json: bool) -> None:
    if wants_json(forced=as_json):
        click.echo(json.dumps(row))
        return
    from rich.console import Console

    out = Console(highlight=False)
    out.print(f"{plain(row['id'])}: [{COLOURS[row['state']]}]{row['state']}[/]{' (running)' if row['running'] else ''}")
    for name, value in row.items():
        if name not in {"id", "state", "running", "next", "outcome", "fingerprint", "owner"} and value is not None:
            out.print(f"  {name}: {plain(value)}", soft_wrap=True)
    if row["outcome"] is not None:
        out.print(f"  outcome: kept; print it with --json ({plain(_branch(row['outcome']))})")
    if row["next"]:
        out.print(f"next: {plain(row['next'])}", soft_wrap=True)


def _branch(outcome: Any) -> str:
    return str(outcome.get("branch", "?")) if isinstance(outcome, dict) else "?"


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for title in ("state", "began", "action", "operation ID", "about"):
        table.add_column(title, overflow="fold")
    for row in rows:
        state = f"[{COLOURS[row['state']]}]{row['state']}[/]{' (running)' if row['running'] else ''}"
        table.add_row(state, row["began"], plain(row["action"]), plain(row["id"]), plain(_about(row["subject"])))
    out.print(table if rows else "the journal holds no such operation")
    left = [row for row in rows if row["next"] and not row["running"]]
    for row in left[:MOST_STEPS]:
        out.print(f"next, for {plain(row['id'])}: {plain(row['next'])}", soft_wrap=True)
    if len(left) > MOST_STEPS:
        out.print(f"and {len(left) - MOST_STEPS} more: spectra journal show ID says what to do")


def _about(subject: dict[str, Any]) -> str:
    hashes = subject.get("hash_values")
    if isinstance(hashes, list):
        return f"{len(hashes)} hashes"
    return str(subject.get("url") or subject.get("sha1") or subject.get("sha256") or subject.get("hash_value") or "")
