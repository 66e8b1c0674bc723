"""Walks of every kind of step, over replies that tests make up: what is asked, in which order, and how it ends."""

from typing import Any

import pytest

from connector.playbooks import walk as walking_module
from connector.playbooks.asking import Ask, Call, Fork, Now, Reply, Sleep
from connector.playbooks.walk import ASK_SECONDS, CALL_SECONDS, DEEPEST
from tests.playbooks.making import (
    ANALYST,
    END,
    START,
    action,
    call,
    end,
    given,
    held,
    http,
    if_,
    key,
    manual,
    parallel,
    playbook_action,
    simple,
    switch,
    while_,
)
from tests.playbooks.walking import (
    BEGAN,
    by_action,
    calling,
    flow,
    no,
    nobody,
    one,
    order_of,
    says,
    silence,
    step,
    walked,
    yes,
)

FAILED = Reply(at=1.0, status=500, problem="answered with HTTP 500")
OTHER_END, THIRD_END = key("end", "other"), key("end", "third")
LONG = 1000.0


def looking(**more: Any) -> dict[str, Any]:
    """One step that puts the branch of its answer into __branch__, the playbook's output."""
    more = {"takes": {"__branch__": "$.branch"}} | more
    return one(variables={"__branch__": held("")}, outputs=("__branch__",), **more)


# --- actions


def test_a_simple_playbook_calls_takes_the_answer_and_ends():
    found = walked(order_of(simple(), hash="a" * 40), says({"branch": "malicious"}))
    (asked,) = found.calls
    assert (asked.key, asked.operation_id, asked.base, asked.timeout) == ("2:1", "run-1:2:1", None, CALL_SECONDS)
    assert asked.request.target == "/actions/get_classification"
    assert asked.request.body == b'{"hash_value": "' + b"a" * 40 + b'"}'
    assert not found.ending.failed
    assert found.ending.outputs == {"__verdict__": "malicious"}
    assert (found.ending.at, found.ending.step, found.ending.again) == (BEGAN + 1, None, None)
    assert [(v.where, v.name, v.state) for v in found.walker.visits] == [
        ("1", "Start", "done"),
        ("2", "Do it", "done"),
        ("3", "End", "done"),
    ]


def test_nothing_is_asked_before_the_first_question_is_answered():
    walk = order_of(simple(), hash="a" * 40).walker().walk()
    first = next(walk)
    assert isinstance(first, Call)
    with pytest.raises(StopIteration) as stop:
        walk.send(Reply(at=BEGAN, status=200, body={"branch": "x"}))
    assert stop.value.value.outputs == {"__verdict__": "x"}


def test_a_visit_keeps_what_a_timeline_shows():
    stix = {"type": "bundle", "objects": []}
    body = {"action": "look", "branch": "malicious", "verdicts": [{"a": 1}], "stix": stix, "operation_id": "op"}
    visit = walked(order_of(looking()), says(body)).visit("look")
    assert (visit.calls, visit.statuses, visit.branch) == (["POST /actions/look"], [200], "malicious")
    assert (visit.verdicts, visit.stix, visit.operation_id) == ([{"a": 1}], stix, "op")
    assert visit.assigned == {"__branch__": "malicious"}
    assert (visit.entered, visit.left) == (BEGAN, BEGAN + 1)


@pytest.mark.parametrize("odd", [None, 5, "x", [1], {}, [None, "x"]])
def test_an_outcome_of_another_shape_is_shown_as_far_as_it_has_one(odd):
    body = {"action": odd, "branch": "b", "verdicts": odd, "stix": odd, "operation_id": odd}
    found = walked(order_of(looking()), says(body))
    assert not found.ending.failed
    assert all(isinstance(one, dict) for one in found.visit("look").verdicts)
    found = walked(order_of(one()), says({**body, "branch": odd}))
    assert found.visit("look").branch in {None, "x"}


def test_an_answer_without_the_mapped_field_fails_at_that_step_with_a_sentence():
    found = walked(order_of(looking()), says({"other": 1}))
    assert found.ending.sentence == "the answer has nothing at $.branch, which __branch__ should get"
    assert (found.ending.step, found.ending.again) == (step("look"), "2")
    assert found.visit("look").state == "failed"
    assert found.ending.outputs == {"__branch__": ""}


