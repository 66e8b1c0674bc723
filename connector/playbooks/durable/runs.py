"""The runs that there are, seen and steered from outside: list, follow, approve, cancel, and set going again."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from dbos import (
    DBOSClient,
    DBOSPortableJSONSerializer,
    StepInfo,
    WorkflowStatus,
    run_dbos_database_migrations,
)
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from connector.errors import InputRefused, StateError, Violation
from connector.playbooks.asking import Reply, read_reply
from connector.playbooks.durable import life
from connector.playbooks.durable.engine import APPLICATION, BRANCH, BRANCHES, PERMIT, PLACES, RUN, RUNS, branch_id
from connector.playbooks.durable.old_sqlite import teach_old_sqlite
from connector.playbooks.durable.state import State
from connector.playbooks.order import RULES, Order
from connector.playbooks.timeline import OVER, Replayed, RunState, name_of, replay, shown

_STATES: Final[dict[str, RunState]] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "done",
    "CANCELLED": "cancelled",
}
_LEFT: Final = ["PENDING", "CANCELLED"]
_PERMIT_SECONDS: Final = 3600.0  # after which no limit looks at a permit any more
_MANY: Final = 1000


@dataclass(frozen=True, slots=True)
class Kept:
    """What one workflow kept: replies by key, the number of the step that each is, and places of calls by key."""

    replies: dict[str, Reply]
    numbers: dict[str, int]
    places: dict[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """One run as it is kept: its order, and all replies by key, those of its branches included."""

    order: Order
    status: RunState
    executor: str | None
    replies: dict[str, Reply]
    error: str | None

    def replayed(self) -> Replayed:
        """The run walked again, as far as it is now."""
        return replay(self.order, self.replies, time.time())

    def timeline(self, replayed: Replayed | None = None) -> dict[str, Any]:
        told = shown(self.order, replayed or self.replayed(), self.status)
        return told if self.error is None else told | {"state": "failed", "sentence": self.error}


class Runs:
    """The runs of one state. ``alive`` tells a run under way from one whose process is gone."""

    def __init__(self, client: DBOSClient, alive: life.Life | None) -> None:
        self._client, self._life = client, alive

    def listed(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest runs: id, playbook, state, when it began."""
        found = self._client.list_workflows(name=RUN, limit=limit, sort_desc=True, load_input=True, load_output=True)
        return [_listed(one, self._state(one)) for one in found]

    def find(self, run: str) -> Run:
        """One run.

        Raises:
            InputRefused: when there is none of this id.
        """
        found = self._client.list_workflows(workflow_ids=[run], name=RUN, load_input=True)
        if not found:
            told = "there is no run of this id; spectra playbook list shows those that there are"
            raise InputRefused.of([Violation("/run", told)])
        status, replies = found[0], self._kept(run).replies
        state = self._state(status)
        if state not in OVER:
            for branch in self._client.list_workflows(
                workflow_id_prefix=branch_id(run, ""), name=BRANCH, load_input=False, load_output=False
            ):
                replies |= self._kept(branch.workflow_id).replies
        error = f"the run broke off: {status.error}" if status.error is not None else None
        return Run(_order(status), state, status.executor_id, replies, error)

    def timeline(self, run: str) -> dict[str, Any]:
        return self.find(run).timeline()

    def enqueue(self, order: Order) -> None:
        """Leave a run to the workers; one that has this id already is not left again."""
        options: Any = {"workflow_name": RUN, "queue_name": RUNS, "workflow_id": order.run, "app_version": RULES}
        self._client.enqueue(options, order.as_dict())

    def decide(self, run: str, step: str, decision: str, by: str, note: str) -> dict[str, Any]:
        """Answer the question that a run waits for, and give the timeline as it was before.

        Raises:
            InputRefused: when this run waits for no person, or at another step.
        """
        found = self.find(run)
        replayed = found.replayed()
        told = found.timeline(replayed)
        asks = [] if told["state"] in OVER else [(ask, name_of(ask, who), who.prefix) for ask, who in replayed.asks()]
        if not asks:
            raise InputRefused.of([Violation("/run", f"waits for nobody: it is {told['state']}")])
        named = [one for one in asks if step in {one[0].step, one[0].key, one[1]}]
        if not named:
            wanted = " or ".join(f"{name!r}, {ask.step}" for ask, name, _ in asks)
            raise InputRefused.of([Violation("/step", f"must be the step that waits: {wanted}")])
        ask, name, branch = named[0]
        message = {"decision": decision, "by": by, "note": note, "at": time.time()}
        workflow = branch_id(run, branch) if branch else run
        try:
            self._client.send(workflow, message, topic=ask.key, idempotency_key=f"{run} {ask.key}")
        except dbos_error.DBOSNonExistentWorkflowError:
            raise InputRefused.of([Violation("/step", "is in a branch that only begins; try again soon")]) from None
        return told | {"waiting": told["waiting"] | {"key": ask.key, "step": ask.step, "name": name}}

    def cancel(self, run: str) -> Run:
        """Stop a run before its next step; what it has done stays done.

        Raises:
            InputRefused: when it is over.
        """
        found = self.find(run)
        if found.status in OVER:
            raise InputRefused.of([Violation("/run", f"cannot be cancelled: it is {found.timeline()['state']}")])
        self._client.cancel_workflow(run, cancel_children=True)
        return found

    def resume(self, run: str, queue: str) -> Run:
        """Set a run going again on a queue: one that broke off where it was, one that failed from what failed.

        Raises:
            InputRefused: when it is under way, or done.
        """
        with nullcontext() if self._life is None else self._life.taking_over():
            found = self.find(run)
            replayed = found.replayed()
            told = found.timeline(replayed)
            if told["state"] not in {"failed", "cancelled", "interrupted"}:
                raise InputRefused.of([Violation("/run", f"cannot be resumed: it is {told['state']}")])
            below = BRANCHES if queue == RUNS else queue
            if told["state"] == "failed":
                again = replayed.ending.again if replayed.ending else None
                self._rewind(run, run, again, [visit["where"] for visit in told["visits"]], (queue, below))
            else:
                for branch in self._client.list_workflows(
                    workflow_id_prefix=branch_id(run, ""), name=BRANCH, status=_LEFT, load_input=False
                ):
                    self._client.resume_workflow(branch.workflow_id, queue_name=below)
                self._client.resume_workflow(run, queue_name=queue)
        return found

    def _rewind(self, run: str, workflow: str, again: str | None, places: list[str], queues: tuple[str, str]) -> None:
        """Have a workflow that ended walked again from a place of it; its branches there, as far as they failed.

        What is dropped of it are replies. Where a call was begun is not: it may have been taken there.
        """
        kept = self._kept(workflow)
        earlier = set(places[: places.index(again)] if again in places else places)
        start = 1 + max((number for key, number in kept.numbers.items() if _place(key) in earlier), default=0)
        for key, number in kept.numbers.items():
            if number < start:
                continue
            for branch in kept.replies[key].branches:
                inner = [visit["where"] for visit in branch["visits"]] if _place(key) == again else []
                if branch["sentence"] or not inner:
                    where = branch["again"] or "" if inner else ""
                    name = branch_id(run, branch["where"])
                    self._rewind(run, name, where, inner, (queues[1], queues[1]))
        known = self._client.list_workflows(workflow_ids=[workflow], load_input=False)[0].attributes or {}
        self._client.update_workflow_attributes(workflow, {PLACES: known.get(PLACES, {}) | kept.places})
        self._client.rewind_workflow(workflow, start_step=start, queue_name=queues[0])

    def take_over(self) -> list[str]:
        """Put what dead processes left back into the queues; the ids of what was.

        Raises:
            StateError: when the state cannot be used now.
        """
        if self._life is None:
            return []
        taken = []
        with _told("the runs"), self._life.taking_over():
            for one in self._left():
                self._client.resume_workflow(one.workflow_id, queue_name=RUNS if one.name == RUN else BRANCHES)
                taken.append(one.workflow_id)
            self._sweep()
        return taken

    def _left(self) -> Iterator[WorkflowStatus]:
        """What dead ones had begun, and what was put into a queue that nobody takes from any more."""
        names: Any = {"name": [RUN, BRANCH], "load_input": False, "load_output": False}
        dead = self._dead()
        for one in self._client.list_workflows(status="PENDING", **names):
            if one.executor_id and dead(one.executor_id):
                yield one
        for queue in self._client.list_queues():
            if queue.name.startswith(life.HERE) and dead(queue.name.removeprefix(life.HERE)):
                yield from self._client.list_workflows(status="ENQUEUED", queue_name=queue.name, **names)
                self._client.delete_queue(queue.name)

    def _dead(self) -> Callable[[str], bool]:
        known: dict[str, bool] = {}

        def dead(name: str) -> bool:
            if name not in known:
                known[name] = self._life is not None and not self._life.is_alive(name)
            return known[name]

        return dead

    def _sweep(self) -> None:
        """Delete permits that no limit looks at any more."""
        before = datetime.fromtimestamp(time.time() - _PERMIT_SECONDS, UTC).isoformat()
        old = self._client.list_workflows(
            name=PERMIT, dequeued_before=before, limit=_MANY, load_input=False, load_output=False
        )
        if old:
            self._client.delete_workflows([one.workflow_id for one in old])

    def _kept(self, workflow: str) -> Kept:
        return _kept(self._client.list_workflow_steps(workflow))

    def _state(self, status: WorkflowStatus) -> RunState:
        state = _STATES.get(status.status, "failed")
        if state == "running" and status.executor_id:
            return state if self._lives(status.executor_id) else "interrupted"
        if state == "queued" and (status.queue_name or "").startswith(life.HERE):
            return state if self._lives(str(status.queue_name).removeprefix(life.HERE)) else "interrupted"
        if state == "done" and isinstance(status.output, dict) and status.output.get("sentence"):
            return "failed"
        return state

    def _lives(self, name: str) -> bool:
        return self._life is None or self._life.is_alive(name)


