"""spectra doctor: what works between here and the appliance, what does not, and what to do about it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from connector.cli.failure import OK, exit_code, wants_json
from connector.cli.setting import setting_options, settings_from
from connector.errors import SpectraError
from connector.printable import printable

if TYPE_CHECKING:
    from connector.diagnosis import Check

MARKS: Final = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON on a terminal too.")
@setting_options
def doctor(as_json: bool, url: str | None, token: str | None, config: Path | None, assigned: tuple[str, ...]) -> int:
    """Check settings, address, TLS, credentials, endpoints and clock; changes nothing.

    Exits 0 when nothing fails, else 2 (settings), 3 (the appliance refuses) or 4 (it is not reached), by what failed
    first.
    """
    in_json = wants_json(forced=as_json)
    checks = []
    for check in _checks(url, token, config, assigned):
        checks.append(check)
        if not in_json:
            _print(check)
    wrong = [check for check in checks if check.state == "fail"]
    if in_json:
        click.echo(json.dumps({"ok": not wrong, "checks": [check.as_dict() for check in checks]}, ensure_ascii=False))
    else:
        click.echo(f"{len(checks)} checks, {len(wrong)} failed", err=True)
    return next((exit_code(check.error) for check in wrong if check.error), OK)


def _checks(url: str | None, token: str | None, config: Path | None, assigned: tuple[str, ...]) -> Any:
    from connector.diagnosis import diagnose, failed, where_from

    given = {"url": url, "token": token} | {item.partition("=")[0]: "given" for item in assigned}
    try:
        settings = settings_from(url, token, config, assigned)
    except SpectraError as error:
        yield failed("settings", error)
        return
    yield from diagnose(settings, where_from(given, file=config))


def _print(check: "Check") -> None:
    mark, colour = MARKS[check.state]
    click.echo(f"{click.style(mark, fg=colour)}  {check.name:<12} {printable(check.found)}")
    if check.next and check.state != "ok":
        click.echo(f"      next: {printable(check.next)}")
    sys.stdout.flush()