def test_a_call_that_fails_fails_its_step_with_what_it_said():
    found = walked(order_of(looking()), says(FAILED))
    assert found.ending.sentence == "answered with HTTP 500"
    assert found.visit("look").statuses == [500]


def test_an_answer_never_changes_a_constant_or_what_is_declared_nowhere():
    constant = one(
        variables={"__branch__": held("as it was", constant=True)},
        outputs=("__branch__",),
        takes={"__branch__": "$.branch"},
    )
    assert walked(order_of(constant), says({"branch": "x"})).ending.outputs == {"__branch__": "as it was"}
    undeclared = walked(order_of(one(takes={"__nothing__": "$.branch"})), says({"branch": "x"}))
    assert undeclared.ending.sentence == "__nothing__ is declared nowhere, so nothing of the answer can be put there"


def test_several_commands_are_run_in_turn_and_the_last_answer_counts():
    made = flow(
        step("both"),
        {step("both"): action(call("a", "{}"), call("b", "{}"), then=END, takes={"__x__": "$.n"})},
        {"__x__": held("", "integer")},
    )
    found = walked(order_of(made), by_action(a={"n": 1}, b={"n": 2}))
    assert found.actions == ["a", "b"]
    assert found.held("x") == "2"
    assert [asked.key for asked in found.calls] == ["2:1", "2:2"]


def test_several_targets_are_called_in_turn_until_one_fails():
    second = key("http-api", "second")
    made = one(targets=[key("http-api", "the action server"), second])
    made["target_definitions"][second] = {
        "type": "http-api",
        "name": "Second",
        "address": {"url": ["https://b.example/api"]},
    }
    found = walked(order_of(made), says({}))
    assert [asked.base for asked in found.calls] == [None, "https://b.example/api"]
    assert len(walked(order_of(made), says(FAILED)).calls) == 1


def test_a_value_that_fits_nowhere_fails_the_step_and_nothing_is_sent():
    made = one(body='{"n": __n__:value}', variables={"__n__": held(None, "integer")})
    found = walked(order_of(made))
    assert found.ending.sentence == "__n__ has no value yet"
    assert found.asked == []


def test_a_command_of_a_type_that_is_not_run_here_fails_the_step():
    made = flow(step("bash"), {step("bash"): action({"type": "bash", "command": "id"}, then=END)})
    assert walked(order_of(made)).ending.sentence == "commands of type bash are not run here; http-api and manual are"


def test_a_target_that_is_not_there_fails_the_step():
    made = one(targets=[key("http-api", "nowhere")])
    assert "has no target" in (walked(order_of(made)).ending.sentence or "")
    untargeted = one()
    del untargeted["workflow"][step("look")]["targets"]
    assert "it is not known where to send it" in (walked(order_of(untargeted)).ending.sentence or "")


# --- ways on


WAYS = {"on_completion": None, "then": END}


@pytest.mark.parametrize(("reply", "way"), [({}, "good"), (FAILED, "bad")])
def test_a_step_goes_on_by_success_or_failure(reply, way):
    steps = {
        step("look"): calling("look", END, on_completion=None, on_success=step("good"), on_failure=step("bad")),
        step("good"): calling("good", END),
        step("bad"): calling("bad", OTHER_END),
        OTHER_END: end(),
    }
    found = walked(order_of(flow(step("look"), steps)), by_action(look=reply, good={}, bad={}))
    assert found.actions == ["look", way]
    assert not found.ending.failed


def test_a_failure_within_a_condition_goes_the_way_of_the_step_that_has_one():
    steps = {
        step("if", "if-condition"): if_(
            "__x__:value = ''", step("look"), END, on_completion=None, on_success=END, on_failure=step("mend")
        ),
        step("look"): calling("look", OTHER_END),
        step("mend"): calling("mend", THIRD_END),
        OTHER_END: end(),
        THIRD_END: end(),
    }
    found = walked(
        order_of(flow(step("if", "if-condition"), steps, {"__x__": held("")})), by_action(look=FAILED, mend={})
    )
    assert found.actions == ["look", "mend"]
    assert not found.ending.failed
    assert found.visit("Is it?").state == "failed"


