"""spectra submit-dir: every file of a directory, with progress for a person and a line of JSON for a program."""

import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from connector.cli.failure import OK, exit_code, report, wants_json
from connector.cli.setting import setting_options, settings_from
from connector.errors import InputRefused, SpectraError, Violation
from connector.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from connector.directory import FileEvent, Notice, Options

WORTH_SHOWING: Final = frozenset({"failed", "malicious", "suspicious", "skipped"})
HANDLED: Final = frozenset({"submitted", "known", "failed"})
AGAIN: Final = "run the same command again: it goes on where it stopped"
_OPTIONS: Final = (
    click.option("--manifest", type=click.Path(path_type=Path), help="Default: .spectra-submit.jsonl in DIRECTORY."),
    click.option("--ignore", multiple=True, metavar="PATTERN", help="As in .spectraignore; may be given often."),
    click.option("--max-bytes", type=click.IntRange(1), help="Leave larger files out."),
    click.option("--tags", help="Comma-separated, for every file."),
    click.option("--comment", help="For every file."),
    click.option("--analysis", help="cloud: Spectra Intelligence gets the files too; needs allow_cloud."),
    click.option("--resubmit", is_flag=True, help="Send what the appliance has, too."),
    click.option(
        "--at-once", default=4, show_default=True, type=click.IntRange(1, 32), help="Uploads at the same time."
    ),
    click.option("--wait", is_flag=True, help="Collect the verdicts at the end."),
    click.option(
        "--wait-seconds", default=600.0, show_default=True, type=click.FloatRange(0), help="How long at most."
    ),
    click.option(
        "--settle-seconds",
        default=60.0,
        show_default=True,
        type=click.FloatRange(0),
        help="How long a file whose sending broke off is looked for before it is sent again.",
    ),
)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines on a terminal too.")
@setting_options
def submit_dir(
    directory: Path,
    as_json: bool,
    url: str | None,
    token: str | None,
    config: Path | None,
    assigned: tuple[str, ...],
    **choices: Any,
) -> int:
    """Submit every file of DIRECTORY, with its folders; symbolic links are not followed.

    What the appliance has is not sent again. A manifest makes a run that was broken off resumable: start it again with
    the same words. Files are left out by .spectraignore in DIRECTORY (gitignore syntax), --ignore and --max-bytes.

    \b
    spectra submit-dir quarantine --tags "case 4711" --wait
    spectra submit-dir quarantine --ignore '*.log' | jq -r 'select(.status == "failed") | .path'

    Prints one line of JSON for each file when the output is not a terminal. Exits 0 when all are submitted or known.
    """  # click wants the backspace itself before lines that it must not wrap
    _require_directory(directory)
    from connector.client import Connector
    from connector.directory import Options, submit_directory
    from connector.settings import IN_MEMORY  # the manifest is the journal of a directory

    options = Options(root=directory, **choices)
    settings = settings_from(url, token, config, assigned, file_roots=(directory,), state=IN_MEMORY)
    shown = _Shown(as_json=wants_json(forced=as_json))
    with _stopping() as stop, Connector(settings) as connector:
        events = submit_directory(connector, settings, options, stop=stop)
        trouble = shown.follow(events, options)
    shown.totals(trouble, stop)
    return max(shown.worst, report(trouble, as_json=shown.as_json) if trouble else OK, stop.code)


def _require_directory(directory: Path) -> None:
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        raise InputRefused.of([Violation("/directory", f"{directory} {what}; name a directory")])


class _Signalled(threading.Event):
    """Set by SIGINT or SIGTERM; ``code`` is the exit code then."""

    code = OK


@contextmanager
def _stopping() -> Iterator[_Signalled]:
    """The first signal stops new files and lets those under way finish; the second ends the process at once."""
    stop = _Signalled()

    def handle(number: int, _frame: object) -> None:
        stop.code = 128 + number
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Shown:
    """What has been shown: counts, the worst exit code, and the bar where there is a terminal."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.counts: Counter[str] = Counter()
        self.bytes = 0
        self.worst = OK
        self.bar: Progress | None = None

    def follow(self, events: "Iterator[FileEvent | Notice]", options: "Options") -> SpectraError | None:
        """Show events as they come; the error of the appliance as a whole, if one ended them."""
        try:
            with self._bar(options) as advance:
                for event in events:
                    self._show(event, advance)
        except SpectraError as error:
            return error
        return None

    def _show(self, event: "FileEvent | Notice", advance: Callable[[int], None]) -> None:
        from connector.directory import FileEvent

        if not isinstance(event, FileEvent):
            self._say(event.text, err=True)
            return
        if event.status in HANDLED and event.size:
            advance(event.size)
        if not event.final:
            return
        self.counts[event.status] += 1
        self.bytes += event.size or 0
        self.worst = max(self.worst, exit_code(event.error) if event.error else OK)
        if self.as_json:
            click.echo(json.dumps(event.as_dict(), ensure_ascii=False))
        elif event.status in WORTH_SHOWING:
            self._say(f"{event.status:<10} {event.path}{_why(event)}")

    def _say(self, text: str, *, err: bool = False) -> None:
        plain = printable(text)
        if self.bar is not None:
            self.bar.console.print(plain, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(plain, err=err)

    @contextmanager
    def _bar(self, options: "Options") -> Iterator[Callable[[int], None]]:
        """The progress bar on a terminal; its total comes from a look at the directory that reads no content."""
        if not sys.stderr.isatty():
            yield lambda size: None
            return
        from rich.console import Console

        files, size = options.survey()
        self.bar = _progress(Console(stderr=True))
        task = self.bar.add_task("submitting", total=size, done=0, files=files)
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += 1
            if self.bar is not None:
                self.bar.update(task, advance=more, done=done)

        try:
            with self.bar:
                yield advance
        finally:
            self.bar = None

    def totals(self, trouble: SpectraError | None, stop: _Signalled) -> None:
        """The totals, and what to do next where something is left."""
        told = ", ".join(f"{number} {status}" for status, number in sorted(self.counts.items())) or "no files"
        click.echo(f"{told}; {self.bytes} bytes in all", err=True)
        if stop.is_set():
            click.echo(f"interrupted; what was under way is finished and recorded. Next: {AGAIN}", err=True)
        elif trouble is not None:
            click.echo(f"stopped early; what was done is recorded. Next: when it is mended, {AGAIN}", err=True)
        elif self.counts["failed"]:
            click.echo(f"some files failed, each with its reason. Next: {AGAIN}", err=True)


def _why(event: "FileEvent") -> str:
    if event.error is not None:
        return f": {event.error.message}"
    told = event.outcome or {}
    reason = told.get("reason") if event.status == "skipped" else told.get("threat_name")
    return f": {reason}" if reason else ""


def _progress(console: "Console") -> "Progress":
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    files = TextColumn("{task.fields[done]}/{task.fields[files]} files")
    return Progress(
        TextColumn("{task.description}"), BarColumn(), files, DownloadColumn(), TimeRemainingColumn(), console=console
    )
