"""spectra run: one action, from JSON on the command line, in a file, or on standard input."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from connector.cli.failure import OTHER, wants_json
from connector.cli.setting import setting_options, settings_from
from connector.errors import ConfigError, InputRefused, Violation


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from connector.actions import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


@click.command()
@click.argument("action", shell_complete=_complete)
@click.argument("params", default="{}")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on a terminal too.")
@click.option("--stix", type=click.Path(path_type=Path), help="Write the STIX bundle to this file.")
@click.option("--operation-id", metavar="ID", help="Of a submission or deletion: the same ID again sends nothing.")
@setting_options
def run(action: str, params: str, as_json: bool, stix: Path | None, operation_id: str | None, **options: Any) -> None:
    """Run ACTION with PARAMS: a JSON object, @FILE to read it from a file, or - for standard input.

    \b
    spectra run get_ticloud_reputation '{"hash_value": "3395856ce81f2b7382dee72602f798b642f14140"}'
    spectra run submit_file '{"file": "sample.exe", "wait": true}' --stix sample.stix.json
    """
    values = read_params(params)
    if stix is not None:
        refuse_unwritable(stix)
    from connector.client import Connector  # after the input is read: httpx and pydantic are slow

    with Connector(settings_from(**options)) as connector:
        outcome = connector.run(action, values, operation_id=operation_id)
    text = outcome.to_json()
    if wants_json(forced=as_json):
        click.echo(text)
    else:
        from connector.cli.show import show

        show(json.loads(text), stix)
    if stix is not None:
        write_stix(stix, outcome.stix)


def read_params(text: str) -> dict[str, Any]:
    """The params object from the argument.

    Raises:
        InputRefused: when it is not a JSON object, or its file cannot be read.
    """
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text("utf-8")
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except (OSError, UnicodeDecodeError):
        raise InputRefused.of([Violation("", "the file with the parameters cannot be read")]) from None
    except (ValueError, RecursionError) as problem:
        raise InputRefused.of([Violation("", f"must be a JSON object ({problem})")]) from None
    if not isinstance(value, dict):
        raise InputRefused.of([Violation("", 'must be a JSON object, such as {"hash_value": "..."}')])
    return value


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def refuse_unwritable(path: Path) -> None:
    """Refuse, before anything is sent, a path where no file can be written."""
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError("--stix must name a file in a folder that can be written to; nothing was sent")


def write_stix(path: Path, bundle: dict[str, Any] | None) -> None:
    """Write a bundle, or nothing where there is none; the message says which."""
    if bundle is None:
        click.echo("no STIX: this outcome has no observable", err=True)
        return
    try:
        path.write_text(json.dumps(bundle, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as problem:
        click.echo(f"the STIX could not be written ({problem.strerror}); the outcome above holds", err=True)
        raise click.exceptions.Exit(OTHER) from None
