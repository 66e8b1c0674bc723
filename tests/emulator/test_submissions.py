"""What becomes of a submission: processing by the clock, verdicts by the rules, visibility in the ledger."""

import hashlib
import io
import json
import zipfile
from typing import Any

import pytest
import pyzipper

from tests.emulator.analyst import Analyst

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
CURRENT = "/api/submit/file/"


def sha1_of(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def classified(analyst: Analyst, any_hash: str, query: str = "?localonly=1") -> Any:
    return analyst.get(f"/api/samples/v3/{any_hash}/classification/{query}").json()


def status(analyst: Analyst, *hashes: str) -> list[str]:
    answer = analyst.post("/api/samples/status/", data={"hash_values": list(hashes)})
    return [item["status"] for item in answer.json()["results"]]


def locked(members: dict[str, bytes], password: str, encryption: int | None = pyzipper.WZ_AES) -> bytes:
    buffer = io.BytesIO()
    with pyzipper.AESZipFile(buffer, "w", compression=pyzipper.ZIP_DEFLATED, encryption=encryption) as archive:
        if encryption:
            archive.setpassword(password.encode())
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def zip_crypto(name: str, content: bytes, password: bytes) -> bytes:
    """A ZIP with the old encryption, which no library here writes: the stream cipher is short enough."""
    keys = [0x12345678, 0x23456789, 0x34567890]
    table = [zlib_crc_entry(n) for n in range(256)]

    def update(byte: int) -> None:
        keys[0] = table[(keys[0] ^ byte) & 255] ^ (keys[0] >> 8)
        keys[1] = ((keys[1] + (keys[0] & 255)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = table[(keys[2] ^ (keys[1] >> 24)) & 255] ^ (keys[2] >> 8)

    for byte in password:
        update(byte)
    crc = zipfile.crc32(content)
    sealed = bytearray()
    for byte in bytes(11) + bytes([crc >> 24]) + content:
        mask = (keys[2] | 2) & 0xFFFF
        sealed.append(byte ^ ((mask * (mask ^ 1)) >> 8) & 255)
        update(byte)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, bytes(sealed))
    data = bytearray(buffer.getvalue())
    central = data.rindex(b"PK\x01\x02")
    for start, flags, checksum, size in ((0, 6, 14, 22), (central, 8, 16, 24)):
        data[start + flags] |= 1
        data[start + checksum : start + checksum + 4] = crc.to_bytes(4, "little")
        data[start + size : start + size + 4] = len(content).to_bytes(4, "little")
    return bytes(data)


def zlib_crc_entry(number: int) -> int:
    for _ in range(8):
        number = (number >> 1) ^ (0xEDB88320 if number & 1 else 0)
    return number


@pytest.mark.parametrize("path", ["/api/uploads/", CURRENT])
def test_a_file_counts_as_processed_only_when_its_time_has_come(analyst: Analyst, path: str) -> None:
    analyst.lab("clock", freeze=True)
    sha1 = analyst.upload(path=path).json()["detail"]["sha1"]
    assert sha1 == sha1_of(b"content")
    assert status(analyst, sha1) == ["not_found"]
    assert "classification" not in classified(analyst, sha1)
    analyst.lab("clock", advance=0.29)
    assert status(analyst, sha1) == ["not_found"]
    analyst.lab("clock", advance=0.01)
    assert status(analyst, sha1) == ["processed"]
    assert classified(analyst, sha1)["classification"] == "unknown"


def test_a_sample_submitted_again_stays_processed_meanwhile(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True)
    first = analyst.upload(name="one.bin").json()["detail"]
    analyst.wait()
    second = analyst.upload(name="two.bin").json()["detail"]
    assert status(analyst, first["sha1"]) == ["processed"]
    assert second["id"] == first["id"] + 1
    analyst.wait()
    fields = {"hash_values": [first["sha1"]], "fields": ["aliases"]}
    assert analyst.post("/api/samples/v2/list/", data=fields).json()["results"][0]["aliases"] == ["one.bin", "two.bin"]


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256", "sha512"])
def test_every_hash_finds_the_sample_in_any_letter_case(analyst: Analyst, kind: str) -> None:
    analyst.upload(EICAR)
    analyst.wait()
    digest = hashlib.new(kind, EICAR).hexdigest()
    assert status(analyst, digest) == ["processed"]
    assert classified(analyst, digest.upper())["sha1"] == sha1_of(EICAR)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (EICAR, ("malicious", 10, "Text.TestFile.EICAR")),
        (b"MZ SPECTRA-LAB-MALICIOUS", ("malicious", 10, "Win32.Trojan.SpectraLab")),
        (b"\x7fELF SPECTRA-LAB-SUSPICIOUS", ("suspicious", 7, "Linux.Malware.SpectraLab")),
        (b"SPECTRA-LAB-GOODWARE", ("goodware", 0, None)),
        (b"SPECTRA-LAB-UNKNOWN", ("unknown", 5, None)),
        (b"SPECTRA-LAB-MALICIOUS:Win32.Ransomware.Petya/9", ("malicious", 9, "Win32.Ransomware.Petya")),
        (b"nothing of note", ("unknown", 5, None)),
        (b"", ("unknown", 5, None)),
    ],
)
def test_the_rules_classify_by_content(analyst: Analyst, content: bytes, expected: tuple[str, int, str | None]) -> None:
    analyst.upload(content)
    analyst.wait()
    body = classified(analyst, sha1_of(content))
    assert (body["classification"], body["riskscore"], body["classification_result"]) == expected


