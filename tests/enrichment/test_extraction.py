"""Each shape of event gives the files and URLs of its documented fields, each once, and nothing else."""

import json
from typing import Any

import pytest

from connector.enrichment.extraction import Read, Shape, make_reader
from connector.enrichment.values import Failure, Found
from connector.errors import ConfigError

MD5, SHA1, SHA256, SHA512 = "a1" * 16, "b2" * 20, "c3" * 32, "d4" * 64
OTHER, THIRD = "e5" * 32, "f6" * 32
URL = "https://www.example.com/download?id=7"
ALL = {"md5": MD5, "sha1": SHA1, "sha256": SHA256, "sha512": SHA512}
IMPHASH = "0a" * 16
SYSMON = f"SHA1={SHA1.upper()},MD5={MD5.upper()},SHA256={SHA256.upper()},IMPHASH={IMPHASH.upper()}"
PRINTS = [{"algorithm_id": 1, "value": MD5}, {"algorithm_id": 6, "value": "T1AA"}, {"algorithm_id": 3, "value": SHA256}]


def read(event: Any, shape: Shape = "auto", fields: tuple[str, ...] = (), *, urls: bool = True) -> Read:
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    made = make_reader(shape, fields, urls).read(raw)
    assert isinstance(made, Read), made
    return made


