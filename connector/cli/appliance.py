"""spectra appliance: the embedded appliance emulator, served on loopback until it is stopped."""

import json

import click


@click.command()
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.option("--release", default="9.6", show_default=True, type=click.Choice(["9.1", "9.6", "next"]))
@click.option("--token", help="API token to accept; left out: a random one.")
@click.option("--processing-seconds", default=0.3, show_default=True, help="How long an analysis takes.")
def appliance(port: int, release: str, token: str | None, processing_seconds: float) -> None:
    """Serve the emulator on loopback; prints one JSON line with url and token when it is ready."""
    from connector.emulator import run

    def ready(url: str, used: str) -> None:
        click.echo(json.dumps({"url": url, "token": used}))  # echo flushes

    run(port=port, release=release, token=token, ready=ready, processing_seconds=processing_seconds)
