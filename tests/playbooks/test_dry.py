"""What a run would do, told without doing it."""

import json
from pathlib import Path

import pytest

from connector.errors import InputRefused
from connector.playbooks.dry import SERVER, planned
from tests.laboratory import ROOT
from tests.playbooks.making import (
    ANALYST,
    END,
    action,
    call,
    changed,
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
from tests.playbooks.walking import calling, flow, one, order_of, step

OTHER = key("http-api", "tickets")
SHIPPED = sorted((ROOT / "playbooks").glob("*.json"))
GIVEN = {
    "file": "/tmp/invoice.exe",
    "url": "https://example.com/",
    "hashes": "a" * 40,
    "query": 'classification:malicious "x"',
}


def ends(count: int) -> list[str]:
    return [key("end", str(number)) for number in range(count)]


def test_what_is_given_and_what_is_fixed_is_filled_in_and_what_is_not_known_stays_a_name():
    made = flow(
        step("look"),
        {
            step("look"): action(
                http(
                    "POST /a/__x__:value/__y__:value?q=__x__:value&r=__y__:value",
                    '{"x": "__x__:value", "y": "__y__:value", "n": __n__:value, "l": __l__:value}',
                ),
                then=END,
                takes={"__y__": "$.y"},
            )
        },
        {"__x__": given(), "__y__": held(""), "__n__": held("100", "integer"), "__l__": held(None, "list")},
    )
    (told,) = planned(order_of(made, x="a/b"))
    assert told.text == "POST /a/a%2Fb/__y__:value?q=a%2Fb&r=__y__:value"
    assert json.loads(told.body) == {"x": "a/b", "y": "__y__:value", "n": 100, "l": "__l__:value"}
    assert (told.to, told.kind, told.under, told.name) == (SERVER, "http-api", (), "Do it")


def test_what_was_given_but_is_assigned_on_the_way_is_not_known():
    made = one(body='{"x": "__x__:value"}', variables={"__x__": given()}, takes={"__x__": "$.x"})
    assert json.loads(planned(order_of(made, x="now"))[0].body) == {"x": "__x__:value"}


def test_a_step_s_own_variables_stand_for_those_of_the_same_name():
    made = one(body='{"x": "__x__:value"}', variables={"__x__": given()}, step_variables={"__x__": held("own")})
    assert json.loads(planned(order_of(made, x="outer"))[0].body) == {"x": "own"}


def test_every_command_is_told_with_the_conditions_on_the_way_to_it():
    end_ids = ends(8)
    steps = {
        step("if", "if-condition"): if_("__x__:value = 'a'", step("yes"), step("w", "while-condition"), step("no")),
        step("yes"): calling("yes", end_ids[0]),
        step("no"): calling("no", end_ids[1]),
        step("w", "while-condition"): while_("__x__:value = 'b'", step("round"), step("s", "switch-condition")),
        step("round"): calling("round", end_ids[2], delay=60_000),
        step("s", "switch-condition"): switch(
            "__x__", {"c": step("case"), "default": step("rest")}, step("p", "parallel")
        ),
        step("case"): calling("case", end_ids[3]),
        step("rest"): calling("rest", end_ids[4]),
        step("p", "parallel"): parallel(step("left"), step("right"), then=step("last")),
        step("left"): calling("left", end_ids[5]),
        step("right"): calling("right", end_ids[6]),
        step("last"): calling("last", END, on_completion=None, on_success=END, on_failure=step("mend")),
        step("mend"): calling("mend", end_ids[7]),
        step("tell"): calling("tell", key("end", "told")),
        key("end", "told"): end(),
        **{name: end() for name in end_ids},
    }
    made = flow(step("if", "if-condition"), steps, {"__x__": given()}, workflow_exception=step("tell"))
    told = planned(order_of(made, x="a"))
    assert {one.name: one.under for one in told} == {
        "yes": ("__x__:value = 'a'",),
        "no": ("not (__x__:value = 'a')",),
        "round": ("while __x__:value = 'b'",),
        "case": ("__x__:value is c",),
        "rest": ("__x__:value is default",),
        "left": (),
        "right": (),
        "last": (),
        "mend": ("last fails",),
        "tell": ("the run fails",),
    }
    assert [one.delay_seconds for one in told if one.name == "round"] == [60.0]
    assert [one.name for one in told][:3] == ["yes", "no", "round"]


def test_a_question_to_a_person_is_told_as_it_would_be_asked():
    made = flow(
        step("ask"),
        {step("ask"): action(manual("Delete __x__:value and __y__:value?"), then=END, agent=ANALYST)},
        {"__x__": given(), "__y__": held(None)},
    )
    (told,) = planned(order_of(made, x="it"))
    assert (told.kind, told.text, told.to) == ("manual", "Delete it and __y__:value?", "")


def test_a_question_in_bad_base64_is_told_as_nothing():
    made = flow(step("ask"), {step("ask"): action({"type": "manual", "command_b64": "*"}, then=END, agent=ANALYST)})
    assert [told.text for told in planned(order_of(made))] == [""]


def test_another_playbook_is_told_by_its_id():
    made = flow(
        step("c", "playbook-action"), {step("c", "playbook-action"): playbook_action(key("playbook", "x"), END)}
    )
    assert [(one.kind, one.text) for one in planned(order_of(made))] == [("playbook", key("playbook", "x"))]


@pytest.mark.parametrize(
    ("address", "to"),
    [("https://tickets.example.com/api/", "https://tickets.example.com/api"), ("https://__host__:value/", "Tickets")],
)
def test_another_target_is_told_by_its_address_or_by_its_name_where_that_is_not_known(address, to):
    made = one(targets=[OTHER], variables={"__host__": held(None)})
    made["target_definitions"][OTHER] = {"type": "http-api", "name": "Tickets", "address": {"url": [address]}}
    assert planned(order_of(made))[0].to == to


def test_a_command_that_cannot_be_filled_in_is_told_as_it_is_written():
    made = changed(
        one(body='{"n": __n__:value}', variables={"__n__": given("integer", value="x")}),
        "playbook_variables",
        "__n__",
        "external",
        to=False,
    )
    (told,) = planned(order_of(made))
    assert (told.text, told.body) == ("POST /actions/look HTTP/1.1", '{"n": __n__:value}')


def test_what_is_needed_must_be_given_for_a_dry_run_too():
    with pytest.raises(InputRefused, match="must be given"):
        planned(order_of(simple()))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_command_of_a_shipped_playbook_is_told(path: Path):
    made = json.loads(path.read_text("utf-8"))
    named = {
        name.strip("_"): GIVEN[name.strip("_")]
        for name, one in made["playbook_variables"].items()
        if one.get("external") and name != "__api_key__"
    }
    told = planned(order_of(made, **named))
    commands = [(name, command) for name, one in made["workflow"].items() for command in one.get("commands", [])]
    assert len(told) == len(commands)
    assert {one.step for one in told} == {name for name, _ in commands}
    for line in told:
        assert line.as_dict().keys() == {"step", "name", "under", "kind", "text", "to", "body", "delay_seconds"}
        assert line.to == (SERVER if line.kind == "http-api" else "")
        assert line.kind == "manual" or json.loads(line.body)


def test_nothing_is_told_twice_where_ways_come_together():
    made = flow(
        step("a"),
        {
            step("a"): action(
                call("a", "{}"), then=None, on_completion=None, on_success=step("b"), on_failure=step("b")
            ),
            step("b"): calling("b", END),
        },
    )
    assert [one.name for one in planned(order_of(made))] == ["Do it", "b"]
