"""Walks of made playbooks over made replies: no call is sent, and time passes only where a reply says so."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

from connector.playbooks.asking import Ask, Call, Fork, Now, Question, Reply, Sleep, read_reply
from connector.playbooks.branching import branch_walker, walk_branch
from connector.playbooks.order import Order
from connector.playbooks.visit import Visit
from connector.playbooks.walk import Ending, Walker
from tests.playbooks.making import END, START, action, call, end, key, playbook, start

BEGAN = 1_795_600_000.0
Answer = Callable[[Call | Ask, float], Reply]


def order_of(made: dict[str, Any], *others: dict[str, Any], run: str = "run-1", **given: str) -> Order:
    """An order for a playbook; what is given is named without its underscores."""
    named = {f"__{name}__": text for name, text in given.items()}
    return Order(run=run, playbook=made, given=named, at=BEGAN, others={other["id"]: other for other in others})


def says(*bodies: Any, seconds: float = 1.0) -> Answer:
    """Answers calls one after the other, the last one for ever; a Reply among them is given with its time added."""
    left = list(bodies)

    def answer(question: Call | Ask, now: float) -> Reply:
        body = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(body, Reply):
            return replace(body, at=now + body.at)
        return Reply(at=now + seconds, status=200, body=body)

    return answer


def by_action(**answers: Any) -> Answer:
    """Answers a call by the action that it calls; what is not an answer is its body."""
    made = {name: given if callable(given) else says(given) for name, given in answers.items()}
    return lambda question, now: made[action_of(question)](question, now)


def action_of(question: Call | Ask) -> str:
    return "ask" if isinstance(question, Ask) else question.request.target.removeprefix("/actions/")


def nobody(question: Call | Ask, now: float) -> Reply:
    raise AssertionError(f"nothing was to be asked, but {question.step} did")


@dataclass
class Walked:
    """A walk that came to its end: how, what it asked in which order, and what it was told by key."""

    ending: Ending
    walker: Walker
    asked: list[Question]
    replies: dict[str, Reply]
    now: float

    @property
    def calls(self) -> list[Call]:
        return [question for question in self.asked if isinstance(question, Call)]

    @property
    def actions(self) -> list[str]:
        return [action_of(question) for question in self.calls]

    @property
    def sleeps(self) -> list[float]:
        return [question.seconds for question in self.asked if isinstance(question, Sleep)]

    @property
    def steps(self) -> list[str]:
        """The steps that were visited, by name."""
        return [visit.name for visit in self.walker.visits]

    def visit(self, name: str) -> Visit:
        return next(visit for visit in self.walker.visits if visit.name == name)

    def held(self, name: str) -> str | None:
        return self.walker.scope.held[f"__{name}__"]


def walked(order: Order, answer: Answer = nobody) -> Walked:
    """Walk an order to its end."""
    world, walker = _World(order, answer), order.walker()
    ending = world.drive(walker.walk())
    return Walked(ending, walker, world.asked, world.replies, world.now)


@dataclass
class _World:
    order: Order
    answer: Answer
    now: float = BEGAN
    asked: list[Question] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)

    def drive(self, walk: Generator[Question, Reply, Any]) -> Any:
        try:
            question = next(walk)
            while True:
                self.asked.append(question)
                reply = read_reply(self._reply(question).as_dict())
                self.now = max(self.now, reply.at)
                if not isinstance(question, Sleep):
                    self.replies[question.key] = reply
                question = walk.send(reply)
        except StopIteration as stop:
            return stop.value

    def _reply(self, question: Question) -> Reply:
        match question:
            case Sleep():
                return Reply(at=question.until)
            case Now():
                return Reply(at=self.now)
            case Fork():
                began, ended, found = self.now, self.now, []
                for branch in question.branches:
                    self.now = began
                    walker = branch_walker(branch, self.order.run, self.order.shelf())
                    found.append(self.drive(walk_branch(walker, branch.first)))
                    ended = max(ended, self.now)
                return Reply(at=ended, branches=found)
            case _:
                return self.answer(question, self.now)


# --- small playbooks


def step(name: str, kind: str = "action") -> str:
    return key(kind, name)


def calling(name: str, then: str, body: str = "{}", **more: Any) -> dict[str, Any]:
    """A step that calls the action of its name."""
    return action(call(name, body), then=then, name=name, **more)


def flow(first: str, steps: dict[str, Any], variables: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A playbook that begins with this step; START and END are there."""
    return playbook({START: start(first), **steps, END: end()}, variables, **more)


def one(**more: Any) -> dict[str, Any]:
    """A playbook of one step, which calls ``look``."""
    variables = more.pop("variables", None)
    body = more.pop("body", "{}")
    outer = {name: more.pop(name) for name in ("outputs", "workflow_exception") if name in more}
    extra = more.pop("steps", {})
    return flow(step("look"), {step("look"): calling("look", END, body, **more), **extra}, variables, **outer)


def yes(question: Call | Ask, now: float) -> Reply:
    return Reply(at=now + 5, decision="approved", by="m.okafor", note="seen")


def no(question: Call | Ask, now: float) -> Reply:
    return Reply(at=now + 5, decision="rejected", by="m.okafor", note="not ours")


def silence(question: Call | Ask, now: float) -> Reply:
    assert isinstance(question, Ask)
    return Reply(at=question.until)