@pytest.mark.parametrize("handler", [{}, FAILED])
def test_the_exception_handler_runs_where_nothing_else_does_and_changes_nothing_of_the_failure(handler):
    made = looking(workflow_exception=step("tell"), steps={step("tell"): calling("tell", OTHER_END), OTHER_END: end()})
    found = walked(order_of(made), by_action(look=FAILED, tell=handler))
    assert found.actions == ["look", "tell"]
    assert found.ending.sentence == "answered with HTTP 500"
    assert (found.ending.step, found.ending.again) == (step("look"), "2")


def test_the_exception_handler_does_not_run_where_nothing_failed():
    made = looking(workflow_exception=step("tell"), steps={step("tell"): calling("tell", OTHER_END), OTHER_END: end()})
    assert walked(order_of(made), says({"branch": "x"})).actions == ["look"]


def test_what_the_exception_handler_finds_is_part_of_the_result():
    steps = {step("tell"): calling("tell", OTHER_END, takes={"__branch__": "$.branch"}), OTHER_END: end()}
    found = walked(
        order_of(looking(workflow_exception=step("tell"), steps=steps)), by_action(look=FAILED, tell={"branch": "told"})
    )
    assert found.ending.outputs == {"__branch__": "told"}
    assert found.ending.failed


# --- conditions


@pytest.mark.parametrize(("value", "called"), [("a", ["yes", "after"]), ("b", ["no", "after"])])
def test_an_if_walks_one_side_and_goes_on(value, called):
    steps = {
        step("if", "if-condition"): if_("__x__:value = 'a'", step("yes"), step("after"), step("no")),
        step("yes"): calling("yes", OTHER_END),
        step("no"): calling("no", THIRD_END),
        step("after"): calling("after", END),
        OTHER_END: end(),
        THIRD_END: end(),
    }
    found = walked(order_of(flow(step("if", "if-condition"), steps, {"__x__": given()}), x=value), says({}))
    assert found.actions == called
    assert found.visit("Is it?").took == ("on_true" if value == "a" else "on_false")


def test_an_if_without_another_side_goes_on():
    steps = {
        step("if", "if-condition"): if_("__x__:value = 'a'", step("yes"), END),
        step("yes"): calling("yes", OTHER_END),
        OTHER_END: end(),
    }
    found = walked(order_of(flow(step("if", "if-condition"), steps, {"__x__": given()}), x="b"))
    assert found.asked == []
    assert not found.ending.failed


def looping(**more: Any) -> dict[str, Any]:
    """Looks every minute as long as it is pending."""
    steps = {
        step("while", "while-condition"): while_("__x__:value = 'pending'", step("look"), END, **more),
        step("look"): calling("look", OTHER_END, delay=60_000, takes={"__x__": "$.branch"}),
        OTHER_END: end(),
    }
    return flow(step("while", "while-condition"), steps, {"__x__": held("pending")}, outputs=("__x__",))


def test_a_while_goes_round_until_its_condition_does_not_hold():
    found = walked(
        order_of(looping(timeout=None)), says({"branch": "pending"}, {"branch": "pending"}, {"branch": "done"})
    )
    assert found.sleeps == [60.0, 60.0, 60.0]
    assert found.actions == ["look"] * 3
    assert found.visit("Wait").took == "round 3"
    assert found.ending.outputs == {"__x__": "done"}
    assert len({asked.operation_id for asked in found.calls}) == 3


def test_a_while_whose_condition_never_holds_is_not_entered():
    made = looping()
    made["playbook_variables"]["__x__"]["value"] = "done"
    found = walked(order_of(made))
    assert found.visit("Wait").took is None
    assert not any(isinstance(asked, Call) for asked in found.asked)


def test_a_while_whose_time_is_over_fails_and_sleeps_no_longer_than_that():
    found = walked(order_of(looping(timeout=150_000)), says({"branch": "pending"}))
    assert found.ending.sentence == "ACTION_TIMEOUT: the time of 'Wait' is over"
    assert sum(found.sleeps) + len(found.calls) == pytest.approx(150)
    assert found.ending.step == step("look")
    assert found.ending.again == found.visit("Wait").where


