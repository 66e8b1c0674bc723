"""Findings as bytes and back: exact for every verdict, and nothing that is not ours is believed."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment import codec, records
from connector.enrichment.records import pack, unpack
from connector.enrichment.values import Finding
from connector.verdict import File, Url, Verdict

texts = st.none() | st.text(st.characters(exclude_categories=()), max_size=20) | st.just("\ud800?")
counts = st.none() | st.integers(0, 2**70)
files = st.builds(File, md5=texts, sha1=texts, sha256=texts, sha512=texts, name=texts, size=counts, file_type=texts)
urls = st.builds(Url, value=st.text(max_size=40), served=st.none() | files)
verdicts = st.builds(
    Verdict,
    subject=files | urls,
    classification=st.sampled_from(("malicious", "suspicious", "goodware", "unknown")),
    riskscore=st.none() | st.integers(0, 10),
    threat_name=texts,
    reason=texts,
    first_seen=texts,
    last_seen=texts,
    scanner_count=counts,
    scanner_match=counts,
    threat_level=st.none() | st.integers(0, 5),
    trust_factor=st.none() | st.integers(0, 5),
    source=st.sampled_from(("local", "cloud", None)),
)
times = st.floats(-1e12, 1e12) | st.integers(0, 2**40)
findings = st.builds(Finding, subject=st.text(max_size=10), verdict=st.none() | verdicts, looked_up=times, until=times)
things = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("f1"),
    lambda inner: st.lists(inner, max_size=23) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=25,
)
KNOWN = Finding(
    "ab" * 32,
    Verdict(subject=File(sha256="ab" * 32), classification="malicious", riskscore=10, threat_name="Win32.Trojan.X"),
    1_700_000_000.125,
    1_700_604_800.125,
)


@pytest.fixture(params=["as installed", "standard library"])
def either_codec(request, monkeypatch):
    if request.param == "standard library":
        monkeypatch.setattr(records, "loads", codec.plain_loads)
        monkeypatch.setattr(records, "dumps", codec.plain_dumps)


@given(findings)
@settings(max_examples=150)
def test_every_finding_comes_back_as_it_was(finding):
    assert unpack(finding.subject, pack(finding)) == finding


@pytest.mark.parametrize(
    "finding",
    [
        KNOWN,
        Finding("cd" * 20, None, 1.5, 2.5),
        Finding(
            "http://a.test/",
            Verdict(subject=Url(value="http://a.test/", served=File(sha1="cd" * 20)), classification="unknown"),
            1.0,
            2.0,
        ),
        Finding("http://a.test/", Verdict(subject=Url(value="http://a.test/"), classification="goodware"), 1.0, 2.0),
        Finding("s", Verdict(subject=File(sha1="1", name="\ud800?", size=2**80), classification="goodware"), 1.0, 2.0),
    ],
)
@pytest.mark.usefixtures("either_codec")
def test_it_comes_back_with_and_without_the_fast_extra(finding):
    assert unpack(finding.subject, pack(finding)) == finding


def test_what_one_installation_wrote_another_reads(monkeypatch):
    fast = pack(KNOWN)
    monkeypatch.setattr(records, "loads", codec.plain_loads)
    monkeypatch.setattr(records, "dumps", codec.plain_dumps)

    assert pack(KNOWN) == fast
    assert unpack(KNOWN.subject, fast) == KNOWN


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_bytes_of_others_are_no_finding_and_no_error(data):
    assert unpack("s", data) is None


@given(things)
@settings(max_examples=150)
def test_json_of_others_is_no_finding_and_no_error(thing):
    told = unpack("s", json.dumps(thing).encode())

    assert told is None or told.verdict is None, "an array of three with our version is a finding that nothing is known"


@given(st.integers(0, 20), things)
@settings(max_examples=200)
def test_one_part_of_another_kind_is_never_believed_wrongly(place, part):
    row = json.loads(pack(KNOWN))
    row[place] = part
    told = unpack(KNOWN.subject, json.dumps(row).encode())

    if told is not None:
        verdict = told.verdict
        assert verdict.classification in ("malicious", "suspicious", "goodware", "unknown")
        assert verdict.riskscore is None or (type(verdict.riskscore) is int and 0 <= verdict.riskscore <= 10)
        assert math.isfinite(told.until)
        assert json.loads(pack(told)) == row


@pytest.mark.parametrize(
    ("place", "part"),
    [(0, "f2"), (1, None), (2, "soon"), (3, "harmless"), (4, "gossip"), (5, 7), (9, 11), (9, True), (10, 6), (12, -1)],
)
def test_a_part_out_of_range_makes_no_finding(place, part):
    row = json.loads(pack(KNOWN))
    row[place] = part

    assert unpack(KNOWN.subject, json.dumps(row).encode()) is None


@pytest.mark.parametrize("data", [b"", b"[", b"[]", b"{}", b"null", b"[" * 100_000, b'["f1"]', b'["f1",NaN,1]'])
def test_what_is_cut_short_or_strange_is_no_finding(data):
    assert unpack("s", data) is None
