"""What the linter says of paths is what runs do: no run misses a value, or deletes unasked, where it said nothing."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.playbooks.asking import Ask, Call, Fork, Reply
from connector.playbooks.branching import branch_walker, walk_branch
from connector.playbooks.cacao import Playbook
from connector.playbooks.linting.lint import lint_value
from connector.playbooks.scope import Scope
from connector.playbooks.walk import Walker
from tests.playbooks.making import (
    END,
    SHA1,
    START,
    action,
    call,
    end,
    held,
    if_,
    key,
    manual,
    parallel,
    playbook,
    start,
    switch,
    while_,
)
from tests.playbooks.making import given as passed

NAMES = ("__a__", "__b__", "__own__")
CONDITIONS = (
    *("{}:value = 'x'", "{}:value != 'x'", "EXISTS {}:value", "NOT EXISTS {}:value", "{}:value NOT = 'x'"),
    *("{}:value = 'x' AND __in__:value = 'x'", "{}:value = 'x' OR __in__:value = 'x'", "__in__:value = 'x'"),
)
DELETE = call(
    "bulk_delete", '{"hash_values": ["' + SHA1 + '"], "confirm": "6741f2c0-0123456789abcdef0123456789abcdef"}'
)
MOST_QUESTIONS = 60


class Drawer:
    """A playbook drawn at random: sequences of steps that set, use, ask, delete, branch and loop."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.steps = {}

    def id(self, kind):
        return key(kind, f"{len(self.steps)} {self.random.random()}")

    def put(self, kind, step):
        name = self.id(kind)
        self.steps[name] = step
        return name

    def sequence(self, depth):
        """A sequence with an end of its own; its first step."""
        then = self.put("end", end())
        for _ in range(self.random.randint(1, 3)):
            then = self.block(depth, then)
        return then

    def block(self, depth, then):
        kinds = ["sets", "uses", "asks", "deletes"] + (["branch", "loop", "fork", "which"] if depth else [])
        more = self.ways(depth, then)
        return getattr(self, self.random.choice(kinds))(depth, more)

    def ways(self, depth, then):
        """On completion, or by success and failure; on failure the sequence goes on, or another end is taken."""
        if self.random.random() < 0.6:
            return {"on_completion": then}
        failed = then if self.random.random() < 0.4 else self.put("end", end())
        if self.random.random() < 0.5:
            failed = self.put("action", action(self.using(), then=failed))
        return {"on_completion": None, "on_success": then, "on_failure": failed}

    def using(self):
        return call("get_classification", f'{{"hash_value": "{self.random.choice(NAMES)}:value"}}')

    def sets(self, _depth, ways):
        takes = {self.random.choice(NAMES): "$.x"}
        return self.put("action", action(call("test_connection", "{}"), then=None, takes=takes, **ways))

    def uses(self, _depth, ways):
        return self.put("action", action(self.using(), then=None, **ways))

    def asks(self, _depth, ways):
        return self.put("action", action(manual(), then=None, **ways))

    def deletes(self, _depth, ways):
        return self.put("action", action(DELETE, then=None, **ways))

    def condition(self):
        return self.random.choice(CONDITIONS).format(self.random.choice(NAMES))

    def own(self):
        roll = self.random.random()
        return {} if roll < 0.7 else {"step_variables": {"__own__": held("y" if roll < 0.85 else None)}}

    def branch(self, depth, ways):
        other = self.sequence(depth - 1) if self.random.random() < 0.5 else None
        made = if_(self.condition(), self.sequence(depth - 1), None, other, **ways, **self.own())
        return self.put("if-condition", made)

    def loop(self, depth, ways):
        made = while_(self.condition(), self.sequence(depth - 1), None, **ways, **self.own())
        return self.put("while-condition", made)

    def fork(self, depth, ways):
        branches = [self.sequence(depth - 1) for _ in range(2)]
        return self.put("parallel", {**parallel(*branches, then=None), **ways, **self.own()})

    def which(self, depth, ways):
        cases = {"x": self.sequence(depth - 1), "default": self.sequence(depth - 1)}
        cases = cases if self.random.random() < 0.7 else {"x": cases["x"]}
        return self.put("switch-condition", {**switch("__in__", cases, None), **ways, **self.own()})

    def playbook(self):
        first = self.sequence(2)
        handler = self.sequence(1) if self.random.random() < 0.4 else None
        own = {"__own__": held()} if self.random.random() < 0.7 else {"__own__": held("y")}
        steps = {START: start(first), **_clean(self.steps), END: end()}
        variables = {"__in__": passed(), "__a__": held(), "__b__": held(), **own}
        return playbook(steps, variables, scopes=("read", "destroy"), workflow_exception=handler)


def _clean(steps):
    return {name: {k: v for k, v in step.items() if v is not None} for name, step in steps.items()}


class World:
    """Answers at random; notes which steps deleted before any person had approved."""

    def __init__(self, seed, made):
        self.random = random.Random(seed)
        self.playbook = made
        self.approved = False
        self.unasked = set()
        self.questions = 0

    def run(self, walk):
        """What a walk ends with, or None where it goes on and on."""
        reply = None
        while True:
            try:
                question = walk.send(reply)
            except StopIteration as stopped:
                return stopped.value
            self.questions += 1
            if self.questions > MOST_QUESTIONS:
                return None
            reply = self.answer(question)
            if reply is None:
                return None

    def answer(self, question):
        roll = self.random.random()
        if isinstance(question, Ask):
            self.approved = self.approved or roll < 0.6
            return Reply(0.0, decision="approved" if roll < 0.6 else "rejected")
        if isinstance(question, Fork):
            branches = [self.branch(branch) for branch in question.branches]
            return None if None in branches else Reply(0.0, branches=branches)
        if isinstance(question, Call) and question.request.target.endswith("bulk_delete") and not self.approved:
            self.unasked.add(question.step)
        return Reply(0.0, problem="no") if roll < 0.2 else Reply(0.0, 200, {"x": "x" if roll < 0.6 else "y"})

    def branch(self, branch):
        walker = branch_walker(branch, "run", {self.playbook.id: self.playbook})
        return self.run(walk_branch(walker, branch.first))


def pointed(findings, code):
    return {finding.pointer.split("/")[2] for finding in findings if finding.code == code}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_no_run_misses_a_value_or_deletes_unasked_where_the_linter_said_nothing(drawn, played):
    made = Drawer(drawn).playbook()
    linted = lint_value(made)
    assert linted.playbook is not None
    never = pointed(linted.findings, "unset-variable")
    perhaps = pointed(linted.findings, "perhaps-unset-variable")
    unapproved = pointed(linted.findings, "unapproved-destroy")

    playbook_ = Playbook.model_validate(made)
    for turn in range(4):
        world = World(played + turn, playbook_)
        walker = Walker(
            playbook_,
            "run",
            0.0,
            Scope.start(playbook_, {"__in__": world.random.choice("xy")}),
            {playbook_.id: playbook_},
        )
        world.run(walker.walk())
        kinds = {name: step["type"] for name, step in made["workflow"].items()}
        actions = [visit for visit in walker.visits if kinds[visit.step] == "action"]
        missed = {visit.step for visit in actions if "has no value yet" in (visit.sentence or "")}
        called = {visit.step for visit in actions if visit.calls}

        assert missed <= never | perhaps
        assert not called & never
        assert world.unasked <= unapproved