def test_a_while_whose_time_is_over_goes_its_own_way_and_no_other():
    made = looping(timeout=150_000, on_completion=None, on_success=END, on_failure=step("giveup"))
    made["workflow"][step("giveup")] = calling("giveup", THIRD_END)
    made["workflow"][THIRD_END] = end()
    made["workflow"][step("look")] |= {"on_success": OTHER_END, "on_failure": step("never")}
    del made["workflow"][step("look")]["on_completion"]
    made["workflow"][step("never")] = calling("never", OTHER_END)
    found = walked(order_of(made), says({"branch": "pending"}))
    assert found.actions[-1] == "giveup"
    assert "never" not in found.actions
    assert not found.ending.failed


def test_a_loop_that_waits_for_nothing_is_stopped_at_its_time_or_its_number(monkeypatch):
    made = looping(timeout=None)
    del made["workflow"][step("look")]["delay"]
    monkeypatch.setattr(walking_module, "MOST_VISITS", 50)
    found = walked(order_of(made), says({"branch": "pending"}))
    assert found.ending.sentence == "the run has made 50 steps, which no playbook needs; it was stopped"


@pytest.mark.parametrize(("value", "called", "took"), [("a", ["first"], "a"), ("z", ["rest"], "default")])
def test_a_switch_walks_the_case_of_the_value_or_the_default(value, called, took):
    steps = {
        step("switch", "switch-condition"): switch("__x__", {"a": step("first"), "default": step("rest")}, END),
        step("first"): calling("first", OTHER_END),
        step("rest"): calling("rest", THIRD_END),
        OTHER_END: end(),
        THIRD_END: end(),
    }
    found = walked(order_of(flow(step("switch", "switch-condition"), steps, {"__x__": given()}), x=value), says({}))
    assert found.actions == called
    assert found.visit("Which?").took == took


def test_a_switch_without_a_case_for_the_value_fails():
    steps = {step("switch", "switch-condition"): switch("__x__", {"a": OTHER_END}, END), OTHER_END: end()}
    made = flow(step("switch", "switch-condition"), steps, {"__x__": given()})
    assert walked(order_of(made, x="z")).ending.sentence == "no case for 'z', and there is no default"
    made["playbook_variables"]["__x__"] = held(None)
    assert walked(order_of(made)).ending.sentence == "__x__ has no value yet"


def test_a_condition_over_a_value_that_is_none_of_its_type_fails_the_step():
    made = looping()
    made["playbook_variables"]["__x__"] = held("pending", "integer")
    assert walked(order_of(made)).ending.sentence == "__x__ must be a whole number"
    made["workflow"][step("while", "while-condition")]["condition"] = "no condition"
    assert (walked(order_of(made)).ending.sentence or "").startswith(
        "the condition must be a STIX comparison expression"
    )


# --- time


def test_a_delay_is_slept_before_the_step_and_is_none_of_its_time():
    found = walked(order_of(one(delay=5000, timeout=2000)), says({}))
    sleep, asked = found.asked
    assert isinstance(sleep, Sleep)
    assert (sleep.seconds, sleep.until, sleep.key) == (5.0, BEGAN + 5, "2:1")
    assert isinstance(asked, Call)
    assert (asked.timeout, asked.key) == (2.0, "2:2")


def test_the_timeout_of_an_action_is_what_its_calls_have_together():
    made = flow(step("both"), {step("both"): action(call("a", "{}"), call("b", "{}"), then=END, timeout=10_000)})
    found = walked(order_of(made), says({}, seconds=4))
    assert [asked.timeout for asked in found.calls] == [10.0, 6.0]
    late = walked(order_of(made), says({}, seconds=10))
    assert len(late.calls) == 1
    assert late.ending.sentence == "ACTION_TIMEOUT: the time of 'Do it' is over"


def test_a_call_that_took_all_its_time_fails_with_whose_time_it_was():
    found = walked(
        order_of(one(timeout=10_000)), says(Reply(at=10.0, problem="ACTION_TIMEOUT: no answer within 10 seconds"))
    )
    assert found.ending.sentence == "ACTION_TIMEOUT: the time of 'look' is over"


