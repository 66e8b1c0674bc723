"""spectra playbook: check playbooks, run them durably, and see and steer the runs that there are."""

import json
from pathlib import Path
from typing import Any, Final

import click

from connector.cli.failure import INPUT, wants_json
from connector.cli.setting import require_playbooks, setting_options

STATE_HELP: Final = "Where runs are kept: a folder, sqlite:///FILE or postgresql://USER@HOST/DATABASE."
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on a terminal too.")
state_option = click.option("--state", metavar="URL", envvar="SPECTRA_PLAYBOOK_STATE", help=STATE_HELP)


def hosting_options(command: Any) -> Any:
    """How a process that runs playbooks reaches an action server, or an appliance with one of its own."""
    for option in (
        click.option("--secret", "secrets", multiple=True, metavar="NAME=FILE", help="Credential of another target."),
        click.option("--server-ca", type=click.Path(path_type=Path), help="PEM file: certificates of the server."),
        click.option("--api-key-file", type=click.Path(path_type=Path), help="File with the server's key."),
        click.option("--server", metavar="URL", help="Action server to call; left out, one is run in this process."),
    ):
        command = option(command)
    return setting_options(command)


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from connector.playbooks.library import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


@click.group()
def playbook() -> None:
    """Check playbooks, run them durably, and see what became of them.

    \b
    spectra playbook show
    spectra playbook run triage-attachment --var file=invoice.exe
    spectra playbook list
    """


@playbook.command()
@click.argument("name", required=False, shell_complete=_complete)
@json_option
def show(name: str | None, as_json: bool) -> None:
    """List the playbooks that come with the package, or tell what one needs and does."""
    from connector.cli.playbook_view import print_playbook, print_shelf
    from connector.playbooks.library import read, shipped

    texts = {one: json.loads(read(one)) for one in ([name] if name else shipped())}
    if wants_json(forced=as_json):
        click.echo(json.dumps(texts if name is None else texts[name]))
    elif name is None:
        print_shelf(texts)
    else:
        print_playbook(texts[name])


@playbook.command()
@click.argument("files", nargs=-1, required=True, shell_complete=_complete)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@json_option
def lint(files: tuple[str, ...], strict: bool, as_json: bool) -> int:
    """Check playbooks: their shape, steps, variables, loops, calls, secrets and approvals. Exit code 2 on an error."""
    from connector.cli.playbook_view import print_findings
    from connector.playbooks.library import read
    from connector.playbooks.linting.lint import lint as check

    found = {name: check(read(name)).findings for name in files}
    if wants_json(forced=as_json):
        click.echo(json.dumps({name: [finding.as_dict() for finding in findings] for name, findings in found.items()}))
    else:
        print_findings(found)
    bad = any(finding.severity == "error" or strict for findings in found.values() for finding in findings)
    return INPUT if bad else 0


@playbook.command()
@click.argument("name", shell_complete=_complete)
@click.option("--var", "given", multiple=True, metavar="NAME=VALUE", help="A variable of the playbook.")
@click.option("--run-id", metavar="ID", help="The run's id; the same id again runs nothing and shows that run.")
@click.option("--dry-run", is_flag=True, help="Print every call it would make, and make none.")
@click.option("--detach", is_flag=True, help="Leave the run to the workers (spectra playbook worker).")
@click.option("--html", type=click.Path(path_type=Path), help="Write the run's page to this file.")
@click.option("--stix", type=click.Path(path_type=Path), help="Write the STIX objects of the run to this file.")
@state_option
@json_option
@hosting_options
def run(name: str, **options: Any) -> int:
    """Run a playbook: one that comes with the package by NAME, or a file.

    \b
    spectra playbook run triage-attachment --var file=invoice.exe --html invoice.html
    spectra playbook run enrich-alert --var hashes=HASH,HASH --json
    """
    require_playbooks("a run of a playbook")
    from connector.cli.playbook_run import run_playbook

    return run_playbook(name, **options)


@playbook.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The newest so many.")
@state_option
@json_option
def list_runs(limit: int, state: str | None, as_json: bool) -> None:
    """List runs, the newest first."""
    from connector.cli.playbook_view import print_runs

    with _runs(state) as runs:
        found = runs.listed(limit)
    if wants_json(forced=as_json):
        click.echo(json.dumps({"runs": found}))
    else:
        print_runs(found)


