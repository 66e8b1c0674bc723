"""JSON is read and written alike with and without the fast library."""

import datetime
import importlib
import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment import codec
from connector.enrichment.extraction import make_reader

BOTH = pytest.mark.parametrize("dumps", [codec.dumps, codec.plain_dumps])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(values)
def test_what_is_written_is_compact_utf8_and_reads_back(value: Any) -> None:
    for text in (codec.dumps(value), codec.plain_dumps(value)):
        assert codec.loads(text) == codec.plain_loads(text) == json.loads(text) == value
    if not isinstance(value, float):
        assert b": " not in codec.dumps({"a": None})


@BOTH
def test_what_json_has_no_word_for_is_written_or_refused_alike(dumps: Any) -> None:
    assert dumps({"n": float("nan"), "l": [float("inf"), 1.5, (2,)]}) == b'{"n":null,"l":[null,1.5,[2]]}'
    assert dumps("half \ud800 \u00e9") == '"half ? \u00e9"'.encode()
    assert dumps({"big": 2**70, 1: None}) == b'{"big":1180591620717411303424,"1":null}'
    for value in (datetime.date(2026, 1, 1), {1, 2}, object()):
        with pytest.raises(TypeError):
            dumps(value)
    within: list[Any] = []
    within.append(within)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for value in (within, deep):
        with pytest.raises(codec.TooDeep):
            dumps(value)


@pytest.mark.parametrize("loads", [codec.loads, codec.plain_loads])
def test_what_is_no_json_in_utf8_is_a_value_error(loads: Any) -> None:
    for text in (
        b"",
        b"{",
        b"NaN",
        b"-Infinity",
        b"[1,]",
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"{'a':1}",
        b"01",
    ):
        with pytest.raises(ValueError):  # noqa: PT011  # of whatever kind
            loads(text)


def test_without_the_fast_library_the_standard_one_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "orjson", None)
    monkeypatch.delitem(sys.modules, "connector.enrichment.codec")
    plain = importlib.import_module("connector.enrichment.codec")
    monkeypatch.setattr("connector.enrichment.codec", plain, raising=False)
    assert (plain.FAST, plain.loads) == (False, plain.plain_loads)
    monkeypatch.setattr("connector.enrichment.extraction.json_events.loads", plain.loads)
    raws = [
        b'{"file":{"hash":{"md5":"' + b"a1" * 16 + b'"}}}',
        b"{",
        b"7",
        b'"\xff"',
        b"[" * 100_000,
        b"\xef\xbb\xbf{}",
    ]
    slow = [make_reader().read(raw) for raw in raws]
    monkeypatch.undo()
    assert slow == [make_reader().read(raw) for raw in raws]
