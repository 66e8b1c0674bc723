"""How late an action ends before a peer that never does: silence, dribbling, endless interim answers, no handshake."""

import asyncio
import base64
import json
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import click

from connector import AsyncConnector, Connector, Settings, SpectraError
from connector.emulator import serve
from tests.faults.listener import Listener
from tests.faults.plan import Fault
from tests.faults.proxy import FaultProxy

Lane = Literal["sync", "async", "threads"]
LANES: Final[tuple[Lane, ...]] = get_args(Lane)
STRUCK: Final = (
    *("answer_none_wait", "answer_head_wait", "answer_half_wait", "answer_all_but_one_wait", "request_swallow"),
    *("answer_dribble_head", "answer_dribble_body", "answer_early_hints", "answer_100_continue_endless"),
)
PEERS: Final = (*STRUCK, "takes no upload", "no handshake", "dribbles a handshake")
ACTIONS: Final = ("read", "submit_url", "submit_file")
MOST: Final = 0.5  # seconds over the deadline
LONGEST: Final = 4.0  # seconds after which every peer gives up, so that a deadline that does not hold ends as well
AT_ONCE: Final = 6
UPLOAD: Final = 5_500_000  # bytes: more than what the buffers between two sockets hold
EARNED: Final = UPLOAD / 1_000_000  # seconds that an upload earns for its size, by the product's rule
HASTY: Final = (0.3, 0.5, 0.7, 1.0)
RIGHT: Final = {"deadline", "outcome_unknown", "connect_failed", "tls"}


