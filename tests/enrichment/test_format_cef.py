"""CEF lines keep to the header, the escaping and the extension dictionary of the standard, and read back as written."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.enrichment.formats.cef import LABELS, LONGEST, _fit, events, severity
from connector.enrichment.ports import Format
from connector.enrichment.values import Finding, Found
from connector.verdict import Verdict
from tests.enrichment.made import BAD_URL, FINDINGS, HOSTILE, MALICIOUS, compare, finding, findings, found, verdicts

FORM: Format = events("9.6")
# CEF Implementation Standard, extension dictionary: key -> longest value in characters; None for numbers and times.
DICTIONARY: Final[dict[str, int | None]] = {
    "cat": 1023,
    "end": None,
    "externalId": 40,
    "fileHash": 255,
    "fileType": 1023,
    "fname": 1023,
    "fsize": None,
    "reason": 1023,
    "request": 1023,
    "rt": None,
    "start": None,
    **{f"cn{n}": None for n in range(1, 4)},
    **{f"cn{n}Label": 1023 for n in range(1, 4)},
    **{f"cs{n}": 4000 for n in range(1, 7)},
    **{f"cs{n}Label": 1023 for n in range(1, 7)},
}
LONGEST_HEADER: Final = (5, 63, 63, 31, 1023, 512, 2)


def read(line: bytes) -> tuple[list[str], dict[str, str]]:
    """A parser by the book: seven header fields, then key=value where a key is a word before a bare equals sign."""
    text = line.decode("utf-8")
    *header, extension = _header(text)
    keys = list(re.finditer(r"(?:^| )(\w+)=", _hidden(extension)))
    ends = [match.start() for match in keys[1:]] + [len(extension)]
    pairs = [(key[1], _plain(extension[key.end() : end])) for key, end in zip(keys, ends, strict=True)]
    assert len(dict(pairs)) == len(pairs), "a key comes twice"
    return header, dict(pairs)


def _header(text: str) -> list[str]:
    """Split at pipes that no backslash escapes."""
    fields, now, at = [], "", 0
    while len(fields) < 7:
        if text[at] == "\\":
            now += text[at + 1]
            at += 2
        elif text[at] == "|":
            fields.append(now)
            now, at = "", at + 1
        else:
            now += text[at]
            at += 1
    return [*fields, text[at:]]


def _hidden(extension: str) -> str:
    """The same text with every escaped pair out of sight."""
    return re.sub(r"\\.", "__", extension)


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), value)


@pytest.mark.parametrize("name", FINDINGS)
def test_a_line_says_what_the_verdict_says(name: str) -> None:
    of = FINDINGS[name]
    assert of.verdict is not None
    header, told = read(FORM.render(found(of), of))
    assert header[:4] == ["CEF:0", "ReversingLabs", "Spectra Analyze", "9.6"]
    assert header[4] == f"{of.verdict.subject.kind}-{of.verdict.classification}"
    assert told["cat"] == of.verdict.classification
    assert told["rt"] == "1785000000250"
    assert told.get("cn1") == (None if of.verdict.riskscore is None else str(of.verdict.riskscore))


def test_the_fields_of_a_file() -> None:
    of = FINDINGS["malicious"]
    header, told = read(FORM.render(Found("file.hash.md5", "x"), of))
    told.pop("externalId")
    assert header[5:] == ["Malicious file", "10"]
    assert told == {
        "rt": "1785000000250",
        "start": "1715500680000",
        "end": "1784539815250",
        "cat": "malicious",
        "reason": "antivirus",
        "fileHash": MALICIOUS.subject.sha256,
        "fname": "invoice.exe",
        "fsize": "3514368",
        "fileType": "PE/Exe",
        "cs2": MALICIOUS.subject.md5,
        "cs2Label": "fileMd5",
        "cs3": MALICIOUS.subject.sha1,
        "cs3Label": "fileSha1",
        "cs1": "Win32.Ransomware.Fictional",
        "cs1Label": "threatName",
        "cs4": "Fictional",
        "cs4Label": "threatFamily",
        "cs5": "file.hash.md5",
        "cs5Label": "eventField",
        "cn1": "10",
        "cn1Label": "riskScore",
        "cn2": "27",
        "cn2Label": "scannerMatch",
        "cn3": "28",
        "cn3Label": "scannerCount",
    }


def test_a_url_is_the_request_and_the_file_it_served_is_told() -> None:
    header, told = read(FORM.render(found(FINDINGS["url"]), FINDINGS["url"]))
    assert header[5] == "Malicious URL"
    assert told["request"] == BAD_URL.subject.value
    assert told["fileHash"] == MALICIOUS.subject.sha256


def test_what_a_hostile_name_holds_stays_in_its_value() -> None:
    line = FORM.render(found(FINDINGS["hostile"]), FINDINGS["hostile"])
    _, told = read(line)
    assert told["fname"] == HOSTILE.subject.name.replace("\u202e", "\ufffd").replace("\ud800", "\ufffd")
    assert told["cs1"] == HOSTILE.threat_name
    assert "na" not in told
    assert line.count(b"\n") == line.count(b"\r") == 0


@given(findings())
def test_any_finding_is_one_line_of_known_keys_that_fit(of: Finding) -> None:
    line = FORM.render(found(of), of)
    assert line.decode().isprintable()
    header, told = read(line)
    assert all(len(field) <= most for field, most in zip(header, LONGEST_HEADER, strict=True))
    for key, value in told.items():
        most = DICTIONARY[key]
        assert value.isdigit() if most is None else 0 < len(value) <= most
    assert {key for key in told if key.endswith("Label")} == {f"{key}Label" for key in told if key in LABELS}


@given(st.text(max_size=60), st.integers(0, 50))
def test_a_value_reads_back_as_it_was(text: str, longest: int) -> None:
    kept = text.strip()[:longest].strip()
    back = _plain(_fit(text, longest))
    assert len(back) == len(kept)
    assert all(b in {a, "\ufffd"} for a, b in zip(kept, back, strict=True))


def test_the_dictionary_is_the_one_that_a_library_of_the_standard_carries() -> None:
    """cefevent holds the whole extension dictionary; a length of 0 there means a number or a time."""
    published = pytest.importorskip("cefevent.extensions", reason="cefevent is not installed").extension_dictionary
    assert {key: published[key]["length"] or None for key in DICTIONARY} == DICTIONARY


def test_the_table_of_lengths_is_that_of_the_standard() -> None:
    assert LONGEST.items() <= DICTIONARY.items()
    assert {*LABELS, *(f"{key}Label" for key in LABELS)} <= set(DICTIONARY)


@given(verdicts())
def test_severity_is_in_the_row_of_the_classification(verdict: Verdict) -> None:
    row = {"malicious": range(7, 11), "suspicious": range(4, 7)}.get(verdict.classification, range(4))
    assert severity(verdict) in row


@pytest.mark.parametrize("word", ["malicious", "suspicious", "goodware", "unknown"])
def test_severity_grows_with_the_risk_score(word: str) -> None:
    row = [severity(Verdict(subject=MALICIOUS.subject, classification=word, riskscore=n)) for n in range(11)]
    assert row == sorted(row)
    assert severity(Verdict(subject=MALICIOUS.subject, classification=word)) == row[0]


def test_the_same_finding_has_the_same_id_whenever_it_is_told() -> None:
    again = Finding("x", MALICIOUS, 1.0, 2.0)
    ids = [read(FORM.render(Found(f, "x"), of))[1]["externalId"] for f, of in (("a", again), ("b", finding(MALICIOUS)))]
    assert ids[0] == ids[1]
    assert len({read(FORM.render(found(of), of))[1]["externalId"] for of in FINDINGS.values()}) == len(FINDINGS)


def test_a_version_cannot_break_the_header() -> None:
    header, _ = read(events("9|6\\\n" + "x" * 99).render(found(FINDINGS["malicious"]), FINDINGS["malicious"]))
    assert header[3] == ("9|6\\ " + "x" * 99)[:31]


def test_golden() -> None:
    compare("cef.cef", [FORM.render(found(of), of) for of in FINDINGS.values()])


def test_it_is_a_format_of_documents() -> None:
    assert (FORM.keeps_events, FORM.suffix) == (False, ".cef")
    assert FORM.render(found(finding(None, "0" * 64)), finding(None, "0" * 64)) == b""
    assert list(FORM.dress(b"", {}, [b"", b"x"])) == [b"x"]