def found(event: Any, shape: Shape = "auto", fields: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [tuple(each) for each in read(event, shape, fields).found]


def refused(raw: bytes, shape: Shape = "auto") -> Failure:
    made = make_reader(shape).read(raw)
    assert isinstance(made, Failure), made
    return made


ECS = {"@timestamp": "2026-01-02T03:04:05Z", "ecs": {"version": "9.0.0"}}
OCSF = {"class_uid": 1001, "category_uid": 1, "metadata": {"version": "1.5.0"}}
EVE = {"timestamp": "2026-01-02T03:04:05.000000+0000", "flow_id": 1, "event_type": "alert"}
ZEEK = {"ts": 1.5, "uid": "C1", "id.orig_h": "192.0.2.1", "id.resp_h": "192.0.2.2", "id.resp_p": 80}
DEFENDER = {"TimeGenerated": "2026-01-02T03:04:05Z", "Type": "DeviceFileEvents"}
EVENT = {"System": {"EventID": 1}}

CASES: dict[str, tuple[Shape, dict[str, Any], list[tuple[str, str]]]] = {
    "ecs file": ("ecs", ECS | {"file": {"hash": ALL}}, [("file.hash.sha256", SHA256)]),
    "ecs with lesser hashes": ("ecs", ECS | {"file": {"hash": {"md5": MD5, "sha1": SHA1}}}, [("file.hash.sha1", SHA1)]),
    "ecs with sha512 alone": ("ecs", ECS | {"dll": {"hash": {"sha512": SHA512}}}, [("dll.hash.sha512", SHA512)]),
    "ecs process and its parent": (
        "ecs",
        ECS | {"process": {"parent": {"hash": {"md5": MD5}}, "hash": {"sha256": SHA256}}},
        [("process.hash.sha256", SHA256), ("process.parent.hash.md5", MD5)],
    ),
    "ecs attachments": (
        "ecs",
        ECS | {"email": {"attachments": [{"file": {"hash": {"sha256": h}}} for h in (SHA256, OTHER)]}},
        [("email.attachments.file.hash.sha256", SHA256), ("email.attachments.file.hash.sha256", OTHER)],
    ),
    "ecs dotted": (
        "ecs",
        {"@timestamp": "", "ecs.version": "9", "file.hash.sha256": SHA256, "file.hash.md5": MD5, "url.full": URL},
        [("file.hash.sha256", SHA256), ("url.full", URL)],
    ),
    "ecs dotted in part": (
        "ecs",
        ECS | {"file": {"hash.sha256": SHA256}, "process.parent": {"hash": {"md5": MD5}}},
        [("file.hash.sha256", SHA256), ("process.parent.hash.md5", MD5)],
    ),
    "ecs url": ("ecs", ECS | {"url": {"full": URL, "original": URL, "path": "/x"}}, [("url.full", URL)]),
    "winlogbeat": ("ecs", ECS | {"winlog": {"event_data": {"Hashes": SYSMON}}}, [("winlog.event_data.Hashes", SHA256)]),
    "ocsf file": ("ocsf", OCSF | {"file": {"name": "a", "hashes": PRINTS}}, [("file.hashes.value", SHA256)]),
    "ocsf processes": (
        "ocsf",
        OCSF
        | {
            "process": {"file": {"hashes": PRINTS}},
            "actor": {"process": {"file": {"hashes": [{"algorithm_id": 2, "value": SHA1}]}}},
        },
        [("process.file.hashes.value", SHA256), ("actor.process.file.hashes.value", SHA1)],
    ),
    "ocsf evidences": (
        "ocsf",
        OCSF | {"evidences": [{"file": {"hashes": PRINTS}}, {"url": {"url_string": URL}}]},
        [("evidences.file.hashes.value", SHA256), ("evidences.url.url_string", URL)],
    ),
    "ocsf request": (
        "ocsf",
        OCSF | {"http_request": {"url": {"url_string": URL}}},
        [("http_request.url.url_string", URL)],
    ),
    "ocsf observables repeat": (
        "ocsf",
        OCSF
        | {
            "file": {"hashes": PRINTS},
            "observables": [{"name": "file.hashes", "type_id": 8, "value": v} for v in (MD5, SHA256)],
        },
        [("file.hashes.value", SHA256)],
    ),
    "ocsf observables alone": (
        "ocsf",
        OCSF
        | {
            "observables": [
                {"name": "x", "type_id": 8, "value": MD5},
                {"name": "x", "type_id": 8, "value": SHA256},
                {"name": "u", "type_id": 6, "value": URL},
                {"name": "h", "type_id": 1, "value": "host.example"},
            ]
        },
        [("observables.value", URL), ("observables.value", SHA256)],
    ),
    "cim": (
        "splunk",
        {"_time": "1", "file_hash": SHA1, "process_hash": f"MD5={MD5},SHA256={SHA256}", "url": URL},
        [("file_hash", SHA1), ("process_hash", SHA256), ("url", URL)],
    ),
    "cim of several values": ("splunk", {"file_hash": [MD5, SHA1]}, [("file_hash", MD5), ("file_hash", SHA1)]),
    "search result": ("splunk", {"preview": False, "result": {"file_hash": MD5}}, [("result.file_hash", MD5)]),
    "http event collector": ("splunk", {"sourcetype": "x", "event": {"file_hash": MD5}}, [("event.file_hash", MD5)]),
    "defender": (
        "sentinel",
        DEFENDER | {"MD5": MD5, "SHA1": SHA1, "SHA256": SHA256, "InitiatingProcessSHA1": "12" * 20, "RemoteUrl": URL},
        [("SHA256", SHA256), ("InitiatingProcessSHA1", "12" * 20), ("RemoteUrl", URL)],
    ),
    "defender streamed": (
        "sentinel",
        {"category": "AdvancedHunting-DeviceFileEvents", "properties": {"SHA256": "", "SHA1": SHA1}},
        [("properties.SHA1", SHA1)],
    ),
    "asim file": (
        "sentinel",
        {"EventSchema": "FileEvent", "TargetFileSHA256": SHA256, "TargetFileIMPHASH": IMPHASH, "SrcFileMD5": MD5}
        | {"ActingProcessSHA256": OTHER, "Hash": MD5, "HashType": "MD5"},
        [("TargetFileSHA256", SHA256), ("SrcFileMD5", MD5), ("ActingProcessSHA256", OTHER)],
    ),
    "sentinel entity": ("sentinel", DEFENDER | {"FileHashCustomEntity": MD5}, [("FileHashCustomEntity", MD5)]),
    "sentinel entity that repeats": (
        "sentinel",
        DEFENDER | {"SHA256": SHA256, "MD5": MD5, "FileHashCustomEntity": MD5},
        [("SHA256", SHA256)],
    ),
    "eve fileinfo": (
        "suricata",
        EVE | {"event_type": "fileinfo", "fileinfo": {"filename": "/a", "md5": MD5, "sha256": SHA256}},
        [("fileinfo.sha256", SHA256)],
    ),
    "eve files of an alert": (
        "suricata",
        EVE | {"files": [{"sha256": SHA256}, {"md5": MD5}]},
        [("files.sha256", SHA256), ("files.md5", MD5)],
    ),
    "eve http": (
        "suricata",
        EVE | {"http": {"hostname": "www.example.com", "url": "/a?b=1", "http_method": "GET"}},
        [("http.url", "http://www.example.com/a?b=1")],
    ),
    "eve http with a port": (
        "suricata",
        EVE | {"http": {"hostname": "www.example.com", "url": "/", "http_port": 8080}},
        [("http.url", "http://www.example.com:8080/")],
    ),
    "eve through a proxy": ("suricata", EVE | {"http": {"hostname": "proxy", "url": URL}}, [("http.url", URL)]),
    "eve over ipv6": (
        "suricata",
        EVE | {"http": {"hostname": "2001:db8::1", "url": "/", "http_port": 81}},
        [("http.url", "http://[2001:db8::1]:81/")],
    ),
    "eve tunnel": ("suricata", EVE | {"http": {"hostname": "a", "url": "a:443", "http_method": "CONNECT"}}, []),
    "zeek files": ("zeek", {"ts": 1.5, "fuid": "F1", "md5": MD5, "sha1": SHA1}, [("sha1", SHA1)]),
    "zeek http": ("zeek", ZEEK | {"host": "www.example.com", "uri": "/a"}, [("uri", "http://www.example.com/a")]),
    "zeek http on a port": (
        "zeek",
        ZEEK | {"id.resp_p": 8080, "host": "www.example.com", "uri": "/a"},
        [("uri", "http://www.example.com:8080/a")],
    ),
    "sysmon": ("sysmon", {"Event": EVENT | {"EventData": {"Hashes": SYSMON}}}, [("Event.EventData.Hashes", SHA256)]),
    "sysmon as a list": (
        "sysmon",
        {
            "Event": EVENT
            | {"EventData": {"Data": [{"@Name": "Image", "#text": "a"}, {"@Name": "Hashes", "#text": SYSMON}]}}
        },
        [("Event.EventData.Hashes", SHA256)],
    ),
    "sysmon by other names": (
        "sysmon",
        {"Event": EVENT | {"EventData": [{"Name": "Hash", "Data": f"MD5={MD5}"}]}},
        [("Event.EventData.Hash", MD5)],
    ),
    "sysmon flat": ("sysmon", {"EventID": 15, "Hash": f"SHA1={SHA1}"}, [("Hash", SHA1)]),
    "sysmon with an imphash alone": ("sysmon", {"EventID": 1, "Hashes": f"IMPHASH={IMPHASH}"}, []),
}


@pytest.mark.parametrize("name", CASES)
def test_an_event_of_a_shape_gives_what_its_documented_fields_name(name: str) -> None:
    shape, event, wanted = CASES[name]
    assert found(event, shape) == wanted
    assert read(event, shape).malformed == 0


@pytest.mark.parametrize("name", CASES)
def test_the_shape_of_an_event_is_told_by_itself(name: str) -> None:
    _, event, wanted = CASES[name]
    assert found(event) == wanted


@pytest.mark.parametrize("name", CASES)
def test_a_reader_that_has_read_an_event_reads_it_again_alike(name: str) -> None:
    shape, event, wanted = CASES[name]
    reader, raw = make_reader(shape), json.dumps(event).encode()
    reads = [reader.read(raw) for _ in range(3)]
    assert reads == [Read(raw, event, tuple(Found(*each) for each in wanted))] * 3


@pytest.mark.parametrize("name", CASES)
def test_without_urls_only_files_are_found(name: str) -> None:
    shape, event, wanted = CASES[name]
    assert list(read(event, shape, urls=False).found) == [Found(*each) for each in wanted if ":" not in each[1]]


@pytest.mark.parametrize("name", CASES)
def test_an_event_of_a_shape_says_nothing_to_the_other_shapes_unless_they_share_a_field(name: str) -> None:
    shape, event, wanted = CASES[name]
    for other in ("ecs", "ocsf", "splunk", "sentinel", "suricata", "zeek", "sysmon"):
        subjects = {each.subject for each in read(event, other).found}
        assert subjects <= {subject for _, subject in wanted} | {MD5}, (shape, other)


def test_an_object_of_no_known_shape_names_nothing_and_keeps_its_text() -> None:
    raw = b'  {"a": 1.0, "hash": "' + MD5.encode() + b'", "b": [1]} \r'
    assert read(raw) == Read(raw, {"a": 1.0, "hash": MD5, "b": [1]}, ())


def test_indicators_of_others_and_lists_apart_from_files_are_left_alone() -> None:
    event = ECS | {"threat": {"indicator": {"file": {"hash": {"md5": MD5}}}}, "related": {"hash": [MD5]}}
    assert found(event | {"file": {"pe": {"imphash": MD5}, "hash": {"tlsh": "x", "ssdeep": "3:a:b"}}}) == []


def test_values_that_are_no_hash_are_counted_and_absent_ones_are_not() -> None:
    def malformed(value: Any, **others: Any) -> int:
        return read(ECS | {"file": {"hash": {"sha256": value, **others}}}).malformed

    assert [malformed(value) for value in ("", "-", None, [], SHA256)] == [0] * 5
    assert [malformed(value) for value in (MD5, "x" * 64, SHA256 + "0", 7, True, {"a": 1}, [MD5])] == [1] * 7
    assert malformed(["x", SHA256, ""]) == 1
    assert malformed(SHA256, md5="weaker hashes are not looked at") == 0
    assert found(ECS | {"file": {"hash": {"sha256": "short", "md5": MD5}}}) == [("file.hash.md5", MD5)]


@pytest.mark.parametrize("value", [" " * 64, "0x" + "a" * 62, "a_" * 32, "\uff10" * 64, "g" * 64, "aa " * 21 + "a"])
def test_what_only_looks_like_hexadecimal_is_no_hash(value: str) -> None:
    assert read(ECS | {"file": {"hash": {"sha256": value}}}).found == ()
    assert read(ECS | {"file": {"hash": {"sha256": value}}}).malformed == 1


def test_hashes_are_lowered_and_told_once() -> None:
    event = ECS | {"file": {"hash": {"sha256": SHA256.upper()}}, "process": {"hash": {"sha256": SHA256}}}
    assert found(event) == [("file.hash.sha256", SHA256)]


def test_a_field_keeps_its_name_when_another_named_the_same_subject_before() -> None:
    reader = make_reader("ecs")
    both = json.dumps({"file": {"hash": {"md5": MD5}}, "dll": {"hash": {"md5": MD5}}}).encode()
    one = json.dumps({"dll": {"hash": {"md5": MD5}}}).encode()
    assert [reader.read(raw).found for raw in (both, one)] == [
        (Found("file.hash.md5", MD5),),
        (Found("dll.hash.md5", MD5),),
    ]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "/download",
            "www.example.com",
            "ftp://example.com/a",
            "https://",
            "http:///a",
            "https://a b/",
            "http://[::1",
        ),
        *("http://a:99999/", "http://a/\u0000", 'http://a/"', "http://a/{x}", "javascript:alert(1)"),
        "http://a/" + "x" * 8192,
    ],
)
def test_what_is_no_absolute_web_url_names_nothing(value: str) -> None:
    made = read(ECS | {"url": {"full": value}})
    assert (made.found, made.malformed) == ((), 0)


