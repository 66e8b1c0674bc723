"""Bad input is refused before anything is sent, by JSON pointer, saying what would be accepted, never what was given."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import ConfigError, InputRefused, Settings
from connector.actions import every, find
from connector.actions.advanced_search import Params as SearchParams
from connector.actions.get_classification import Params as ClassificationParams
from connector.check import checked
from connector.cli.failure import exit_code
from connector.vocabulary import pointer
from tests.laboratory import Lab

SHA1 = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
MD5 = "debaf7021f49695eadcaaab58d502eb9"
A_HASH = "MD5, SHA-1, SHA-256 or SHA-512"
A_TAG = "each tag starts with a-z or 0-9"
MUCH = [f"{number:040x}" for number in range(10_000)]


def clause(**parts):
    return {"where": [{"field": "filename", **parts}]}


# action, params, the pointer of the one thing wrong, and words that say what would be accepted
REFUSED = {
    "nothing for a file": ("submit_file", {}, "", "exactly one of file and content_base64"),
    "nothing for a URL": ("submit_url", {}, "/url", "is required"),
    "nothing for a reputation": ("get_ticloud_reputation", {}, "", "exactly one of hash_value and hash_values"),
    "nothing for a classification": ("get_classification", {}, "/hash_value", "is required"),
    "nothing for a URL's reputation": ("get_url_reputation", {}, "/url", "is required"),
    "nothing for a search": ("advanced_search", {}, "", "exactly one of query and where"),
    "nothing for a count": ("count_search_results", {}, "", "exactly one of query and where"),
    "nothing for a deletion": ("bulk_delete", {}, "/hash_values", "is required"),
    "nothing for a file status": ("get_file_status", {}, "/hash_values", "is required"),
    "nothing for a URL status": ("get_url_status", {}, "/task_id", "is required"),
    "nothing for a deletion's status": ("get_bulk_delete_status", {}, "/task_id", "is required"),
    "nothing for a report": ("get_report", {}, "/hash_values", "is required"),
    "an empty path": ("submit_file", {"file": ""}, "/file", "at least 1 character"),
    "an empty URL": ("submit_url", {"url": ""}, "/url", "http:// or https://"),
    "an empty hash": ("get_classification", {"hash_value": ""}, "/hash_value", A_HASH),
    "an empty query": ("advanced_search", {"query": ""}, "/query", "at least 1 character"),
    "a blank query": ("advanced_search", {"query": "  \t "}, "/query", "at least one condition"),
    "an empty list of hashes": ("get_file_status", {"hash_values": []}, "/hash_values", "at least 1 item"),
    "an empty list of clauses": ("advanced_search", {"where": []}, "/where", "at least 1 item"),
    "an empty list of fields": ("get_report", {"hash_values": [SHA1], "fields": []}, "/fields", "at least 1 item"),
    "empty content": ("submit_file", {"content_base64": ""}, "/content_base64", "at least 4 characters"),
    "an empty comment": ("submit_file", {"file": "f", "comment": ""}, "/comment", "at least 1 character"),
    "an empty filename": ("submit_file", {"file": "f", "filename": ""}, "/filename", "at least 1 character"),
    "null for a hash": ("get_classification", {"hash_value": None}, "/hash_value", "must be a string"),
    "41 characters of hash": ("get_classification", {"hash_value": "a" * 41}, "/hash_value", "40, 64 or 128"),
    "39 characters of hash": ("get_classification", {"hash_value": "a" * 39}, "/hash_value", "40, 64 or 128"),
    "a hash that is not hexadecimal": ("get_classification", {"hash_value": "g" * 40}, "/hash_value", A_HASH),
    "a way up in a hash": ("get_classification", {"hash_value": "../" + "a" * 37}, "/hash_value", A_HASH),
    "a question mark in a hash": ("get_classification", {"hash_value": "a" * 39 + "?"}, "/hash_value", A_HASH),
    "a line break after a hash": ("get_classification", {"hash_value": SHA1 + "\n"}, "/hash_value", A_HASH),
    "digits of another script": ("get_classification", {"hash_value": "\u0663" * 40}, "/hash_value", A_HASH),
    "a Kelvin sign that lowers to k": ("get_classification", {"hash_value": "\u212a" * 40}, "/hash_value", A_HASH),
    "a number for a hash": ("get_classification", {"hash_value": 5}, "/hash_value", "must be a string"),
    "one bad hash of several": ("get_file_status", {"hash_values": [SHA1, "x"]}, "/hash_values/1", A_HASH),
    "hashes of two types": ("get_file_status", {"hash_values": [SHA1, MD5]}, "/hash_values", "one type"),
    "a string for a list": ("get_report", {"hash_values": SHA1}, "/hash_values", "must be a list"),
    "10,000 hashes": ("get_report", {"hash_values": MUCH}, "/hash_values", "at most 1000 items"),
    "one hash and several": ("get_ticloud_reputation", {"hash_value": SHA1, "hash_values": [SHA1]}, "", "exactly one"),
    "scanners without the cloud": (
        "get_classification",
        {"hash_value": SHA1, "localonly": True, "av_scanners": True},
        "",
        "set localonly to false",
    ),
    "yes for true": ("get_classification", {"hash_value": SHA1, "localonly": "yes"}, "/localonly", "true or false"),
    "1 for true": ("submit_url", {"url": "http://x", "wait": 1}, "/wait", "true or false"),
    "a file and a URL": ("submit_file", {"file": "f", "url": "http://x"}, "/url", "submit_file takes file"),
    "a URL and a file": ("submit_url", {"url": "http://x", "file": "f"}, "/file", "submit_url takes url"),
    "a file and content": ("submit_file", {"file": "f", "content_base64": "aaaa"}, "", "exactly one"),
    "analysis with a URL": ("submit_url", {"url": "http://x", "analysis": "cloud"}, "/analysis", "takes url"),
    "a crawler with a file": ("submit_file", {"file": "f", "crawler": "local"}, "/crawler", "takes file"),
    "an unknown analysis": ("submit_file", {"file": "f", "analysis": "local"}, "/analysis", "must be 'cloud'"),
    "an unknown crawler": ("submit_url", {"url": "http://x", "crawler": "all"}, "/crawler", "'local' or 'cloud'"),
    "a platform with a space": (
        "submit_file",
        {"file": "f", "rl_cloud_sandbox_platform": "windows 7"},
        "/rl_cloud_sandbox_platform",
        "must match",
    ),
    "43 characters of tag": ("submit_file", {"file": "f", "tags": "a" * 43}, "/tags", "42 characters in all"),
    "43 characters of tags": ("submit_file", {"file": "f", "tags": ["a" * 21, "b" * 21]}, "/tags", "42 characters"),
    "a tag in capitals": ("submit_file", {"file": "f", "tags": "Phishing"}, "/tags", A_TAG),
    "a tag that begins with a hyphen": ("submit_file", {"file": "f", "tags": ["-x"]}, "/tags", A_TAG),
    "a comma inside a tag": ("submit_file", {"file": "f", "tags": ["a,b"]}, "/tags", A_TAG),
    "an empty tag": ("submit_file", {"file": "f", "tags": "a,,b"}, "/tags", A_TAG),
    "no tag": ("submit_file", {"file": "f", "tags": []}, "/tags", "at least one tag"),
    "a script in a comment": ("submit_file", {"file": "f", "comment": "<script>x"}, "/comment", "a, b, br, em, i"),
    "a handler in a comment": ("submit_file", {"file": "f", "comment": "<b onclick=x>y</b>"}, "/comment", "href on a"),
    "a javascript link": ("submit_file", {"file": "f", "comment": "<a href=javascript:x>"}, "/comment", "href on a"),
    "a comment in a comment": ("submit_file", {"file": "f", "comment": "<!-- x -->"}, "/comment", "HTML tags"),
    "a tag without an end": ("submit_file", {"file": "f", "comment": "a <img src=x"}, "/comment", "HTML tags"),
    "a surrogate": ("submit_file", {"file": "f", "filename": "a\ud800"}, "/filename", "valid Unicode"),
    "ftp": ("submit_url", {"url": "ftp://example.com/a"}, "/url", "http:// or https://"),
    "a hash for a URL": ("get_url_reputation", {"url": SHA1}, "/url", "http:// or https://"),
    "no scheme": ("submit_url", {"url": "example.com"}, "/url", "http:// or https://"),
    "no host": ("submit_url", {"url": "http://"}, "/url", "name a host"),
    "a port that is none": ("submit_url", {"url": "http://a:99999/"}, "/url", "valid host and port"),
    "a space in a URL": ("submit_url", {"url": "http://a/b c"}, "/url", "must not hold spaces"),
    "a line break in a URL": ("submit_url", {"url": "http://a/b\nc"}, "/url", "line breaks"),
    "a line break after a URL": ("submit_url", {"url": "http://a/b\n"}, "/url", "line breaks"),
    "a quote in a URL": ("submit_url", {"url": 'http://a/"b'}, "/url", "quotes"),
    "a URL of 9,000 characters": ("submit_url", {"url": "http://a/" + "b" * 9000}, "/url", "at most 8192"),
    "a quote that is not closed": ("advanced_search", {"query": 'filename:"a'}, "/query", "not closed"),
    "a bracket that is not closed": ("advanced_search", {"query": "size:[1 TO 2"}, "/query", "bracket"),
    "a parenthesis too many": ("count_search_results", {"query": "a) OR (b"}, "/query", "parenthesis"),
    "a query of 7,001 characters": ("advanced_search", {"query": "a" * 7001}, "/query", "at most 7000"),
    "limit 0": ("advanced_search", {"query": "a", "limit": 0}, "/limit", "greater than or equal to 1"),
    "limit a thousand million": ("advanced_search", {"query": "a", "limit": 10**9}, "/limit", "10000"),
    "limit as a string": ("advanced_search", {"query": "a", "limit": "5"}, "/limit", "a whole number"),
    "an order that is none": ("advanced_search", {"query": "a", "sort": "sha1"}, "/sort", "asc|desc"),
    "a cursor that is none": ("advanced_search", {"query": "a", "cursor": "?"}, "/cursor", "earlier result"),
    "a cursor of a thousand brackets": ("advanced_search", {"query": "a", "cursor": "W1tb" * 100}, "/cursor", "cursor"),
    "a day not in the calendar": (
        "advanced_search",
        {"query": "a", "start_search_date": "2026-02-30"},
        "/start_search_date",
        "calendar",
    ),
    "days in the wrong order": (
        "advanced_search",
        {"query": "a", "start_search_date": "2026-01-01", "end_search_date": "2026-02-01"},
        "",
        "swap the two",
    ),
    "a query and clauses": ("advanced_search", {"query": "a", **clause(**{"is": "x"})}, "", "exactly one"),
    "an unknown field": ("advanced_search", {"where": [{"field": "x", "is": "y"}]}, "/where/0", "field must be one of"),
    "a clause with nothing to say": ("advanced_search", clause(), "/where/0", "exactly one of is, any_of, like"),
    "a clause with two things": ("advanced_search", clause(**{"is": "a", "like": "b*"}), "/where/0", "exactly one of"),
    "a quote in a clause": ("advanced_search", clause(**{"is": 'a" OR "b'}), "/where/0", "without quotation marks"),
    "an asterisk in a clause": ("advanced_search", clause(**{"is": "a*"}), "/where/0", "asterisks"),
    "a range of words": ("advanced_search", clause(**{"from": "a"}), "/where/0", "for numbers and times"),
    "an operator as a word": (
        "advanced_search",
        {"where": [{"field": "classification", "is": "OR"}]},
        "/where/0",
        "must not be one of the operators",
    ),
    "an unknown word in a clause": ("advanced_search", clause(equals="x"), "/where/0/equals", "is not known"),
    "neither plan nor confirm": ("bulk_delete", {"hash_values": [SHA1]}, "", "give plan (true)"),
    "plan false": ("bulk_delete", {"hash_values": [SHA1], "plan": False}, "", "give plan (true)"),
    "plan and confirm": (
        "bulk_delete",
        {"hash_values": [SHA1], "plan": True, "confirm": "1-" + "a" * 32},
        "",
        "or confirm",
    ),
    "a digest that is none": ("bulk_delete", {"hash_values": [SHA1], "confirm": "yes"}, "/confirm", "must match"),
    "deleting while it is off": (
        "bulk_delete",
        {"hash_values": [SHA1], "confirm": "1-" + "a" * 32},
        "/confirm",
        "set allow_delete",
    ),
    "a way up in a task id": ("get_url_status", {"task_id": "../1"}, "/task_id", "whole number or must match"),
    "a negative task id": ("get_url_status", {"task_id": -1}, "/task_id", "greater than or equal to 0"),
    "true for a task id": ("get_bulk_delete_status", {"task_id": True}, "/task_id", "whole number"),
    "a field name in capitals": ("get_report", {"hash_values": [SHA1], "fields": ["Tags"]}, "/fields/0", "must match"),
    "a parameter where none is": ("test_connection", {"x": 1}, "/x", "takes nothing"),
    "a key with a slash": ("test_connection", {"a/b~c": 1}, "/a~1b~0c", "takes nothing"),
    "a list for an object": ("get_classification", [SHA1], "", "must be an object"),
    "a string for an object": ("get_classification", SHA1, "", "must be an object"),
    "an action that is none": ("get_everything", {}, "", "the actions are submit_file"),
    "a file that is public": ("submit_file", {"file": "f", "analysis": "cloud"}, "/analysis", "set allow_cloud"),
    "a file in the cloud sandbox": (
        "submit_file",
        {"file": "f", "rl_cloud_sandbox_platform": "windows7"},
        "/rl_cloud_sandbox_platform",
        "set allow_cloud",
    ),
    "a URL that is public": ("submit_url", {"url": "http://x", "crawler": "cloud"}, "/crawler", "set allow_cloud"),
    "content that is not base64": ("submit_file", {"content_base64": "!!!!"}, "/content_base64", "RFC 4648"),
    "a file that is not there": ("submit_file", {"file": "nowhere"}, "/file", "a file that exists"),
    "a null byte in a path": ("submit_file", {"file": "a\0b"}, "/file", "a file that exists"),
    "a folder": ("submit_file", {"file": "."}, "/file", "regular file, not a folder"),
    "a device": ("submit_file", {"file": "/dev/null"}, "/file", "regular file, not a folder or a device"),
}


@pytest.mark.parametrize("lane", ["sync", "async"])
@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_by_name_and_nothing_is_sent(lab: Lab, tmp_path, monkeypatch, what, lane):
    monkeypatch.chdir(tmp_path)
    action, params, place, accepted = REFUSED[what]

    with pytest.raises(InputRefused) as refused:
        lab.run(action, params, lane=lane)

    assert [violation.pointer for violation in refused.value.violations] == [place]
    assert accepted in refused.value.violations[0].message
    assert accepted in refused.value.message
    assert "nothing was sent" in refused.value.message
    assert refused.value.outcome == "not_sent"
    assert not refused.value.retryable
    assert exit_code(refused.value) == 2
    assert lab.requests == []


def test_everything_wrong_is_told_at_once():
    bad = {"hash_value": "x", "localonly": "yes", "av_scanners": 1, "unheard": 1}

    with pytest.raises(InputRefused) as refused:
        checked(find("get_classification"), bad)

    found = [violation.pointer for violation in refused.value.violations]
    assert found == ["/av_scanners", "/hash_value", "/localonly", "/unheard"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(lab: Lab, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    secret.chmod(0)

    with pytest.raises(InputRefused, match="can be read"):
        lab.run("submit_file", {"file": str(secret)})

    assert lab.requests == []


def test_files_that_only_look_like_files_are_refused(lab: Lab, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "empty").touch()

    for name in ("pipe", "circle", "nowhere", "empty"):
        with pytest.raises(InputRefused) as refused:
            lab.run("submit_file", {"file": str(tmp_path / name)})
        assert refused.value.violations[0].pointer == "/file"

    assert lab.requests == []


@pytest.mark.parametrize("roots", [(), ("allowed",)])
def test_a_file_outside_file_roots_is_refused_also_through_a_link(lab: Lab, tmp_path, roots):
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "allowed" / "link").symlink_to(tmp_path / "secret")
    file_roots = tuple(tmp_path / root for root in roots)

    for name in ("secret", "allowed/link", "allowed/../secret"):
        with pytest.raises(InputRefused, match="file_roots"):
            lab.run("submit_file", {"file": str(tmp_path / name)}, file_roots=file_roots)

    assert lab.requests == []


def test_a_file_inside_file_roots_is_sent(lab: Lab, tmp_path):
    (tmp_path / "a").write_bytes(b"x")

    assert lab.run("submit_file", {"file": str(tmp_path / "a")}, file_roots=(tmp_path,)).branch == "submitted"


def test_a_cursor_of_another_search_is_refused(lab: Lab):
    lab.tell("samples", generate=30, seed=1)
    first = lab.run("advanced_search", {"query": "size:[0 TO *]", "limit": 10})
    before = lab.requests
    others = [{"query": "size:[1 TO *]"}, {"query": "size:[0 TO *]", "ticloud": True}]
    others += [{"query": "size:[0 TO *]", "sort": "size asc"}]

    for other in others:
        with pytest.raises(InputRefused, match="belongs to another search"):
            lab.run("advanced_search", other | {"cursor": first.result.cursor})

    assert lab.requests == before


@pytest.mark.parametrize(
    ("action", "params", "place"),
    [
        ("submit_url", {"url": "http://x", "archive_password": "canary-password"}, "/archive_password"),
        ("count_search_results", {"query": "a"}, None),
    ],
)
def test_what_an_endpoint_cannot_do_is_said_and_not_dropped(lab: Lab, action, params, place):
    generation = "current" if place else "legacy"

    with pytest.raises(InputRefused if place else ConfigError) as refused:
        lab.run(action, params, api_generation=generation)

    assert lab.requests == []
    assert place is None or refused.value.violations[0].pointer == place
    assert "set api_generation" in refused.value.message


@pytest.mark.parametrize(
    ("action", "params", "place"),
    [
        ("get_classification", {"hash_value": SHA1, "av_scanners": True}, "/av_scanners"),
        ("advanced_search", {"query": "a", "start_search_date": "2026-01-02"}, "/start_search_date"),
        ("advanced_search", {"query": "a", "end_search_date": "2026-01-02"}, "/end_search_date"),
        ("get_report", {"hash_values": [SHA1], "fields": ["tags"]}, "/fields"),
    ],
)
def test_what_a_deprecated_endpoint_cannot_do_is_said_and_not_dropped(lab: Lab, action, params, place):
    with pytest.raises(InputRefused) as refused:
        lab.run(action, params, api_generation="legacy")

    assert [violation.pointer for violation in refused.value.violations] == [place]
    assert lab.requests == []


SECRET = "canary-4711"
SECRETIVE = [
    {"archive_password": SECRET * 100},
    {"archive_password": [SECRET]},
    {"archive_password": {"a": SECRET}},
    {"archive_password": SECRET + "\ud800"},
    {"archive_password": SECRET, "tags": "UP"},
    {"archive_password": SECRET, "content_base64": "aaaa"},
    {"archive_password": SECRET, "file": "/dev/null"},
]


@pytest.mark.parametrize("bad", SECRETIVE)
def test_a_password_is_never_repeated(lab: Lab, bad):
    with pytest.raises(InputRefused) as refused:
        lab.run("submit_file", {"file": "f"} | bad)

    told = f"{refused.value!r} {refused.value} {json.dumps(refused.value.as_dict())}"
    assert SECRET not in told
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or SECRET not in str(refused.value.__context__)


def test_a_password_is_hidden_in_the_params_model():
    ready = checked(find("submit_file"), {"file": "f", "archive_password": SECRET})

    assert SECRET not in f"{ready!r} {ready} {ready.model_dump()} {ready.model_dump_json()}"


BAD_SETTINGS = {
    "a token with a line break": ({"token": "0123456789abcdef\n"}, "token", "visible ASCII characters"),
    "a token with a space": ({"token": "01234567 abcdef"}, "token", "visible ASCII"),
    "a short token": ({"token": "1234567"}, "token", "8 to 256"),
    "a token in another script": ({"token": "ключ-ключ"}, "token", "visible ASCII"),
    "an address with a path": ({"url": "https://appliance.example.com/api/"}, "url", "without a path"),
    "an address with a query": ({"url": "https://appliance.example.com/?a=canary-4711"}, "url", "without a path"),
    "an address with a password": ({"url": "https://u:canary-4711@appliance.example.com"}, "url", "user name or pass"),
    "an address without a scheme": ({"url": "appliance.example.com"}, "url", "http:// or https://"),
    "an address of another scheme": ({"url": "ftp://appliance.example.com"}, "url", "http:// or https://"),
    "an address with a line break": ({"url": "https://appliance.example.com\n"}, "url", "name a host"),
    "an address with a bad port": ({"url": "https://appliance.example.com:x"}, "url", "must be a URL"),
    "a deadline of zero": ({"deadline_seconds": 0}, "deadline_seconds", "greater than 0"),
    "a deadline of nan": ({"deadline_seconds": float("nan")}, "deadline_seconds", ""),
    "a deadline of a year": ({"deadline_seconds": 31_536_000}, "deadline_seconds", "3600"),
    "a generation that is none": ({"api_generation": "newest"}, "api_generation", "'auto', 'current' or 'legacy'"),
    "a marking that is none": ({"tlp": "white"}, "tlp", "'clear'"),
    "a pin that is none": ({"certificate_sha256": "abc"}, "certificate_sha256", "64 hexadecimal digits"),
    "an unknown setting": ({"tokn": "canary-4711"}, "tokn", ""),
}


@pytest.mark.parametrize("what", BAD_SETTINGS)
def test_a_bad_setting_is_refused_by_name_without_its_value(what):
    given_settings, name, accepted = BAD_SETTINGS[what]
    good = {"url": "https://appliance.example.com", "token": "0123456789abcdef"}

    with pytest.raises(ConfigError) as refused:
        Settings(**good | given_settings)

    assert name in refused.value.message
    assert accepted in refused.value.message
    assert refused.value.outcome == "not_sent"
    assert exit_code(refused.value) == 2
    assert SECRET not in json.dumps(refused.value.as_dict())
    assert str(given_settings.get("token", SECRET)) not in refused.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_whatever_comes_in_is_accepted_or_refused_and_nothing_else_happens(data):
    action = data.draw(st.sampled_from(every()))
    names = st.sampled_from([*action.params.model_fields, "unheard"]) if action.params.model_fields else st.just("x")
    raw = data.draw(st.dictionaries(names, json_values, max_size=4) | json_values)

    made = accepted_or_told(action, raw)

    assert isinstance(made, action.params) or all(violation.message for violation in made)


def accepted_or_told(action, raw):
    try:
        return checked(action, raw)
    except InputRefused as refused:
        return refused.violations


@given(st.lists(st.text() | st.integers(min_value=0), max_size=5))
def test_a_pointer_can_be_followed_back(parts):
    text = pointer(parts)

    back = [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]
    assert back == [str(part) for part in parts]


def test_a_model_of_the_right_class_passes_and_of_another_is_refused():
    ready = ClassificationParams(hash_value=SHA1.upper())

    assert checked(find("get_classification"), ready) is ready
    assert ready.hash_value == SHA1
    with pytest.raises(InputRefused, match="must be the params of get_classification"):
        checked(find("get_classification"), SearchParams(query="a"))
