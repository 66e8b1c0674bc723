"""spectra trust: the certificate that an appliance shows, and the settings that trust it from now on."""

import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.failure import wants_json
from connector.errors import ConfigError
from connector.printable import printable

if TYPE_CHECKING:
    from connector.certificate import Shown

COMPARE = "compare the fingerprint with the one on the appliance's own console before you trust it"


@click.command()
@click.argument("url")
@click.option("--out", type=click.Path(path_type=Path), help="PEM file to write; default: the host's name with .pem.")
@click.option("--yes", is_flag=True, help="Write without asking; needed where there is no terminal.")
@click.option("--force", is_flag=True, help="Replace the file where it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on a terminal too.")
def trust(url: str, out: Path | None, yes: bool, force: bool, as_json: bool) -> None:
    """Show the certificate of the appliance at URL, and write it for the setting ca_file.

    Connects without verifying anything: a TLS handshake, no token, no request.

    \b
    spectra trust https://appliance.example.com
    """  # click wants the backspace itself before lines that it must not wrap
    from connector.certificate import address_of, look

    address = address_of(url)
    path = out or Path(re.sub(r"[^A-Za-z0-9._-]", "_", address.host) + ".pem")
    if yes:
        _require_writable(path, force=force)
    shown = look(address)
    told = describe(shown)
    in_json = wants_json(forced=as_json)
    if not in_json:
        _print(told)
    written = path if yes or (not in_json and _agreed(path, force=force)) else None
    if written:
        write(written, shown.pem, force=force)
    _finish(told | settings_for(shown, written), written, in_json=in_json)


def _agreed(path: Path, *, force: bool) -> bool:
    """Ask on a terminal; where nobody can answer, nothing is written."""
    if not sys.stdin.isatty():
        return False
    _require_writable(path, force=force)
    return click.confirm(f"Write it to {path}?", default=False)


def _require_writable(path: Path, *, force: bool) -> None:
    if path.exists() and (not force or not path.is_file()):
        raise ConfigError(
            f"{path} exists and was not changed", hint="name another file with --out, or replace it with --force"
        )


def write(path: Path, pem: str, *, force: bool) -> None:
    """Write the certificate; a file that is there already is replaced only by force.

    Raises:
        ConfigError: when the file cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, 0o644), "w", encoding="ascii") as stream:
            stream.write(pem)
    except OSError as problem:
        raise ConfigError(
            f"{path} cannot be written ({problem.strerror})", hint="name another file with --out"
        ) from None


def describe(shown: "Shown") -> dict[str, Any]:
    """The certificate as data; what cannot be shown is null, and ``problem`` says why."""
    details = shown.details
    return {
        "address": shown.address.shown,
        "protocol": shown.protocol,
        "subject": details.subject if details else None,
        "names": list(details.names) if details else None,
        "issuer": details.issuer if details else None,
        "self_signed": details.self_signed if details else None,
        "valid_from": _day(details.begins) if details else None,
        "valid_until": _day(details.ends) if details else None,
        "sha256": shown.sha256,
        "for_this_host": shown.for_this_host,
        "problem": shown.problem,
    }


def settings_for(shown: "Shown", path: Path | None) -> dict[str, Any]:
    """The settings that trust this certificate, and a warning where ca_file would not do."""
    settings = {"certificate_sha256": shown.sha256}
    if shown.for_this_host:
        in_file = {"ca_file": str(path.absolute())} if path else {}
        return {"settings": in_file | settings, "warning": None}
    if shown.for_this_host is False:
        warning = f"the certificate is not for {shown.address.host}: ca_file would be refused, so pin its fingerprint"
    else:
        warning = (
            f"the certificate would not be accepted as ca_file ({shown.problem}): renew it, or pin its fingerprint"
        )
    return {"settings": settings, "warning": warning}


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print(told: dict[str, Any]) -> None:
    from connector.certificate import colons

    for name, value in told.items():
        if value is None or (name == "problem" and not value):
            continue
        text = colons(value) if name == "sha256" else ", ".join(value) if isinstance(value, list) else str(value)
        click.echo(f"{name.replace('_', ' '):<14} {printable(text)}")
    if told["problem"]:
        click.echo("Its names and dates cannot be shown, as it does not verify even against itself.")
    click.echo(f"Nothing was verified: {COMPARE}.")


def _finish(told: dict[str, Any], path: Path | None, *, in_json: bool) -> None:
    if in_json:
        more = {"written": str(path) if path else None, "next": COMPARE if path else f"{COMPARE}, then add --yes"}
        click.echo(json.dumps(told | more))
        return
    click.echo(f"Written to {path}." if path else "Nothing was written.")
    if told["warning"]:
        click.secho(f"warning: {told['warning']}", fg="yellow")
    click.echo("Settings to use; each is enough alone:")
    for name, value in told["settings"].items():
        click.echo(f"  SPECTRA_{name.upper()}={value}")