def test_a_delay_that_what_is_around_has_no_time_for_fails_whatever_would_come_after_it():
    steps = {
        step("if", "if-condition"): if_("__x__:value = ''", OTHER_END, END, timeout=30_000),
        OTHER_END: {**end(), "delay": 40_000},
    }
    found = walked(order_of(flow(step("if", "if-condition"), steps, {"__x__": held("")})))
    assert found.ending.sentence == "ACTION_TIMEOUT: the time of 'Is it?' is over"
    assert found.sleeps == [30.0]


def test_a_timeout_of_nothing_is_none():
    assert walked(order_of(one(timeout=0)), says({})).calls[0].timeout == CALL_SECONDS


def test_a_step_within_has_no_more_time_than_what_is_around_it():
    steps = {
        step("if", "if-condition"): if_("__x__:value = ''", step("look"), END, timeout=30_000),
        step("look"): calling("look", step("again"), timeout=100_000),
        step("again"): calling("again", OTHER_END, timeout=5000),
        OTHER_END: end(),
    }
    made = flow(step("if", "if-condition"), steps, {"__x__": held("")})
    found = walked(order_of(made), says({}, seconds=10))
    assert isinstance(found.asked[0], Now)
    assert [asked.timeout for asked in found.calls] == [30.0, 5.0]
    slow = walked(order_of(made), says({}, seconds=31))
    assert slow.actions == ["look"]
    assert slow.ending.sentence == "ACTION_TIMEOUT: the time of 'Is it?' is over"


def test_what_holds_other_steps_asks_for_the_time_so_that_it_is_new_when_it_is_walked_again():
    walk = order_of(looping(timeout=100_000)).walker().walk()
    assert isinstance(next(walk), Now)
    sleep = walk.send(Reply(at=BEGAN + LONG))
    assert isinstance(sleep, Sleep)
    assert sleep.until == BEGAN + LONG + 60


def test_a_clock_that_goes_back_does_not_take_the_walk_back():
    found = walked(order_of(looking(delay=5000)), says(Reply(at=-100.0, status=200, body={"branch": "x"})))
    assert found.ending.at == BEGAN + 5


# --- people


def asking(**more: Any) -> dict[str, Any]:
    return flow(
        step("ask"),
        {step("ask"): action(manual("Delete __x__:value?"), then=END, agent=ANALYST, name="Ask", **more)},
        {"__x__": held("it")},
    )


def test_a_person_is_asked_with_the_values_that_there_are():
    found = walked(order_of(asking(timeout=60_000)), yes)
    (ask,) = found.asked
    assert isinstance(ask, Ask)
    assert (ask.text, ask.timeout, ask.until, ask.key) == ("Delete it?", 60.0, BEGAN + 60, "2:1")
    assert not found.ending.failed
    assert found.visit("Ask").decided_by == "approved by m.okafor"


def test_without_a_timeout_a_person_has_a_week():
    (ask,) = walked(order_of(asking()), yes).asked
    assert isinstance(ask, Ask)
    assert ask.timeout == ASK_SECONDS == 7 * 24 * 3600


def test_no_is_a_failure_that_says_whose_it_is():
    found = walked(order_of(asking()), no)
    assert found.ending.sentence == "m.okafor said no: not ours"
    assert found.visit("Ask").decided_by == "rejected by m.okafor"
    quiet = walked(order_of(asking()), says(Reply(at=1, decision="rejected")))
    assert quiet.ending.sentence == "somebody said no"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "ACTION_TIMEOUT: nobody answered in time"),
        ({"timeout": 60_000}, "ACTION_TIMEOUT: the time of 'Ask' is over"),
    ],
)
def test_no_answer_in_time_is_a_failure(more, told):
    assert walked(order_of(asking(**more)), silence).ending.sentence == told


@pytest.mark.parametrize("answer", [no, silence])
def test_no_and_no_answer_go_the_way_of_failure(answer):
    made = asking(on_completion=None, on_success=step("delete"), on_failure=OTHER_END, timeout=60_000)
    made["workflow"] |= {step("delete"): calling("delete", END), OTHER_END: end()}
    found = walked(order_of(made), answer)
    assert found.calls == []
    assert not found.ending.failed


