"""Answers are read within their limits and believed only where no two readers could differ about them."""

import gzip
import json
import subprocess
import sys
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector import reader
from connector.errors import MalformedResponse, ResponseTooLarge, SpectraError, Truncated
from connector.reader import Limits, Reader, check_code, read_json
from tests.laboratory import ROOT

MIB = 1 << 20
SIZES = st.lists(st.integers(0, 500), max_size=20)


def read(body, sizes=(), encoding="", limits=reader.DEFAULT):
    """Feed a body in pieces of these sizes, and then the rest."""
    made = Reader(encoding, limits)
    for size in sizes:
        made.feed(body[:size])
        body = body[size:]
    made.feed(body)
    return made.body()


def outcome(*given):
    """The body, or the kind of error."""
    try:
        return read(*given)
    except SpectraError as error:
        return type(error)


class TestWhole:
    """A body comes whole or not at all, however it was cut on the way."""

    @given(st.binary(max_size=5000), SIZES, st.sampled_from(["", "identity", "Identity", " identity , identity"]))
    def test_a_plain_body(self, body, sizes, encoding):
        assert read(body, sizes, encoding) == body

    @given(st.binary(max_size=5000), SIZES, st.sampled_from(["gzip", "GZip", "x-gzip", " gzip ", "identity, gzip"]))
    def test_a_gzip_body(self, body, sizes, encoding):
        assert read(gzip.compress(body), sizes, encoding) == body

    @pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 3 * MIB])
    @pytest.mark.parametrize("chunk", [7, 65536, 4 * MIB])
    def test_a_gzip_body_of_more_than_a_piece(self, size, chunk):
        body = (b"0123456789abcdef" * 16 + bytes(16)) * (size // 272 + 1)
        packed = gzip.compress(body[:size], 1)
        limits = Limits(ratio=2000)

        assert read(packed, [chunk] * (len(packed) // chunk), "gzip", limits) == body[:size]

    @given(st.binary(min_size=1, max_size=500), st.data())
    def test_a_gzip_that_ends_early_is_truncated(self, body, data):
        packed = gzip.compress(body)
        cut = data.draw(st.integers(0, len(packed) - 1))

        with pytest.raises(Truncated) as raised:
            read(packed[:cut], [], "gzip")

        assert (raised.value.outcome, raised.value.retryable) == ("rejected", True)

    @given(st.binary(min_size=1, max_size=300), st.binary(min_size=1, max_size=300), SIZES, st.booleans())
    def test_a_gzip_with_more_behind_its_end_is_refused(self, body, more, sizes, second_member):
        packed = gzip.compress(body) + (gzip.compress(more) if second_member else more)

        with pytest.raises(MalformedResponse, match="holds more after its compressed end"):
            read(packed, sizes, "gzip")

    def test_more_that_comes_later_is_refused_too(self):
        made = Reader("gzip")
        made.feed(gzip.compress(b"{}"))
        made.feed(b"")

        with pytest.raises(MalformedResponse, match="holds more after its compressed end"):
            made.feed(b"x")

    @given(st.binary(max_size=500), SIZES)
    def test_a_damaged_gzip_is_truncated_and_nothing_else(self, body, sizes):
        assert outcome(body, sizes, "gzip") is Truncated

    @given(st.binary(max_size=500), st.data())
    def test_a_changed_gzip_is_never_taken_for_another_body(self, body, data):
        packed = bytearray(gzip.compress(body, mtime=0))
        place = data.draw(st.integers(10, len(packed) - 1))  # the header's time and system are not checked
        packed[place] ^= data.draw(st.integers(1, 255))

        assert outcome(bytes(packed), [], "gzip") in {Truncated, MalformedResponse, body}


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "compress", "gzip;q=1", "gzipped"])
    def test_one_that_was_not_asked_for_is_refused(self, encoding):
        with pytest.raises(MalformedResponse, match="was not asked for"):
            Reader(encoding)

    @pytest.mark.parametrize(
        ("encoding", "times"), [("gzip, gzip", 2), ("gzip,br", 2), (", ".join(["gzip"] * 200), 200)]
    )
    def test_more_than_one_is_refused_with_the_limit(self, encoding, times):
        with pytest.raises(ResponseTooLarge, match=f"encoded {times} times, the limit is once"):
            Reader(encoding)

    @given(st.text(max_size=60))
    def test_what_an_answer_calls_its_encoding_is_never_repeated(self, encoding):
        with pytest.raises(SpectraError) as raised:
            Reader(f"canary{encoding}, br")

        assert "canary" not in str(raised.value)


class TestLimits:
    """Each limit is exact, and the error names the one that was passed."""

    def test_they_are_those_of_the_specification(self):
        assert Limits() == Limits(wire=16_000_000, decoded=64 * MIB, ratio=200, depth=64)

    @pytest.mark.parametrize("excess", [0, 1])
    @pytest.mark.parametrize(
        ("encoding", "limits", "named"),
        [
            ("", Limits(wire=1000), "longer than 1000 bytes as sent, the limit on the wire"),
            ("", Limits(decoded=1000), "longer than 1000 bytes when decoded, the limit after decoding"),
            ("gzip", Limits(decoded=1000), "longer than 1000 bytes when decoded, the limit after decoding"),
        ],
    )
    def test_the_limit_in_bytes(self, encoding, limits, named, excess):
        body = bytes(1000 + excess)
        packed = gzip.compress(body) if encoding else body
        if excess:
            with pytest.raises(ResponseTooLarge, match=named):
                read(packed, [], encoding, limits)
        else:
            assert read(packed, [], encoding, limits) == body

    def test_compressed_bytes_count_on_the_wire(self):
        packed = gzip.compress(bytes(range(256)))

        assert read(packed, [], "gzip", Limits(wire=len(packed))) == bytes(range(256))
        with pytest.raises(ResponseTooLarge, match="on the wire"):
            read(packed, [], "gzip", Limits(wire=len(packed) - 1))

    def test_a_small_answer_may_be_all_spaces(self):
        assert read(gzip.compress(b" " * MIB), [], "gzip") == b" " * MIB

    def test_a_larger_one_may_not(self):
        with pytest.raises(ResponseTooLarge, match="more than 200 times longer when decoded"):
            read(gzip.compress(b" " * (MIB + 1)), [], "gzip")

    def test_what_is_kept_of_a_bomb_is_at_most_a_piece_more_than_where_the_ratio_begins(self):
        bomb = Reader("gzip")

        with pytest.raises(ResponseTooLarge):
            bomb.feed(gzip.compress(bytes(32 * MIB)))

        assert len(bomb._kept.getvalue()) <= 2 * MIB

    def test_what_is_kept_is_at_most_the_limit(self):
        made = Reader("gzip", Limits(decoded=1 << 16))

        with pytest.raises(ResponseTooLarge):
            made.feed(gzip.compress(bytes(MIB)))

        assert len(made._kept.getvalue()) <= 1 << 16

    @pytest.mark.parametrize("limit", ["wire", "decoded", "ratio"])
    def test_the_error_says_what_to_do(self, limit):
        small = Limits(**{limit: 1})
        with pytest.raises(ResponseTooLarge) as raised:
            read(gzip.compress(b" " * (MIB + 1)), [], "gzip", small)

        assert raised.value.hint
        assert "not read to its end" in raised.value.message


HOSTILE = {
    "a gzip of zeros": """
        import zlib
        bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(512)) + bomb.flush()
        assert 400_000 < len(packed) < 600_000
        made = Reader("gzip")
        made.feed(packed)
    """,
    "the same in small chunks": """
        import zlib
        bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
        made = Reader("gzip")
        for _ in range(512):
            made.feed(bomb.compress(bytes(1 << 20)))
    """,
    "200 encodings": 'Reader(", ".join(["gzip"] * 200))',
    "a gibibyte as it is": """
        made = Reader()
        for _ in range(1 << 14):
            made.feed(bytes(1 << 16))
    """,
}


MEASURED = """
import re, sys, textwrap
from connector.errors import ResponseTooLarge
from connector.reader import Limits, Reader, read_json

def peak():
    with open("/proc/self/status") as status:
        return int(re.search("VmHWM:\\s+([0-9]+) kB", status.read())[1])

small = Reader()
small.feed(b'{"results": []}')
assert read_json(small.body()) == ({"results": []}, "")
before = peak()
try:
    exec(textwrap.dedent(sys.argv[1]))
    ended = "read"
except ResponseTooLarge:
    ended = "refused"
print(ended, peak() - before)
"""


def grown(code):
    """How a process that has read a small answer ends with this one, and how many KiB its peak memory grows.

    Not by getrusage: its peak is that of the process that started this one, where that is larger.
    """
    command = [sys.executable, "-c", MEASURED, code]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    how, kib = ended.stdout.split()
    return how, int(kib)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
class TestMemory:
    @pytest.mark.parametrize("what", HOSTILE)
    def test_a_hostile_answer_takes_little_more_than_a_small_one(self, what):
        how, kib = grown(HOSTILE[what])
        most = 16 << 10 if "as it is" in what else 8 << 10  # the limit on the wire is 16 MB, and those are kept

        assert how == "refused"
        assert kib <= most

    def test_a_large_answer_is_held_once(self):
        limits = "Limits(wire=1 << 30, decoded=1 << 30)"
        chunks = f"made = Reader(limits={limits})\nfor _ in range(512): made.feed(bytes(1 << 16))\nmade.body()"
        how, kib = grown(chunks)

        assert how == "read"
        assert 30 << 10 <= kib <= 48 << 10, "the account itself, and that a body of 32 MiB is not copied"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20) + 1, 10**20 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
    | st.sampled_from(
        ['"', "\\", '\\"', "\\u0022", "\U0001f600", "[[", "}", "1" * 25, -0.0, 2**63, 2**64, -(2**63) - 1]
    )
)
NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=3) | st.sampled_from(["a", "code", '"', "\\"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)


def spelt(name):
    """A name as JSON text, either as it is or every letter of it as an escape."""
    escaped = "".join(rf"\u{unit:04x}" for unit in utf16(name))
    return st.sampled_from(
        [json.dumps(name), json.dumps(name, ensure_ascii=False), f'"{escaped}"', f'"{escaped.upper()}"']
    )


def utf16(text):
    packed = text.encode("utf-16-be")
    return [int.from_bytes(packed[at : at + 2], "big") for at in range(0, len(packed), 2)]


def objects(inner):
    """Objects as text, whose names may come twice and be spelt in several ways."""
    name = st.sampled_from(["a", "b", "code", '"', "\\", "\u00e9", "\U0001f600"]).flatmap(spelt)
    return st.lists(st.tuples(name, inner), max_size=4).map(
        lambda members: "{" + ", ".join(f"{name}: {value}" for name, value in members) + "}"
    )


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
TEXTS = st.recursive(
    NUMBERS | st.sampled_from(["null", "true", '"x"', r'"\""', r'"\u0022"', r'"\ud83d\ude00"', r'"\ud83d"', "NaN"]),
    lambda inner: objects(inner) | st.lists(inner, max_size=4).map(lambda items: "[" + ",".join(items) + "]"),
    max_leaves=8,
)


@st.composite
def mutated(draw):
    """JSON with a few bytes taken out, put in or changed."""
    body = bytearray(json.dumps(draw(JSON), ensure_ascii=draw(st.booleans())).encode())
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(body)))
        body[place : place + draw(st.integers(0, 2))] = draw(
            st.binary(max_size=2)
            | st.sampled_from([b'"', b"\\", b"[", b"}", b",", b":", b"9" * 20, b"e400", b"\\ud83d"])
        )
    return bytes(body)


