"""What variables hold as a playbook is walked, and who may give them something."""

import pytest

from connector.playbooks.cacao import Playbook, Variable
from connector.playbooks.scope import Scope
from connector.playbooks.variables import BadValue
from tests.playbooks.making import given, held, simple


def playbook(**variables: dict) -> Playbook:
    named = {f"__{name}__": variable for name, variable in variables.items()}
    made = simple()
    return Playbook.model_validate({**made, "playbook_variables": {**made["playbook_variables"], **named}})


def scope(**variables: dict) -> Scope:
    named = {f"__{name}__": Variable(**variable) for name, variable in variables.items()}
    return Scope(named, {name: variable.value for name, variable in named.items()})


def start(made: Playbook, **passed: str) -> Scope:
    return Scope.start(made, {"__hash__": "a" * 32} | {f"__{name}__": text for name, text in passed.items()})


def test_it_begins_with_what_is_declared_and_what_is_passed():
    made = start(playbook(url=given("uri"), list=given("list"), count=held("3", "integer")), url="urn:x:y", list="a, b")
    assert made.held["__url__"] == "urn:x:y"
    assert made.held["__list__"] == '["a", "b"]'
    assert made.held["__count__"] == "3"


def test_an_external_variable_with_a_value_may_be_left_out():
    made = playbook(limit=given("integer", value="100"))
    assert start(made).held["__limit__"] == "100"
    assert start(made, limit="5").held["__limit__"] == "5"


@pytest.mark.parametrize(
    ("passed", "told"),
    [
        ({}, r"__url__ must be given: Passed in\."),
        ({"url": "no uri"}, "__url__ must be an absolute URI"),
        (
            {"url": "urn:x:y", "other": "1"},
            "__other__ is no variable of this playbook; what can be given: __hash__, __url__",
        ),
        ({"url": "urn:x:y", "count": "1"}, "__count__ is not external"),
        ({"url": "urn:x:y", "api_key": "s3cret"}, "__api_key__ is a credential and is never a variable of a run"),
    ],
)
def test_what_is_passed_must_be_known_external_and_of_its_type(passed, told):
    with pytest.raises(BadValue, match=told) as refused:
        start(playbook(url=given("uri"), count=held("3", "integer")), **passed)
    assert "s3cret" not in str(refused.value)


def test_a_credential_is_no_variable_of_a_run():
    made = start(playbook())
    assert "__api_key__" not in made.held
    assert "__api_key__" not in made.declared
    assert "__api_key__" not in made.values()


def test_a_constant_stays_as_it_is():
    made = scope(a={"type": "string", "value": "1", "constant": True}, b={"type": "string"})
    made.assign({"__a__": "2", "__b__": "2", "__c__": "2"})
    assert made.held == {"__a__": "1", "__b__": "2"}


def test_a_step_s_own_variable_hides_that_of_the_playbook_while_the_step_takes():
    made = scope(a={"type": "integer", "value": "1"}, b={"type": "string"})
    with made.within({"__a__": Variable(type="string", value="inner"), "__own__": Variable(type="string")}):
        assert made.values()["__a__"].kind == "string"
        made.assign({"__a__": "changed", "__b__": "kept", "__own__": "gone"})
        assert made.held == {"__a__": "changed", "__b__": "kept", "__own__": "gone"}
    assert made.held == {"__a__": "1", "__b__": "kept"}
    assert made.declared.keys() == {"__a__", "__b__"}
    assert made.values()["__a__"].kind == "integer"


def test_what_steps_lay_over_each_other_comes_off_again_even_when_one_fails():
    made = scope(a={"type": "string", "value": "1"})
    with made.within({"__a__": Variable(type="string", value="2")}):
        with pytest.raises(ZeroDivisionError), made.within({"__a__": Variable(type="string", value="3")}):
            raise ZeroDivisionError
        assert made.held["__a__"] == "2"
    assert made.held["__a__"] == "1"


def test_values_are_compared_as_their_types_have_them():
    made = scope(
        n={"type": "integer", "value": "7"},
        f={"type": "float", "value": "0.5"},
        t={"type": "bool", "value": "true"},
        l={"type": "list", "value": '["a"]'},
        d={"type": "dictionary", "value": "{}"},
        s={"type": "string", "value": "7"},
        null={"type": "string"},
    )
    assert made.typed(made.declared) == {
        "__n__": 7,
        "__f__": 0.5,
        "__t__": True,
        "__l__": '["a"]',
        "__d__": "{}",
        "__s__": "7",
    }


@pytest.mark.parametrize("kind", ["string", "uri", "hash", "sha256-hash", "uuid", "ipv4-addr"])
def test_an_empty_text_is_empty(kind):
    assert scope(a={"type": kind, "value": ""}).typed(["__a__"]) == {"__a__": ""}


@pytest.mark.parametrize("kind", ["integer", "long", "float", "bool", "list", "dictionary"])
def test_an_empty_text_of_what_is_no_text_is_null(kind):
    assert scope(a={"type": kind, "value": ""}).typed(["__a__"]) == {}


def test_only_the_variables_that_are_asked_for_must_hold_what_they_should():
    made = scope(a={"type": "integer", "value": "x"}, b={"type": "integer", "value": "1"})
    assert made.typed(["__b__"]) == {"__b__": 1}
    with pytest.raises(BadValue, match=r"^__a__ must be a whole number"):
        made.typed(["__a__"])
    with pytest.raises(BadValue, match=r"^__z__ is declared nowhere"):
        made.typed(["__z__"])


def test_texts_are_given_by_name_and_none_where_there_is_none():
    assert scope(a={"type": "string", "value": "x"}).texts(["__a__", "__b__"]) == {"__a__": "x", "__b__": None}