def test_what_a_person_said_can_be_taken_like_an_answer():
    made = asking(takes={"__note__": "$.note", "__by__": "$.by"})
    made["playbook_variables"] |= {"__note__": held(""), "__by__": held("")}
    found = walked(order_of(made), yes)
    assert (found.held("note"), found.held("by")) == ("seen", "m.okafor")


def test_a_question_in_bad_base64_fails_the_step():
    made = flow(step("ask"), {step("ask"): action({"type": "manual", "command_b64": "*"}, then=END)})
    assert walked(order_of(made)).ending.sentence == "has base64 that is not valid"


# --- parallel


def both(**more: Any) -> dict[str, Any]:
    """Two branches, each a call that puts its number into a variable of its own and both into one."""
    steps = {
        step("both", "parallel"): parallel(step("left"), step("right"), then=step("after"), **more),
        step("left"): calling("left", OTHER_END, takes={"__l__": "$.n", "__x__": "$.n"}),
        step("right"): calling("right", THIRD_END, takes={"__r__": "$.n", "__x__": "$.n"}),
        step("after"): calling("after", END),
        OTHER_END: end("Left end"),
        THIRD_END: end("Right end"),
    }
    variables = {name: held("", "integer") for name in ("__l__", "__r__", "__x__")}
    return flow(step("both", "parallel"), steps, variables, outputs=("__l__", "__r__", "__x__"))


NUMBERS = {"left": {"n": 1}, "right": {"n": 2}, "after": {}}


def test_branches_are_walked_side_by_side_and_what_they_found_comes_together():
    found = walked(order_of(both()), by_action(**NUMBERS))
    fork = found.asked[0]
    assert isinstance(fork, Fork)
    assert [(b.first, b.where) for b in fork.branches] == [(step("left"), "2.1."), (step("right"), "2.2.")]
    assert found.ending.outputs == {"__l__": "1", "__r__": "2", "__x__": "2"}
    assert found.actions == ["left", "right", "after"]
    assert [call.key for call in found.calls] == ["2.1.1:1", "2.2.1:1", "3:1"]
    assert found.now == BEGAN + 2
    assert [v.where for v in found.walker.visits] == ["1", "2", "2.1.1", "2.1.2", "2.2.1", "2.2.2", "3", "4"]


def test_a_branch_that_changes_nothing_takes_nothing_back():
    made = both()
    made["workflow"][step("right")] = calling("right", THIRD_END)
    found = walked(order_of(made), by_action(**NUMBERS))
    assert found.ending.outputs == {"__l__": "1", "__r__": "", "__x__": "1"}


def test_a_branch_that_fails_fails_the_step_after_all_are_walked():
    found = walked(order_of(both()), by_action(left=FAILED, right={"n": 2}, after={}))
    assert found.actions == ["left", "right"]
    assert found.ending.sentence == "answered with HTTP 500"
    assert found.ending.step == step("both", "parallel")
    assert found.visit("All").state == "failed"
    assert found.visit("left").state == "failed"
    assert found.ending.outputs["__r__"] == "2"


def test_the_time_of_a_parallel_step_is_that_of_its_branches_and_its_end_is_its_own():
    made = both(timeout=30_000, on_completion=None, on_success=step("after"), on_failure=step("late"))
    made["workflow"][step("left")] |= {"on_success": OTHER_END, "on_failure": step("never")}
    del made["workflow"][step("left")]["on_completion"]
    made["workflow"] |= {step("late"): calling("late", END), step("never"): calling("never", OTHER_END)}
    made["workflow"][step("left")]["delay"] = 40_000
    found = walked(order_of(made), by_action(left={"n": 1}, right={"n": 2}, never={}, late={}))
    assert found.sleeps == [30.0]
    assert found.actions == ["right", "late"]
    assert not found.ending.failed


def test_branches_see_the_variables_of_the_steps_around_them():
    made = both(step_variables={"__own__": held("mine"), "__x__": held("seven")})
    made["workflow"][step("left")] = calling(
        "left", OTHER_END, '{"a": "__own__:value", "b": __x__:value}', takes={"__own__": "$.n"}
    )
    made["workflow"][step("right")] = calling("right", THIRD_END, '{"a": "__own__:value"}')
    found = walked(order_of(made), by_action(**NUMBERS))
    assert not found.ending.failed
    assert [call.request.body for call in found.calls[:2]] == [b'{"a": "mine", "b": "seven"}', b'{"a": "mine"}']
    assert found.held("x") == ""


