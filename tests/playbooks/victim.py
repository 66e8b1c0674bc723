"""The process that is killed: it runs a playbook as the command line does, and kills itself at a point that it is told.

``python -m tests.playbooks.victim`` has imported everything and reads one request a line, a ``Job`` as JSON. It forks;
the child begins a run, or takes over what a dead one left, and writes what became of it into the job's folder. Points
are counted: before a step, before a call is sent, after its answer came, after it was kept, at a sleep, at a question,
and after the walk. With a clock file, sleeps of a second and more pass at once for this process and the appliance.
"""

import asyncio
import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from dbos import DBOS

from connector.actions import NAMES
from connector.errors import InputRefused
from connector.playbooks.calling import Caller
from connector.playbooks.durable import engine as engines
from connector.playbooks.durable.engine import BRANCHES, RUNS, Engine
from connector.playbooks.durable.hosting import Hosting, hosting
from connector.playbooks.durable.runs import Runs, open_runs
from connector.playbooks.durable.state import State
from connector.playbooks.order import Order
from connector.server.keys import SCOPES
from connector.settings import Settings
from tests.prove.victim import LONGEST, ROOT, bound

POLL: Final = 0.05
LOOK: Final = 0.15  # seconds after which a question that is asked is answered
WARM: Final = (
    *(f"connector.{name}" for name in ("client", "async_client", "journal", "stix", "server.run", "fast", "tagging")),
    *("sqlalchemy.dialects.sqlite", "dbos._sys_db_sqlite", "anyio._backends._asyncio", "uvicorn.lifespan.on"),
    *(f"connector.actions.{name}" for name in NAMES),
)
_real_sleep: Final = asyncio.sleep
_real_time: Final = time.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a victim does. Without an order it takes over; ``die`` is the number of the point, 0 for none.

    clock: a file with the seconds that this time is ahead of real time; left out, time is real.
    """

    folder: str
    url: str
    token: str
    run: str
    order: dict[str, Any] | None = None
    die: int = 0
    sleeps: int = 0
    clock: str | None = None

    @property
    def state(self) -> State:
        return State.of(f"{self.folder}/state")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a victim ended: its exit code or minus its signal, the timeline that it saw, the points that it passed."""

    status: int
    told: dict[str, Any] | None
    points: tuple[str, ...]