@playbook.command()
@click.argument("run_id", metavar="RUN")
@click.option("--follow", is_flag=True, help="Stay until the run is over.")
@state_option
@json_option
def status(run_id: str, follow: bool, state: str | None, as_json: bool) -> int:
    """Show how far a run is, what it waits for, and what it gave."""
    from connector.cli.playbook_view import exit_code, print_timeline, watch

    with _runs(state) as runs:
        if follow:
            told = watch(lambda: runs.timeline(run_id), as_json=as_json)
        else:
            told = runs.timeline(run_id)
            print_timeline(told, as_json=as_json)
    return exit_code(told)


@playbook.command()
@click.argument("run_id", metavar="RUN")
@click.option("--html", type=click.Path(path_type=Path), help="Write it as a page that opens without a network.")
@state_option
@json_option
def history(run_id: str, html: Path | None, state: str | None, as_json: bool) -> None:
    """Show everything that happened in a run: its timeline, as a table, as JSON, or as a page."""
    from connector.cli.playbook_view import print_history, write_page

    with _runs(state) as runs:
        told = runs.timeline(run_id)
    if html is not None:
        write_page(told, html)
    if wants_json(forced=as_json):
        click.echo(json.dumps(told))
    else:
        print_history(told)


@playbook.command()
@click.argument("run_id", metavar="RUN")
@click.argument("step", metavar="STEP")
@click.option("--reject", is_flag=True, help="Say no.")
@click.option("--note", default="", help="Why; kept with the run.")
@click.option("--by", help="Who decides; left out, the user of this session.")
@state_option
@json_option
def approve(run_id: str, step: str, reject: bool, note: str, by: str | None, state: str | None, as_json: bool) -> None:
    """Answer what a run waits for: STEP is the step's name or id, as spectra playbook status shows it."""
    from getpass import getuser

    decision = "rejected" if reject else "approved"
    with _runs(state) as runs:
        told = runs.decide(run_id, step, decision, by or getuser(), note)
    if wants_json(forced=as_json):
        click.echo(json.dumps({"run": run_id, "step": told["waiting"]["step"], "decision": decision}))
    else:
        click.echo(f"{decision}: {told['waiting']['name']}")


@playbook.command()
@click.argument("run_id", metavar="RUN")
@state_option
@json_option
def cancel(run_id: str, state: str | None, as_json: bool) -> None:
    """Stop a run before its next step. What it has done stays done; it can be resumed."""
    with _runs(state) as runs:
        runs.cancel(run_id)
    click.echo(json.dumps({"run": run_id, "state": "cancelled"}) if wants_json(forced=as_json) else "cancelled")


@playbook.command()
@click.argument("run_id", metavar="RUN")
@click.option("--detach", is_flag=True, help="Leave the run to the workers.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the run's page to this file.")
@state_option
@json_option
@hosting_options
def resume(run_id: str, **options: Any) -> int:
    """Go on with a run that broke off, was cancelled or failed: from the step that it stopped at."""
    require_playbooks("a run of a playbook")
    from connector.cli.playbook_run import resume_run

    return resume_run(run_id, **options)


@playbook.command()
@click.option("--concurrency", type=click.IntRange(0), help="Runs under way at once, of all workers; 0: no limit.")
@click.option("--rate", metavar="CALLS/SECONDS", help="Calls to the action server, of all workers: 5/1; 0: no limit.")
@state_option
@hosting_options
def worker(**options: Any) -> int:
    """Take runs from the queue until stopped, and take over what dead workers left. Start as many as you like.

    Prints one JSON line when it is ready. The limits hold for all workers of the state; the last one started sets them.
    """
    require_playbooks("a run of a playbook")
    from connector.cli.playbook_run import work

    return work(**options)


def _runs(state: str | None) -> Any:
    require_playbooks("a run of a playbook")
    from connector.playbooks.durable.hosting import state_from
    from connector.playbooks.durable.runs import open_runs

    return open_runs(state_from(state))
