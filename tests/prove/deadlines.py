"""How late an action ends when its peer never does: silence, dripping heads and bodies, endless interim answers."""

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from connector import Settings, SpectraError
from connector.errors import ConnectFailed, DeadlineExceeded, OutcomeUnknown, TlsError
from tests.faults.plan import Fault
from tests.laboratory import run
from tests.prove.lab import Bench, bench, told

KINDS = (
    *("answer_none_wait", "answer_head_wait", "answer_half_wait", "answer_all_but_one_wait", "request_swallow"),
    *("answer_dribble_head", "answer_dribble_body", "answer_early_hints", "answer_100_continue_endless"),
)
LANES = ("sync", "async", "threads")
ACTIONS: dict[str, dict[str, Any]] = {
    "test_connection": {},
    "submit_url": {"url": "https://www.example.com/"},
    "submit_file": {"content_base64": "YWJj"},
}
MOST = 0.5  # seconds over the deadline
ENDS = (DeadlineExceeded, OutcomeUnknown, ConnectFailed, TlsError)


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never says or reads anything: no handshake ends, no upload is taken."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def take() -> None:
        with suppress(OSError):
            while True:
                kept.append(listener.accept()[0])

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for connection in kept:
            connection.close()


def overshoot(settings: Settings, action: str, params: dict[str, Any], lane: str) -> float:
    """Seconds past the deadline; anything but an end by the deadline is an error of the proof."""
    without_the_extra = lane == "threads"
    kept = sys.modules.get("connector.fast")
    if without_the_extra:
        sys.modules["connector.fast"] = None  # type: ignore[assignment]  # makes its import fail
    began = time.monotonic()
    try:
        run(settings, action, params, lane="sync" if lane == "sync" else "async")
    except SpectraError as error:
        if not isinstance(error, ENDS):
            raise
        return time.monotonic() - began - settings.deadline_seconds
    finally:
        if without_the_extra:
            sys.modules.pop("connector.fast")
            if kept is not None:
                sys.modules["connector.fast"] = kept
    raise AssertionError(f"{action} was answered by a peer that never ends")


def cases(b: Bench, state: str) -> Iterator[tuple[str, float]]:
    """Every kind of waiting, lane and action, with the seconds that it overshot."""
    for kind in KINDS:
        for lane in LANES:
            for action, params in ACTIONS.items():
                b.proxy.plan([Fault(kind, nth="every", every_seconds=0.02, longest=5.0)])  # type: ignore[arg-type]
                deadline = b.rng.choice((0.3, 0.4, 0.6))
                yield f"{kind} {lane} {action}", overshoot(b.settings(deadline_seconds=deadline), action, params, lane)
    with silent() as port:
        large = {"content_base64": "QUJD" * 5_000_000}  # 15 MB, more than the buffers between hold
        for lane in LANES:
            tls = Settings(url=f"https://127.0.0.1:{port}", token=b.lab.token, state=state, deadline_seconds=0.4)
            yield f"handshake {lane}", overshoot(tls, "test_connection", {}, lane)
            plain = {"url": f"http://127.0.0.1:{port}", "api_generation": "current", "deadline_seconds": 0.5}
            # an upload earns a second for each MB, so its own deadline is later by that
            ended = overshoot(Settings(token=b.lab.token, state=state, **plain), "submit_file", large, lane)
            yield f"upload not read {lane}", ended - 15.0


def measured(repeats: int, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    found: list[tuple[float, str]] = []
    with tempfile.TemporaryDirectory() as state, bench(state, seed) as b:
        for _ in range(repeats):
            found += [(late, name) for name, late in cases(b, state)]
    worst, where = max(found)
    line = {"deadlines": "overshoot", "cases": len(found), "worst_overshoot": round(worst, 3), "where": where}
    return line | {"seconds": round(time.monotonic() - began, 1)}


@click.command()
@click.option("--repeats", default=2)
@click.option("--seed", default=1)
def main(repeats: int, seed: int) -> None:
    """Measure the overshoot of every case."""
    line = measured(repeats, seed)
    told(line, holds=line["worst_overshoot"] <= MOST)


if __name__ == "__main__":
    main()
