"""Whatever comes, a reader answers; and what was planted in a documented field is found, all of it and nothing more."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from connector.enrichment.extraction import Read, make_reader
from connector.enrichment.extraction.subjects import is_address, is_hash
from connector.enrichment.values import Failure, Found
from connector.vocabulary import HashValue, Url

SHAPES = ("auto", "ecs", "ocsf", "splunk", "sentinel", "suricata", "zeek", "sysmon", "list", "csv")
JSON_SHAPES = SHAPES[1:8]
FIELDS = ("file.hash.sha256", "a", "a.b")

hashes = st.sampled_from([32, 40, 64, 128]).flatmap(lambda n: st.text("0123456789abcdef", min_size=n, max_size=n))
digests = {
    kind: st.text("0123456789abcdef", min_size=n, max_size=n)
    for kind, n in {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}.items()
}
names = st.sampled_from(
    [
        *(
            "file",
            "hash",
            "hashes",
            "sha256",
            "md5",
            "process",
            "parent",
            "url",
            "full",
            "http",
            "hostname",
            "uri",
            "id",
        ),
        *("Event", "EventData", "Data", "@Name", "#text", "Hashes", "class_uid", "observables", "type_id", "value"),
        *("algorithm_id", "event_type", "timestamp", "fuid", "TimeGenerated", "SHA256", "properties", "file_hash"),
        *("file.hash", "file.hash.md5", "process.parent", "hash.sha1", "email", "attachments", "ecs", "category"),
        *("host", "name", "result", "a", "b"),
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | hashes
)
values = st.recursive(
    scalars | st.just("http://a.example/") | st.just("Hashes"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=4), inner, max_size=4),
    max_leaves=25,
)
readers = {shape: make_reader(shape) for shape in SHAPES} | {"fields": make_reader(fields=FIELDS)}


def sound(made: Any) -> None:
    """A reader's answer holds together: subjects are subjects, once each, and raw is the event."""
    if isinstance(made, Failure):
        assert made.reason
        assert made.detail
    elif made is not None:
        assert isinstance(made, Read)
        assert made.malformed >= 0
        subjects = [each.subject for each in made.found]
        assert len(set(subjects)) == len(subjects)
        assert all(isinstance(each, Found) and each.field for each in made.found)
        assert all(is_address(each) if ":" in each else is_hash(each) and each == each.lower() for each in subjects)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(names, values, max_size=6))
def test_any_object_is_read_and_stays_as_it_is(event: dict[str, Any]) -> None:
    raw = json.dumps(event).encode()
    for name, reader in readers.items():
        made = reader.read(raw)
        sound(made)
        if name in JSON_SHAPES:
            assert isinstance(made, Read)
            assert made.raw is raw
            assert json.loads(json.dumps(made.event)) == json.loads(raw)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()) | hashes.map(str.encode))
def test_any_bytes_are_answered(raw: bytes) -> None:
    for reader in readers.values():
        sound(reader.read(raw))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=10), min_size=1, max_size=4), st.lists(st.binary(max_size=30), max_size=5))
def test_any_csv_file_is_answered(header: list[str], rows: list[bytes]) -> None:
    reader = make_reader("csv")
    for line in [",".join(header).encode("utf-8", "replace"), *rows]:
        sound(reader.read(line))


NESTED = ("file", "process", "process.parent", "dll")
ASIM = ("", "TargetFile", "SrcFile", "TargetProcess", "ActingProcess", "ParentProcess", "InitiatingProcess")
OCSF = ("file", "process.file", "actor.process.file", "process.parent_process.file", "module.file")
ALGORITHMS = {"md5": 1, "sha1": 2, "sha256": 3, "sha512": 4}
ORDER = ("sha256", "sha1", "md5", "sha512")


