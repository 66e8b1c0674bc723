"""Values in commands: whatever a value is, the server sees it where it stands, and nothing else changes."""

import json
import re
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.playbooks.cacao import HttpCommand, ManualCommand
from connector.playbooks.filling import (
    BadCommand,
    Value,
    fill,
    fill_json,
    fill_target,
    fill_text,
    manual_text,
    media_type,
    references,
    start_line,
)
from connector.playbooks.variables import BadValue

TEXTS = st.text() | st.text(st.sampled_from("/\\?&=#%+\"'<>{}[]: \r\n\t\x00._-éß€😀\u2028"), max_size=12)
HOSTILE = ["/", "../../x", "a/b", "?a=b", "#f", "%2e%2e", "%2F", "a\r\nX: y", '", "admin": true, "x": "', "\\", "😀"]


def held(**texts: str | None) -> dict[str, Value]:
    """Variables of type string."""
    return {f"__{name}__": Value("string", text) for name, text in texts.items()}


def of(kind: str, text: str | None) -> dict[str, Value]:
    return {"__x__": Value(kind, text)}


def command(line: str = "POST /a HTTP/1.1", content: str | None = None, **headers: str) -> HttpCommand:
    named = {name.replace("_", "-"): [value] for name, value in headers.items()}
    return HttpCommand(type="http-api", command=line, content=content, headers=named)


# --- paths and queries


@given(TEXTS)
@example("...")
@example("%2e%2e")
@example("%2E")
def test_in_a_path_the_server_sees_exactly_this_one_segment(text):
    values = held(x=text)
    if text in {"", ".", ".."}:
        with pytest.raises(BadValue, match="__x__ stands in a path"):
            fill_target("/samples/__x__:value/tags", values)
        return
    target = fill_target("/samples/__x__:value/tags", values)
    assert re.fullmatch(r"[!-~]+", target)
    read = urlsplit(target)
    assert (read.scheme, read.netloc, read.query, read.fragment) == ("", "", "", "")
    assert [unquote(part, errors="strict") for part in read.path.split("/")] == ["", "samples", text, "tags"]


@given(TEXTS, TEXTS)
def test_in_a_query_the_server_sees_exactly_this_value(first, second):
    target = fill_target("/search?q=__a__:value&limit=5&r=__b__:value", held(a=first, b=second))
    assert re.fullmatch(r"[!-~]+", target)
    read = urlsplit(target)
    assert (read.path, read.fragment) == ("/search", "")
    assert parse_qs(read.query, keep_blank_values=True, errors="strict") == {
        "q": [first],
        "limit": ["5"],
        "r": [second],
    }


@pytest.mark.parametrize("text", [".", "..", ""])
@pytest.mark.parametrize("path", ["/a/__x__:value", "/__x__:value/a", "/a/__x__:value/b", "/a/__x__:value?q=1"])
def test_a_value_never_leads_out_of_its_place_in_a_path(path, text):
    with pytest.raises(BadValue, match="__x__ stands in a path and must not be empty, a dot or two dots"):
        fill_target(path, held(x=text))


@pytest.mark.parametrize(("part", "text"), [(".__x__:value", "."), ("%2e__x__:value", "."), ("%2E__x__:value", ".")])
def test_dots_do_not_come_together_with_those_that_stand_there(part, text):
    with pytest.raises(BadValue, match="__x__"):
        fill_target(f"/a/{part}/b", held(x=text))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_written_into_a_value_as_a_reference_stays_text(text):
    made = fill_target("/a/__x__:value", held(x=f"__y__:value{text}", y="secret"))
    assert unquote(made) == f"/a/__y__:value{text}"
    assert json.loads(fill_json('"__x__:value"', held(x=f"__y__:value{text}", y="secret"))) == f"__y__:value{text}"


# --- JSON


@given(TEXTS, TEXTS)
def test_in_a_json_text_the_server_reads_exactly_this_text(first, second):
    made = fill_json(
        '{"a": "__a__:value", "b": ["<__b__:value>", "__a__:value__b__:value"], "c": 1}', held(a=first, b=second)
    )
    assert json.loads(made) == {"a": first, "b": [f"<{second}>", first + second], "c": 1}


@given(TEXTS)
def test_as_a_name_in_json_it_is_this_name(text):
    assert json.loads(fill_json('{"__x__:value": 1}', held(x=text))) == {text: 1}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "7", 7),
        ("float", "0.5", 0.5),
        ("bool", "true", True),
        ("list", '["a", {"b": null}]', ["a", {"b": None}]),
        ("dictionary", '{"a": {}}', {"a": {}}),
        ("string", 'say "x"', 'say "x"'),
        ("hash", "a" * 32, "a" * 32),
        ("uri", "https://example.com/", "https://example.com/"),
    ],
)
def test_outside_of_a_text_it_is_the_json_value_of_its_type(kind, text, value):
    made = json.loads(fill_json('{"a": __x__:value, "b": [__x__:value]}', of(kind, text)))
    assert made == {"a": value, "b": [value]}
    assert type(made["a"]) is type(value)


