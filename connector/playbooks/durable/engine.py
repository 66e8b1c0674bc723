"""Runs playbooks durably, on DBOS: every call is a step that is kept, every wait outlives its process.

A run is one DBOS workflow that walks its order over kept replies. The engine here says what is kept and how; waiting,
queues, limits and the database are DBOS's. One engine in a process, as there is one DBOS in it.
"""

import asyncio
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowHandleAsync
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from connector.actions import NAMES, find
from connector.errors import StateError
from connector.playbooks.asking import Ask, Branch, Call, Fork, Now, Question, Reply, Sleep, read_reply
from connector.playbooks.branching import branch_walker, walk_branch
from connector.playbooks.calling import Caller
from connector.playbooks.durable import life
from connector.playbooks.durable.old_sqlite import teach_old_sqlite
from connector.playbooks.durable.state import State
from connector.playbooks.order import RULES, Order
from connector.playbooks.runner import drive
from connector.playbooks.target import action_of

APPLICATION: Final = "spectra-playbooks"
RUN: Final = "spectra.run"
BRANCH: Final = "spectra.branch"
PERMIT: Final = "spectra.permit"
RUNS: Final = "runs"  # the queue that workers take runs from
BRANCHES: Final = "branches"  # branches of runs whose process died; without a limit, as their runs wait for them
PERMITS: Final = "permits"
PLACES: Final = "places"  # of a run's attributes: where calls were begun that it goes back to
POLL_SECONDS: Final = 0.2
NOTICE_SECONDS: Final = 0.5  # between looks for answers, of each that is waited for; PostgreSQL tells of them by itself
LIMIT_SECONDS: Final = 2.0  # after which a limit is looked up again, as any worker may set it
DRAIN_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What all workers together may do: runs under way at once, and calls to the action server in a period.

    None leaves a limit as it is, 0 lifts it.
    """

    runs: int | None = None
    calls: int | None = None
    seconds: float = 1.0


class Engine:
    """DBOS as one process uses it, with what its steps need: how to call, who this is, and where."""

    def __init__(self, caller: Caller, alive: life.Life, place: str, queues: tuple[str, ...]) -> None:
        self.caller, self.life, self.place, self.queues = caller, alive, place, queues
        self.ready, self.ending = asyncio.Event(), False
        self._limited, self._looked = False, -LIMIT_SECONDS

    async def allow(self, call: Call, workflow: str) -> None:
        """Wait until a call of this workflow may be sent. An engine that ends lets nothing through any more.

        Raises:
            DBOSWorkflowCancelledError: when the workflow was stopped meanwhile.
        """
        await self.ready.wait()
        if call.base is None and await self._is_limited():
            # a permit is no part of the run: it is asked for outside of the step that needs it
            permitted = contextvars.Context().run(asyncio.create_task, _permitted(workflow))
            if not await permitted:
                raise dbos_error.DBOSWorkflowCancelledError(f"the workflow {workflow} was stopped")
        if self.ending:
            await asyncio.Event().wait()  # as long as this process lives; whoever takes the run over sends it

    async def _is_limited(self) -> bool:
        if time.monotonic() - self._looked > LIMIT_SECONDS:
            permits = await DBOS.retrieve_queue_async(PERMITS)
            self._limited = permits is not None and await permits.get_limiter_async() is not None
            self._looked = time.monotonic()
        return self._limited

    @asynccontextmanager
    async def private_queue(self) -> AsyncIterator[str]:
        """A queue that this process alone takes from, for a run that is to go on here."""
        name = self.queues[-1]
        await DBOS.register_queue_async(name, polling_interval_sec=POLL_SECONDS)
        try:
            yield name
        finally:
            await DBOS.delete_queue_async(name)

    async def drained(self, seconds: float = DRAIN_SECONDS) -> None:
        """Begin no call any more, and end those under way; what sleeps or waits may be left at any time."""
        self.ending = True
        end = time.monotonic() + seconds
        while self.caller.under_way and time.monotonic() < end:
            await asyncio.sleep(POLL_SECONDS / 4)
        await asyncio.sleep(POLL_SECONDS)  # in which the last answers are kept

    async def start(self, order: Order) -> WorkflowHandleAsync[dict[str, Any]]:
        """Begin a run here; one that has this id already is not begun again."""
        with SetWorkflowID(order.run):
            return await DBOS.start_workflow_async(walk_run, order.as_dict())


_here: Engine | None = None


def _engine() -> Engine:
    if _here is None:
        raise RuntimeError("a playbook is run within an open engine")
    return _here


@asynccontextmanager
async def open_engine(
    state: State, caller: Caller, place: str, *, limits: Limits | None = None, queues: tuple[str, ...] = ()
) -> AsyncIterator[Engine]:
    """Open this process's engine: on this event loop, taking runs from these queues only.

    Raises:
        StateError: when the state cannot be used.
    """
    global _here  # noqa: PLW0603  # as DBOS itself is one in a process
    teach_old_sqlite()
    state.prepare()
    alive = life.begin(state)
    try:
        DBOS(config=config(state, alive.name))
        try:
            _here = engine = Engine(caller, alive, place, (*queues, PERMITS, f"{life.HERE}{alive.name}"))
            await _launch(engine, limits or Limits())
            yield engine
        finally:
            if _here is not None:
                _here.ending = True
            logging.getLogger("dbos").setLevel(logging.CRITICAL)  # what it complains of is left on purpose
            await asyncio.to_thread(DBOS.destroy)
            _here = None
    finally:
        alive.end()


async def _launch(engine: Engine, limits: Limits) -> None:
    try:
        DBOS.listen_queues(list(engine.queues))
        DBOS.launch()
        await _declare(limits)
    except (SQLAlchemyError, dbos_error.DBOSException) as error:
        told = f"the database of playbooks cannot be used ({type(error).__name__})"
        raise StateError(
            told, hint="see that it is there, that it may be written, and that nobody else made it"
        ) from None
    engine.ready.set()


def config(state: State, executor: str) -> DBOSConfig:
    """How DBOS is set up: no pickles in the database, no telemetry, this process under its own name."""
    return {
        "name": APPLICATION,
        "system_database_url": state.url,
        "executor_id": executor,
        "application_version": RULES,
        "serializer": DBOSPortableJSONSerializer(),
        "log_level": "ERROR",
        "enable_otlp": False,
        "notification_listener_polling_interval_sec": NOTICE_SECONDS,
    }


async def _declare(limits: Limits) -> None:
    """The queues, with the limits that hold for all who take from them."""
    limiter: Any = {"limit": limits.calls, "period": limits.seconds} if limits.calls else None
    await DBOS.register_queue_async(RUNS, global_concurrency=limits.runs or None, **_conflict(limits.runs))
    await DBOS.register_queue_async(BRANCHES, **_conflict(None))
    await DBOS.register_queue_async(PERMITS, limiter=limiter, **_conflict(limits.calls))


def _conflict(limit: int | None) -> Any:
    """How a queue that is there already is declared: with the new limit, or as it is where none is given."""
    change = "never_update" if limit is None else "always_update"
    return {"polling_interval_sec": POLL_SECONDS, "on_conflict": change}


@DBOS.workflow(name=RUN)
async def walk_run(order: dict[str, Any]) -> dict[str, Any]:
    """One run, from its order to its ending."""
    given = Order.read(order)
    ending = await drive(given.walker().walk(), Kept(given).answer)
    return asdict(ending)


@DBOS.workflow(name=BRANCH)
async def walk_one_branch(order: dict[str, Any], branch: dict[str, Any]) -> dict[str, Any]:
    """One branch of a parallel step, kept on its own."""
    given, first = Order.read(order), Branch(**branch)
    walker = branch_walker(first, given.run, given.shelf())
    return await drive(walk_branch(walker, first.first), Kept(given).answer)


@DBOS.workflow(name=PERMIT)
async def permit() -> None:
    """Nothing: to have come through its queue is the permission for one call."""


async def _permitted(workflow: str) -> bool:
    """Wait for a permit; whether the workflow that asked for it still goes on."""
    handle = await DBOS.enqueue_workflow_async(PERMITS, permit)
    await handle.get_result(polling_interval_sec=POLL_SECONDS)
    status = await DBOS.get_workflow_status_async(workflow)
    return status is not None and status.status == "PENDING"


class Kept:
    """Answers the questions of one walk, and keeps every reply under its question's key."""

    def __init__(self, order: Order) -> None:
        self._order = order

    async def answer(self, question: Question) -> Reply:
        match question:
            case Call():
                return await self._call(question)
            case Sleep():
                await DBOS.sleep_async(question.seconds)
                return Reply(at=question.until)
            case Ask():
                message = await DBOS.recv_async(question.key, timeout_seconds=question.timeout)
                return await _keep(question.key, _decision(question, message))
            case Now():
                return await _keep(question.key, Reply(at=time.time()))
            case Fork():
                return await self._fork(question)

    async def _call(self, call: Call) -> Reply:
        """Call, once this call is allowed; what changes something is told before where its journal is."""
        elsewhere = False
        if call.base is None and changes(call):
            name = f"{call.key} place"
            elsewhere = await DBOS.run_step_async({"name": name}, _place, call.key) != _engine().place
        return read_reply(await DBOS.run_step_async({"name": call.key}, _send, call, elsewhere))

    async def _fork(self, fork: Fork) -> Reply:
        order = self._order.as_dict()
        handles = []
        for branch in fork.branches:
            with SetWorkflowID(branch_id(self._order.run, branch.where)):
                handles.append(await DBOS.start_workflow_async(walk_one_branch, order, asdict(branch)))
        found = [await handle.get_result(polling_interval_sec=POLL_SECONDS) for handle in handles]
        at = max(one["at"] for one in found)
        return await _keep(fork.key, Reply(at=at, branches=found))