def test_branches_within_branches_have_places_of_their_own():
    made = both()
    inner = step("inner", "parallel")
    made["workflow"][step("both", "parallel")]["next_steps"] = [inner, step("right")]
    ends = [key("end", "x"), key("end", "y"), key("end", "z")]
    made["workflow"] |= {
        inner: parallel(step("x"), step("y"), then=ends[2]),
        step("x"): calling("x", ends[0], takes={"__l__": "$.n"}),
        step("y"): calling("y", ends[1]),
        **{name: end() for name in ends},
    }
    found = walked(order_of(made), by_action(**NUMBERS, x={"n": 5}, y={}))
    assert [call.key for call in found.calls] == ["2.1.1.1.1:1", "2.1.1.2.1:1", "2.2.1:1", "3:1"]
    assert found.ending.outputs["__l__"] == "5"


# --- other playbooks


def inner(**more: Any) -> dict[str, Any]:
    """Called by others: takes a hash, gives a verdict."""
    variables = {"__hash__": given("hash"), "__verdict__": held(""), "__secret__": held("inner only")}
    steps = {
        step("look inside"): calling("look", END, '{"hash_value": "__hash__:value"}', takes={"__verdict__": "$.branch"})
    }
    made = flow(
        step("look inside"), steps, variables, outputs=("__verdict__",), id=key("playbook", "inner"), name="Inner"
    )
    made["workflow"][step("look inside")] |= more
    return made


def outer(**more: Any) -> dict[str, Any]:
    called = playbook_action(key("playbook", "inner"), END, in_args=["__hash__"], out_args=["__verdict__"], **more)
    variables = {"__hash__": given("hash"), "__verdict__": held("none yet"), "__secret__": held("outer")}
    return flow(
        step("call", "playbook-action"),
        {step("call", "playbook-action"): called},
        variables,
        outputs=("__verdict__", "__secret__"),
    )


def test_another_playbook_gets_the_in_args_and_gives_the_out_args_only():
    found = walked(order_of(outer(), inner(), hash="a" * 40), says({"branch": "malicious"}))
    assert found.calls[0].request.body == b'{"hash_value": "' + b"a" * 40 + b'"}'
    assert found.calls[0].key == "2.2:1"
    assert found.ending.outputs == {"__verdict__": "malicious", "__secret__": "outer"}
    assert [(v.where, v.playbook == key("playbook", "inner")) for v in found.walker.visits] == [
        ("1", False),
        ("2", False),
        ("2.1", True),
        ("2.2", True),
        ("2.3", True),
        ("3", False),
    ]


def test_the_visits_of_another_playbook_are_seen_while_it_is_walked():
    walker = order_of(outer(), inner(), hash="a" * 40).walker()
    next(walker.walk())
    assert [visit.name for visit in walker.visits] == ["Start", "Other", "Start", "look"]


def test_another_playbook_that_fails_fails_its_step_and_is_named():
    found = walked(order_of(outer(), inner(), hash="a" * 40), says(FAILED))
    assert found.ending.sentence == "Inner: answered with HTTP 500"
    assert found.ending.step == step("call", "playbook-action")
    assert found.ending.outputs["__verdict__"] == "none yet"


def test_a_playbook_that_is_not_known_fails_the_step():
    assert (
        walked(order_of(outer(), hash="a" * 40)).ending.sentence
        == f"the playbook {key('playbook', 'inner')} is not known here"
    )


def test_what_another_playbook_needs_and_does_not_get_is_said():
    made = outer()
    del made["workflow"][step("call", "playbook-action")]["in_args"]
    assert walked(order_of(made, inner(), hash="a" * 40)).ending.sentence == "Inner: __hash__ must be given: Passed in."


