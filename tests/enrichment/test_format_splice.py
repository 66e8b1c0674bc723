"""Splicing adds to a JSON object and leaves every other byte of it alone."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment.formats.splice import SPARE, add, append
from tests.enrichment.made import json_objects

PATHS = st.sampled_from([("threat", "enrichments"), ("enrichments",), ("a", "b", "c")])


def pairs(raw: bytes):
    """A JSON text with its order, its doubled names, and its numbers as they are written."""
    return json.loads(raw, object_pairs_hook=lambda some: ("object", some), parse_int=str, parse_float=str)


def reached(event, path):
    """What readers find at a path: nested, or under one dotted name."""
    if ".".join(path) in event:
        return event[".".join(path)]
    for name in path:
        event = event[-1][name] if isinstance(event, list) else event[name]
    return event


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        (b"{}", b'{"threat":{"enrichments":[1]}}'),
        (b" { } \r\n", b' { "threat":{"enrichments":[1]}}'),
        (b'{"a": 1.0 }', b'{"a": 1.0 ,"threat":{"enrichments":[1]}}'),
        (b'{"threat":null,"z":0}', b'{"threat":{"enrichments":[1]},"z":0}'),
        (b'{"threat":{},"z":0}', b'{"threat":{"enrichments":[1]},"z":0}'),
        (b'{"threat": {"x":{}} ,"z":0}', b'{"threat": {"x":{},"enrichments":[1]} ,"z":0}'),
        (b'{"threat":{"enrichments":[]}}', b'{"threat":{"enrichments":[1]}}'),
        (b'{"threat":{"enrichments":[ {"k":"]}"} ],"y":2}}', b'{"threat":{"enrichments":[ {"k":"]}"} ,1],"y":2}}'),
        (b'{"threat":{"enrichments":{"k":1}}}', b'{"threat":{"enrichments":[{"k":1},1]}}'),
        (b'{"threat":{"enrichments":null}}', b'{"threat":{"enrichments":[1]}}'),
        (b'{"threat":[{"y":1}]}', b'{"threat":[{"y":1},{"enrichments":[1]}]}'),
        (b'{"threat.enrichments":[0]}', b'{"threat.enrichments":[0,1]}'),
        (b'{"threat.feed.name":"x"}', b'{"threat.feed.name":"x","threat":{"enrichments":[1]}}'),
        (b'{"\\u0074hreat":{"a":1}}', b'{"\\u0074hreat":{"a":1,"enrichments":[1]}}'),
        (b'{"threat":1,"threat":{}}', b'{"threat":1,"threat":{"enrichments":[1]}}'),
        (b'{"x":"\\\\","threat":{}}', b'{"x":"\\\\","threat":{"enrichments":[1]}}'),
        (
            b'{"x":{"threat":7},"y":"threat","threat":{}}',
            b'{"x":{"threat":7},"y":"threat","threat":{"enrichments":[1]}}',
        ),
    ],
)
def test_what_is_added_goes_to_its_place_and_nothing_else_moves(raw, made):
    assert append(raw, json.loads(raw), ("threat", "enrichments"), b"1") == made


@pytest.mark.parametrize("value", [b'"T1059"', b"7", b"true", b'{"enrichments":"none"}', b'{"enrichments":0.10}'])
def test_what_stands_in_the_way_is_kept_and_a_spare_member_is_used(value):
    raw = b'{"threat":' + value + b',"big":123456789012345678901234567890}'
    made = append(raw, json.loads(raw), ("threat", "enrichments"), b"1")
    assert made == raw[:-1] + b',"' + SPARE.encode() + b'":[1]}'


def test_a_spare_member_that_is_taken_is_passed_over():
    raw = b'{"threat":1,"%b":"mine"}' % SPARE.encode()
    assert json.loads(append(raw, json.loads(raw), ("threat", "enrichments"), b"1"))[SPARE + "_"] == [1]


@given(json_objects(), PATHS, st.integers(0, 2), st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_members_of_any_object_keep_their_order_and_their_text(event, path, indent, ascii_only):
    raw = json.dumps(event, indent=indent or None, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    event = json.loads(raw)
    made = append(raw, event, path, b'{"new":1},2')
    read = json.loads(made)
    assert (read[SPARE] if SPARE in read else reached(read, path))[-2:] == [{"new": 1}, 2]
    if path[0] not in event and ".".join(path) not in event:
        assert pairs(made)[1][: len(event)] == pairs(raw)[1]


@given(json_objects(), json_objects(), PATHS, st.sampled_from(["nested", "dotted", "first"]))
@settings(max_examples=200, deadline=None)
def test_an_object_that_has_the_place_already_keeps_what_is_there(event, inner, path, how):
    place = [1, {"old": 2}]
    before = dict(event)
    if how == "dotted":
        event[".".join(path)] = place
    else:
        value = {**inner, path[-1]: place} if len(path) > 1 else place
        for name in reversed(path[1:-1]):
            value = {name: value}
        event[path[0]] = value
        event.pop(".".join(path), None) if len(path) > 1 else None
    raw = json.dumps(event).encode()
    made = json.loads(append(raw, event, path, b"3"))
    assert reached(made, path) == [1, {"old": 2}, 3]
    assert list(made) == list(event)
    assert {name: made[name] for name in before if name not in (path[0], ".".join(path))} == {
        name: before[name] for name in before if name not in (path[0], ".".join(path))
    }


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["threat", "a", "enrichments"]),
            st.sampled_from(
                ["1", '"x"', "{}", "[]", "null", '{"enrichments":[]}', '{"enrichments":{}}', '{"a":1,"a":2}']
            ),
        ),
        max_size=5,
    )
)
@settings(max_examples=200, deadline=None)
def test_doubled_names_are_kept_and_the_text_stays_json(members):
    raw = ("{" + ",".join(f'"{name}": {value}' for name, value in members) + "}").encode()
    event = json.loads(raw)
    made = append(raw, event, ("threat", "enrichments"), b'{"new":1}')
    assert b'{"new":1}' in made
    json.loads(made)
    doubled = [name for name, _ in pairs(made)[1]]
    assert doubled[: len(members)] == [name for name, _ in members]


def test_numbers_that_no_parser_keeps_are_kept():
    raw = b'{"id":123456789012345678901234567890,"f":1.0,"e":1E400,"z":-0,"threat":{"n":1.10}}'
    made = append(raw, {"id": 1, "f": 1, "e": 1, "z": 0, "threat": {}}, ("threat", "enrichments"), b"1")
    assert made == raw[:-2] + b',"enrichments":[1]}}'


def test_deep_nesting_and_long_texts_are_passed_over_without_recursion():
    deep = b"[" * 5000 + b"]" * 5000
    long = b'"' + b'\\"[{' * 50_000 + b'"'
    raw = b'{"d":' + deep + b',"l":' + long + b',"threat":{}}'
    assert (
        append(raw, {"d": 0, "l": 0, "threat": {}}, ("threat", "enrichments"), b"1")
        == raw[:-2] + b'"enrichments":[1]}}'
    )


def test_members_are_added_behind_those_that_are_there():
    assert add(b'{"a":1}\r', {"a": 1}, b'"b":2,"c":3') == b'{"a":1,"b":2,"c":3}'
    assert add(b"{}", {}, b'"b":2') == b'{"b":2}'