def branch_id(run: str, where: str) -> str:
    """The workflow of a branch; a run's own id has no tilde."""
    return f"{run}~{where}"


def changes(call: Call) -> bool:
    """Whether a call to the action server may change something on the appliance."""
    action = action_of(call.request.target)
    return action in NAMES and find(action).effect != "read"


async def _place(key: str) -> str:
    """Where the journal is that this call is begun in; of one that a failed run goes back to, where it was then."""
    status = await DBOS.get_workflow_status_async(str(DBOS.workflow_id))
    known = (status.attributes or {}).get(PLACES, {}) if status else {}
    return str(known.get(key, _engine().place))


async def _send(call: Call, elsewhere: bool) -> dict[str, Any]:
    """The step of a call. It runs again only if its process died before its reply was kept."""
    engine = _engine()
    await engine.allow(call, str(DBOS.workflow_id))
    return (await engine.caller.call(call, in_doubt=elsewhere)).as_dict()


async def _keep(key: str, reply: Reply) -> Reply:
    """A reply as it was first given under this key."""

    async def first() -> dict[str, Any]:
        return reply.as_dict()

    return read_reply(await DBOS.run_step_async({"name": key}, first))


def _decision(ask: Ask, message: Any) -> Reply:
    if not isinstance(message, Mapping):
        return Reply(at=ask.until)
    decision = cast("Any", message["decision"])
    return Reply(at=message["at"], decision=decision, by=message["by"], note=message["note"])