@pytest.mark.parametrize(
    "value",
    ["HTTP://EXAMPLE.com:8080/a#b", "https://user@[2001:db8::1]/", "http://b\u00fccher.example/\u00e9", "http://a"],
)
def test_urls_are_taken_as_they_stand(value: str) -> None:
    assert found(ECS | {"url": {"full": value}}) == [("url.full", value)]


def test_fields_that_were_named_are_looked_at_alone_and_each_value_is_its_own_subject() -> None:
    event = ECS | {
        "file": {"hash": {"sha256": SHA256}},
        "my": {"hashes": [MD5, SHA1], "u": URL, "s": SYSMON},
        "a.b": OTHER,
    }
    fields = ("my.hashes", "my.u", "my.s", "a.b", "my.not_there")
    wanted = [("my.hashes", MD5), ("my.hashes", SHA1), ("my.u", URL), ("my.s", SHA256), ("a.b", OTHER)]
    assert found(event, "auto", fields) == found(event, "zeek", fields) == wanted
    assert read(event, fields=("my.u",), urls=False) == Read(json.dumps(event).encode(), event, ())
    assert read({"a": "neither", "b": 7}, fields=("a", "b")).malformed == 2


@pytest.mark.parametrize("name", ["", "a.", ".a", "a..b"])
def test_a_field_with_an_empty_part_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"file\.hash\.sha256"):
        make_reader(fields=[name])


