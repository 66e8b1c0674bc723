"""Verdicts and findings for the tests of the formats, and the comparison with golden files.

To write golden files anew after a wanted change: ``REFRESH_GOLDEN=1 .venv/bin/pytest tests/enrichment``, and look at
the difference before committing it.
"""

import hashlib
import os
from pathlib import Path

from hypothesis import strategies as st

from connector.enrichment.values import Finding, Found
from connector.verdict import File, Url, Verdict

GOLDEN = Path(__file__).parent / "golden"
LOOKED_UP = 1_785_000_000.25  # 2026-07-25T17:20:00.250Z
UNTIL = LOOKED_UP + 3600
APPLIANCE = "https://appliance.example.com"


def hashed(name: str) -> dict[str, str]:
    """The hashes of a file that holds this text."""
    return {kind: hashlib.new(kind, name.encode()).hexdigest() for kind in ("md5", "sha1", "sha256", "sha512")}


def finding(verdict: Verdict | None, subject: str | None = None) -> Finding:
    """A finding, as a look-up of the verdict's best name (or of ``subject``) makes it."""
    if subject is None:
        assert verdict is not None, "a finding without a verdict needs its subject"
        subject = verdict.subject.value if isinstance(verdict.subject, Url) else verdict.subject.strongest[1]
    return Finding(subject, verdict, LOOKED_UP, UNTIL)


MALICIOUS = Verdict(
    subject=File(**hashed("malicious"), name="invoice.exe", size=3514368, file_type="PE/Exe"),
    classification="malicious",
    riskscore=10,
    threat_name="Win32.Ransomware.Fictional",
    reason="antivirus",
    first_seen="2024-05-12T07:58:00Z",
    last_seen="2026-07-20T09:30:15.250Z",
    scanner_count=28,
    scanner_match=27,
    threat_level=5,
    trust_factor=5,
    source="cloud",
)
SUSPICIOUS = Verdict(
    subject=File(sha1=hashed("suspicious")["sha1"], sha256=hashed("suspicious")["sha256"]),
    classification="suspicious",
    riskscore=6,
    threat_name="Document-PDF.Exploit.Heuristic",
    first_seen="2026-01-02T03:04:05Z",
)
GOODWARE = Verdict(
    subject=File(**hashed("goodware"), name="setup.msi", size=1024),
    classification="goodware",
    riskscore=1,
    reason="certificate",
    first_seen="2020-01-01T00:00:00Z",
    last_seen="2026-07-01T00:00:00Z",
    trust_factor=0,
)
UNKNOWN = Verdict(subject=File(sha256=hashed("unknown")["sha256"]), classification="unknown")
BARE = Verdict(subject=File(md5=hashed("bare")["md5"]), classification="malicious")  # not even a score
BAD_URL = Verdict(
    subject=Url(value="http://bad.example/get?id=7&x='1'", served=MALICIOUS.subject),
    classification="malicious",
    riskscore=8,
    threat_name="Win32.Downloader.Imaginary",
    first_seen="2026-06-01T00:00:00Z",
    last_seen="2026-07-19T23:59:59Z",
)
# Whoever makes a file chooses its name: quotes, line ends, a direction mark, a lone surrogate, beyond ASCII.
HOSTILE = Verdict(
    subject=File(sha1=hashed("hostile")["sha1"], name='a"b\\c\n|=\u202egpj.exe\ud800'),
    classification="malicious",
    riskscore=7,
    threat_name='Win32.Trojan."Bad\r\n|na=me\\\u00e9\u4e2d',
    reason="user\toverride",
)
VERDICTS: dict[str, Verdict] = {
    "malicious": MALICIOUS,
    "suspicious": SUSPICIOUS,
    "goodware": GOODWARE,
    "unknown": UNKNOWN,
    "bare": BARE,
    "url": BAD_URL,
    "hostile": HOSTILE,
}
FINDINGS: dict[str, Finding] = {name: finding(verdict) for name, verdict in VERDICTS.items()}


def found(of: Finding, field: str | None = None) -> Found:
    """The subject of a finding, as an event of the Elastic Common Schema names it."""
    return Found(field or ("url.full" if ":" in of.subject else "file.hash.sha256"), of.subject)


def compare(file: str, lines: list[bytes]) -> None:
    """Assert that a golden file holds these lines, or write it anew where REFRESH_GOLDEN is set."""
    made = b"".join(line + b"\n" for line in lines)
    if os.environ.get("REFRESH_GOLDEN"):
        (GOLDEN / file).write_bytes(made)
    assert (GOLDEN / file).read_bytes() == made, "REFRESH_GOLDEN=1 writes it anew"


_TEXT = st.none() | st.text(max_size=40)
_HEX = {
    kind: st.none() | st.text("0123456789abcdef", min_size=n, max_size=n)
    for kind, n in (("md5", 32), ("sha1", 40), ("sha256", 64), ("sha512", 128))
}
_TIME = st.none() | st.datetimes().map(lambda t: t.isoformat(timespec="milliseconds") + "Z")
_FILES = st.builds(File, **_HEX, name=_TEXT, size=st.none() | st.integers(0, 2**40), file_type=_TEXT).filter(
    lambda f: f.md5 or f.sha1 or f.sha256 or f.sha512
)
_THREATS = _TEXT | st.sampled_from(["Win32.Ransomware.Fictional", "Linux.Trojan.Generic", "Win32-Sub.Worm", "Macro."])


def verdicts() -> st.SearchStrategy[Verdict]:
    """Any verdict that the appliance could give, and more."""
    return st.builds(
        Verdict,
        subject=_FILES
        | st.builds(
            Url,
            value=st.from_regex(r"https?://[a-z]{1,9}\.example/[!-~]{0,20}", fullmatch=True),
            served=st.none() | _FILES,
        ),
        classification=st.sampled_from(["malicious", "suspicious", "goodware", "unknown"]),
        riskscore=st.none() | st.integers(0, 10),
        threat_name=_THREATS,
        reason=_TEXT,
        first_seen=_TIME,
        last_seen=_TIME,
        scanner_count=st.none() | st.integers(0, 99),
        scanner_match=st.none() | st.integers(0, 99),
        threat_level=st.none() | st.integers(0, 5),
        trust_factor=st.none() | st.integers(0, 5),
        source=st.sampled_from([None, "local", "cloud"]),
    )


def findings() -> st.SearchStrategy[Finding]:
    return verdicts().map(finding)


def json_objects() -> st.SearchStrategy[dict]:
    """Any JSON object; floats are finite."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8)
    )
    values = st.recursive(
        scalars,
        lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=6), some, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(st.text(max_size=8), values, max_size=5)