@given(st.lists(st.text() | st.integers() | st.none(), max_size=4))
def test_a_list_outside_of_a_text_is_this_list(values):
    assert json.loads(fill_json('{"a": __x__:value}', of("list", json.dumps(values)))) == {"a": values}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", '1, "admin": true'),
        ("list", '["a"], "b": 1'),
        ("dictionary", "{} "),
        ("bool", "1"),
        ("float", "1e999"),
        ("list", "[1e999]"),
        ("list", "[NaN]"),
    ],
)
def test_outside_of_a_text_what_is_not_of_its_type_is_refused(kind, text):
    if kind == "dictionary":
        assert fill_json("__x__:value", of(kind, text)) == "{}"
        return
    with pytest.raises(BadValue, match=r"^__x__ must be"):
        fill_json('{"a": __x__:value}', of(kind, text))


@pytest.mark.parametrize(
    "content",
    [
        '{"a": ',
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": "x}',
        '"\\',
        "[" * 50_000,
        '"a\nb"',
        '"\\u12__x__:value"',
        '"\\__x__:value"',
    ],
)
def test_content_that_is_no_json_is_refused(content):
    with pytest.raises(BadCommand, match="has content that is no JSON"):
        fill_json(content, held(x="34"))


def test_a_backslash_before_a_value_stays_one_and_no_more():
    assert json.loads(fill_json(r'"\\__x__:value"', held(x='"'))) == '\\"'


def test_quotes_without_an_end_take_no_time():
    with pytest.raises(BadCommand):
        fill_json('"' + '\\"' * 200_000, {})
    assert references("_" * 100_000) == []


# --- forms, texts, mark-up, other content


@given(TEXTS, TEXTS)
def test_in_a_form_the_server_reads_exactly_this_value(first, second):
    made = fill(
        command(content="a=__a__:value&b=1&c=__b__:value", Content_Type="application/x-www-form-urlencoded"),
        held(a=first, b=second),
    )
    assert parse_qs(made.body.decode("ascii"), keep_blank_values=True) == {"a": [first], "b": ["1"], "c": [second]}


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
@pytest.mark.parametrize("kind", ["application/xml", "text/xml; charset=utf-8", "application/soap+xml"])
def test_in_xml_it_is_text_and_no_mark_up(kind, text):
    xml = "<a b='__x__:value' c=\"__x__:value\">__x__:value</a>"
    made = ElementTree.fromstring(fill(command(content=xml, Content_Type=kind), held(x=text)).body)
    assert len(made) == 0
    assert (made.text or "", dict(made.attrib)) == (text, {"b": text, "c": text})


@given(TEXTS)
def test_in_plain_text_it_is_as_it_is(text):
    made = fill(command(content="say __x__:value!", Content_Type="text/plain"), held(x=text))
    assert made.body == f"say {text}!".encode()


def test_content_of_another_media_type_takes_no_values():
    for kind in ("multipart/form-data; boundary=x", "application/octet-stream", "application/graphql"):
        with pytest.raises(BadCommand, match="which no variable can be written into safely"):
            fill(command(content="__x__:value", Content_Type=kind), held(x="1"))
        assert fill(command(content="as it is", Content_Type=kind), {}).body == b"as it is"


def test_base64_content_is_sent_as_its_bytes_and_takes_no_values():
    made = HttpCommand(type="http-api", command="POST /a", content_b64="X194X186dmFsdWUA")
    assert fill(made, held(x="1")).body == b"__x__:value\x00"
    with pytest.raises(BadCommand, match="base64"):
        fill(HttpCommand(type="http-api", command="POST /a", content_b64="*"), {})


# --- headers


@pytest.mark.parametrize(
    "text", ["a\r\nX-Admin: 1", "a\nb", "a\rb", "a\x00b", "a\x7fb", "a\x85b", "€", " a", "a ", "\t"]
)
def test_a_header_that_http_does_not_allow_is_refused_and_the_variable_named(text):
    with pytest.raises(BadValue, match=r"^__x__ stands in the header X-Note, which must not hold line breaks"):
        fill(command(X_Note="__x__:value"), held(x=text))


@given(TEXTS)
def test_a_header_is_never_more_than_one(text):
    try:
        made = fill(command(X_Note="a__x__:valueb"), held(x=text))
    except BadValue as refused:
        told = str(refused)
    else:
        told = "__x__"
        assert made.headers == (("X-Note", f"a{text}b"),)
        assert not set(text) & set("\r\n\x00")
    assert "__x__" in told