@dataclass(frozen=True, slots=True)
class Case:
    peer: str
    lane: Lane
    action: str
    deadline: float

    def __str__(self) -> str:
        return f"{self.peer}, {self.lane}, {self.action}, {self.deadline} s"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a case ended: how many seconds after its deadline, and with which error code and outcome."""

    case: Case
    overshoot: float
    code: str
    outcome: str
    fired: bool

    def right(self) -> bool:
        """Not early with another error, not late; and what may have been done is not told as undone."""
        unsent = self.case.peer in {"no handshake", "dribbles a handshake"} or self.case.action == "read"
        outcomes = {"not_sent"} if unsent else {"unknown"}
        return self.fired and self.code in RIGHT and self.outcome in outcomes and self.overshoot <= MOST


class Stubborn(Listener):
    """A peer that takes a connection, and no byte; with ``dribble`` it sends the beginning of a TLS record, slowly."""

    def __init__(self, scheme: str, *, dribble: bool = False) -> None:
        super().__init__(scheme)
        self._dribble = dribble

    def serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ends = time.monotonic() + LONGEST + EARNED
        hello = iter(b"\x16\x03\x03\x20\x00\x02\x00\x1f\xfc\x03\x03" + bytes(8000))
        while time.monotonic() < ends and not self._closing:
            if self._dribble:
                connection.sendall(bytes([next(hello)]))
            time.sleep(0.03)


@contextmanager
def peer_of(case: Case, upstream: str) -> Iterator[tuple[str, Callable[[], bool]]]:
    """The address of the peer of a case, and whether it did what was planned."""
    if case.peer in STRUCK:
        with FaultProxy(upstream) as proxy:
            match = ("*", "*") if case.action == "read" else ("POST", "*")
            proxy.plan([Fault(case.peer, match=match, nth="every", every_seconds=0.03, longest=LONGEST)])  # type: ignore[arg-type]
            yield proxy.url, lambda: not proxy.unfired()
        return
    scheme = "http" if case.peer == "takes no upload" else "https"
    with Stubborn(scheme, dribble=case.peer == "dribbles a handshake") as peer:
        yield peer.url, lambda: True


def cases(rng: random.Random, repeats: int, deadlines: tuple[float, ...] = HASTY) -> Iterator[Case]:
    for peer in PEERS * repeats:
        for lane in LANES:
            for action in ("submit_file",) if peer == "takes no upload" else ACTIONS:
                yield Case(peer, lane, action, rng.choice(deadlines))


def asked(case: Case, number: int) -> tuple[str, dict[str, Any]]:
    if case.action == "read":
        return "get_file_status", {"hash_values": ["d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"]}
    if case.action == "submit_url":
        return "submit_url", {"url": f"https://www.example.com/late/{number}"}
    size = UPLOAD if case.peer == "takes no upload" else 60
    content = f"late {number} ".encode().ljust(size, b"x")
    return "submit_file", {"content_base64": base64.b64encode(content).decode()}


def ended(case: Case, number: int, upstream: str, token: str) -> Ended:
    """Run one case to its end."""
    action, params = asked(case, number)
    with peer_of(case, upstream) as (url, fired):
        given = {"url": url, "token": token, "api_generation": "current", "state": "memory"}
        settings = Settings(**given, deadline_seconds=case.deadline)
        run = blocking if case.lane == "sync" else awaited(case.lane)
        code, outcome, took = run(settings, action, params)
        struck = fired()
    earned = EARNED if case.peer == "takes no upload" else 0.0
    return Ended(case, took - case.deadline - earned, code, outcome, struck)


def blocking(settings: Settings, action: str, params: dict[str, Any]) -> tuple[str, str, float]:
    with Connector(settings) as connector:
        began = time.monotonic()
        try:
            connector.run(action, params)
        except SpectraError as error:
            return error.code, error.outcome, time.monotonic() - began
        return "answered", "applied", time.monotonic() - began


def awaited(lane: Lane) -> Callable[[Settings, str, dict[str, Any]], tuple[str, str, float]]:
    async def once(settings: Settings, action: str, params: dict[str, Any]) -> tuple[str, str, float]:
        async with AsyncConnector(settings) as connector:
            if lane == "threads":
                connector._driver._fast = None  # as where the [fast] extra is not installed
            began = time.monotonic()
            try:
                await connector.run(action, params)
            except SpectraError as error:
                return error.code, error.outcome, time.monotonic() - began
            return "answered", "applied", time.monotonic() - began

    return lambda *given: asyncio.run(once(*given))


def all_ended(chosen: list[Case], at_once: int = AT_ONCE) -> list[Ended]:
    """Run cases, several at once; what has to be loaded is loaded before any of them is measured."""
    with ExitStack() as stack:
        appliance = stack.enter_context(serve(release="9.6"))
        warm = Case("answer_none_fin", "async", "submit_url", 5.0)
        for lane in LANES:
            settings = Settings(url=appliance.url, token=appliance.token, state="memory")
            (blocking if lane == "sync" else awaited(lane))(settings, *asked(warm, 0))
        pool = stack.enter_context(ThreadPoolExecutor(at_once))
        work = [pool.submit(ended, case, n, appliance.url, appliance.token) for n, case in enumerate(chosen)]
        return [one.result() for one in work]


def measured(repeats: int, seed: int) -> tuple[dict[str, Any], list[Ended]]:
    """The figures, and every end that was not right."""
    began = time.monotonic()
    found = all_ended(list(cases(random.Random(seed), repeats)))
    worst = max(found, key=lambda one: one.overshoot)
    line = {"cases": len(found), "worst_overshoot": round(worst.overshoot, 3), "where": str(worst.case)}
    wrong = [one for one in found if not one.right()]
    return line | {"wrong": len(wrong), "seed": seed, "seconds": round(time.monotonic() - began, 1)}, wrong


@click.command()
@click.option("--repeats", default=3)
@click.option("--seed", default=20261124)
def main(repeats: int, seed: int) -> None:
    """Measure how late each case ends; exit 1 above half a second, or where an end claims what it cannot know."""
    line, wrong = measured(repeats, seed)
    for one in wrong:
        click.echo(f"{one.case}: {one.overshoot:.3f} s, {one.code}, {one.outcome}, fired: {one.fired}", err=True)
    click.echo(json.dumps(line))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
