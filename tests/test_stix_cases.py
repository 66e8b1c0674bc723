"""The verdicts that the STIX tests speak about, by name; each is a situation that an analyst knows."""

import json
from pathlib import Path

import pytest

from connector.verdict import File, Url, Verdict, read_verdict

ANSWERED_AT = "2026-11-23T12:00:00Z"
SAMPLES = Path(__file__).parents[1].parent / "shared" / "samples"

WANNACRY = File(
    md5="84c82835a5d21bbcf75a61706d8ab549",
    sha1="5ff465afaabcbf0150d1a3ab2c2e74f3a4426467",
    sha256="ed01ebfbc9eb5bbea545af4d01bf5f1071661840480439c6e5babe8e080e41aa",
    name="tasksche.exe",
    size=3514368,
    file_type="PE/Exe",
)
RANSOMWARE = Verdict(
    subject=WANNACRY,
    classification="malicious",
    riskscore=10,
    threat_name="Win32.Ransomware.WannaCry",
    reason="antivirus",
    first_seen="2017-05-12T07:58:00Z",
    last_seen="2026-11-20T09:30:15Z",
    scanner_count=28,
    scanner_match=27,
    threat_level=5,
    trust_factor=1,
    source="cloud",
)
DOCUMENT = File(sha1="3" * 40, sha256="4" * 64, file_type="Document/None/PDF", size=171465)
SUSPICIOUS = Verdict(
    subject=DOCUMENT,
    classification="suspicious",
    riskscore=6,
    threat_name="Document-PDF.Phishing.Generic",
    first_seen="2024-06-11T13:25:14.500Z",
    last_seen="2024-06-11T13:41:15Z",
)
GOODWARE = Verdict(
    subject=File(md5="5" * 32, sha1="6" * 40, sha256="7" * 64, sha512="8" * 128, size=0),
    classification="goodware",
    riskscore=0,
    first_seen="2020-01-01T00:00:00Z",
    last_seen="2026-01-02T03:04:05.678Z",
)
UNKNOWN = Verdict(subject=File(sha1="9" * 40), classification="unknown")
MD5_ONLY = Verdict(
    subject=File(md5="a" * 32), classification="malicious", riskscore=7, last_seen="2025-02-03T04:05:06Z"
)
SERVED = Verdict(
    subject=Url(value="http://198.51.100.23/it's/tasksche.exe?a=1&b=%41#top", served=WANNACRY),
    classification="malicious",
    riskscore=9,
    threat_name="Win32.Ransomware.WannaCry",
    first_seen="2026-10-01T00:00:00Z",
    last_seen="2026-11-20T09:30:15Z",
)
URL_ALONE = Verdict(
    subject=Url(value="https://www.example.com/"), classification="suspicious", last_seen="2026-11-20T09:30:15Z"
)
EXPLOIT = Verdict(
    subject=File(sha512="b" * 128),
    classification="malicious",
    riskscore=8,
    threat_name="Document-RTF.Exploit.CVE-2017-11882",
    first_seen="2021-01-01T00:00:00Z",
)
HOSTILE = Verdict(
    subject=File(sha256="c" * 64, name="inv\u202egpj.exe\x1b[2J\n| [x](http://e.vil) |" + "a" * 5000, file_type="\x00"),
    classification="malicious",
    riskscore=9,
    threat_name="Win32.Trojan.<script>'\"\\`|*\ud800",
    reason="a\r\nb",
    first_seen="not a date",
    last_seen="0001-01-01T00:00:00Z",
)


def search_page() -> list[Verdict]:
    """A page as the search gives it: entries of the vendor's shape, with made-up hashes."""
    entries = [
        {
            "sha1": f"{n:040x}",
            "sha256": f"{n:064x}",
            "md5": f"{n:032x}",
            "classification": word,
            "threatname": name,
            "size": n,
            "sampletype": "PE/Exe",
            "antivirus": n,
            "firstseen": f"2024-06-1{n}T13:25:14Z",
            "lastseen": f"2024-06-2{n}T13:41:15Z",
            "factor": factor,
        }
        for n, (word, name, factor) in enumerate(
            (
                ("malicious", "Win32.Trojan.Emotet", 10),
                ("malicious", "Win64.Trojan.Emotet", 9),
                ("MALICIOUS", "Script-JS.Downloader.Nemucod", 8),
                ("suspicious", "Document-HTML.Trojan.Heuristic", 7),
                ("known", None, 1),
                ("unknown", None, None),
            ),
            start=1,
        )
    ]
    return [verdict for entry in entries if (verdict := read_verdict(entry))]


CASES: dict[str, list[Verdict]] = {
    "malicious": [RANSOMWARE],
    "suspicious": [SUSPICIOUS],
    "goodware": [GOODWARE],
    "unknown": [UNKNOWN],
    "md5 only": [MD5_ONLY],
    "url with served file": [SERVED],
    "url alone": [URL_ALONE],
    "url and its file": [SERVED, RANSOMWARE],
    "exploit": [EXPLOIT],
    "hostile": [HOSTILE],
    "search page": search_page(),
}


def test_every_case_holds_verdicts() -> None:
    """No case is empty by accident, and each subject is named by a hash or a URL."""
    assert all(CASES.values())
    assert len(CASES["search page"]) == 6


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real bodies are not here")
def test_real_search_entries_become_verdicts() -> None:
    """The captured entries of a search are read as the made-up ones are."""
    entries = json.loads((SAMPLES / "search_entries_cloud_2024.json").read_text())
    assert all(read_verdict(entry) for entry in entries)
