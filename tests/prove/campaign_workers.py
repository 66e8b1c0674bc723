"""The workers of the campaign: random operations as programs of steps, done by threads or by tasks of one event loop."""

import asyncio
import base64
import hashlib
import random
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from connector import AsyncConnector, Connector, Settings, SpectraError
from connector.errors import CircuitOpen
from tests.faults.proxy import FaultProxy
from tests.laboratory import Time, hurried
from tests.prove.campaign_books import CLASSES, Books, Claim, Intent, Tally, count, judge, judge_again
from tests.prove.campaign_faults import Struck, draw

HASTE: Final = 0.25  # deadline_seconds of an operation whose peer falls silent
IDLE_SECONDS: Final = 10.0
Slot = Literal["first", "again"]


@dataclass(frozen=True, slots=True)
class Open:
    """Have a new connector in a slot, instead of the one that is there."""

    slot: Slot
    settings: Settings


@dataclass(frozen=True, slots=True)
class Close:
    slot: Slot


@dataclass(frozen=True, slots=True)
class Ask:
    """Run an action; brings a Claim."""

    slot: Slot
    action: str
    params: dict[str, Any] = field(repr=False)
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Settle:
    """Wait until the proxy holds no connection any more, so that ledger and account are final."""


Step = Open | Close | Ask | Settle
Script = Generator[Step, Claim | None, None]


class Passing(Time):
    """A clock that goes by itself, and that sleeping moves instead of taking time; the appliance's goes along."""

    def clock(self) -> float:
        return time.monotonic() + self.now


@dataclass(slots=True)
class Bench:
    """What one worker has: its own proxy before the common appliance, its clock, its journal, its chance."""

    name: str
    books: Books
    proxy: FaultProxy
    token: str
    folder: Path
    rng: random.Random
    clock: Passing
    lasting: bool
    tally: Tally = field(default_factory=Tally)
    serial: int = 0
    turns: int = 0  # operations that the connector is still to be used for

    def settings(self, **more: Any) -> Settings:
        given = {"url": self.proxy.url, "token": self.token, "state": str(self.folder), "allow_internal_urls": True}
        given |= {"allow_cloud": True, "allow_delete": True, "stix_profile": self.rng.choice(("none", "core"))}
        given |= {"api_generation": self.rng.choice(("current", "current", "auto", "legacy"))}
        return Settings(**given | {"deadline_seconds": self.rng.choice((60.0, 600.0))} | more)


def worker(bench: Bench, faults: int, ends: float) -> Script:
    """Operations under faults, until so many of them were injected, or the time is over."""
    while bench.tally.injected < faults and time.monotonic() < ends:
        yield from operation(bench)
    yield Close("first")


def operation(b: Bench) -> Script:
    """One operation: planned faults, its run, the account of the faults, and its claim beside the ledger."""
    b.serial += 1
    lone = not b.lasting and b.rng.random() < 0.5
    settings = b.settings()
    intent = draw_intent(b, settings)
    struck = draw(b.rng, targets(intent), silence=lone)
    if lone or b.turns <= 0:
        settings = b.settings(deadline_seconds=HASTE) if struck.hasty else settings
        yield Open("first", settings)
        b.turns = 1_000_000 if b.lasting else 1 if lone else b.rng.randint(2, 6)
    b.turns -= 1
    if intent.kind == "delete":
        planned = yield Ask("first", intent.action, {**intent.params, "plan": True})
        if planned is None or planned.outcome is None or planned.outcome.branch != "planned":
            b.turns = 0 if not b.lasting else b.turns
            _let_pass(b, planned)
            return
        b.books.confirmed.update(intent.key)
        intent.params["confirm"] = planned.outcome.result.digest  # type: ignore[attr-defined]
    b.proxy.plan(list(struck.faults))
    name = f"{b.name}-{b.serial}"
    claim = yield Ask("first", intent.action, intent.params, None if intent.kind == "read" else name)
    assert claim is not None
    if lone:
        yield Close("first")
        yield Settle()
    account(b, struck)
    judge(intent, claim, b.books, b.tally)
    _let_pass(b, claim)
    if claim.word == "unknown" and intent.kind != "read":
        yield from once_more(b, intent, name)


def _let_pass(b: Bench, claim: Claim | None) -> None:
    """Time for the queue to empty, and for an open breaker to let its probe through."""
    error = claim.error if claim is not None else None
    waits = error.retry_after if isinstance(error, CircuitOpen) and error.retry_after else 0.0
    b.clock.sleep(1.0 + waits)


def account(b: Bench, struck: Struck) -> None:
    """Count each planned fault as injected or as cancelled, when the operation ended before it was due."""
    fired = sum(line.fired for line in b.proxy.account())
    planned = sum(int(fault.due_times()) for fault in struck.faults)
    b.tally.operations += 1
    b.tally.planned += planned
    b.tally.injected += fired
    b.tally.cancelled += planned - fired
    b.tally.calls += len(b.proxy.seen)
    b.proxy.plan([])


def once_more(b: Bench, intent: Intent, name: str) -> Script:
    """The same operation id on a new connector, without faults."""
    before = count(intent, b.books)
    yield Open("again", b.settings(deadline_seconds=600.0))
    claim = yield Ask("again", intent.action, intent.params, name)
    yield Close("again")
    assert claim is not None
    b.tally.calls += len(b.proxy.seen)
    judge_again(intent, claim, before, b.books, b.tally)
    b.proxy.plan([])
    b.clock.sleep(1.0)