def test_a_container_takes_over_the_worst_verdict_inside_and_names_its_origin(analyst: Analyst) -> None:
    inside = b"MZ SPECTRA-LAB-MALICIOUS"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clean.txt", b"clean")
        archive.writestr("folder/bad.exe", inside)
    sha1 = analyst.upload(buffer.getvalue(), name="both.zip").json()["detail"]["sha1"]
    analyst.wait()
    body = classified(analyst, sha1)
    assert body["classification"] == "malicious"
    assert body["classification_origin"]["sha1"] == sha1_of(inside)
    assert status(analyst, sha1_of(inside), sha1_of(b"clean")) == ["processed", "processed"]


@pytest.mark.parametrize("kind", ["aes", "zipcrypto"])
@pytest.mark.parametrize("path", ["/api/uploads/", CURRENT])
def test_of_a_password_protected_archive_only_the_file_inside_is_kept(analyst: Analyst, path: str, kind: str) -> None:
    made = locked({"bad.exe": EICAR}, "infected") if kind == "aes" else zip_crypto("bad.exe", EICAR, b"infected")
    detail = analyst.upload(made, name="a.zip", path=path, archive_password="infected").json()["detail"]
    assert detail["sha1"] == sha1_of(EICAR)
    assert detail["filename"] == "bad.exe"
    analyst.wait()
    assert status(analyst, sha1_of(EICAR), sha1_of(made)) == ["processed", "not_found"]
    assert list(analyst.product.workshop.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (locked({"a": b"a"}, "right"), "wrong"),
        (locked({"a": b"a", "b": b"b"}, "infected"), "infected"),
        (locked({}, "infected"), "infected"),
        (b"PK no archive at all", "infected"),
        (b"no archive", "infected"),
    ],
)
def test_an_archive_that_does_not_hold_exactly_one_file_for_the_password_is_400(
    analyst: Analyst, content: bytes, password: str
) -> None:
    assert analyst.upload(content, archive_password=password).status_code == 400
    assert list(analyst.product.workshop.iterdir()) == []
    assert password not in analyst.get("/_lab/ledger").text


def test_a_bomb_in_an_archive_stops_at_the_maximum_upload_size(analyst: Analyst) -> None:
    analyst.lab("state", max_upload_bytes=1 << 20)
    assert analyst.upload(locked({"zeros": bytes(4 << 20)}, "p"), archive_password="p").status_code == 413
    assert list(analyst.product.workshop.iterdir()) == []