@st.composite
def planted(draw: st.DrawFn, places: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Some files at some places, each with some hashes of its own."""
    chosen = draw(st.lists(st.sampled_from(places), unique=True, min_size=1))
    kinds = st.lists(st.sampled_from(sorted(digests)), unique=True, min_size=1)
    return {place: {kind: draw(digests[kind]) for kind in draw(kinds)} for place in chosen}


def strongest(files: dict[str, dict[str, str]]) -> set[str]:
    return {next(hashed[kind] for kind in ORDER if kind in hashed) for hashed in files.values()}


def put(event: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split(".")
    for name in way:
        event = event.setdefault(name, {})
    event[last] = value


def subjects(raw: dict[str, Any], shape: str = "auto") -> set[str]:
    return {each.subject for each in readers[shape].read(json.dumps(raw).encode()).found}


@settings(max_examples=60, deadline=None)
@given(planted(NESTED), st.booleans())
def test_ecs_events_give_each_planted_file_nested_or_dotted(files: dict[str, dict[str, str]], dotted: bool) -> None:
    event: dict[str, Any] = {"@timestamp": "2026-01-02T03:04:05Z", "message": "x"}
    for place, hashed in files.items():
        for kind, value in hashed.items():
            if dotted:
                event[f"{place}.hash.{kind}"] = value
            else:
                put(event, f"{place}.hash.{kind}", value)
    assert subjects(event) == subjects(event, "ecs") == strongest(files)


@settings(max_examples=40, deadline=None)
@given(planted(OCSF))
def test_ocsf_events_give_each_planted_file(files: dict[str, dict[str, str]]) -> None:
    event: dict[str, Any] = {"class_uid": 1007}
    for place, hashed in files.items():
        prints = [{"algorithm_id": ALGORITHMS[kind], "value": value} for kind, value in hashed.items()]
        put(event, f"{place}.hashes", prints)
    event["observables"] = [
        {"name": "x", "type_id": 8, "value": v} for hashed in files.values() for v in hashed.values()
    ]
    assert subjects(event) == strongest(files)


@settings(max_examples=40, deadline=None)
@given(planted(ASIM))
def test_sentinel_rows_give_each_planted_file(files: dict[str, dict[str, str]]) -> None:
    row = {f"{place}{kind.upper()}": value for place, hashed in files.items() for kind, value in hashed.items()}
    assert subjects({"TimeGenerated": "x", **row}) == strongest(files)
    assert subjects({"category": "AdvancedHunting-X", "properties": row}) == strongest(files)


@settings(max_examples=40, deadline=None)
@given(st.lists(planted(("file",)), min_size=1, max_size=4))
def test_eve_and_zeek_and_sysmon_events_give_each_planted_file(files: list[dict[str, dict[str, str]]]) -> None:
    every = [
        {kind: value for kind, value in one["file"].items() if kind != "sha512"} or {"md5": "0" * 32} for one in files
    ]
    wanted = [next(hashed[kind] for kind in ORDER if kind in hashed) for hashed in every]
    assert subjects({"timestamp": "x", "event_type": "alert", "files": every}) == set(wanted)
    assert [subjects({"fuid": "F", **hashed}) for hashed in every] == [{one} for one in wanted]
    told = [",".join(f"{kind.upper()}={value.upper()}" for kind, value in hashed.items()) for hashed in every]
    data = [{"@Name": "Hashes", "#text": text} for text in told]
    assert subjects({"Event": {"EventData": {"Data": data}}}) == set(wanted)
    assert subjects({"_time": "x", "file_hash": told}) == set(wanted)


def accepted(kind: Any, value: str) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(
    st.from_regex(r"\Ahttps?://[^/]{0,12}(/.{0,12})?\Z")
    | st.text(max_size=20).map("http://a/{}".format)
    | st.text("htps:/.@[]%#?0123456789ab\\ \t", max_size=24)
)
def test_a_url_is_found_exactly_where_an_action_would_take_it(value: str) -> None:
    assert is_address(value) == accepted(Url, value)


@settings(max_examples=200, deadline=None)
@given(hashes | hashes.map(str.upper) | st.text("0123456789abcdefABCDEF _g", max_size=130) | st.text(max_size=40))
def test_a_hash_is_found_exactly_where_an_action_would_take_it(value: str) -> None:
    assert is_hash(value) == accepted(HashValue, value)


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_of_recent_texts_is_bounded_and_changes_nothing(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.enrichment.extraction.rules.REMEMBERED", 3)
    reader = make_reader(shape)
    for _ in range(2):
        for n in range(20):
            text = f"{n:064x}"
            lines = {"list": text, "csv": "sha256" if reader.header is None and shape == "csv" else text}
            line = lines.get(shape) or json.dumps({"ecs": {}, "file": {"hash": {"sha256": text}}})
            made = reader.read(line.encode())
            wanted = {text} if shape in {"auto", "ecs", "list", "csv"} and made is not None else set()
            assert {each.subject for each in (made.found if made else ())} == wanted
