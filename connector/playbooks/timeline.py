"""What happened in a run: its playbook walked again over the replies that were kept, with nothing asked anew."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from connector.playbooks.asking import Ask, Branch, Fork, Question, Reply, Sleep
from connector.playbooks.branching import branch_walker, walk_branch
from connector.playbooks.ending import Ending
from connector.playbooks.order import Order
from connector.playbooks.visit import Visit
from connector.playbooks.walk import Walk, Walker

RunState = Literal["queued", "running", "waiting", "done", "failed", "cancelled", "interrupted"]
OVER: Final = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Replayed:
    """A walk as far as its replies reach: the walker there, how it ended, or the question that is open.

    Where branches are waited for, they are replayed as well.
    """

    walker: Walker
    ending: Ending | None
    question: Question | None
    branches: tuple["Replayed", ...] = ()

    def asks(self) -> Iterator[tuple[Ask, Walker]]:
        """The questions to a person that are open, with who asks."""
        if isinstance(self.question, Ask):
            yield self.question, self.walker
        for branch in self.branches:
            yield from branch.asks()

    def visits(self) -> Iterator[Visit]:
        yield from self.walker.visits
        for branch in self.branches:
            yield from branch.visits()


def replay(order: Order, replies: Mapping[str, Reply], now: float) -> Replayed:
    """Walk an order over replies by key. A sleep has no reply: it is over when its time is, or something came after."""
    walker = order.walker()
    return _replayed(walker, walker.walk(), dict(replies), now)


def _replayed(walker: Walker, walk: Walk[Any], left: dict[str, Reply], now: float) -> Replayed:
    try:
        question = next(walk)
        while (reply := _reply(question, left, now)) is not None:
            question = walk.send(reply)
    except StopIteration as end:
        return Replayed(walker, end.value if isinstance(end.value, Ending) else None, None)
    branches = question.branches if isinstance(question, Fork) else ()
    return Replayed(walker, None, question, tuple(_branch(walker, branch, left, now) for branch in branches))


def _branch(walker: Walker, branch: Branch, left: Mapping[str, Reply], now: float) -> Replayed:
    inner = branch_walker(branch, walker.run, walker.shelf)
    mine = {key: reply for key, reply in left.items() if key.startswith(branch.where)}
    return _replayed(inner, walk_branch(inner, branch.first), mine, now)


def _reply(question: Question, left: dict[str, Reply], now: float) -> Reply | None:
    if isinstance(question, Sleep):
        return Reply(at=question.until) if left or now >= question.until else None
    reply = left.pop(question.key, None)
    if reply is not None and isinstance(question, Fork):  # it holds all that is of its branches
        within = tuple(branch.where for branch in question.branches)
        for key in [key for key in left if key.startswith(within)]:
            del left[key]
    return reply


def timeline(order: Order, replies: Mapping[str, Reply], now: float, status: RunState) -> dict[str, Any]:
    """A run as JSON values, as ``shown`` has it."""
    return shown(order, replay(order, replies, now), status)


def shown(order: Order, replayed: Replayed, status: RunState) -> dict[str, Any]:
    """A replayed run as JSON values: its state, its visits, what it gave, and what it waits for.

    ``status`` is what the engine knows; a run that it calls running is waiting where a person or a clock is waited for.
    """
    ending = replayed.ending
    waiting = _waiting(replayed)
    state = status
    if status == "running" and waiting is not None:
        state = "waiting"
    if status == "done" and ending is not None and ending.failed:
        state = "failed"
    return {
        "run": order.run,
        "state": state,
        "playbook": order.playbook,
        "given": dict(order.given),
        "outputs": ending.outputs if ending else {},
        "started_at": order.at,
        "ended_at": ending.at if ending else None,
        "sentence": ending.sentence if ending else None,
        "failed_step": ending.step if ending else None,
        "waiting": waiting if state not in OVER else None,
        "visits": [visit.as_dict() for visit in replayed.visits()],
    }


def _waiting(replayed: Replayed) -> dict[str, Any] | None:
    """What a person or a clock is waited for, where one is; in branches a person before all else."""
    for ask, walker in replayed.asks():
        return _about(ask, walker) | {"kind": "approval", "text": ask.text, "until": ask.until}
    question = replayed.question
    if isinstance(question, Sleep):
        return _about(question, replayed.walker) | {"kind": "time", "text": "", "until": question.until}
    if isinstance(question, Fork):
        told = f"{len(question.branches)} branches"
        return _about(question, replayed.walker) | {"kind": "branches", "text": told, "until": None}
    return None


def _about(question: Question, walker: Walker) -> dict[str, Any]:
    return {"key": question.key, "step": question.step, "name": name_of(question, walker)}


def name_of(question: Question, walker: Walker) -> str:
    """The name of the step that asks, which may be one of a playbook that this one calls."""
    return next((visit.name for visit in reversed(walker.visits) if visit.step == question.step), question.step)