def test_the_time_of_a_playbook_step_is_over_for_the_playbook_as_well():
    handled = inner(delay=60_000)
    handled["workflow_exception"] = step("tell")
    handled["workflow"] |= {step("tell"): calling("tell", OTHER_END), OTHER_END: end()}
    made = outer(timeout=10_000, on_completion=None, on_success=END, on_failure=step("late"))
    made["workflow"] |= {step("late"): calling("late", OTHER_END), OTHER_END: end()}
    found = walked(order_of(made, handled, hash="a" * 40), says({"branch": "x"}))
    assert found.sleeps == [10.0]
    assert found.actions == ["late"]
    assert not found.ending.failed
    assert found.visit("Other").sentence == "ACTION_TIMEOUT: the time of 'Other' is over"


def test_another_playbook_that_fails_by_itself_is_handled_within_the_time_of_its_step():
    handled = inner()
    handled["workflow_exception"] = step("tell")
    handled["workflow"] |= {step("tell"): calling("tell", OTHER_END), OTHER_END: end()}
    found = walked(order_of(outer(timeout=10_000), handled, hash="a" * 40), by_action(look=FAILED, tell={}))
    assert [(asked.timeout) for asked in found.calls] == [10.0, 9.0]


def test_playbooks_that_call_each_other_end_at_a_depth():
    made = outer()
    made["workflow"][step("call", "playbook-action")]["playbook_id"] = made["id"]
    found = walked(order_of(made, hash="a" * 40))
    assert f"playbooks call each other more than {DEEPEST} deep" in (found.ending.sentence or "")
    assert len(found.walker.visits) == 2 * (DEEPEST + 1)


def test_playbooks_that_call_each_other_by_branches_end_at_that_depth_too():
    made = outer()
    ends = [key("end", "x"), key("end", "y")]
    called = playbook_action(made["id"], ends[0], in_args=["__hash__"])
    made["workflow"] = {
        START: {"type": "start", "on_completion": step("p", "parallel")},
        step("p", "parallel"): parallel(step("call", "playbook-action"), ends[1], then=END),
        step("call", "playbook-action"): called,
        END: end(),
        **{name: end() for name in ends},
    }
    found = walked(order_of(made, hash="a" * 40))
    assert f"more than {DEEPEST} deep" in (found.ending.sentence or "")


# --- variables


def test_a_step_s_own_variables_are_its_own():
    made = one(
        body='{"a": "__x__:value", "b": "__own__:value"}',
        variables={"__x__": held("outer")},
        takes={"__x__": "$.branch"},
        step_variables={"__x__": held("inner"), "__own__": held("own")},
    )
    found = walked(order_of(made), says({"branch": "new"}))
    assert found.calls[0].request.body == b'{"a": "inner", "b": "own"}'
    assert found.held("x") == "outer"
    assert "__own__" not in found.walker.scope.held


def test_the_credentials_of_a_target_are_named_and_never_held():
    found = walked(order_of(one()), says({}))
    assert found.calls[0].credentials is not None
    assert found.calls[0].credentials.parts == ("__api_key__:value",)
    assert "__api_key__" not in found.walker.scope.held
    leaking = one(body='{"key": "__api_key__:value"}')
    assert walked(order_of(leaking)).ending.sentence == "__api_key__ is declared nowhere"


def test_only_what_the_needs_name_is_the_result():
    plain = one(variables={"__x__": held("1")})
    assert walked(order_of(plain), says({})).ending.outputs == {}


def test_a_playbook_of_others_has_no_result_but_runs():
    made = one(takes={"__x__": "$.branch"}, variables={"__x__": held("")})
    del made["playbook_extensions"]
    made["target_definitions"][key("http-api", "the action server")]["address"] = {"url": ["https://x.example"]}
    found = walked(order_of(made), says({"branch": "b"}))
    assert found.ending.outputs == {}
    assert found.held("x") == "b"
    assert found.calls[0].base == "https://x.example"


def test_a_playbook_that_does_nothing_ends_at_once():
    assert not walked(order_of(flow(END, {})), nobody).ending.failed


def test_http_commands_may_go_to_any_route():
    made = flow(step("x"), {step("x"): action(http("GET /healthz"), then=END)})
    found = walked(order_of(made), says({"status": "ok"}))
    assert (found.calls[0].request.method, found.calls[0].request.target) == ("GET", "/healthz")