BODIES = (
    TEXTS.map(str.encode)
    | mutated()
    | st.binary(max_size=60)
    | st.text('{}[]",:0123\\ud8ntf.eE+- ', max_size=30).map(str.encode)
)


def nested(levels, inner=b"", opening=b"[", closing=b"]"):
    return opening * levels + inner + closing * levels


PROBLEMS = {
    "is empty": [b"", b" \r\n\t", b"\xef\xbb\xbf"],
    "is a page, not JSON": [b"<html>", b" \n<!DOCTYPE html>", b"\xef\xbb\xbf<html>", b'<{"a": 1}>'],
    "is not JSON": [
        *(
            b"{",
            b"[1,",
            b"[1,]",
            b"{'a': 1}",
            b"01",
            b"1.",
            b".5",
            b"+1",
            b"0x1",
            b'"\x00"',
            b'"\n"',
            b"{} {}",
            b"{}\x00",
        ),
        *(
            b'{"a" 1}',
            b'{"a"}',
            b"{1: 2}",
            b'"\\x"',
            b'"\\u12"',
            b"nul",
            b"True",
            b"[1 2]",
            b"\xef\xbb\xbf{}",
            b"\xc2\xa0{}",
        ),
    ],
    "holds a name twice in one object": [
        b'{"a": 1, "a": 1}',
        b'{"verdict": "malicious", "verdict": "goodware"}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"x": [{"a": 1, "b": 2, "a": 3}]}',
        b'{"a": "", "a": "\\""}',
        b'{"a": 1, "a": "\\u0022\\u0022"}',
        b'{"\\u0022": 1, "\\"": 2}',
        b'{"": 1, "": 2}',
        b'{"\xf0\x9f\x98\x80": 1, "\\uD83D\\ude00": 2}',
    ],
    "holds NaN or Infinity": [b"NaN", b"[Infinity]", b'{"a": -Infinity}'],
    "holds a number out of range": [
        b"1e999",
        b"[-1e400]",
        b"1" * 21,
        b"-" + b"1" * 21,
        b"1" * 5000,
        b"1" * 400 + b".0",
    ],
    "is nested deeper than 64": [
        nested(65),
        nested(65, b"1"),
        nested(65, b"{}", b'{"a":', b"}"),
        b"[0, " + nested(64) + b"]",
        nested(255),
        nested(2000),
        b"[" * 100_000 + b"]" * 100_000,
        nested(100_000, b"1", b'{"a":', b"}"),
    ],
    "is not valid UTF-8": [b"\xff", b'"\xed\xa0\x80"', b'"\xc0\x80"', b'["\xe2\x82"]', "{}".encode("utf-16")],
    "holds half of a surrogate pair": [
        *(b'"\\ud800"', b'"\\uDC00"', b'"\\ude00\\ud83d"', b'{"\\udbff": 1}', b'"\\ud83d\\ud83d\\ude00"'),
        b'["\\ud83d", "\\ude00"]',
    ],
}
REFUSED = [(body, problem) for problem, bodies in PROBLEMS.items() for body in bodies]


