"""Bytes to values and back: no input crashes it, no answer grows past its limit, no upload loses a byte."""

import gzip
import hashlib
import io
import json
import zlib
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header

from connector import wire
from connector.errors import InputRefused, MalformedResponse, ResponseTooLarge, Truncated
from connector.plan import Call, Upload
from connector.wire import Reader, UploadBody, encoded, read_date, read_json, rfc3339, safe_filename


def read(body, sizes, encoding="", largest=1 << 20):
    """Feed a body in pieces of these sizes, and then the rest."""
    reader = Reader(encoding, largest)
    for size in sizes:
        reader.feed(body[:size])
        body = body[size:]
    reader.feed(body)
    return reader.body()


def whole_or_truncated(body):
    try:
        return read(body, [3], "gzip")
    except Truncated as error:
        return error


class TestReader:
    @given(st.binary(max_size=5000), st.lists(st.integers(0, 500), max_size=20), st.sampled_from(["", "identity"]))
    def test_a_plain_body_comes_whole_however_it_was_cut(self, body, sizes, encoding):
        assert read(body, sizes, encoding) == body

    @given(st.binary(max_size=5000), st.lists(st.integers(0, 50), max_size=20))
    def test_a_gzip_body_comes_whole_however_it_was_cut(self, body, sizes):
        assert read(gzip.compress(body), sizes, "gzip") == body

    @given(st.binary(min_size=1, max_size=500), st.data())
    def test_a_gzip_that_ends_early_is_never_taken_for_whole(self, body, data):
        packed = gzip.compress(body)
        cut = data.draw(st.integers(0, len(packed) - 1))

        with pytest.raises(Truncated):
            read(packed[:cut], [], "gzip")

    @given(st.binary(max_size=500))
    def test_a_damaged_gzip_is_truncated_and_nothing_else(self, body):
        made = whole_or_truncated(body)

        assert isinstance(made, bytes) or (made.outcome, made.retryable) == ("rejected", True)

    @pytest.mark.parametrize("excess", [0, 1])
    @pytest.mark.parametrize("encoding", ["", "gzip"])
    def test_the_limit_is_exact(self, encoding, excess):
        body = bytes(1000 + excess)
        packed = gzip.compress(body) if encoding else body
        if excess:
            with pytest.raises(ResponseTooLarge):
                read(packed, [], encoding, largest=1000)
        else:
            assert read(packed, [], encoding, largest=1000) == body

    def test_a_bomb_is_not_unpacked_further_than_the_limit(self):
        bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
        reader = Reader("gzip", 1 << 16)

        with pytest.raises(ResponseTooLarge):
            reader.feed(packed)

        assert sum(map(len, reader._parts)) <= 1 << 16

    @pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "x-gzip"])
    def test_an_encoding_that_was_not_asked_for_is_refused(self, encoding):
        with pytest.raises(MalformedResponse):
            Reader(encoding)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
BAD_JSON = [
    *(
        b"",
        b"<html>",
        b"{",
        b"[1,",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"\xff",
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b"{'a': 1}",
    ),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b"01", b'"\x00"', b"{} {}", "{}".encode("utf-32")),
]


@pytest.fixture(params=["with orjson", "without"])
def either_parser(request, monkeypatch):
    if request.param == "without":
        monkeypatch.setattr(wire, "_loads", wire._strict_loads)


class TestJson:
    """With the [fast] extra or without, the same bytes are the same JSON, or none."""

    @given(value=JSON)
    def test_json_is_read(self, either_parser, value):
        assert read_json(json.dumps(value).encode()) == (value, True)

    @pytest.mark.parametrize("body", BAD_JSON, ids=range(len(BAD_JSON)))
    def test_what_is_no_json_is_none(self, either_parser, body):
        value, is_json = read_json(body)

        assert (value, is_json) == (None, False) or body == b"1" * 5000

    @given(body=st.binary(max_size=200) | st.text('{}[]",:0123\\ud8ntf.eE+-', max_size=30).map(str.encode))
    def test_no_bytes_crash_it_and_what_is_read_can_be_written(self, either_parser, body):
        value, _ = read_json(body)

        json.dumps(value, ensure_ascii=False).encode()


