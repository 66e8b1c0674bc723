"""Failures of the command line: one error, as JSON or as a sentence, and its exit code."""

import json
import sys
from typing import Final

import click

from connector.errors import (
    ApplianceRefused,
    ConfigError,
    InputRefused,
    ServerError,
    SpectraError,
    StateError,
    Unreachable,
)

OK: Final = 0
OTHER: Final = 1
INPUT: Final = 2
REFUSED: Final = 3
UNREACHABLE: Final = 4
UNKNOWN: Final = 5
INTERRUPTED: Final = 130


def exit_code(error: SpectraError) -> int:
    """The exit code of an error: an unknown outcome comes before everything else."""
    if error.outcome == "unknown":
        return UNKNOWN
    if isinstance(error, InputRefused | ConfigError | StateError):
        return INPUT
    if isinstance(error, ApplianceRefused | ServerError):
        return REFUSED
    return UNREACHABLE if isinstance(error, Unreachable) else OTHER


def wants_json(*, forced: bool) -> bool:
    return forced or not sys.stdout.isatty()


def report(error: SpectraError, *, as_json: bool) -> int:
    """Print one error and return its exit code."""
    if as_json:
        click.echo(json.dumps({"error": error.as_dict()}, ensure_ascii=False))
    else:
        click.secho(f"error: {error.message}", fg="red", err=True)
        if error.hint:
            click.echo(f"next: {error.hint}", err=True)
    return exit_code(error)


def guarded(command: click.Command) -> int:
    """Run the command line; whatever goes wrong becomes one report and one exit code."""
    as_json = wants_json(forced="--json" in sys.argv)
    try:
        return int(command.main(standalone_mode=False, prog_name="spectra") or 0)
    except SpectraError as error:
        return report(error, as_json=as_json)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