@pytest.mark.parametrize("name", ["X Note", "X:", "", "X\r\nY", "Ü", "X\x00"])
def test_a_header_of_no_valid_name_is_refused(name):
    with pytest.raises(BadCommand, match="has a header of no valid name"):
        fill(HttpCommand(type="http-api", command="GET /a", headers={name: ["1"]}), {})


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_how_long_a_request_is_says_whoever_sends_it(name):
    with pytest.raises(BadCommand, match="which is made when it is sent"):
        fill(
            HttpCommand(type="http-api", command="POST /a", headers={name: ["5"]}, content='"__x__:value"'), held(x="1")
        )


def test_a_header_that_is_wrong_by_itself_is_the_command_s_fault():
    with pytest.raises(BadCommand, match="has the header X-Note, which must not"):
        fill(command(X_Note="a\nb"), {})


def test_headers_of_many_values_are_sent_one_after_the_other_and_content_is_json_where_nothing_is_said():
    many = HttpCommand(type="http-api", command="POST /a", headers={"X": ["1", "2"]}, content="{}")
    assert fill(many, {}).headers == (("X", "1"), ("X", "2"), ("Content-Type", "application/json"))
    assert media_type(command(Content_Type="Text/Plain; charset=utf-8")) == "text/plain"
    assert fill(command("GET /a"), {}).headers == ()


# --- what is refused anywhere


PLACES = {
    "path": command("GET /a/__x__:value"),
    "query": command("GET /a?q=__x__:value"),
    "text": command(content='{"a": "__x__:value"}'),
    "value": command(content='{"a": __x__:value}'),
    "form": command(content="a=__x__:value", Content_Type="application/x-www-form-urlencoded"),
    "plain": command(content="__x__:value", Content_Type="text/plain"),
    "xml": command(content="<a>__x__:value</a>", Content_Type="text/xml"),
    "header": command(X_Note="__x__:value"),
}


@pytest.mark.parametrize("place", PLACES)
def test_null_undeclared_and_no_unicode_are_refused_everywhere_and_the_variable_named(place):
    with pytest.raises(BadValue, match=r"^__x__ has no value yet"):
        fill(PLACES[place], held(x=None))
    with pytest.raises(BadValue, match=r"^__x__ is declared nowhere"):
        fill(PLACES[place], {})
    with pytest.raises(BadValue, match=r"^__x__ "):
        fill(PLACES[place], held(x="\ud800"))


def test_an_empty_value_may_stand_where_emptiness_means_something():
    made = {name: fill(place, held(x="")) for name, place in PLACES.items() if name != "path"}
    assert made["query"].target == "/a?q="
    assert made["value"].body == b'{"a": ""}'
    assert made["header"].headers == (("X-Note", ""),)


@given(TEXTS, st.sampled_from(sorted(PLACES)))
def test_any_value_in_any_place_is_sent_or_refused_and_nothing_else(text, place):
    try:
        told = fill(PLACES[place], held(x=text)) and "__x__"
    except BadValue as refused:
        told = str(refused)
    assert "__x__" in told


# --- start lines, references, texts for people


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("GET / HTTP/1.1", ("GET", "/")),
        ("POST /a?b=c", ("POST", "/a?b=c")),
        ("DELETE /__x__:value HTTP/2", ("DELETE", "/__x__:value")),
    ],
)
def test_a_start_line_is_method_and_target(line, made):
    assert start_line(command(line)) == made


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET",
        "get /a",
        "GET a",
        "GET  /a",
        "TRACE /a",
        "GET /a HTTP/3",
        "GET /a b",
        "GET /a\r\nX: y",
        "GET /a\tb",
        "GET /ä",
        "GET http://evil.example/",
        "GET /a#b",
        "GET /a HTTP/1.1\n",
        'GET /"',
    ],
)
def test_what_is_no_start_line_is_refused(line):
    with pytest.raises(BadCommand, match=r"must be METHOD /path HTTP/1.1"):
        start_line(command(line))


def test_references_are_found_in_order():
    assert references("__a__:value-__b__:value __a__ __c-d__:value") == ["__a__", "__b__", "__c-d__"]
    assert references("__a:value a__:value __:value") == []


def test_text_for_a_person_shows_what_is_null_as_none_and_what_is_unknown_as_it_stands():
    asked = ManualCommand(type="manual", command="Delete __x__:value, __y__:value or __z__:value?")
    assert manual_text(asked, held(x="all\nof it", y=None)) == "Delete all\nof it, (none) or __z__:value?"
    assert manual_text(ManualCommand(type="manual", command_b64="R28gb24/"), {}) == "Go on?"
    with pytest.raises(BadCommand, match="base64"):
        manual_text(ManualCommand(type="manual", command_b64="*"), {})
    assert fill_text("a __x__:value", held(x="b")) == "a b"
