"""Random playbooks over random replies: a walk ends or asks, and is the same walk each time; it never breaks."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.playbooks.asking import Ask, Call, Fork, Reply, read_reply
from connector.playbooks.order import Order
from connector.playbooks.timeline import replay, timeline
from tests.playbooks.making import (
    END,
    action,
    call,
    end,
    held,
    if_,
    key,
    manual,
    parallel,
    playbook_action,
    switch,
    while_,
)
from tests.playbooks.walking import BEGAN, Walked, flow, order_of, walked

VARIABLES = {
    "__s__": held(""),
    "__n__": held("0", "integer"),
    "__l__": held("[]", "list"),
    "__null__": held(None),
    "__c__": held("fixed", constant=True),
}
CONDITIONS = [
    "__s__:value = 'a'",
    "__n__:value > 2",
    "__l__:value != '[]'",
    "EXISTS __null__:value",
    "__s__:value IN ('a', 'b') OR __n__:value = 1",
]
CONTENTS = ['{"s": "__s__:value"}', '{"n": __n__:value}', '{"l": __l__:value}', '{"x": "__null__:value"}', "{}"]
PATHS: list[Any] = ["$.s", {"path": "$.n", "default": "3"}, "$.l[*]", {"path": "$.s", "default": ""}]
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "s": st.sampled_from(["a", "b", "", "é", None, 5, "\ud800"]),
        "n": st.sampled_from([0, 1, 2, 3, "x", None, 1.5]),
        "l": st.sampled_from([[], ["a"], [1], None, "no"]),
        "branch": st.just("b"),
        "action": st.just("a"),
        "verdicts": st.sampled_from([[], [{}], None, 3]),
        "stix": st.sampled_from([None, {}, [], "x"]),
    },
)


class Making:
    """Draws a workflow: lists of steps, each ended by an end of its own, as the linter wants it."""

    def __init__(self, draw: Any) -> None:
        self.draw, self.steps, self.number = draw, {}, 0

    def name(self, kind: str) -> str:
        self.number += 1
        return key(kind, f"{kind} {self.number}")

    def chain(self, depth: int) -> str:
        then = self.name("end")
        self.steps[then] = end()
        for _ in range(self.draw(st.integers(0, 2))):
            then = self.step(depth, then)
        return then

    def step(self, depth: int, then: str) -> str:
        kinds = ["action", "manual", "other"] + (["if", "while", "switch", "parallel"] if depth else [])
        kind = self.draw(st.sampled_from(kinds))
        name = self.name(
            {
                "if": "if-condition",
                "while": "while-condition",
                "switch": "switch-condition",
                "parallel": "parallel",
                "other": "playbook-action",
            }.get(kind, "action")
        )
        made = self.made(kind, depth, then)
        if self.draw(st.booleans()):
            made["timeout"] = self.draw(st.sampled_from([1, 3000, 50_000]))
        if self.draw(st.integers(0, 3)) == 0:
            made["delay"] = self.draw(st.sampled_from([1, 2000, 10_000]))
        if depth and self.draw(st.integers(0, 3)) == 0:
            del made["on_completion"]
            made |= {"on_success": then, "on_failure": self.chain(depth - 1)}
        if self.draw(st.integers(0, 4)) == 0:
            made["step_variables"] = {"__s__": held("a"), "__own__": held("o")}
        self.steps[name] = made
        return name

    def made(self, kind: str, depth: int, then: str) -> dict[str, Any]:
        condition = self.draw(st.sampled_from(CONDITIONS))
        match kind:
            case "action":
                takes = self.draw(
                    st.dictionaries(
                        st.sampled_from(["__s__", "__n__", "__l__", "__c__"]), st.sampled_from(PATHS), max_size=2
                    )
                )
                return action(call("act", self.draw(st.sampled_from(CONTENTS))), then=then, takes=takes)
            case "manual":
                return action(manual("Go on with __s__:value?"), then=then)
            case "other":
                return playbook_action(key("playbook", self.draw(st.sampled_from(["made", "nowhere"]))), then)
            case "if":
                return if_(
                    condition, self.chain(depth - 1), then, self.chain(depth - 1) if self.draw(st.booleans()) else None
                )
            case "while":
                return while_(condition, self.chain(depth - 1), then, timeout=self.draw(st.sampled_from([None, 5000])))
            case "switch":
                return switch("__s__", {"a": self.chain(depth - 1), "default": self.chain(depth - 1)}, then)
            case _:
                return parallel(self.chain(depth - 1), self.chain(depth - 1), then=then)


@st.composite
def orders(draw) -> Order:
    making = Making(draw)
    first = making.step(2, END)
    outer = {"workflow_exception": making.chain(1)} if draw(st.booleans()) else {}
    return order_of(flow(first, making.steps, VARIABLES, outputs=("__s__", "__n__"), **outer))


class Drawn:
    """Answers by what is drawn; the same numbers give the same answers."""

    def __init__(self, bodies: list[Any]) -> None:
        self.bodies, self.asked = bodies, 0

    def __call__(self, question: Call | Ask, now: float) -> Reply:
        self.asked += 1
        body = self.bodies[self.asked % len(self.bodies)]
        if isinstance(question, Ask):
            decision = [None, "approved", "rejected"][self.asked % 3]
            return Reply(at=question.until if decision is None else now + 1, decision=decision)
        if body is None:
            return Reply(at=now + 2, status=500, problem="answered with HTTP 500")
        return Reply(at=now + self.asked % 4, status=200, body=body)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """What loops without waiting is stopped soon, and what calls itself too."""
    monkeypatch.setattr("connector.playbooks.walk.MOST_VISITS", 300)
    monkeypatch.setattr("connector.playbooks.walk.DEEPEST", 2)


REPLIES = st.lists(st.none() | BODIES, min_size=1, max_size=6)


@settings(max_examples=150)
@given(orders(), REPLIES)
def test_a_walk_ends_and_says_why_where_it_failed(order, bodies):
    found = walked(order, Drawn(bodies))
    assert found.ending.failed == bool(found.ending.sentence)
    assert found.ending.outputs.keys() == {"__s__", "__n__"}
    assert found.ending.at <= found.now
    for visit in found.walker.visits:
        assert visit.state in {"done", "failed"}
        assert visit.left is not None
        assert (visit.state == "failed") == (visit.sentence is not None)
    if found.ending.failed:
        assert found.ending.again in {visit.where for visit in found.walker.visits}
    assert found.walker.scope.held["__c__"] == "fixed"
    assert found.walker.until == []


@settings(max_examples=100)
@given(orders(), REPLIES)
def test_the_same_replies_give_the_same_questions_and_each_has_a_key_of_its_own(order, bodies):
    first, second = walked(order, Drawn(bodies)), walked(order, Drawn(bodies))
    assert first.asked == second.asked
    assert first.ending == second.ending
    assert [v.as_dict() for v in first.walker.visits] == [v.as_dict() for v in second.walker.visits]
    most = Counter(question.key for question in first.asked).most_common(1)
    assert not most or most[0][1] == 1
    ids = [question.operation_id for question in first.calls]
    assert len(ids) == len(set(ids))
    wheres = [visit.where for visit in first.walker.visits]
    assert len(wheres) == len(set(wheres))


@settings(max_examples=60)
@given(orders(), REPLIES)
def test_what_was_kept_walks_to_the_same_end_again_with_nothing_asked(order, bodies):
    found = walked(order, Drawn(bodies))
    kept = {name: read_reply(json.loads(json.dumps(reply.as_dict()))) for name, reply in found.replies.items()}
    again = replay(Order.read(json.loads(json.dumps(order.as_dict()))), kept, found.now)
    assert again.ending == found.ending
    assert again.question is None
    assert [v.as_dict() for v in again.visits()] == [v.as_dict() for v in found.walker.visits]


def prefixes(found: Walked) -> list[dict[str, Reply]]:
    """What was kept after each reply; branches are kept as the fork that they are of comes back."""
    order = [question.key for question in found.asked if question.key in found.replies]
    inner = {
        name
        for name in order
        if any(name.startswith(b.where) for q in found.asked if isinstance(q, Fork) for b in q.branches)
    }
    outer = [name for name in order if name not in inner]
    return [{name: found.replies[name] for name in outer[:count]} for count in range(len(outer) + 1)]


@settings(max_examples=60)
@given(orders(), REPLIES)
def test_a_timeline_of_more_holds_that_of_less_in_its_order(order, bodies):
    found = walked(order, Drawn(bodies))
    before: list[tuple[str, str]] = []
    for kept in prefixes(found)[:12]:
        visits = timeline(order, kept, BEGAN, "running")["visits"]
        now = [(visit["where"], visit["step"]) for visit in visits]
        assert [visit for visit in now if visit in before] == before
        json.dumps(visits)
        before = now
