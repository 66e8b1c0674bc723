"""Timelines: what is kept of a run is enough to say what happened, what it waits for and how it ended."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import InputRefused
from connector.playbooks.asking import Call, Reply, read_reply
from connector.playbooks.order import Order, check_run_id
from connector.playbooks.timeline import replay, timeline
from tests.playbooks.making import ANALYST, END, action, end, held, key, manual, parallel, simple, while_
from tests.playbooks.making import given as passed
from tests.playbooks.test_walk import asking, both, inner, outer
from tests.playbooks.walking import BEGAN, by_action, calling, flow, order_of, says, step, walked, yes

FAILED = Reply(at=1.0, status=500, problem="answered with HTTP 500")


def waiting_for_a_clock():
    steps = {
        step("while", "while-condition"): while_("__x__:value = 'pending'", step("look"), END, timeout=None),
        step("look"): calling("look", key("end", "other"), delay=60_000, takes={"__x__": "$.branch"}),
        key("end", "other"): end(),
    }
    return order_of(flow(step("while", "while-condition"), steps, {"__x__": held("pending")}, outputs=("__x__",)))


# --- states


def test_a_run_that_is_done_says_what_it_gave_and_when():
    order = order_of(simple(), hash="a" * 40)
    found = walked(order, says({"branch": "malicious"}))
    told = timeline(order, found.replies, BEGAN + 9, "done")
    assert (told["run"], told["state"], told["outputs"]) == ("run-1", "done", {"__verdict__": "malicious"})
    assert (told["started_at"], told["ended_at"]) == (BEGAN, BEGAN + 1)
    assert (told["sentence"], told["failed_step"], told["waiting"]) == (None, None, None)
    assert told["given"] == {"__hash__": "a" * 40}
    assert [visit["name"] for visit in told["visits"]] == ["Start", "Do it", "End"]


def test_a_run_that_failed_says_where_and_why():
    order = order_of(simple(), hash="a" * 40)
    told = timeline(order, walked(order, says(FAILED)).replies, BEGAN + 9, "done")
    assert (told["state"], told["sentence"]) == ("failed", "answered with HTTP 500")
    assert told["failed_step"] in order.playbook["workflow"]
    assert told["visits"][-1]["state"] == "failed"


def test_a_run_under_way_with_a_call_runs():
    told = timeline(order_of(simple(), hash="a" * 40), {}, BEGAN + 9, "running")
    assert (told["state"], told["waiting"], told["ended_at"], told["outputs"]) == ("running", None, None, {})
    assert told["visits"][-1]["state"] == "running"


def test_a_run_that_waits_for_a_person_says_whom_it_asks_and_until_when():
    order = order_of(asking(timeout=60_000))
    told = timeline(order, {}, BEGAN + 9, "running")
    assert told["state"] == "waiting"
    assert told["waiting"] == {
        "key": "2:1",
        "step": step("ask"),
        "name": "Ask",
        "kind": "approval",
        "text": "Delete it?",
        "until": BEGAN + 60,
    }
    assert told["visits"][-1]["asked"] == "Delete it?"
    assert (
        timeline(order, walked(order, yes).replies, BEGAN, "done")["visits"][1]["decided_by"] == "approved by m.okafor"
    )


def test_a_run_that_waits_for_a_clock_says_until_when():
    told = timeline(waiting_for_a_clock(), {}, BEGAN + 9, "running")
    assert told["state"] == "waiting"
    assert (told["waiting"]["kind"], told["waiting"]["until"], told["waiting"]["name"]) == ("time", BEGAN + 60, "look")
    assert told["visits"][-1]["state"] == "waiting"


def test_a_run_whose_time_of_waiting_is_over_runs_on():
    told = timeline(waiting_for_a_clock(), {}, BEGAN + 61, "running")
    assert (told["state"], told["waiting"]) == ("running", None)
    assert told["visits"][-1]["calls"] == ["POST /actions/look"]


def test_a_sleep_is_over_where_something_came_after_it():
    order = waiting_for_a_clock()
    found = walked(order, says({"branch": "done"}))
    assert timeline(order, found.replies, BEGAN, "done")["outputs"] == {"__x__": "done"}


def test_a_run_that_waits_for_its_branches_says_so_and_shows_them():
    told = timeline(order_of(both()), {"2.1.1:1": Reply(at=BEGAN + 1, status=200, body={"n": 1})}, BEGAN + 9, "running")
    assert (told["waiting"]["kind"], told["waiting"]["text"]) == ("branches", "2 branches")
    states = {visit["name"]: visit["state"] for visit in told["visits"]}
    assert (states["left"], states["right"], states["All"]) == ("done", "running", "running")


def test_a_person_that_a_branch_waits_for_is_whom_the_run_waits_for():
    ends = [key("end", "x"), key("end", "y")]
    steps = {
        step("both", "parallel"): parallel(step("ask"), step("look"), then=END),
        step("ask"): action(manual("Really?"), then=ends[0], agent=ANALYST, name="Ask"),
        step("look"): calling("look", ends[1]),
        **{name: end() for name in ends},
    }
    told = timeline(order_of(flow(step("both", "parallel"), steps)), {}, BEGAN, "running")
    assert (told["waiting"]["kind"], told["waiting"]["text"], told["waiting"]["name"]) == ("approval", "Really?", "Ask")
    assert told["waiting"]["key"] == "2.1.1:1"


def test_a_person_that_a_called_playbook_waits_for_is_named_by_its_step():
    asks = inner()
    asks["workflow"][step("look inside")] = action(manual("Really?"), then=END, agent=ANALYST, name="Ask inside")
    told = timeline(order_of(outer(), asks, hash="a" * 40), {}, BEGAN, "running")
    assert (told["waiting"]["name"], told["waiting"]["key"]) == ("Ask inside", "2.2:1")
    assert [visit["name"] for visit in told["visits"]] == ["Start", "Other", "Start", "Ask inside"]


@pytest.mark.parametrize("status", ["queued", "cancelled", "interrupted", "failed"])
def test_what_the_engine_knows_stands(status):
    told = timeline(order_of(asking()), {}, BEGAN, status)
    assert told["state"] == status
    assert (told["waiting"] is None) == (status in {"cancelled", "failed"})


def test_a_timeline_is_json():
    order = order_of(both())
    found = walked(order, by_action(left={"n": 1}, right={"n": 2}, after={}))
    told = timeline(order, found.replies, BEGAN, "done")
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_every_beginning_of_what_was_kept_gives_a_beginning_of_what_happened():
    order = waiting_for_a_clock()
    found = walked(order, says({"branch": "pending"}, {"branch": "pending"}, {"branch": "done"}))
    kept = list(found.replies.items())
    names = []
    for count in range(len(kept) + 1):
        visits = [(v["where"], v["name"]) for v in timeline(order, dict(kept[:count]), BEGAN, "running")["visits"]]
        assert visits[: len(names)] == names
        names = visits
    assert names == [(v.where, v.name) for v in found.walker.visits]


def test_a_replay_asks_what_comes_next_and_nothing_that_was_answered():
    order = waiting_for_a_clock()
    first = replay(order, {}, BEGAN + 61).question
    assert isinstance(first, Call)
    second = replay(
        order, {first.key: Reply(at=BEGAN + 62, status=200, body={"branch": "pending"})}, BEGAN + 200
    ).question
    assert isinstance(second, Call)
    assert second.operation_id != first.operation_id


def test_the_same_replay_twice_leaves_what_was_kept_as_it_was():
    order = order_of(both())
    found = walked(order, by_action(left={"n": 1}, right={"n": 2}, after={}))
    before = {name: reply.as_dict() for name, reply in found.replies.items()}
    assert timeline(order, found.replies, BEGAN, "done") == timeline(order, found.replies, BEGAN, "done")
    assert {name: reply.as_dict() for name, reply in found.replies.items()} == before


# --- replies and orders as JSON


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
REPLIES = st.builds(
    Reply,
    at=st.floats(0, 1e10),
    status=st.none() | st.integers(100, 599),
    body=BODIES,
    problem=st.none() | st.text(min_size=1),
    decision=st.sampled_from([None, "approved", "rejected"]),
    by=st.text(),
    note=st.text(),
    branches=st.lists(st.dictionaries(st.text(), BODIES, max_size=2), max_size=2),
)


@given(REPLIES)
def test_a_reply_comes_back_from_json_as_it_was(reply):
    assert read_reply(json.loads(json.dumps(reply.as_dict()))) == reply


@pytest.mark.parametrize("body", ["", [], {}, 0, False, 0.0])
def test_an_empty_body_is_one(body):
    back = read_reply(json.loads(json.dumps(Reply(at=0.0, status=200, body=body).as_dict())))
    assert back.body == body
    assert type(back.body) is type(body)


def test_what_a_reply_does_not_hold_is_left_out():
    assert Reply(at=1.0).as_dict() == {"at": 1.0}


def test_an_order_comes_back_from_json_as_it_was():
    order = order_of(outer(), inner(), hash="a" * 40)
    back = Order.read(json.loads(json.dumps(order.as_dict())))
    assert back == order
    assert back.shelf().keys() == {order.playbook["id"], key("playbook", "inner")}


def test_an_order_without_what_it_needs_is_refused_and_the_place_is_said():
    with pytest.raises(InputRefused) as refused:
        order_of(simple()).walker()
    (violation,) = refused.value.violations
    assert violation.pointer == "/playbook_variables/__hash__"
    assert violation.message.startswith("must be given")


def test_an_order_is_not_given_what_is_no_value():
    made = flow(END, {}, {"__n__": passed("integer")})
    with pytest.raises(InputRefused, match="whole number"):
        order_of(made, n="many").walker()


@pytest.mark.parametrize("run", ["a", "Run-1.2_3", "0" * 64])
def test_a_run_id_is_short_and_plain(run):
    check_run_id(run)


@pytest.mark.parametrize("run", ["", "-a", ".a", "a b", "a/b", "a~b", "ä", "a\n", "0" * 65])
def test_a_run_id_that_could_be_mistaken_is_refused(run):
    with pytest.raises(InputRefused, match="must be 1 to 64 letters"):
        check_run_id(run)
