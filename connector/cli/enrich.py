"""spectra enrich: events in, the same events with the verdict out, until the input ends or a signal comes."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from connector.cli.failure import OK, report, wants_json
from connector.cli.setting import setting_options, settings_from
from connector.enrichment.extraction.shapes import Shape
from connector.enrichment.order import (
    STANDARD,
    ActionName,
    Emit,
    FormatName,
    Order,
    read_order,
)
from connector.errors import InputRefused, SpectraError, StateError, Violation
from connector.vocabulary import Classification, Tlp

if TYPE_CHECKING:
    from connector.enrichment.counts import Counts
    from connector.settings import Settings

_OPTIONS: Final = (
    click.option("--input", "--source", "source", default=STANDARD, show_default=True, help="FILE, -, or a broker."),
    click.option("--output", default=STANDARD, show_default=True, help="FILE, -, or where else; see below."),
    click.option("--dead-letter", help="File of the events that failed. Default: OUTPUT.dead-letter.ndjson."),
    click.option("--format", type=click.Choice(get_args(FormatName)), default="ecs", show_default=True),
    click.option("--emit", type=click.Choice(get_args(Emit)), help="Events with verdicts, or documents of their own."),
    click.option(
        "--shape", type=click.Choice(get_args(Shape)), default="auto", show_default=True, help="Of the input."
    ),
    click.option("--field", "fields", multiple=True, metavar="NAME", help="Where hashes and URLs are; dotted; repeat."),
    click.option("--urls", is_flag=True, help="Look URLs up too; needs allow_cloud, as URLs leave for the cloud."),
    click.option("--only", multiple=True, type=click.Choice(get_args(Classification)), help="Tell these; repeat."),
    click.option("--tlp", type=click.Choice(get_args(Tlp)), default="amber"),
    click.option("--action", type=click.Choice(get_args(ActionName)), default="get_ticloud_reputation"),
    click.option("--at-once", type=int, default=50, show_default=True, help="Look-ups at the same time."),
    click.option("--rate", type=float, metavar="N", help="Look-ups a second, over all workers with this cache."),
    click.option("--quota", type=int, metavar="N", help="Look-ups a day, spread over it; over all workers as well."),
    click.option("--on-quota", type=click.Choice(["wait", "pass"]), default="wait", show_default=True),
    click.option("--lifetime", default="", metavar="WORD=TIME,...", help="As in malicious=7d,unknown=30m."),
    click.option("--cache", help="SQLite file, redis://..., or none. Default: in the state folder."),
    click.option("--checkpoint", help="File. Default: OUTPUT.checkpoint."),
    click.option("--group", help="Of workers that share a stream."),
    click.option("--consumer", help="Name of this worker in its group. Default: one of its own."),
    click.option("--claim-after", type=float, default=60.0, show_default=True, help="Seconds; a dead worker's events."),
    click.option("--follow", is_flag=True, help="Go on at the end of FILE, through rotations, as tail -F does."),
    click.option("--replay", is_flag=True, help="The input is a dead-letter file: try its events again."),
    click.option("--append", is_flag=True, help="Write behind what is in OUTPUT."),
    click.option("--unordered", is_flag=True, help="Do not keep the order of events; faster where look-ups are slow."),
    click.option("--patience", type=float, default=600.0, show_default=True, help="Seconds to wait for what is away."),
    click.option("--max-line", type=int, default=1 << 20, show_default=True, help="Bytes of an event."),
    click.option("--ca", "ca_file", help="CA of the output's TLS certificate (PEM)."),
    click.option("--kafka-config", help="File of librdkafka properties, NAME=VALUE a line."),
)
_SHOWN: Final = (
    click.option("--summary", type=click.Path(path_type=Path), help="Write the summary there as JSON."),
    click.option("--html", type=click.Path(path_type=Path), help="Write it as one HTML page."),
    click.option("--metrics", metavar="HOST:PORT", help="Serve Prometheus metrics, as on 127.0.0.1:9464."),
    click.option("--quiet", is_flag=True, help="No progress and no table."),
    click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on a terminal too."),
)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed((*_OPTIONS, *_SHOWN)):
        command = option(command)
    return command


@click.command()
@_options
@setting_options
def enrich(
    summary: Path | None,
    html: Path | None,
    metrics: str | None,
    quiet: bool,
    as_json: bool,
    url: str | None,
    token: str | None,
    config: Path | None,
    assigned: tuple[str, ...],
    unordered: bool,
    **choices: Any,
) -> int:
    """Enrich SIEM events with the appliance's verdict on their hashes.

    \b
    spectra enrich --input events.ndjson --output enriched.ndjson --format ecs
    spectra enrich --input eve.json --follow --output enriched.ndjson --quota 5000
    spectra enrich --source 'redis://127.0.0.1:6379/0?stream=events' --group siem \\
        --cache redis://127.0.0.1:6379/0 --output 'redis://127.0.0.1:6379/0?stream=enriched'

    Sources: a file, - (standard input), redis://, kafka://. Outputs: a file, - (standard output), redis://, kafka://,
    syslog+tcp://, syslog+tls://, taxii+https:// (format stix), https:// (format sentinel, or lines of JSON). Every
    event ends enriched, passed through, or in the dead-letter file with its reason; the same command goes on where it
    stopped. SIGTERM and SIGINT end it in order within ten seconds.
    """
    only = choices.pop("only") or None
    order = read_order({**choices, "only": only, "ordered": not unordered})
    settings = settings_from(url, token, config, assigned)
    to_people = order.output == STANDARD and not as_json  # standard output is for events
    try:
        counts, trouble = asyncio.run(_run(settings, order, metrics, {"summary": summary, "html": html}, quiet=quiet))
    except SpectraError as error:
        if not to_people:
            raise
        return report(error, as_json=False)
    as_json = not to_people and wants_json(forced=as_json)
    _tell(counts, summary, html, quiet=quiet or trouble is not None, as_json=as_json and trouble is None)
    return OK if trouble is None else report(trouble, as_json=as_json)


async def _run(
    settings: "Settings", order: Order, metrics: str | None, reports: dict[str, Path | None], *, quiet: bool
) -> "tuple[Counts, SpectraError | None]":
    """Run it to its end with progress and metrics; what ended it early comes back beside the counts so far.

    The first signal stops it in order, the second at once.
    """
    from connector.cli.enrich_view import following
    from connector.enrichment.measures import serve
    from connector.enrichment.running import assembled, require_folder, require_possible

    require_possible(order, settings)
    for name, path in reports.items():
        if path is not None:
            require_folder(name, path)
    async with assembled(settings, order) as made:
        with ExitStack() as stack:
            if metrics:
                stack.enter_context(serve(*_address(metrics), made.counts))
            loop = asyncio.get_running_loop()

            def stop(number: int) -> None:
                made.pipeline.stop()
                loop.remove_signal_handler(number)
                signal.signal(number, lambda *_: os._exit(128 + number))

            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop, number)
            async with following(made.counts, quiet=quiet, left=made.left):
                try:
                    await made.run()
                except SpectraError as error:
                    return made.counts, error
        return made.counts, None


def _address(metrics: str) -> tuple[str, int]:
    host, colon, port = metrics.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InputRefused.of([Violation("/metrics", "must be HOST:PORT, as in 127.0.0.1:9464")])
    return host, int(port)


def _tell(counts: "Counts", path: Path | None, html: Path | None, *, quiet: bool, as_json: bool) -> None:
    from connector.enrichment.report.summary import summary

    told = summary(counts)
    if path is not None:
        _write("summary", path, json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    if html is not None:
        from connector.enrichment.report.page import summary_page

        _write("html", html, summary_page(told))
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
    elif not quiet:
        from connector.enrichment.report.table import show

        show(told)


def _write(name: str, path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as problem:
        why = problem.strerror or type(problem).__name__
        raise StateError(f"{name}: the run is at its end, but this file cannot be written: {why}") from None