def test_a_filename_sent_along_wins_over_the_uploads_own(analyst: Analyst) -> None:
    assert analyst.upload(name="a.bin").json()["detail"]["filename"] == "a.bin"
    assert analyst.upload(name="a.bin", filename="b.bin").json()["detail"]["filename"] == "b.bin"
    assert analyst.upload(name="prüfung 1.bin").json()["detail"]["filename"] == "prüfung 1.bin"


def test_a_file_is_private_unless_the_cloud_is_asked(analyst: Analyst) -> None:
    analyst.upload(b"private")
    analyst.upload(b"public", analysis="cloud")
    analyst.upload(b"sandboxed", rl_cloud_sandbox_platform="windows10")
    analyst.upload(b"private too", path=CURRENT, analysis=json.dumps({"rl_auxiliary_analysis": True}))
    analyst.upload(b"public too", path=CURRENT, analysis=json.dumps({"cloud": True}))
    dynamic = {"rl_dynamic_analysis": {"platform": "linux"}}
    analyst.upload(b"sandboxed too", path=CURRENT, analysis=json.dumps(dynamic))
    seen = [(item["visibility"], item["why"]) for item in analyst.ledger()["submissions"]]
    assert [visibility for visibility, _ in seen] == ["private", "public", "public", "private", "public", "public"]
    assert seen[1][1] == ["analysis includes cloud"]
    assert seen[5][1] == ["cloud sandbox linux"]
    analyst.wait()
    in_cloud = analyst.search("size:[0 TO *]", ticloud=True)["entries"]
    public = {sha1_of(text) for text in (b"public", b"sandboxed", b"public too", b"sandboxed too")}
    assert {entry["sha1"] for entry in in_cloud} == public


def test_a_url_is_public_when_the_cloud_crawls_it_and_the_defaults_differ(analyst: Analyst) -> None:
    for path, data in (
        ("/api/uploads/", {}),
        ("/api/uploads/", {"crawler": "local"}),
        ("/api/submit/url/", {}),
        ("/api/submit/url/", {"crawler": "cloud"}),
    ):
        analyst.post(path, data={"url": "http://example.com/", **data})
    seen = [
        (item["visibility"], item["crawler"], item["fields"].get("crawler")) for item in analyst.ledger()["submissions"]
    ]
    assert seen == [
        ("public", "cloud", None),
        ("private", "local", "local"),
        ("private", "local", None),
        ("public", "cloud", "cloud"),
    ]


def test_sent_to_the_cloud_a_sample_carries_the_clouds_verdict(analyst: Analyst) -> None:
    verdict = {"classification": "malicious", "threat_name": "Win32.Trojan.Delf"}
    analyst.load(sha1=sha1_of(b"strange"), local=False, cloud=True, **verdict)
    analyst.upload(b"strange")
    analyst.wait()
    assert classified(analyst, sha1_of(b"strange"))["classification"] == "unknown"
    analyst.upload(b"strange", analysis="cloud")
    analyst.wait()
    assert classified(analyst, sha1_of(b"strange"))["classification_result"] == "Win32.Trojan.Delf"


def test_a_loaded_verdict_waits_for_its_sample(analyst: Analyst) -> None:
    analyst.load(sha1=sha1_of(b"later"), local=False, classification="suspicious")
    assert "classification" not in classified(analyst, sha1_of(b"later"))
    analyst.upload(b"later")
    analyst.wait()
    assert classified(analyst, sha1_of(b"later"))["classification"] == "suspicious"


def test_the_ledger_holds_every_field_but_no_secret(analyst: Analyst) -> None:
    made = locked({"a": b"a"}, "hunter2-secret")
    analyst.upload(made, archive_password="hunter2-secret", comment="seen", tags="one,two", analysis="cloud")
    analyst.post("/api/uploads/", data={"url": "http://me:hunter2-secret@example.com/", "crawler": "local"})
    text = analyst.get("/_lab/ledger").text
    assert "hunter2-secret" not in text
    assert analyst.appliance.token not in text
    file, url = analyst.ledger()["submissions"]
    assert file["fields"] == {"archive_password": "***", "comment": "seen", "tags": "one,two", "analysis": "cloud"}
    assert url["fields"]["url"] == "http://***@example.com/"