@pytest.mark.parametrize("shape", ["auto", "ecs"])
def test_what_is_no_event_is_refused_with_its_reason_and_never_its_text(shape: Shape) -> None:
    cases = {
        b'{"secret": ': ("not_json", "character 12"),
        b'{"secret": NaN}': ("not_json", "JSON"),
        b'{"a":1} secret': ("not_json", "character 9"),
        b"secret": ("not_json", "character 1"),
        b'["secret"]': ("not_an_object", "object"),
        b"7": ("not_an_object", "object"),
        b"null": ("not_an_object", "object"),
        b'{"secret": "\xff"}': ("not_utf8", "byte 13"),
        b"\xff\xfe{\x00}\x00": ("not_utf8", "byte 1 "),
        b'{"a":' * 5000 + b"1" + b"}" * 5000: ("too_deep", "flatter"),
        b"[" * 100_000: ("too_deep", "flatter"),
    }
    for raw, (reason, told) in cases.items():
        failure = refused(raw, shape)
        assert (failure.reason, told in failure.detail, "secret" in failure.detail) == (reason, True, False), failure


def test_deep_events_that_are_followed_are_read() -> None:
    deep = b'{"file":{"hash":{"md5":"' + MD5.encode() + b'"}},"x":' + b"[" * 400 + b"]" * 400 + b"}"
    assert [each.subject for each in read(deep).found] == [MD5]
    for member in ("file", "email", "process"):
        assert read(b'{"' + member.encode() + b'":' + b"[" * 400 + b"]" * 400 + b"}").found == ()


def test_a_byte_order_mark_and_a_carriage_return_do_no_harm() -> None:
    raw = json.dumps(ECS | {"file": {"hash": {"md5": MD5}}}).encode()
    assert read(b"\xef\xbb\xbf" + raw + b"\r").raw == raw + b"\r"
    assert [each.subject for each in read(b"\xef\xbb\xbf" + raw + b"\r").found] == [MD5]


def test_what_one_parser_refuses_and_json_allows_is_read() -> None:
    raw = b'{"half":"\\ud800","big":1e999,"file":{"hash":{"md5":"' + MD5.encode() + b'"}}}'
    assert [each.subject for each in read(raw).found] == [MD5]


def test_blank_lines_pass_as_they_came() -> None:
    for shape in ("auto", "ecs", "list", "csv"):
        assert make_reader(shape).read(b"  \r") == Read(b"  \r", {}, ())


def test_the_events_own_object_is_not_changed() -> None:
    event = {"process.parent": {"hash": {"md5": MD5}}, "process.parent.hash.sha256": SHA256}
    made = read(event)
    assert (made.event, [each.subject for each in made.found]) == (event, [SHA256])