@pytest.fixture(params=["with the extra", "without"])
def either_parser(request, monkeypatch):
    if request.param == "without":
        monkeypatch.setattr(reader, "_USABLE", False)


@pytest.mark.usefixtures("either_parser")
class TestJson:
    """With the [fast] extra or without, the same bytes are the same value or the same problem."""

    @given(JSON, st.booleans(), st.sampled_from([None, 2]))
    def test_json_is_read(self, value, ascii_only, indent):
        body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()

        assert repr(read_json(body)) == repr((value, ""))

    @pytest.mark.parametrize(("body", "problem"), REFUSED, ids=range(len(REFUSED)))
    def test_what_cannot_be_trusted_is_nothing_and_says_why(self, body, problem):
        assert read_json(body) == (None, problem)

    @given(BODIES)
    def test_no_bytes_crash_it_and_what_is_read_can_be_written(self, body):
        value, problem = read_json(body)

        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        assert problem in {*PROBLEMS, ""}

    @pytest.mark.parametrize("body", [nested(64), nested(64, b"1"), nested(63, b"{}", b'{"a":', b"}")], ids=range(3))
    def test_sixty_four_levels_are_read(self, body):
        assert read_json(body) == (json.loads(body), "")

    @pytest.mark.parametrize("depth", [0, 1, 2, 5, 200, 254, 300])
    def test_the_depth_is_exact_wherever_it_is_set(self, depth):
        wide = b"[" + b"[]," * 2000 + b"[]]"  # long enough not to be counted by its brackets

        assert read_json(nested(depth, b"1"), depth)[1] == ""
        assert read_json(nested(depth + 1), depth) == (None, f"is nested deeper than {depth}")
        assert read_json(wide, depth)[1] == ("" if depth >= 2 else f"is nested deeper than {depth}")

    @pytest.mark.parametrize("text", ["99999999999999999999", "-99999999999999999999", "18446744073709551616"])
    def test_an_integer_of_twenty_digits_is_exact(self, text):
        for body in (text, f"[{text}]", f'{{"a":{text}}}', f"[1,\n{text} ]"):
            value, problem = read_json(body.encode())

            assert problem == ""
            assert text in json.dumps(value)

    def test_half_a_surrogate_that_is_only_written_about_is_text(self):
        assert read_json(rb'"\\ud800"') == (r"\ud800", "")