class TestUploading:
    FIELDS = st.lists(st.tuples(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.text(max_size=60)), max_size=4)

    @given(st.binary(max_size=3000), FIELDS, st.text(min_size=1, max_size=60))
    def test_what_is_framed_can_be_parsed_back_to_the_byte(self, content, fields, filename):
        upload = Upload(content, filename, tuple(fields))
        body = UploadBody(upload, io.BytesIO(content), len(content), lambda: True)
        whole = b"".join(body)

        found = parsed(whole, body.content_type)

        assert len(whole) == body.length
        assert [(name, text) for name, _, text in found[:-1]] == [(n, as_utf8(value)) for n, value in fields]
        assert found[-1][0] == "file"
        assert found[-1][2] == content
        assert body.sent.sha1 == hashlib.sha1(content).hexdigest()
        assert body.sent.sha256 == hashlib.sha256(content).hexdigest()
        assert body.sent.size == len(content)

    @pytest.mark.parametrize(
        "name", ['a"b', "a\r\nContent-Type: evil", "\u202egnp.exe", "na\u00efve.exe", "a\nb", 'a"; x="']
    )
    def test_no_name_breaks_out_of_its_header(self, name):
        body = UploadBody(Upload(b"x", name, ((name, "v"),)), io.BytesIO(b"x"), 1, lambda: True)
        head = next(iter(body)).split(b"\r\n\r\n")[0]

        assert head.count(b"\r\n") == 1
        assert head.count(b'"') == 2

    def test_a_file_that_moved_is_refused_before_the_last_boundary(self):
        body = UploadBody(Upload(b"", "a"), io.BytesIO(b"x" * 10), 10, lambda: False)
        sent = []

        with pytest.raises(InputRefused):
            sent.extend(body)

        assert b"".join(sent).endswith(b"x" * 10)
        assert body.sent is None

    def test_a_file_that_shrank_is_refused(self):
        with pytest.raises(InputRefused):
            list(UploadBody(Upload(b"", "a"), io.BytesIO(b"x" * 9), 10, lambda: True))

    def test_a_file_that_grew_is_not_sent_further_than_announced(self):
        body = UploadBody(Upload(b"", "a"), io.BytesIO(b"x" * 11), 10, lambda: True)

        assert len(b"".join(body)) == body.length


def as_utf8(text):
    return text.encode("utf-8", "replace")


def parsed(body, content_type):
    """The parts of a multipart body, by a parser that is not ours: name, filename, content."""
    found, header, values = [], [bytearray(), bytearray()], {}

    def header_end():
        values[bytes(header[0]).lower()] = bytes(header[1])
        header[0].clear()
        header[1].clear()

    def headers_finished():
        _, options = parse_options_header(values.pop(b"content-disposition"))
        found.append([options[b"name"].decode(), options.get(b"filename"), b""])

    def part_data(data, start, end):
        found[-1][2] += data[start:end]

    callbacks = {
        "on_header_field": lambda data, start, end: header[0].extend(data[start:end]),
        "on_header_value": lambda data, start, end: header[1].extend(data[start:end]),
        "on_header_end": header_end,
        "on_headers_finished": headers_finished,
        "on_part_data": part_data,
    }
    parser = MultipartParser(content_type.split("boundary=")[1].encode(), callbacks)
    parser.write(body)
    parser.finalize()
    return [tuple(part) for part in found]


@given(st.text(max_size=400))
def test_a_safe_filename_is_one_component_of_valid_unicode(name):
    made = safe_filename(name)

    assert 1 <= len(made) <= 255
    assert not set(made) & set("/\\\r\n\x00")
    made.encode()
    assert safe_filename(made) == made


@pytest.mark.parametrize(
    ("name", "made"),
    [
        *(("a.exe", "a.exe"), ("/etc/passwd", "passwd"), ("C:\\a\\b.exe", "b.exe"), ("a/", "file"), ("", "file")),
        *(("a\r\nb", "a__b"), ("\u202efdp.exe", "_fdp.exe"), ("a\ud800b", "a?b"), ("\u00e9", "\u00e9")),
    ],
)
def test_a_filename_keeps_what_is_harmless(name, made):
    assert safe_filename(name) == made


@given(st.integers(0, 32_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_a_date_header_is_read_back(moment):
    assert read_date(format_datetime(moment, usegmt=True)) == moment
    assert datetime.fromisoformat(rfc3339(moment)) == moment


@given(
    st.text(max_size=80) | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{1,5} [0-9:]{5,8} [+-][0-9]{4}")
)
def test_no_date_header_crashes_it(text):
    found = read_date(text)

    assert found is None or rfc3339(found).endswith("Z")


def test_a_date_beyond_the_edge_of_time_is_none():
    assert read_date("Fri, 31 Dec 9999 23:59:59 -2300") is None


@pytest.mark.parametrize(
    ("call", "body", "kind"),
    [
        (Call("GET", "/x"), b"", None),
        (Call("POST", "/x", json={"a": "\u00e9", "b": True}), '{"a":"\u00e9","b":true}'.encode(), "application/json"),
        (
            Call("POST", "/x", form=(("a", "b c&d"), ("a", "\u00e9"))),
            b"a=b+c%26d&a=%C3%A9",
            "application/x-www-form-urlencoded",
        ),
    ],
)
def test_a_body_is_encoded_with_its_type(call, body, kind):
    assert encoded(call) == (body, kind)
