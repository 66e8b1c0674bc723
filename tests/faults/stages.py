"""What is built around the appliance to bring each fault about, over real sockets."""

import contextlib
import dataclasses
import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from connector.errors import StateError
from connector.operation import Operation
from tests.faults.causes import JSON, NOWHERE, page
from tests.faults.expect import READS
from tests.faults.plan import Plan, Strike
from tests.faults.proxy import Fault, FaultProxy
from tests.faults.scene import Cell, Scene, before_only, busy, faults, scene
from tests.faults.stages_peers import early, faces, names, tunnel
from tests.faults.tls import ByteCounter
from tests.laboratory import Lab, Time


@contextlib.contextmanager
def struck(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """A proxy on the way."""
    with FaultProxy(lab.url) as proxy:
        proxy.plan(faults(cell))
        yield scene(proxy, cell, lab)


@contextlib.contextmanager
def redirect(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """A proxy that sends clients to a peer which must never hear of it."""
    with ByteCounter(None) as peer, FaultProxy(lab.url) as proxy:
        planned = faults(cell)
        moved = tuple((name, value.replace(NOWHERE, peer.plain_url + "/api/")) for name, value in planned[-1].headers)
        proxy.plan([*planned[:-1], dataclasses.replace(planned[-1], headers=moved)])

        def fired() -> None:
            proxy.check()
            assert peer.connections == 0
            assert not [one for one in proxy.seen if "login" in one.path]

        yield scene(proxy, cell, lab, fired=fired)


@contextlib.contextmanager
def warm(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """A connection that was used before, so that its end is met by a request."""
    with FaultProxy(lab.url) as proxy:

        def ready(client: Any) -> None:
            client.run()
            plan = faults(cell)
            proxy.plan([busy(cell.target, 1, keep=True), plan[-1]] if cell.when == "second" else plan)

        yield scene(proxy, cell, lab, ready=ready)


@contextlib.contextmanager
def pages(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """A search of three pages of two entries; the third one is struck."""
    with FaultProxy(lab.url) as proxy:
        good = {"match": cell.target, "status": 200, "headers": (JSON,), "forward": False}
        body = {n: json.dumps(page(n, more=n < 3)).encode() for n in (1, 2, 3)}
        first = [Fault("replace", nth=n, body=body[n], **good) for n in (1, 2)]
        before = [busy(cell.target, 3)] if cell.when == "second" else []
        struck_at = 3 + len(before)
        fault = Fault(match=cell.target, nth=struck_at, times=3 if _fails(cell) else 1, **cell.cause.fault("SRCH"))
        rest = (
            [] if _fails(cell) or fault.status == 200 else [Fault("replace", nth=struck_at + 1, body=body[3], **good)]
        )
        proxy.plan([*first, *before, fault, *rest])
        yield scene(proxy, cell, lab)


def _fails(cell: Cell) -> bool:
    return cell.when == "every" and cell.cause.numbers["status"] != 200


class Timed(Plan):
    """A plan that notes when its first fault began, on the real clock."""

    began: float | None = None

    def record(self, method: str, path: str, forwarded: int, strike: Strike | None) -> None:
        super().record(method, path, forwarded, strike)
        if strike is not None and strike.fault.kind != "replace" and self.began is None:
            self.began = time.monotonic()


@contextlib.contextmanager
def slow(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """A proxy whose answer takes longer than the deadline. Time stands still until it begins, and then is real."""
    with FaultProxy(lab.url) as proxy:
        plan = proxy._plan = Timed([Strike(fault) for fault in faults(cell)])

        class Real(Time):
            def clock(self) -> float:
                return self.now + (0.0 if plan.began is None else time.monotonic() - plan.began)

        def fired() -> None:
            proxy.check()
            assert plan.began is not None
            late = time.monotonic() - plan.began - cell.deadline
            assert late <= 0.5, f"{late:.2f} s after the deadline"

        yield scene(
            proxy,
            cell,
            lab,
            fired=fired,
            time=Real(passed=lab.time.passed),
            settings={"deadline_seconds": cell.deadline},
        )


@contextlib.contextmanager
def crowd(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """Other submissions that take all places: for a moment, from the pause on, or for good."""
    fired: list[bool] = []
    with FaultProxy(lab.url) as proxy:
        proxy.plan(before_only(cell))

        def ready(client: Any) -> None:
            health = client.session.wire.health

            def take() -> None:
                fired.append(True)
                health.at_once = health._flying = 1

            def leave() -> None:
                with health._lock:
                    health._flying = 0
                    health._lock.notify_all()

            def passed(seconds: float) -> None:
                lab.product.clock.advance(seconds)
                take()
                lab.time.now = 60.0 - 0.1

            if cell.when == "second":
                lab.time.passed = passed
                return
            take()
            if cell.when == "first":
                threading.Timer(0.05, leave).start()

        short = {"deadline_seconds": 0.1} if cell.when == "every" else {}

        def check() -> None:
            proxy.check()
            assert fired

        yield scene(proxy, cell, lab, fired=check, settings=short, ready=ready)


@contextlib.contextmanager
def cancel(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """A caller that breaks off once the request has arrived and no answer comes."""
    with FaultProxy(lab.url) as proxy:
        proxy.plan(faults(cell))

        @contextlib.contextmanager
        def around() -> Iterator[None]:
            ended = threading.Event()
            watch = threading.Thread(target=_interrupt, args=(proxy, ended, threading.get_ident()))
            before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a worker of the tests ignores it
            watch.start()
            try:
                yield
            finally:
                ended.set()
                watch.join()
                signal.signal(signal.SIGINT, before)

        yield scene(proxy, cell, lab, around=around)


def _interrupt(proxy: FaultProxy, ended: threading.Event, thread: int) -> None:
    while not ended.wait(0.005):
        if any(one.kind == "answer_none_wait" for one in proxy.seen):
            signal.pthread_kill(thread, signal.SIGINT)
            return


@contextlib.contextmanager
def journal(cell: Cell, lab: Lab, folder: Path) -> Iterator[Scene]:
    """A journal that takes no intent: its disk is full, it is damaged, or of a newer release."""
    how, file = cell.cause.numbers["how"], folder / "journal.sqlite"
    if how == "damaged":
        file.write_bytes(b"no database" * 400)
    elif how == "newer":
        _made(file, "PRAGMA user_version=999")
    before = file.read_bytes() if how != "full" else b""
    if before:
        file.chmod(0o600)

    def ready(client: Any) -> None:
        if how == "full" and cell.column not in READS:
            _fill(client.journal)

    def fired() -> None:
        proxy.check()
        assert how == "full" or file.read_bytes() == before

    with FaultProxy(lab.url) as proxy:
        proxy.plan(before_only(cell))
        yield scene(proxy, cell, lab, fired=fired, ready=ready)


def _made(file: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute(statement)
        database.commit()


def _fill(kept: Any) -> None:
    """Let the database not grow any more, and fill it."""
    pages_there = kept._database.execute("PRAGMA page_count").fetchone()[0]
    kept._database.execute(f"PRAGMA max_page_count={pages_there}")
    with contextlib.suppress(StateError):
        for number in range(10_000):
            kept.intend(Operation(f"fill-{number}", "a", "b", "0" * 64, {}))
        raise AssertionError("a full disk took ten thousand intents")


STAGES: Final[dict[str, Callable[[Cell, Lab], contextlib.AbstractContextManager[Scene]]]] = {
    stage.__name__: stage for stage in (struck, redirect, warm, pages, slow, early, names, faces, tunnel, crowd, cancel)
}
STAGES["storm"] = struck