def test_the_ledger_counts_bytes_and_requests(analyst: Analyst) -> None:
    analyst.upload(b"x" * 100_000)
    ledger = analyst.ledger()
    assert ledger["submissions"][0]["bytes"] == ledger["totals"]["bytes_received"] > 100_000
    (request,) = ledger["requests"]
    assert (request["method"], request["path"], request["status"]) == ("POST", "/api/uploads/", 201)


def test_tags_and_comment_of_a_submission_stay_with_the_sample(analyst: Analyst) -> None:
    sha1 = analyst.upload(tags="one,two words", comment="<b>look</b>").json()["detail"]["sha1"]
    analyst.wait()
    fields = {"hash_values": [sha1], "fields": ["tags", "discussion"]}
    report = analyst.post("/api/samples/v2/list/", json=fields).json()["results"][0]
    assert report["tags"]["user"] == ["one", "two words"]
    assert report["discussion"] == [{"comment": "<b>look</b>"}]
    assert analyst.get(f"/api/tag/{sha1}/").json() == ["one", "two words"]


def test_reports_tell_of_reanalysis_unless_it_is_skipped(analyst: Analyst) -> None:
    sha1 = analyst.load(filename="a")
    analyst.post("/api/samples/v2/list/", data={"hash_values": [sha1], "skip_reanalysis": "true"})
    assert analyst.ledger()["reanalyses"] == []
    analyst.post("/api/samples/v2/list/", data={"hash_values": [sha1]})
    assert [item["trigger"] for item in analyst.ledger()["reanalyses"]] == ["list"]


def test_heavy_fields_come_only_when_asked_for_and_details_nest_without_fields(analyst: Analyst) -> None:
    sha1 = analyst.load(filename="a")
    light = analyst.post("/api/samples/v2/list/", data={"hash_values": [sha1]}).json()["results"][0]
    assert not {"ticore", "ticloud", "summary", "aliases"} & set(light)
    nested = analyst.post("/api/samples/v2/list/details/", data={"hash_values": [sha1]}).json()["results"][0]
    assert nested["sample_summary"]["sha1"] == sha1
    sent = {"hash_values": [sha1], "fields": ["sha1", "joe"]}
    assert analyst.post("/api/samples/v2/list/details/", data=sent).json()["results"] == [{"sha1": sha1, "joe": None}]


def test_hashes_that_are_not_there_are_missing_from_lists(analyst: Analyst) -> None:
    for path in ("/api/samples/list/", "/api/samples/v2/list/", "/api/samples/v2/list/details/"):
        body = analyst.post(path, data={"hash_values": ["0" * 40]}).json()
        assert body == {"count": 0, "next": None, "previous": None, "results": []}


def test_the_first_list_speaks_the_old_words(analyst: Analyst) -> None:
    sha1 = analyst.load(classification="goodware", cloud=True)
    (body,) = analyst.post("/api/samples/list/", data={"hash_values": [sha1]}).json()["results"]
    assert (body["threat_status"], body["threat_level"], body["ticloud"]["threat_status"]) == ("known", 0, "known")
    assert "riskscore" not in body


def test_scanner_results_come_only_when_asked_for(analyst: Analyst) -> None:
    sha1 = analyst.load(classification="malicious", av_match=19)
    assert "av_scanners" not in classified(analyst, sha1, "?localonly=0&av_scanners=0")
    scanners = classified(analyst, sha1, "?localonly=0&av_scanners=1")["av_scanners"]
    assert (scanners["scanner_match"], scanners["scanner_percent"]) == (19, 50.0)
    assert set(scanners["antivirus"]) == {"vendor_match", "scanner_match", "vendor_count", "scanner_count"}
