"""Filled forms are what stix2 would have written: the drift lock, and equality for random verdicts."""

import json
from datetime import datetime
from typing import Any

import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st
from stix2.registry import class_for_type

from connector import stix
from connector.stix import StixOptions, bundle
from connector.stix_forms import EXEMPLARS
from connector.verdict import File, Url, Verdict
from tests.test_stix_cases import ANSWERED_AT


def hexadecimal(length: int) -> st.SearchStrategy[str]:
    return st.integers(0, 16**length - 1).map(lambda n: f"{n:0{length}x}")


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


TEXT = maybe(st.text(alphabet=st.characters(), max_size=40))
TIMES = maybe(st.datetimes(min_value=datetime(1960, 1, 1)).map(lambda t: t.isoformat() + "Z"))  # noqa: DTZ001
FILES = st.builds(
    File,
    md5=maybe(hexadecimal(32)),
    sha1=maybe(hexadecimal(40)),
    sha256=hexadecimal(64),
    sha512=maybe(hexadecimal(128)),
    name=TEXT,
    size=maybe(st.integers(0, 2**40)),
    file_type=TEXT,
)
URLS = st.builds(
    Url, value=st.text(alphabet=st.characters(), max_size=30).map("http://h.example/".__add__), served=maybe(FILES)
)
NAMES = TEXT | st.builds(
    "{}.{}.{}".format,
    st.sampled_from(["Win32", "Document-PDF", ""]),
    st.sampled_from(["Trojan", "Ransomware", "PUA", "Exploit", "\x1b"]),
    st.text(alphabet=st.characters(), max_size=20) | st.sampled_from(["WannaCry", "Generic", "CVE-2017-11882"]),
)
VERDICTS = st.builds(
    Verdict,
    subject=FILES | URLS,
    classification=st.sampled_from(["malicious", "suspicious", "goodware", "unknown"]),
    riskscore=maybe(st.integers(0, 10)),
    threat_name=NAMES,
    reason=TEXT,
    first_seen=TIMES,
    last_seen=TIMES,
    scanner_count=maybe(st.integers(0, 100)),
    scanner_match=maybe(st.integers(0, 100)),
    threat_level=maybe(st.integers(0, 5)),
    trust_factor=maybe(st.integers(0, 5)),
    source=maybe(st.sampled_from(["local", "cloud"])),
)
OPTIONS = st.builds(
    StixOptions,
    profile=st.sampled_from(["core", "full"]),
    target=st.sampled_from(["generic", "opencti", "misp", "sentinel", "taxii"]),
    tlp=st.sampled_from(["clear", "green", "amber", "amber+strict", "red"]),
    pattern_hashes=st.sampled_from(["strongest", "all"]),
    url_days=st.integers(0, 400),
    appliance_url=maybe(st.just("https://appliance.example/")),
)


def built(item: dict[str, Any]) -> dict[str, Any]:
    """The same object made by stix2 from the same values; an observable computes its own id."""
    kind = class_for_type(item["type"], "2.1") or class_for_type(item["type"], "2.1", "observables")
    dropped = {"type", "id"} if item["type"] in {"file", "url"} else {"type"}
    made = kind(allow_custom=False, **{key: value for key, value in item.items() if key not in dropped})
    return json.loads(made.serialize())


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(VERDICTS, min_size=1, max_size=3), OPTIONS)
def test_filled_forms_equal_what_stix2_builds(verdicts: list[Verdict], options: StixOptions) -> None:
    """Object by object, for any verdict in any letter; and stix2 reads the whole bundle without custom content."""
    made = bundle(verdicts, options, ANSWERED_AT).objects
    if made is None:
        return
    for item in made["objects"]:
        assert built(item) == item
    whole = stix2.parse(json.dumps(made), allow_custom=False, version="2.1")
    assert json.loads(whole.serialize()) == made
    assert stix.strict(made) == []


def test_the_committed_exemplars_are_what_stix2_makes() -> None:
    """A new stix2, or a changed specimen, shows here first. ``python -m connector.stix`` writes the file anew."""
    assert json.loads(EXEMPLARS.read_text("utf-8")) == stix.exemplars()


def test_ids_are_version_5_of_our_own_namespace() -> None:
    """As the library of the language computes them, and never in the namespace that is kept for observables."""
    import uuid

    from connector.stix_ids import OURS, own_id

    ours = uuid.UUID(bytes=OURS)
    assert ours.version == 4
    assert str(ours) != "00abedb4-aa42-466c-9c01-fed23315a9b7"
    for content in ("", "x", "ü" * 500):
        assert own_id("note", content) == f"note--{uuid.uuid5(ours, f'note:{content}')}"
