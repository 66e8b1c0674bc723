"""Runs a walk without keeping anything: what it asks is done at once, in this process; engine.py keeps runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from connector.playbooks.asking import Ask, Branch, Call, Fork, Now, Question, Reply, Sleep
from connector.playbooks.branching import branch_walker, walk_branch
from connector.playbooks.calling import Caller
from connector.playbooks.ending import Ending
from connector.playbooks.order import Order
from connector.playbooks.walk import Walk

T = TypeVar("T")
Answering = Callable[[Question], Awaitable[Reply]]
Decide = Callable[[Ask], Awaitable[Reply]]


async def drive(walk: Walk[T], answering: Answering) -> T:
    """Walk to the end, having each question answered; whoever answers decides what is done and what is kept."""
    reply: Reply | None = None
    try:
        while True:
            question = next(walk) if reply is None else walk.send(reply)
            reply = await answering(question)
    except StopIteration as end:
        ended: T = end.value
        return ended


async def nobody(ask: Ask) -> Reply:
    """The answer where nobody can be asked: time passes without one."""
    return Reply(at=ask.until)


class World:
    """Answers by doing: calls are sent, sleeps are slept, branches are walked side by side, a person is asked."""

    def __init__(self, order: Order, caller: Caller, decide: Decide = nobody) -> None:
        self._run, self._shelf = order.run, order.shelf()
        self._caller, self._decide = caller, decide

    async def answer(self, question: Question) -> Reply:
        match question:
            case Call():
                return await self._caller.call(question)
            case Sleep():
                await asyncio.sleep(question.seconds)
                return Reply(at=time.time())
            case Ask():
                return await self._decide(question)
            case Now():
                return Reply(at=time.time())
            case Fork():
                found = await asyncio.gather(*(self._branch(branch) for branch in question.branches))
                return Reply(at=time.time(), branches=list(found))

    async def _branch(self, branch: Branch) -> dict[str, Any]:
        walker = branch_walker(branch, self._run, self._shelf)
        return await drive(walk_branch(walker, branch.first), self.answer)


async def run(order: Order, caller: Caller, decide: Decide = nobody) -> Ending:
    """Run an order to its end, in memory: what a crash interrupts is lost."""
    return await drive(order.walker().walk(), World(order, caller, decide).answer)
