"""Plain lists and CSV become events of their own, and what is neither is refused."""

import pytest

from connector.enrichment.extraction import Read, make_reader
from connector.enrichment.values import Failure, Found

MD5, SHA1, SHA256 = "a1" * 16, "b2" * 20, "c3" * 32
URL = "https://www.example.com/download?id=7"


def reason(made: object) -> str:
    assert isinstance(made, Failure), made
    return made.reason


@pytest.mark.parametrize("shape", ["list", "auto"])
@pytest.mark.parametrize("value", [MD5, SHA1, SHA256, "d4" * 64, "1" * 32, "1" * 20 + "e" + "1" * 11, "0" * 64])
def test_a_line_that_is_a_hash_is_an_event_of_one_member(shape: str, value: str) -> None:
    wanted = Read(f'{{"hash":"{value}"}}'.encode(), {"hash": value}, (Found("hash", value),))
    assert make_reader(shape).read(value.encode()) == wanted
    assert make_reader(shape).read(b"\xef\xbb\xbf " + value.encode() + b"\r") == wanted


@pytest.mark.parametrize("shape", ["list", "auto"])
def test_a_line_that_is_a_url_is_an_event_of_one_member(shape: str) -> None:
    wanted = Read(f'{{"url":"{URL}"}}'.encode(), {"url": URL}, (Found("url", URL),))
    assert make_reader(shape).read(URL.encode()) == wanted
    assert make_reader(shape, urls=False).read(URL.encode()) == wanted._replace(found=())


def test_a_hash_in_capitals_keeps_its_form_in_the_event_and_is_lowered_as_a_subject() -> None:
    made = make_reader("list").read(MD5.upper().encode())
    assert made == Read(f'{{"hash":"{MD5.upper()}"}}'.encode(), {"hash": MD5.upper()}, (Found("hash", MD5),))


def test_comments_and_blank_lines_of_a_list_name_nothing_and_pass() -> None:
    for line in (b"", b"# a comment", b"  # another", b"\r"):
        assert make_reader("list").read(line) == Read(line, {}, ())


def test_a_line_of_a_list_that_is_neither_is_refused_without_its_text() -> None:
    for line in (b"secret", MD5[:-1].encode(), b"secret.example", f"{MD5} secret".encode(), b'{"secret":1}'):
        made = make_reader("list").read(line)
        assert reason(made) == "not_a_hash"
        assert "secret" not in made.detail
    assert reason(make_reader("list").read(b"\xff")) == "not_utf8"


def test_the_first_line_of_a_csv_file_names_the_columns_and_is_no_event() -> None:
    reader = make_reader("csv")
    assert reader.header is None
    assert reader.read(b"\xef\xbb\xbfname,md5,SHA-256\r") is None
    assert reader.header == b"\xef\xbb\xbfname,md5,SHA-256\r"
    assert reader.read(f"a,{MD5},{SHA256}\r".encode()) == Read(
        f'{{"name":"a","md5":"{MD5}","SHA-256":"{SHA256}"}}'.encode(),
        {"name": "a", "md5": MD5, "SHA-256": SHA256},
        (Found("SHA-256", SHA256),),
    )


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_delimiter_is_told_by_the_header(mark: str) -> None:
    reader = make_reader("csv")
    reader.read(mark.join(["file name", "File Hash", "url"]).encode())
    made = reader.read(mark.join(["a", SHA1, URL]).encode())
    assert made.found == (Found("File Hash", SHA1), Found("url", URL))
    assert list(made.event) == ["file name", "File Hash", "url"]


def test_quoted_cells_hold_delimiters_and_quotes() -> None:
    reader = make_reader("csv")
    reader.read(b'"first, seen", "sha256_hash", "md5_hash"')
    made = reader.read(f'"a, ""b""", "{SHA256}", "n/a"'.encode())
    assert made.event == {"first, seen": 'a, "b"', "sha256_hash": SHA256, "md5_hash": "n/a"}
    assert made.found == (Found("sha256_hash", SHA256),)


def test_a_row_without_a_strong_hash_is_told_by_a_weaker_one_and_malformed_ones_are_counted() -> None:
    reader = make_reader("csv")
    reader.read(b"sha256,sha1,md5")
    made = reader.read(f",short,{MD5}".encode())
    assert (made.found, made.malformed) == ((Found("md5", MD5),), 1)


def test_a_column_of_indicators_may_hold_what_is_no_subject() -> None:
    reader = make_reader("csv")
    reader.read(b"type,value")
    rows = [reader.read(f"x,{value}".encode()) for value in (MD5, URL, "192.0.2.1")]
    assert [row.found for row in rows] == [(Found("value", MD5),), (Found("value", URL),), ()]
    assert [row.malformed for row in rows] == [0, 0, 0]


def test_named_columns_are_looked_at_alone() -> None:
    reader = make_reader("csv", ["My.Column"])
    reader.read(b"md5,My.Column")
    assert reader.read(f"{MD5},{SHA1}".encode()).found == (Found("My.Column", SHA1),)


def test_rows_with_too_few_or_too_many_cells_are_refused() -> None:
    reader = make_reader("csv")
    reader.read(b"name,md5")
    for row in (b"a", f"a,{MD5},b".encode(), b'"a', b'"a"b,c', b'"' + b"x" * 140_000 + b'",b'):
        assert reason(reader.read(row)) == "csv_row"
    assert reason(reader.read(b"a,\xff")) == "not_utf8"


def test_columns_of_one_name_are_told_apart() -> None:
    reader = make_reader("csv")
    reader.read(b"a,a,,a_2")
    assert reader.read(b"1,2,3,4").event == {"a": "1", "a_2": "2", "column_3": "3", "a_2_2": "4"}


def test_a_file_without_a_header_is_refused_line_by_line_and_loses_nothing() -> None:
    reader = make_reader("csv")
    for line in (f"a,{MD5}", f"b,{SHA1}", URL):
        assert reason(reader.read(line.encode())) == "csv_header"
    assert reason(reader.read(b'"a')) == "csv_header"
    assert reason(reader.read(b"\xff")) == "not_utf8"
    assert reader.header is None


def test_a_csv_file_goes_on_in_its_middle_when_the_header_is_given_back() -> None:
    first, second = make_reader("csv"), make_reader("csv")
    first.read(b"name;md5")
    second.header = first.header
    row = f"a;{MD5}".encode()
    assert second.read(row) == first.read(row)
    second.header = None
    assert second.read(b"md5") is None


def test_readers_of_other_shapes_have_no_header() -> None:
    for shape in ("auto", "ecs", "list"):
        reader = make_reader(shape)
        reader.header = None
        assert reader.header is None
