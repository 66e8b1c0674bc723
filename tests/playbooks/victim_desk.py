"""Where tests run playbooks: an action server before the emulator, a state of their own, an engine for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from connector.playbooks.durable.engine import RUNS, Engine, Limits
from connector.playbooks.durable.hosting import Hosting, hosting
from connector.playbooks.durable.runs import Runs, open_runs
from connector.playbooks.durable.state import State
from connector.playbooks.order import Order
from connector.server.keys import SCOPES
from connector.server.run import serving
from tests.laboratory import Lab

T = TypeVar("T")
Doing = Callable[["Open"], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Open:
    """An engine in this process, and the runs that it has."""

    engine: Engine
    runs: Runs

    async def told(self, run: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.runs.timeline, run)

    async def until(self, run: str, *states: str, seconds: float = 20) -> dict[str, Any]:
        """The timeline of a run as soon as it is in one of these states."""
        end = time.monotonic() + seconds
        while (told := await self.told(run))["state"] not in states:
            assert time.monotonic() < end, (told["state"], told["waiting"], told["sentence"])
            await asyncio.sleep(0.05)
        return told

    async def ran(self, order: Order) -> dict[str, Any]:
        """Run an order to its end; its timeline."""
        await self.engine.start(order)
        return await self.until(order.run, "done", "failed")

    async def resumed(self, run: str, *states: str) -> dict[str, Any]:
        """Set a run going again here, until it is done or in one of these states."""
        async with self.engine.private_queue() as queue:
            await asyncio.to_thread(self.runs.resume, run, queue)
            return await self.until(run, *(states or ("done", "failed")))


@dataclass(frozen=True, slots=True)
class Desk:
    """A state, and the action server that runs with it call."""

    state: State
    lab: Lab
    url: str
    api_key: SecretStr

    def hosting(self, **more: Any) -> Hosting:
        return Hosting(**{"state": self.state, "server": self.url, "api_key": self.api_key} | more)

    def do(self, doing: Doing[T], *, queues: tuple[str, ...] = (RUNS,), limits: Limits | None = None, **more: Any) -> T:
        """Open an engine, do something with it, and close it."""

        async def opened() -> T:
            how = self.hosting(limits=limits or Limits(), **more)
            async with hosting(how, queues=queues) as engine:
                with open_runs(self.state, engine.life) as runs:
                    return await doing(Open(engine, runs))

        return asyncio.run(opened())

    def run(self, order: Order, **more: Any) -> dict[str, Any]:
        """Run an order in an engine of its own; its timeline."""
        return self.do(lambda here: here.ran(order), **more)

    @contextmanager
    def runs(self) -> Iterator[Runs]:
        with open_runs(self.state) as runs:
            yield runs

    def bytes(self) -> bytes:
        """All that is in the files of the state."""
        return b"".join(path.read_bytes() for path in sorted(self.state.folder.glob("playbooks.sqlite*")))


@contextmanager
def desk(lab: Lab, folder: Path, **settings: Any) -> Iterator[Desk]:
    """A desk before an appliance; the files of ``folder`` may be submitted."""
    more = {"allow_delete": True, "file_roots": (folder,), "state": str(folder / "journal")} | settings
    with serving(lab.settings(**more), scopes=SCOPES) as server:
        yield Desk(State.of(str(folder / "state")), lab, server.url, SecretStr(str(server.api_key)))