def same_or_unsure(body, depth=64):
    value, sure = reader._read_quickly(body, depth)
    if sure:
        assert (repr(value), "") == (repr((strict := reader._read_strictly(body, depth))[0]), strict[1])
    return sure


class TestQuickReading:
    """What is read quickly is what the strict reader reads, to the type of each number."""

    @pytest.fixture(autouse=True)
    def with_the_extra(self):
        pytest.importorskip("orjson")

    @given(BODIES)
    @example(b'{"a": 1, "a": "\\u0022\\u0022"}')
    @example(b"-0")
    @example(b"[-0, 0.1234567890123456789012]")
    @example(b"123456789012345678901e-5")
    def test_it_is_the_same_or_it_is_not_sure(self, body):
        same_or_unsure(body)

    @given(TEXTS, st.integers(0, 4))
    def test_also_at_other_depths_and_in_a_large_body(self, text, depth):
        same_or_unsure(text.encode(), depth)
        same_or_unsure(f'[{text},"{"x" * 5000}"]'.encode(), depth)

    def test_an_ordinary_page_is_read_quickly(self):
        entry = {
            "sha256": "0123456789" * 6 + "abcd",
            "name": 'a "b" \u00e9',
            "size": 2**40,
            "factor": 0.1,
            "at": "2023-01-05",
        }

        assert same_or_unsure(json.dumps({"entries": [entry] * 100}, ensure_ascii=False).encode())

    def test_it_is_used_as_long_as_the_library_counts_levels_as_it_does(self):
        assert reader._is_usable()

    def test_a_library_that_writes_deeper_is_not_used(self, monkeypatch):
        monkeypatch.setattr(reader, "_LEVELS", 100)

        assert not reader._is_usable()


