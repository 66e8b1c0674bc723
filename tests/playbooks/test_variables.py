"""Texts and the values that they are, of every type."""

import json
import math

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from connector.playbooks.cacao import Variable
from connector.playbooks.variables import TYPES, BadValue, given, initial, is_unicode, plain, typed

GOOD = [
    ("string", "", ""),
    ("string", "Ünïcode\r\n", "Ünïcode\r\n"),
    ("integer", "0", 0),
    ("integer", "-7", -7),
    ("long", "9223372036854775807", 9223372036854775807),
    ("float", "0.5", 0.5),
    ("float", "-1e-3", -0.001),
    ("float", "7", 7.0),
    ("bool", "true", True),
    ("bool", "false", False),
    ("dictionary", '{"a": [1]}', {"a": [1]}),
    ("list", '["a", "b"]', ["a", "b"]),
    ("hexstring", "0aF", "0aF"),
    ("hash", "a" * 32, "a" * 32),
    ("hash", "a" * 40, "a" * 40),
    ("hash", "a" * 64, "a" * 64),
    ("hash", "a" * 128, "a" * 128),
    ("md5-hash", "A" * 32, "A" * 32),
    ("sha256-hash", "0" * 64, "0" * 64),
    ("uri", "https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
    ("uri", "urn:x:y", "urn:x:y"),
    ("uuid", "2f1c6a0e-5f0b-4c53-9d35-0a8a3a1f6a11", "2f1c6a0e-5f0b-4c53-9d35-0a8a3a1f6a11"),
    ("ipv4-addr", "192.0.2.1", "192.0.2.1"),
    ("ipv4-addr", "192.0.2.0/24", "192.0.2.0/24"),
    ("ipv6-addr", "2001:db8::1", "2001:db8::1"),
    ("mac-addr", "00:1b:44:11:3a:b7", "00:1b:44:11:3a:b7"),
]
BAD = [
    *(("integer", text) for text in ("", " 1", "1 ", "+1", "007", "1.0", "1e3", "٣", "one", "9" * 21, "1\n")),
    ("long", "1.0"),
    *(("float", text) for text in ("", ".5", "1.", "1e999", "NaN", "Infinity", "inf", "1e", "0x1")),
    *(("bool", text) for text in ("", "True", "1", "yes", "true ")),
    *(("dictionary", text) for text in ("", "[]", "null", "1", "{", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000)),
    *(("list", text) for text in ("", "{}", "null", '"a"', "[Infinity]", "[-Infinity]", "[1e999]", "[1,]")),
    *(("hexstring", text) for text in ("", "xyz", "0x1", "a b")),
    *(("hash", text) for text in ("", "a" * 33, "g" * 32, "a" * 31)),
    *(("md5-hash", text) for text in ("a" * 40, "")),
    *(("sha256-hash", text) for text in ("a" * 63, "a" * 40)),
    *(("uri", text) for text in ("", "example.com", "https://a b", "://x", "https://a\nb", "1a:b")),
    *(("uuid", text) for text in ("", "2f1c6a0e", "{2f1c6a0e-5f0b-4c53-9d35-0a8a3a1f6a11}", "2" * 32)),
    *(("ipv4-addr", text) for text in ("", "1.2.3", "256.0.0.1", "::1", "example.com")),
    *(("ipv6-addr", text) for text in ("", "1.2.3.4", "2001:db8::1::2")),
    *(("mac-addr", text) for text in ("", "00:1b:44:11:3a", "00-1b-44-11-3a-b7")),
    ("string", "half \ud800 of a pair"),
]


@pytest.mark.parametrize(("kind", "text", "value"), GOOD)
def test_a_text_of_its_type_is_this_value(kind, text, value):
    made = typed(kind, text)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(("kind", "text"), BAD)
def test_a_text_that_is_no_value_of_its_type_is_refused_with_what_would_be_one(kind, text):
    with pytest.raises(BadValue, match=r"^must be "):
        typed(kind, text)


def test_every_type_is_tried_both_ways():
    assert {kind for kind, *_ in GOOD} == set(TYPES)
    assert {kind for kind, _ in BAD} == set(TYPES)


def test_a_type_that_is_not_known_is_refused_and_those_that_are_known_are_said():
    with pytest.raises(BadValue, match=r"is of type email, which is not known here; known are string, integer"):
        typed("email", "a@b")


@drawn(st.sampled_from(sorted(TYPES)), st.text())
def test_any_text_is_a_value_or_refused_and_a_value_is_never_infinite(kind, text):
    try:
        made = typed(kind, text)
    except BadValue:
        return
    assert not isinstance(made, float) or math.isfinite(made)
    json.dumps(made, allow_nan=False)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@drawn(st.lists(JSON_VALUES, max_size=5))
def test_a_list_of_an_answer_comes_back_as_the_same_list(value):
    assert typed("list", plain("list", value)) == value


@drawn(st.dictionaries(st.text(), JSON_VALUES, max_size=5))
def test_an_object_of_an_answer_comes_back_as_the_same_object(value):
    assert typed("dictionary", plain("dictionary", value)) == value


@drawn(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text())
def test_numbers_truths_and_texts_of_an_answer_come_back_as_they_were(whole, number, truth, text):
    assert typed("integer", plain("integer", whole)) == whole
    assert typed("float", plain("float", number)) == number
    assert typed("bool", plain("bool", truth)) is truth
    assert plain("string", text) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [("integer", "x"), ("integer", 1.5), ("integer", True), ("bool", 1), ("list", {}), ("dictionary", []), ("hash", 5)],
)
def test_a_value_of_an_answer_that_is_of_another_type_is_refused_without_being_told(kind, value):
    with pytest.raises(BadValue, match=r"^must be ") as refused:
        plain(kind, value)
    assert "x" not in str(refused.value).removeprefix("must be").replace("hexadecimal", "")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("inf")], {"a": float("nan")}])
def test_what_json_does_not_have_is_no_list_and_no_object(value):
    for kind in ("list", "dictionary", "float"):
        with pytest.raises(BadValue):
            plain(kind, value)


def test_null_is_no_value_of_an_answer():
    with pytest.raises(BadValue, match="is null in the answer"):
        plain("string", None)


@pytest.mark.parametrize(
    ("text", "made"),
    [("a,b", ["a", "b"]), (" a , b ,, ", ["a", "b"]), ("", []), ('["a,b"]', ["a,b"]), ('  ["a"]', ["a"]), ('"', ['"'])],
)
def test_a_person_may_write_a_list_with_commas(text, made):
    assert json.loads(given("list", text)) == made


def test_a_person_may_write_true_and_false_in_any_case():
    assert (given("bool", "TRUE"), given("bool", "False")) == ("true", "false")
    with pytest.raises(BadValue):
        given("bool", "yes")


def test_what_a_person_gives_is_of_its_type():
    with pytest.raises(BadValue, match="must be JSON"):
        given("list", "[a")
    with pytest.raises(BadValue, match="whole number"):
        given("integer", "many")


def test_variables_begin_as_they_are_declared():
    declared = {"__a__": Variable(type="string", value="x"), "__b__": Variable(type="integer")}
    assert initial(declared) == {"__a__": "x", "__b__": None}


@pytest.mark.parametrize(("text", "is_one"), [("", True), ("a\x00", True), ("😀", True), ("\udc80", False)])
def test_half_of_a_surrogate_pair_is_no_unicode(text, is_one):
    assert is_unicode(text) is is_one
