"""Values to bytes and back: no input crashes it, no upload loses a byte."""

import hashlib
import io
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header

from connector.errors import InputRefused
from connector.plan import Call, Sent, Upload
from connector.wire import UploadBody, encoded, read_date, reply_of, rfc3339, safe_filename


def seen(content):
    """What was seen of a file before it is sent."""
    return Sent(hashlib.sha1(content).hexdigest(), hashlib.sha256(content).hexdigest(), len(content))


class TestUploading:
    FIELDS = st.lists(st.tuples(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.text(max_size=60)), max_size=4)

    @given(st.binary(max_size=3000), FIELDS, st.text(min_size=1, max_size=60))
    def test_what_is_framed_can_be_parsed_back_to_the_byte(self, content, fields, filename):
        upload = Upload(content, seen(content), filename, tuple(fields))
        body = UploadBody(upload, io.BytesIO(content))
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
        body = UploadBody(Upload(b"x", seen(b"x"), name, ((name, "v"),)), io.BytesIO(b"x"))
        head = next(iter(body)).split(b"\r\n\r\n")[0]

        assert head.count(b"\r\n") == 1
        assert head.count(b'"') == 2

    def test_a_file_that_moved_is_refused_before_the_last_boundary(self):
        body = UploadBody(Upload(b"", seen(b"x" * 10), "a"), io.BytesIO(b"x" * 10), lambda: False)
        sent = []

        with pytest.raises(InputRefused):
            sent.extend(body)

        assert b"".join(sent).endswith(b"x" * 10)
        assert body.sent is None

    def test_other_bytes_than_were_seen_are_refused_before_the_last_boundary(self):
        body = UploadBody(Upload(b"", seen(b"x" * 10), "a"), io.BytesIO(b"x" * 9 + b"y"))
        sent = []

        with pytest.raises(InputRefused):
            sent.extend(body)

        assert b"".join(sent).endswith(b"xy")
        assert body.sent is None

    def test_a_file_that_shrank_is_refused(self):
        with pytest.raises(InputRefused):
            list(UploadBody(Upload(b"", seen(b"x" * 10), "a"), io.BytesIO(b"x" * 9)))

    def test_a_file_that_grew_is_not_sent_further_than_announced(self):
        body = UploadBody(Upload(b"", seen(b"x" * 10), "a"), io.BytesIO(b"x" * 11))

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


class TestReply:
    """The reply of an answer holds what was read, or says why nothing was."""

    def test_json_comes_without_a_problem(self):
        reply = reply_of(200, b'{"a": 1}', "application/json", "7", "Sun, 06 Nov 1994 08:49:37 GMT", hidden=("s",))

        assert (reply.json, reply.problem, reply.size, reply.hidden) == ({"a": 1}, "", 8, ("s",))
        assert (reply.retry_after, reply.answered_at) == ("7", "1994-11-06T08:49:37Z")

    def test_what_is_not_believed_comes_with_its_problem(self):
        reply = reply_of(200, b'{"a": 1, "a": 2}', "application/json", None, None)

        assert (reply.json, reply.problem) == (None, "holds a name twice in one object")
        assert datetime.fromisoformat(reply.answered_at).tzinfo
