"""Sentinel gets one indicator for each threat, in bodies that its upload API documents, and its refusals are read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.enrichment.formats.sentinel import MOST_OBJECTS, bodies, indicators, refused
from connector.enrichment.values import Finding
from connector.errors import ConfigError
from connector.stix_terms import TLP1
from tests.enrichment.made import FINDINGS, compare, finding, findings, found

FORM = indicators("SOC")
# The tables "Common properties" and "Indicator" of the upload API's page; the first ones are required.
REQUIRED = {"id", "type", "created", "modified", "pattern", "pattern_type", "valid_from"}
DOCUMENTED = REQUIRED | {
    *("spec_version", "created_by_ref", "revoked", "labels", "confidence", "lang", "object_marking_refs"),
    *("external_references", "granular_markings", "name", "description", "indicator_types", "pattern_version"),
    *("valid_until", "kill_chain_phases", "extensions"),  # extensions: in the page's own sample
}
LINES = [line for of in FINDINGS.values() if (line := FORM.render(found(of), of))]


def test_only_threats_are_indicators() -> None:
    told = {name for name, of in FINDINGS.items() if FORM.render(found(of), of)}
    assert told == {name for name, of in FINDINGS.items() if of.known in {"malicious", "suspicious"}}
    assert FORM.render(found(finding(None, "0" * 64)), finding(None, "0" * 64)) == b""


@given(findings())
def test_every_property_is_documented_and_none_that_is_required_is_missing(of: Finding) -> None:
    line = FORM.render(found(of), of)
    if line:
        made = json.loads(line)
        assert made["type"] == "indicator"
        assert set(made) >= REQUIRED
        assert set(made) <= DOCUMENTED
        assert set(made["object_marking_refs"]) <= set(TLP1.values())


def test_golden() -> None:
    compare("sentinel.ndjson", [body for body, _ in FORM.pack(LINES)])


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_a_body_holds_at_most_100_objects_and_none_is_lost(count: int) -> None:
    lines = [b'{"n":%d}' % n for n in range(count)]
    packed = FORM.pack(lines)
    told: list[Any] = []
    for body, size in packed:
        read = json.loads(body)
        assert set(read) == {"sourcesystem", "stixobjects"}
        assert read["sourcesystem"] == "SOC"
        assert 1 <= len(read["stixobjects"]) == size <= MOST_OBJECTS
        told += [o["n"] for o in read["stixobjects"]]
    assert told == list(range(count))
    assert [body for body, _ in packed] == list(bodies(lines, "SOC"))


def test_the_documented_refusal_is_read() -> None:
    """The sample of the page: the fourth of four objects has no id."""
    why = "Error for Property=id: Required property is missing. Actual value: NULL."
    answer = json.dumps({"errors": [{"recordIndex": 3, "errorMessages": [why]}]}).encode()
    assert refused(200, answer) == [(3, why)]
    assert FORM.refused(200, answer) == [(3, why)]


def test_an_empty_answer_refuses_nothing() -> None:
    assert refused(200, b"") == refused(200, b"{}") == refused(200, b'{"errors":[]}') == []


def test_what_an_answer_says_cannot_steer_a_terminal_or_grow_without_end() -> None:
    answer = json.dumps({"errors": [{"recordIndex": 0, "errorMessages": ["\x1b[2J\n" + "a" * 9999]}]}).encode()
    ((_, why),) = refused(200, answer)
    assert why.isprintable()
    assert len(why) == 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=5),
    lambda some: (
        st.lists(some, max_size=3)
        | st.dictionaries(st.sampled_from(["errors", "recordIndex", "errorMessages"]), some, max_size=3)
    ),
    max_leaves=9,
)


@given(st.integers(100, 599), JSON | st.binary(max_size=20))
def test_any_answer_is_read(status: int, answer: Any) -> None:
    told = refused(status, answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    assert len({index for index, _ in told}) == len(told)
    assert all(index >= 0 and why for index, why in told)


@pytest.mark.parametrize("source", ["", "  ", "Microsoft Sentinel", "microsoft sentinel "])
def test_a_source_that_the_api_keeps_for_itself_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="source"):
        indicators(source)
