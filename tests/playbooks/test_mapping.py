"""Answers into variables, by JSONPath."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.playbooks.cacao import Variable
from connector.playbooks.extension import Taken
from connector.playbooks.mapping import BadPath, NotThere, read_path, take
from connector.playbooks.variables import TYPES

BODY = {
    "branch": "malicious",
    "stix": None,
    "none": [],
    "result": {"count": 3, "entries": [{"hash": "a", "bad": True}, {"hash": "b", "bad": False}]},
}


def taken(path: str, kind: str = "string", body=BODY, default: str | None = None) -> str:
    return take(body, {"__x__": Taken(path=path, default=default)}, {"__x__": Variable(type=kind)})["__x__"]


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        ("$.branch", "string", "malicious"),
        ("$['branch']", "string", "malicious"),
        ("$.result.count", "integer", "3"),
        ("$.result.count", "string", "3"),
        ("$.result.entries[0].bad", "bool", "true"),
        ("$.result.entries[-1].hash", "string", "b"),
        ("$.result.entries[*].hash", "list", '["a","b"]'),
        ("$.result.entries[?@.bad == true].hash", "list", '["a"]'),
        ("$.result.entries[?@.hash == 'z'].hash", "list", "[]"),
        ("$..hash", "list", '["a","b"]'),
        ("$.nothing[*]", "list", "[]"),
        ("$.none", "list", "[]"),
        ("$.result.entries[0]", "dictionary", '{"hash":"a","bad":true}'),
    ],
)
def test_a_path_takes_this(path, kind, text):
    assert taken(path, kind) == text


@pytest.mark.parametrize("path", ["$.nothing", "$.stix", "$.result.entries[9].hash", "$.branch.more", "$.none[0]"])
def test_where_the_path_finds_nothing_or_null_the_step_fails_and_says_which_variable(path):
    with pytest.raises(NotThere, match=r"the answer has nothing at \$.*, which __x__ should get"):
        taken(path)
    assert taken(path, default="-") == "-"
    assert taken(path, default="") == ""


def test_a_path_for_many_takes_its_default_where_there_are_none():
    assert taken("$.result.entries[?@.hash == 'z'].hash", "list", default='["x"]') == '["x"]'


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("$.branch", "integer"),
        ("$.branch", "list"),
        ("$.result", "list"),
        ("$.result.count", "bool"),
        ("$..hash", "integer"),
    ],
)
def test_what_is_not_of_the_variable_s_type_fails_the_step_and_is_not_told(path, kind):
    with pytest.raises(NotThere, match="is not for __x__: it must be") as failed:
        taken(path, kind, default=None)
    assert "malicious" not in str(failed.value)


@pytest.mark.parametrize("body", ["", "a note", '{"branch": "x"}', "[1]", "5"])
def test_an_answer_of_text_is_itself_at_the_root_and_nothing_below(body):
    assert taken("$", body=body) == body
    with pytest.raises(NotThere):
        taken("$.branch", body=body)
    with pytest.raises(NotThere):
        taken("$[0]", body=body)


@pytest.mark.parametrize("body", [None, 5, True, [], {}])
def test_an_answer_that_is_no_object_has_nothing_below_its_root(body):
    assert taken("$.branch", body=body, default="-") == "-"
    assert taken("$[0]", body=body, default="-") == "-"


@pytest.mark.parametrize(
    "path", ["$.", "$[", "$[?@.a ==]", "$.a | $.b", "$[?nofunction(@)]", "a", "$.a b", "$[?@.a = 1]"]
)
def test_what_is_no_path_is_refused_in_one_line(path):
    with pytest.raises(BadPath, match="must be a JSONPath of RFC 9535: ") as refused:
        read_path(path)
    assert "\n" not in str(refused.value)


def test_a_bad_path_fails_the_step_where_nobody_looked_before():
    with pytest.raises(NotThere, match="what __x__ is taken by must be a JSONPath"):
        take({}, {"__x__": Taken(path="$.")}, {"__x__": Variable(type="string")})


def test_a_variable_that_is_declared_nowhere_fails_the_step():
    with pytest.raises(NotThere, match="__x__ is declared nowhere"):
        take({}, {"__x__": Taken(path="$")}, {})


def test_an_answer_that_is_nested_too_deeply_to_be_searched_fails_the_step():
    body: dict = {}
    for _ in range(2000):
        body = {"a": body}
    with pytest.raises(NotThere, match="cannot be looked for in this answer"):
        taken("$..hash", "list", body=body)


def test_half_of_a_surrogate_pair_is_for_no_variable():
    with pytest.raises(NotThere, match="is not for __x__"):
        taken("$.a", body={"a": "\ud800"})
    with pytest.raises(NotThere, match="is not for __x__"):
        taken("$.a", "list", body={"a": ["\ud800"]})


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(
    BODIES,
    st.sampled_from(["$", "$.a", "$[0]", "$[*]", "$..a", "$[?@.a]", "$.a.b", "$[?length(@) > 1]"]),
    st.sampled_from(sorted(TYPES)),
)
def test_any_answer_gives_a_text_of_the_type_or_says_why_not(body, path, kind):
    try:
        text = taken(path, kind, body)
    except NotThere as failed:
        told = str(failed)
    else:
        told = f"__x__ {text}"
        if kind in {"list", "dictionary"}:
            json.loads(text)
    assert "__x__" in told
