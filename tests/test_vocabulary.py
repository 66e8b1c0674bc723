"""The shared words: each takes what it should, gives it in one form, and agrees with its schema twin."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from connector.vocabulary import Comment, HashList, HashValue, Tags, Url, hash_type

HASH, HASHES, TAGS, URL, COMMENT = (TypeAdapter(kind) for kind in (HashValue, HashList, Tags, Url, Comment))


def takes(kind, value):
    try:
        kind.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def schema_takes(kind, value):
    return Draft202012Validator(kind.json_schema()).is_valid(value)


@given(st.sampled_from([32, 40, 64, 128]).flatmap(lambda n: st.text("0123456789abcdefABCDEF", min_size=n, max_size=n)))
def test_a_hash_of_either_case_is_lowered(value):
    assert HASH.validate_python(value) == value.lower()
    assert hash_type(value.lower()) in {"md5", "sha1", "sha256", "sha512"}
    assert schema_takes(HASH, value)


@given(st.text(max_size=130) | st.text("0123456789abcdefg \n\u0130\u212a", min_size=30, max_size=42))
def test_the_hash_and_its_schema_agree_on_any_text(value):
    assert takes(HASH, value) == schema_takes(HASH, value)


@given(st.lists(st.text("ab", min_size=32, max_size=32), min_size=1, max_size=20))
def test_hashes_keep_their_order_and_come_once(values):
    assert HASHES.validate_python(values) == list(dict.fromkeys(values))


TAG = r"[a-z0-9][a-z0-9 /._-]*"


@given(st.text("abz019 /._-,\n\tA\u00e9", max_size=45))
def test_tags_in_one_string_and_their_schema_agree(value):
    parts = [part.strip(" ") for part in value.split(",")]
    good = all(re.fullmatch(TAG, part) for part in parts) and len(value) <= 42

    assert takes(TAGS, value) == schema_takes(TAGS, value) == good
    assert not good or TAGS.validate_python(value) == list(dict.fromkeys(parts))


@given(st.lists(st.from_regex(TAG, fullmatch=True) | st.text("ab ,_", max_size=6), max_size=6))
def test_tags_in_a_list_come_once_each_and_are_never_too_long(values):
    good = values and all(re.fullmatch(TAG, value) for value in values) and len(",".join(values)) <= 42

    assert takes(TAGS, values) == bool(good)
    assert schema_takes(TAGS, values) or not good
    assert not good or TAGS.validate_python(values) == list(dict.fromkeys(values))


@pytest.mark.parametrize(
    "value",
    [
        *("http://a", "HTTPS://EXAMPLE.COM/A?b=c#d", "http://[::1]:8080/", "https://user:pw@host/", "http://a/%20%22"),
        *(
            "http://xn--bcher-kva.example/",
            "http://b\u00fccher.example/\u00e9",
            "http://1.2.3.4:65535",
            "http://a'b/(c)",
        ),
    ],
)
def test_urls_that_are_taken_are_not_changed(value):
    assert URL.validate_python(value) == value
    assert schema_takes(URL, value)


@given(st.text(max_size=50) | st.text('htp:/a.[]@ \n"<>\\^`{|}\x00\x7f\u2028?#%1', max_size=30).map("http://".__add__))
def test_a_url_that_is_taken_is_good_to_the_schema_too_and_holds_no_breaks(value):
    if takes(URL, value):
        assert schema_takes(URL, value)
        assert not re.search(r"[\s\"<>\\]", value)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "plain",
            "a < b and b > c",
            "1<2",
            "<p>x<br>y</p>",
            "<br/>",
            "<B>x</B>",
            "<em>x</em> <i>y</i>",
            "&lt;script&gt;",
        ),
        *(
            '<a href="https://example.com">x</a>',
            "<a href='mailto:a@b'>x</a>",
            "<strong>x</strong>",
            "a <",
            "<3",
            "x" * 10_000,
        ),
    ],
)
def test_comments_with_the_seven_tags_are_taken_unchanged(value):
    assert COMMENT.validate_python(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *(
            "<script>",
            "</script>",
            "<img src=x onerror=y>",
            "<p class=x>",
            "<a href=javascript:x>",
            "<a href='data:x'>",
        ),
        *(
            "<a href=' javascript:x'>",
            "<a target=x>",
            "<svg/onload=x>",
            "<!-- x -->",
            "<!doctype html>",
            "<?php",
            "<img",
        ),
        *("<p><iframe></p>", "<a href>", "<math><mi>", "<![CDATA[x]]>", "", "x" * 10_001, "<style>p{}</style>"),
    ],
)
def test_comments_with_anything_else_are_refused(value):
    assert not takes(COMMENT, value)


@given(st.text("<>/abipscrt =\"'!-?hef", max_size=40))
def test_a_comment_that_is_taken_holds_no_tag_but_the_seven(value):
    if takes(COMMENT, value):
        names = re.findall(r"</?([a-zA-Z][a-zA-Z0-9]*)[^<>]*>", re.sub(r"\"[^\"]*\"|'[^']*'", "", value))
        assert {name.lower() for name in names} <= {"p", "br", "a", "strong", "b", "em", "i"}