def draw_intent(b: Bench, settings: Settings) -> Intent:
    """A random thing to do; files and URLs are new ones, and a sample is deleted once."""
    kind = b.rng.choices(("file", "url", "delete", "read"), (35, 25, 15, 25))[0]
    if kind == "file":
        return _file(b)
    if kind == "url":
        return _url(b)
    doomed = b.books.take_doomed(b.rng.randint(1, 3)) if kind == "delete" else ()
    if doomed:
        return Intent("delete", "bulk_delete", {"hash_values": list(doomed), "wait": b.rng.random() < 0.7}, doomed)
    return _read(b, settings)


def _file(b: Bench) -> Intent:
    size = 150_000 if b.rng.random() < 0.1 else 64
    truth = b.rng.choice(CLASSES)
    content = f"SPECTRA-LAB-{truth.upper()} {b.name} {b.serial} ".encode() + b.rng.randbytes(size)
    params: dict[str, Any] = {"wait": b.rng.random() < 0.2}
    if b.rng.random() < 0.3:
        path = b.folder.with_name(f"{b.name}.bin")
        path.write_bytes(content)
        params["file"] = str(path)
    else:
        params["content_base64"] = base64.b64encode(content).decode()
    public = b.rng.random() < 0.1
    if public:
        params["analysis"] = "cloud"
    return Intent("file", "submit_file", params, (hashlib.sha1(content).hexdigest(),), truth, public)


def _url(b: Bench) -> Intent:
    site = b.books.take_site() if b.rng.random() < 0.2 else None
    url = site or f"https://host.example/{b.name}/{b.serial}"
    return Intent("url", "submit_url", {"url": url, "wait": site is not None}, (url,), "malicious")


def _read(b: Bench, settings: Settings) -> Intent:
    known = b.rng.choice(sorted(b.books.known))
    legacy = settings.api_generation == "legacy"
    actions = ("get_classification", "get_report", "get_file_status", "advanced_search", "get_url_status")
    action = b.rng.choice(actions if legacy else (*actions, "count_search_results"))
    truth = b.books.known[known] if action == "get_classification" else ""
    params: dict[str, Any] = {"hash_values": [known]}
    if action == "get_classification":
        params = {"hash_value": known}
    elif action in {"advanced_search", "count_search_results"}:
        params = {"query": f"sha1:{known}"}
    elif action == "get_url_status":
        params = {"task_id": b.rng.randint(1, 30)}
    return Intent("read", action, params, (), truth)


def targets(intent: Intent) -> tuple[tuple[str, str], ...]:
    """Where faults of an operation strike: mostly on the request that changes something."""
    anywhere = ("*", "*")
    if intent.kind == "read":
        return (anywhere,)
    if intent.kind == "delete":
        return (("POST", "*delete_bulk*"), ("POST", "*delete_bulk*"), anywhere)
    return (("POST", "*"), ("POST", "*"), anywhere)


def _require_idle(idle: bool) -> None:
    if not idle:
        raise TimeoutError("a connection was still open after its connector was closed")


class Blocking:
    """Does the steps of one script in a thread."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.open: dict[Slot, Connector] = {}

    def run(self, script: Script) -> None:
        claim: Claim | None = None
        with suppress(StopIteration):
            while True:
                claim = self.perform(script.send(claim))

    def perform(self, step: Step) -> Claim | None:
        if isinstance(step, Settle):
            _require_idle(self.bench.proxy.idle(IDLE_SECONDS))
        elif isinstance(step, Ask):
            return self.ask(step)
        elif (kept := self.open.pop(step.slot, None)) is not None:
            kept.close()
        if isinstance(step, Open):
            self.open[step.slot] = hurried(Connector(step.settings), self.bench.clock)
        return None

    def ask(self, step: Ask) -> Claim:
        try:
            return Claim(self.open[step.slot].run(step.action, step.params, operation_id=step.operation_id))
        except SpectraError as error:
            return Claim(error=error)
        except Exception as error:  # noqa: BLE001  # which is what the campaign looks for
            return Claim(uncaught=error)


class Looping:
    """Does the steps of one script in a task."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.open: dict[Slot, AsyncConnector] = {}

    async def run(self, script: Script) -> None:
        claim: Claim | None = None
        with suppress(StopIteration):
            while True:
                claim = await self.perform(script.send(claim))

    async def perform(self, step: Step) -> Claim | None:
        if isinstance(step, Settle):
            _require_idle(await asyncio.to_thread(self.bench.proxy.idle, IDLE_SECONDS))
        elif isinstance(step, Ask):
            return await self.ask(step)
        elif (kept := self.open.pop(step.slot, None)) is not None:
            await kept.close()
        if isinstance(step, Open):
            self.open[step.slot] = hurried(AsyncConnector(step.settings), self.bench.clock)
        return None

    async def ask(self, step: Ask) -> Claim:
        try:
            return Claim(await self.open[step.slot].run(step.action, step.params, operation_id=step.operation_id))
        except SpectraError as error:
            return Claim(error=error)
        except Exception as error:  # noqa: BLE001  # which is what the campaign looks for
            return Claim(uncaught=error)


def all_done(blocking: list[tuple[Bench, Script]], looping: list[tuple[Bench, Script]]) -> None:
    """Run all scripts to their ends: each of the first in a thread, all of the others on one event loop."""
    failed: list[BaseException] = []

    def one(bench: Bench, script: Script) -> None:
        try:
            Blocking(bench).run(script)
        except BaseException as error:  # noqa: BLE001  # raised again below, in the main thread
            failed.append(error)

    async def every() -> None:
        await asyncio.gather(*(Looping(bench).run(script) for bench, script in looping))

    threads = [threading.Thread(target=one, args=pair, daemon=True) for pair in blocking]
    for thread in threads:
        thread.start()
    asyncio.run(every())
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