class TestCode:
    @pytest.mark.parametrize(("code", "status"), [(404, 200), (200, 201), (500, 200), (100, 599)])
    def test_another_code_than_the_status_is_told(self, code, status):
        assert check_code({"code": code}, status) == f"answered {status} with the code {code} inside"

    @pytest.mark.parametrize(
        "body", [{"code": 200}, {}, {"code": 0}, {"code": 99}, {"code": 600}, {"detail": {"code": 404}}]
    )
    def test_the_same_code_or_none_is_no_problem(self, body):
        assert check_code(body, 200) == ""

    @pytest.mark.parametrize("code", [True, "404", None, 404.0, [404]])
    def test_what_is_no_integer_is_no_status(self, code):
        assert check_code({"code": code}, 200) == ""

    @pytest.mark.parametrize("body", [[{"code": 404}], None, "code", 404])
    def test_what_is_no_object_has_none(self, body):
        assert check_code(body, 200) == ""


class TestSentences:
    """What is told is exact: the limit that was passed, and whether asking again makes sense."""

    @pytest.mark.parametrize(
        ("wire", "told"),
        [(999_999, "999999 bytes"), (1_000_000, "1 MB"), (1_999_999, "1 MB"), (2_000_000, "2 MB")],
    )
    def test_a_limit_is_told_in_the_unit_that_fits(self, wire, told):
        with pytest.raises(ResponseTooLarge, match=f"longer than {told} as sent"):
            Reader("", Limits(wire=wire)).feed(bytes(wire + 1))

    def test_a_ratio_that_is_reached_is_not_passed(self):
        packed = gzip.compress(bytes(3 * MIB), 9)
        ratio = -(-3 * MIB // len(packed))

        assert len(read(packed, encoding="gzip", limits=Limits(ratio=ratio))) == 3 * MIB
        with pytest.raises(ResponseTooLarge, match="the limit of the ratio") as grown:
            read(packed, encoding="gzip", limits=Limits(ratio=ratio - 1))
        assert "its own answers do not grow like this" in grown.value.hint

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (gzip.compress(b"{}")[:-9], "the compressed answer ended early"),
            (b"\x1f\x8b" + b"x" * 40, "the compressed answer is damaged"),
            (zlib.compress(b"{}"), "the compressed answer is damaged"),
        ],
    )
    def test_a_damaged_answer_to_a_read_may_be_asked_for_again(self, body, told):
        with pytest.raises(Truncated, match=told) as cut:
            read(body, encoding="gzip")

        assert (cut.value.outcome, cut.value.retryable) == ("rejected", True)

    @pytest.mark.parametrize("code", [100, 599])
    def test_a_code_at_the_end_of_its_range_is_one(self, code):
        assert check_code({"code": code}, 200)

    @pytest.mark.parametrize("code", [99, 600, True, "404", 200.0, None])
    def test_what_is_no_status_is_no_code(self, code):
        assert check_code({"code": code}, 200) == ""


class TestManyValues:
    """More values than memory should hold are not read at all."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch):
        monkeypatch.setattr(reader, "MOST_VALUES", 12)

    @pytest.mark.parametrize(
        ("most", "more"),
        [
            (b"[" + b"1," * 11 + b"1]", b"[" + b"1," * 12 + b"1]"),
            (b"[" * 12 + b"]" * 12, b"[" * 13 + b"]" * 13),
            (b'{"a":' * 12 + b"1" + b"}" * 12, b'{"a":' * 13 + b"1" + b"}" * 13),
        ],
        ids=["commas", "lists", "objects"],
    )
    def test_as_many_as_the_limit_are_read_and_one_more_is_not(self, most, more):
        assert read_json(most)[1] == ""
        assert read_json(more) == (None, "holds more than 12 values")

    def test_a_long_body_of_few_values_is_read(self):
        assert read_json(b'"' + b"x" * 1000 + b'"') == ("x" * 1000, "")