@contextmanager
def open_runs(state: State, alive: life.Life | None = None, *, prepare: bool = False) -> Iterator[Runs]:
    """The runs of a state; ``prepare`` makes what is not there yet. Without a life of the caller's one is begun.

    Raises:
        StateError: when nothing was ever run there, or it cannot be reached.
    """
    teach_old_sqlite()
    if prepare:
        state.prepare()
        run_dbos_database_migrations(system_database_url=state.url)
    if not state.exists():
        told = f"nothing was ever run with the state {state.shown()}"
        raise StateError(told, hint="name the one that the runs were started with, by --state")
    own = alive if alive is not None else life.begin(state)
    try:
        with _told(f"the runs at {state.shown()}"):
            client = DBOSClient(
                system_database_url=state.url,
                serializer=DBOSPortableJSONSerializer(),
                application_name=APPLICATION,
                retry_connection_errors=False,
            )
            try:
                yield Runs(client, own)
            finally:
                client.destroy()
    finally:
        if alive is None:
            own.end()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what goes wrong with the database as everything else is said."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StateError(f"{what} cannot be read ({type(error).__name__})") from None
    except dbos_error.DBOSException as error:
        raise StateError(f"{what} cannot be used: {error}") from None


def _place(key: str) -> str:
    """The place in the run of what asked under this key."""
    return key.rpartition(":")[0]


def _kept(steps: Iterable[StepInfo]) -> Kept:
    kept = Kept({}, {}, {})
    for step in steps:
        key, output = step["function_name"], step["output"]
        if isinstance(output, dict) and "at" in output and step["error"] is None and ":" in key:
            kept.replies[key], kept.numbers[key] = read_reply(output), step["function_id"]
        elif key.endswith(" place") and isinstance(output, str):
            kept.places[key.removesuffix(" place")] = output
    return kept


def _order(status: WorkflowStatus) -> Order:
    return Order.read(status.input["args"][0] if status.input else {})


def _listed(status: WorkflowStatus, state: RunState) -> dict[str, Any]:
    order = _order(status)
    return {
        "run": order.run,
        "playbook": order.playbook["name"],
        "state": state,
        "started_at": order.at,
        "sentence": status.output.get("sentence") if isinstance(status.output, dict) else None,
    }
