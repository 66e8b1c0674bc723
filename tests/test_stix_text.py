"""Untrusted values in STIX: what goes into a pattern comes out of it, and URLs become URIs."""

import string
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stix2.pattern_visitor import create_pattern_object
from stix2patterns.v21.pattern import Pattern
from stix2validator import ValidationOptions, validate_instance

from connector.stix_ids import file_id, url_id
from connector.stix_objects import pattern
from connector.stix_text import clean, later, literal, milliseconds, moment, uri
from connector.verdict import Url

STIX = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # of observables, STIX 2.1 section 2.9
NASTY = st.one_of(
    st.text(),
    st.text(alphabet="'\\\"[] =ORand\n\r\t\x00\x7f*/%"),
    st.text(alphabet=string.printable, min_size=1),
)
URLS = st.builds(
    lambda host, rest: f"http://{host}/{rest}", st.sampled_from(["a.example", "[::1]", "ü.example"]), NASTY
)


def spoken(text: str) -> str:
    """What the pattern grammar says a string literal means: a backslash stands before what it stands for."""
    chars = iter(text[1:-1])
    return "".join(next(chars) if char == "\\" else char for char in chars)


@given(NASTY)
def test_a_literal_yields_exactly_its_value(value: str) -> None:
    """The parser of the standard reads one comparison with that value: nothing breaks out of the quotes."""
    text = f"[url:value = {literal(value)}]"
    (comparison,) = Pattern(text).inspect().comparisons["url"]
    assert comparison[:2] == (["value"], "=")
    assert spoken(comparison[2]) == value


@given(URLS)
def test_a_hostile_url_stays_one_url(value: str) -> None:
    """Whatever is in the path, the pattern compares one URL, and it is the one in the url object."""
    proper = uri(value)
    if proper is None:
        return
    text = pattern(Url(value=proper))
    (comparison,) = Pattern(text).inspect().comparisons["url"]
    assert spoken(comparison[2]) == proper
    assert str(create_pattern_object(text, version="2.1")) == text


@given(URLS)
def test_a_url_becomes_a_uri(value: str) -> None:
    """The strict validator takes whatever comes out, and a second pass changes nothing."""
    proper = uri(value)
    if proper is None:
        return
    assert uri(proper) == proper
    options = ValidationOptions(version="2.1", strict=True, strict_properties=True)
    item = {"type": "url", "spec_version": "2.1", "id": url_id(proper), "value": proper}
    result = validate_instance(item, options)
    assert not result.errors, (proper, [str(e) for e in result.errors])
    assert not result.warnings


@pytest.mark.parametrize(
    "value",
    [
        "http://example.com",
        "https://user:pass@example.com:8443/a/b;c=1?q=%20x&y=[1]".replace("[1]", "1"),
        "http://[2001:db8::1]:80/",
        "ftp://example.com/it's",
        "http://198.51.100.23/a?b#c",
    ],
)
def test_a_proper_url_is_left_alone(value: str) -> None:
    """Its id is the id that every other product computes."""
    assert uri(value) == value


@pytest.mark.parametrize(
    ("value", "proper"),
    [
        ("http://a.example/x y", "http://a.example/x%20y"),
        ("http://a.example/100%", "http://a.example/100%25"),
        ("http://a.example/%zz%41", "http://a.example/%25zz%41"),
        ("http://a.example/[x]{y}|\\", "http://a.example/%5Bx%5D%7By%7D%7C%5C"),
        ("http://a.example/?q=ü#a#b", "http://a.example/?q=%C3%BC#a%23b"),
        ("http://bücher.example:81/", "http://xn--bcher-kva.example:81/"),
        ("http://u@v@a.example/", "http://u%40v@a.example/"),
        ("  http://a.example/\n", "http://a.example/"),
        ("no url", None),
        ("", None),
        ("http://[::zz]/", None),
        ("http://[:::]/", None),
        ("//a.example/", None),
    ],
)
def test_what_the_standard_forbids_is_encoded(value: str, proper: str | None) -> None:
    """As a browser would send it; and what cannot be a URL is none."""
    assert uri(value) == proper


