"""spectra serve: the actions over HTTP, until it is stopped; and a new API key for it."""

import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from connector.cli.setting import require_playbooks, setting_options, settings_from
from connector.errors import ConfigError

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from connector.server.application import Alongside
    from connector.server.keys import Keys, Scope
    from connector.server.run import Place, Running

_OPTIONS: Final = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Another one needs TLS, or --insecure-http."),
    click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."),
    click.option("--keys", "key_file", type=click.Path(path_type=Path), help="TOML file with API keys; see keygen."),
    click.option(
        "--max-body", default=64 << 20, show_default=True, type=click.IntRange(1024), help="Bytes of a request."
    ),
    click.option(
        "--max-concurrent", default=128, show_default=True, type=click.IntRange(1), help="Requests under way at once."
    ),
    click.option(
        "--drain", default=30, show_default=True, type=click.IntRange(0, 3600), help="Seconds to end them when stopped."
    ),
    click.option("--tls-cert", type=click.Path(path_type=Path), help="PEM file of the server's certificate."),
    click.option("--tls-key", type=click.Path(path_type=Path), help="PEM file of its key."),
    click.option("--insecure-http", is_flag=True, help="Serve another host without TLS: keys and files are readable."),
    click.option("--runs", metavar="STATE", help="Serve /runs of this state, to see and approve playbook runs."),
    click.option(
        "--enrich",
        "enrich",
        type=click.Path(path_type=Path),
        help="TOML file of an enrichment: POST /events takes events for it.",
    ),
    click.option(
        "--log",
        default="text",
        show_default=True,
        type=click.Choice(["text", "json", "none"]),
        help="Lines for requests.",
    ),
)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@_options
@setting_options
@click.pass_context
def serve(ctx: click.Context, /, **options: Any) -> None:
    """Serve every action as POST /actions/NAME, with GET /openapi.json, /healthz, /readyz and /metrics.

    Prints one JSON line with url, scopes and, where no key was given, api_key when it is ready. Keys come from --keys
    or SPECTRA_API_KEY (scopes in SPECTRA_API_SCOPES); with neither, one is made for this run. A path in the parameter
    file is taken below the setting file_roots only. SIGTERM or SIGINT end what is under way first.

    \b
    SPECTRA_API_KEY=... spectra serve --port 8080
    curl -H "Authorization: Bearer $SPECTRA_API_KEY" -F file=@sample.exe http://127.0.0.1:8080/actions/submit_file
    """
    if ctx.invoked_subcommand is None:
        _serve(**options)


@serve.command()
@click.option("--scopes", default="read,submit", show_default=True, help="Of read, submit, destroy, approve.")
@click.option("--name", default="generated", show_default=True, help="What the log calls it.")
@click.option("--json", "as_json", is_flag=True, help="Print both as one JSON object.")
def keygen(scopes: str, name: str, as_json: bool) -> None:
    """Make an API key: its TOML entry for --keys goes to standard output, the key itself to standard error, once.

    \b
    spectra serve keygen --name playbooks --scopes read,submit >> keys.toml
    """
    from connector.server.keys import check_name, generated, read_scopes, toml_entry

    plain, key = generated(read_scopes(scopes), check_name(name))
    if as_json:
        click.echo(json.dumps({"api_key": plain, "toml": toml_entry(key)}))
        return
    click.echo(f"API key, shown this once: {plain}", err=True)
    click.echo(toml_entry(key), nl=False)


def _serve(
    host: str,
    port: int,
    key_file: Path | None,
    drain: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure_http: bool,
    runs: str | None,
    enrich: Path | None,
    **rest: Any,
) -> None:
    limits = {name: rest.pop(name) for name in ("max_body", "max_concurrent", "log")}
    from connector.server.options import Options
    from connector.server.run import Place, serve_until_signal

    place = Place(host=host, port=port, drain_seconds=drain, tls=_tls(tls_cert, tls_key))
    _require_private(place, insecure_http=insecure_http)
    settings = settings_from(**rest, roots=())
    keys, routes = _keys(key_file), _routes(runs)
    alongside: Alongside = nullcontext
    if enrich is not None:
        from connector.enrichment.serving import Posted, order_from

        posted = Posted(settings, order_from(enrich))
        routes, alongside = [*routes, posted.route], posted.running
    serve_until_signal(
        settings,
        ready=_ready(keys),
        keys=keys,
        place=place,
        routes=routes,
        options=Options(**limits),
        alongside=alongside,
    )


def _ready(keys: "Keys | None") -> "Callable[[Running], None]":
    """Prints the line of a server that is ready; a key only where it was made for this run."""
    from connector.server.keys import DEFAULT_SCOPES, SCOPES

    used: set[Scope] = {scope for key in keys.known for scope in key.scopes} if keys else set(DEFAULT_SCOPES)

    def ready(running: "Running") -> None:
        made = {"api_key": running.api_key} if running.api_key else {}
        click.echo(json.dumps({"url": running.url, **made, "scopes": [scope for scope in SCOPES if scope in used]}))

    return ready


def _routes(runs: str | None) -> "list[BaseRoute]":
    """The routes of playbook runs, where their state is named."""
    if runs is None:
        return []
    require_playbooks("--runs")
    from connector.playbooks.durable.hosting import state_from
    from connector.playbooks.durable.routes import routes

    return routes(state_from(runs))


def _keys(key_file: Path | None) -> "Keys | None":
    from connector.server.keys import KEY_VARIABLE, from_environment, from_file

    found = from_environment(os.environ)
    if key_file is None:
        return found
    if found is not None:
        raise ConfigError(f"give API keys either in --keys or in {KEY_VARIABLE}, not in both")
    return from_file(key_file)


def _tls(cert: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    if (cert is None) != (key is None):
        raise ConfigError("--tls-cert and --tls-key go together")
    return None if cert is None or key is None else (cert, key)


def _require_private(place: "Place", *, insecure_http: bool) -> None:
    """Refuse to send keys and files over a network that others can read, unless told so in as many words."""
    from connector.server.run import is_loopback

    if place.tls is None and not is_loopback(place.host) and not insecure_http:
        raise ConfigError(
            "a host that others reach needs --tls-cert and --tls-key",
            hint="behind a proxy that ends TLS on this machine serve on 127.0.0.1; else say --insecure-http",
        )
