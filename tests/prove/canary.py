"""The canary run: every action in every scene on every lane, and no secret comes out anywhere; one line of JSON.

    python -m tests.prove.canary [--only PART]

``runs`` are actions that were run, ``sinks`` the kinds of places that were searched, ``searched_bytes`` what was read
there, ``hits`` the secrets that came out (0, or the exit code is 1 and each is told on stderr). ``planted`` leaks are
found first, or the run proves nothing; ``used`` says that the secrets were on the wire.
"""

import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from connector import SpectraError
from tests.cassette_tools import CANARIES as OF_CASSETTES
from tests.cassette_tools import CASSETTES
from tests.secrecy.canaries import ARCHIVE_PASSWORD, CANARIES, PASSWORD, PROXY_PASSWORD, TOKEN, USERNAME, Search, forms
from tests.secrecy.running import LANES, PARAMS, play
from tests.secrecy.scenes import SCENES, World
from tests.secrecy.sinks import feed_files, watched

SENT: Final = (TOKEN, USERNAME, PASSWORD, ARCHIVE_PASSWORD, PROXY_PASSWORD)


def planted() -> int:
    """How many leaks were planted, one for each form of each secret, in a log; each must be found."""
    missed = []
    count = 0
    for name, secret in CANARIES.items():
        for form in forms(secret):
            search = Search()
            with watched(search):
                logging.getLogger("httpcore.http11").debug(
                    "receive_response_headers.complete %s", form.decode("latin-1")
                )
            count += 1
            search.feed("planted", form)
            missed += [] if {hit.canary for hit in search.hits} == {name} else [name]
    if missed:
        raise click.ClickException(f"planted leaks were not found: {sorted(set(missed))}")
    return count


def every_run(only: str) -> Iterator[tuple[int, str, str]]:
    """Each scene with each action on each lane."""
    for number, scene in enumerate(SCENES):
        if only in scene.name:
            yield from ((number, action, lane) for action in PARAMS for lane in LANES)


def told(search: Search) -> list[str]:
    """One sentence for each secret that came out of a kind of place."""
    return sorted({f"{hit.canary} in {hit.sink}: ...{hit.around}" for hit in search.hits})


@click.command()
@click.option("--only", default="", help="Part of the name of a scene.")
def main(only: str) -> None:
    """Run it."""
    began, search, runs, errors = time.monotonic(), Search(), 0, 0
    leaks = planted()
    with tempfile.TemporaryDirectory() as folder, World(Path(folder)) as world:
        for number, action, lane in every_run(only):
            before = len(search.hits)
            ended = play(world, SCENES[number], action, lane, search)
            runs, errors = runs + 1, errors + isinstance(ended, SpectraError)
            if len(search.hits) > before:
                click.echo(f"{SCENES[number].name}, {action}, {lane}: {search.hits[-1]}", err=True)
        files = feed_files(search, world.state)
        used = sum(any(echo.was_told(secret) for echo in world.echoes) for secret in SENT)
        at_bad_peers = sum(peer.saw(TOKEN) for peer in world.counters)
    cassettes = Search({name: secret.decode("latin-1") for name, secret in OF_CASSETTES.items() if secret.isascii()})
    files += feed_files(cassettes, CASSETTES, "cassette")
    for line in (*told(search)[:20], *told(cassettes)[:20]):
        click.echo(line, err=True)
    hits = len(search.hits) + len(cassettes.hits)
    figures = {
        "canary": "token, user name, passwords, bodies and headers",
        "runs": runs,
        "errors": errors,
        "sinks": len(search.sinks | cassettes.sinks),
        "files": files,
        "searched_bytes": search.searched_bytes + cassettes.searched_bytes,
        "planted": leaks,
        "used": used,
        "at_bad_peers": at_bad_peers,
        "hits": hits,
        "seconds": round(time.monotonic() - began, 1),
    }
    click.echo(json.dumps(figures))
    sys.exit(bool(hits or at_bad_peers) or (not only and used < len(SENT)))


if __name__ == "__main__":
    main()