@given(st.text(alphabet=st.characters(), max_size=50), st.integers(2, 40))
def test_clean_text_is_one_bounded_line(text: str, most: int) -> None:
    """Any character at all, surrogates too; what is left can be printed and encoded."""
    made = clean(text, most)
    assert len(made) <= most
    assert made.isprintable()
    assert made.encode().decode() == made
    assert clean(made, most) == made


def test_a_turned_name_shows_where_it_was_turned() -> None:
    """The direction mark that makes exe look like jpg is replaced, not hidden."""
    assert clean("invoice\u202egpj.exe\r\n") == "invoice\ufffdgpj.exe"


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("2024-01-08T16:36:03Z", "2024-01-08T16:36:03Z"),
        ("2024-01-08T16:36:03.500Z", "2024-01-08T16:36:03.5Z"),
        ("2024-01-08T16:36:03.049306Z", "2024-01-08T16:36:03.049Z"),
        ("2024-01-08T16:36:03.000Z", "2024-01-08T16:36:03Z"),
        ("2024-01-08T18:36:03+02:00", "2024-01-08T16:36:03Z"),
        ("0001-01-01T00:00:00Z", None),
        ("1969-12-31T23:59:59Z", None),
        ("2024-W01-1T10:00:00Z", None),
        ("soon", None),
        (None, None),
    ],
)
def test_a_moment(value: str | None, made: str | None) -> None:
    """As stix2 writes a timestamp."""
    assert moment(value) == made


def test_milliseconds_and_days() -> None:
    """Always three digits; and no day beyond the calendar."""
    assert milliseconds("2024-01-08T16:36:03Z") == "2024-01-08T16:36:03.000Z"
    assert milliseconds("2024-01-08T16:36:03.5Z") == "2024-01-08T16:36:03.500Z"
    assert later("2024-02-28T00:00:00.5Z", 2) == "2024-03-01T00:00:00.5Z"
    assert later("9999-12-31T00:00:00Z", 30) is None


def test_text_is_cut_to_its_most_with_an_ellipsis():
    assert clean("x" * 10, 10) == "x" * 10
    assert clean("x" * 11, 10) == "x" * 9 + "\u2026"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("http://a.example/%zz", "http://a.example/%25zz"),
        ("http://a.example/%aF", "http://a.example/%aF"),
        ("http://a.example/\ud800", "http://a.example/%ED%A0%80"),
        ("http://A.example/\u00fc", "http://A.example/%C3%BC"),
        ("http://\u00fc.example/", "http://xn--tda.example/"),
        ("http://[::1]/ ", "http://[::1]/"),
        ("http://" + "\u00fc" * 70 + ".example/", "http://" + "%C3%BC" * 70 + ".example/"),
    ],
)
def test_a_url_becomes_the_uri_that_goes_over_the_wire(given, made):
    assert uri(given) == made


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("1969-12-31T23:59:59Z", None),
        ("2024-01-08T16:36:03.120Z", "2024-01-08T16:36:03.12Z"),
        ("2024-01-08T16:36:03.100Z", "2024-01-08T16:36:03.1Z"),
        ("2024-01-08T16:36:03.123456Z", "2024-01-08T16:36:03.123Z"),
        ("2024-W02-1T16:36:03Z", None),
    ],
)
def test_a_time_is_written_as_stix2_writes_it(given, made):
    assert moment(given) == made


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("2024-01-08T16:36:03Z", "2024-01-08T16:36:03.000Z"),
        ("2024-01-08T16:36:03.1Z", "2024-01-08T16:36:03.100Z"),
        ("2024-01-08T16:36:03.12Z", "2024-01-08T16:36:03.120Z"),
    ],
)
def test_created_and_modified_have_three_digits(given, made):
    assert milliseconds(given) == made


def test_the_id_of_a_url_is_over_its_canonical_json():
    content = '{"value":"http://\u00fc.example/"}'

    assert url_id("http://\u00fc.example/") == f"url--{uuid5(STIX, content)}"


def test_a_file_without_a_hash_has_no_id():
    with pytest.raises(ValueError, match="at least one hash"):
        file_id({})