class Victims:
    """A process that stands ready, and becomes one victim after the other."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "tests.playbooks.victim"]
        self._ready = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=pipe,
            stdout=pipe,
            bufsize=0,
            preexec_fn=bound,  # noqa: PLW1509  # made before there are threads
        )

    def run(self, job: Job) -> Ended:
        """Run one victim to its end."""
        self._ready.stdin.write(json.dumps(asdict(job)).encode() + b"\n")  # type: ignore[union-attr]  # it has one
        pid = self._answer()["pid"]
        try:
            status = self._answer()["status"]
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise
        told = json.loads(_out(job).read_text()) if status == 0 else None
        return Ended(status, told, tuple(_points(job).read_text().splitlines()))

    def close(self) -> None:
        self._ready.stdin.close()  # type: ignore[union-attr]  # it has one
        self._ready.wait(LONGEST)
        self._ready.stdout.close()  # type: ignore[union-attr]  # as above

    def _answer(self) -> dict[str, int]:
        stdout: Any = self._ready.stdout
        if not select.select([stdout], [], [], LONGEST)[0]:
            raise TimeoutError("the victim lives too long")
        answer: dict[str, int] = json.loads(stdout.readline())
        return answer


class Points:
    """Counts the points of a run, and ends the process at the one that it is told."""

    def __init__(self, job: Job) -> None:
        self._die, self._sleeps, self._count = job.die, job.sleeps, 0
        self._log = _points(job).open("w")
        self.asleep = False

    def reach(self, name: str) -> None:
        self._count += 1
        self._log.write(f"{name}\n")
        self._log.flush()
        if self._count == self._die:
            os.kill(os.getpid(), signal.SIGKILL)

    def slept(self) -> None:
        """One long sleep was begun; after as many as it is told the process dies in its middle."""
        self._sleeps -= 1
        if self._sleeps == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def patch(self) -> None:
        """Put the points where they are."""
        step, sleep, recv, call, drive = (
            *(DBOS.run_step_async, DBOS.sleep_async, DBOS.recv_async),
            *(Caller.call, engines.drive),
        )

        async def step_with_points(options: Any, *given: Any) -> Any:
            self.reach(f"before {options['name']}")
            found = await step(options, *given)
            self.reach(f"kept {options['name']}")
            return found

        async def sleep_with_points(seconds: float) -> None:
            self.reach("before sleep")
            self.asleep = True
            await sleep(seconds)
            self.reach("slept")

        async def recv_with_points(*given: Any, **more: Any) -> Any:
            self.reach("before question")
            asking = asyncio.ensure_future(self._later("asking"))
            found = await recv(*given, **more)
            asking.cancel()
            self.reach("answered")
            return found

        async def call_with_points(caller: Caller, question: Any, **more: Any) -> Any:
            self.reach(f"send {question.key}")
            reply = await call(caller, question, **more)
            self.reach(f"reply {question.key}")
            return reply

        async def drive_with_points(*given: Any) -> Any:
            found = await drive(*given)
            self.reach("walked")
            return found

        for name, made in (
            ("run_step_async", step_with_points),
            ("sleep_async", sleep_with_points),
            ("recv_async", recv_with_points),
        ):
            setattr(DBOS, name, made)
        Caller.call = call_with_points  # type: ignore[method-assign]  # in this process only
        engines.drive = drive_with_points  # type: ignore[assignment]  # as above

    async def _later(self, name: str) -> None:
        await _real_sleep(LOOK / 2)
        self.reach(name)


class Clock:
    """Time that passes at once where somebody sleeps; kept in a file, for the next process to go on from there."""

    def __init__(self, job: Job, points: Points) -> None:
        self._file, self._points = Path(str(job.clock)), points
        self._http = httpx.Client(base_url=job.url, trust_env=False, timeout=30)
        self._ahead = float(self._file.read_text()) if self._file.exists() else 0.0

    def time(self) -> float:
        return _real_time() + self._ahead

    async def sleep(self, seconds: float, result: Any = None) -> Any:
        if seconds < 1:
            return await _real_sleep(seconds, result)
        self._pass(seconds / 2)
        self._points.slept()
        self._pass(seconds / 2)
        await _real_sleep(0)
        return result

    def _pass(self, seconds: float) -> None:
        self._http.post("/_lab/clock", json={"advance": seconds}).raise_for_status()
        self._ahead += seconds
        self._file.write_text(str(self._ahead))

    def patch(self) -> None:
        time.time = self.time
        asyncio.sleep = self.sleep  # type: ignore[assignment]  # in this process only


async def live(job: Job) -> None:
    """Begin the run, or take over what is left; answer its questions; write its timeline when it is over, and end."""
    settings = Settings(
        url=job.url,
        token=job.token,
        allow_delete=True,
        allow_internal_urls=True,
        file_roots=(Path(job.folder),),
        state=f"{job.folder}/journal",
    )
    how = Hosting(state=job.state, settings=settings, scopes=SCOPES)
    async with hosting(how, queues=(RUNS, BRANCHES)) as engine:
        with open_runs(job.state, engine.life) as runs:
            await _begin(job, engine, runs)
            _out(job).write_text(json.dumps(await _over(job, runs)))
            os._exit(0)  # closing costs time, and what is killed does not close


async def _begin(job: Job, engine: Engine, runs: Runs) -> None:
    if job.order is not None:
        await engine.start(Order.read(job.order))
        return
    known = await asyncio.to_thread(runs.listed)
    if not known:
        raise RuntimeError("there is no run")
    await asyncio.to_thread(runs.take_over)


async def _over(job: Job, runs: Runs) -> dict[str, Any]:
    while True:
        told = await asyncio.to_thread(runs.timeline, job.run)
        if told["state"] in {"done", "failed", "cancelled", "interrupted"}:
            return told
        if told["waiting"] is not None and told["waiting"]["kind"] == "approval":
            await _real_sleep(LOOK)
            with suppress(InputRefused):  # it was answered a moment ago
                await asyncio.to_thread(runs.decide, job.run, told["waiting"]["key"], "approved", "the harness", "")
        await _real_sleep(POLL)


def become(job: Job) -> None:
    """In the child: one victim; never returns."""
    bound()
    log = os.open(f"{job.folder}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(log, number)
    points = Points(job)
    _patch(job, points)
    try:
        asyncio.run(live(job))
    except Exception:  # noqa: BLE001  # the harness reads it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(1)


def _patch(job: Job, points: Points) -> None:
    engines.POLL_SECONDS = engines.NOTICE_SECONDS = POLL  # type: ignore[misc]  # final for the product alone
    points.patch()
    if job.clock is not None:
        Clock(job, points).patch()

    real: Callable[..., Awaitable[Any]] = asyncio.sleep

    async def sleep(seconds: float, result: Any = None) -> Any:
        if points.asleep:
            points.asleep = False
            points.reach("asleep")
        return await real(seconds, result)

    asyncio.sleep = sleep  # type: ignore[assignment]  # in this process only


def _out(job: Job) -> Path:
    return Path(job.folder) / "told.json"


def _points(job: Job) -> Path:
    return Path(job.folder) / "points"


def serve() -> None:
    """Answer requests until standard input ends."""
    for name in WARM:
        with suppress(ImportError):
            __import__(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        job = Job(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            become(job)
        tell(pid=pid)
        tell(status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def tell(**values: int) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
