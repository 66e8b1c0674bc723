"""Where the fuzzer begins: what appliances, callers and attackers are known to write."""

import gzip
from typing import Any, Final

from tests.prove.growing import sown, sown_object

CANARY: Final = "canary-7f3a9c51e2"
HASHES: Final = ("3395856ce81f2b7382dee72602f798b642f14140", "44d88612fea8a8f36de82e1278abb02f", "a" * 64, "F" * 128)
TIMES: Final = ("2026-01-31T12:00:00Z", "2024-01-08T16:36:03.049306", "2024-W01-1T10:00:00Z", "0001-01-01T00:00:00-23")
URLS: Final = (
    *("https://www.example.com/download?id=7", "http://[2001:db8::1]:80/", "http://user:pass@a.example/#x"),
    *("http://127.1/", "http://0x7f.1/", "http://2130706433/", "http://127\u30020\u30020\u30021/", "http://a:99999/"),
    *("http://[::ffff:10.0.0.1]/", "http://\uff11.example/", "http://a.internal./", "http://10-0-0-1.nip.io/"),
    *("http://xn--a.example/", "http://[fe80::1%25a]/", "https://a.example/reset?token=abc&x=%2541"),
    *("https://a.example/;jsessionid=1", "https://docs.google.com/d/1/e"),
)
ZONES: Final = ("corp.example.com", "*.corp.example", "10.0.0.0/8", "2001:db8::/32")
NAMES: Final = ("invoice.exe", "C:\\a\\b.exe", "a\r\nb", "\u202efdp.exe", "/etc/passwd", "", 'a"; x="')
PATTERNS: Final = ("' OR file:name != '", "\\'", "t'2020-01-01T00:00:00Z'", "a\u202egpj.exe")
WAITS: Final = ("120", "0", "-5", "inf", "1" * 400, "\uff11\uff12", "Fri, 31 Dec 9999 23:59:59 GMT")
DATES: Final = ("Fri, 31 Jan 2026 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2300", "31 Jan 26 1:2:3 EST")
QUERIES: Final = (
    *("classification:malicious AND firstseen:3d-", 'filename:"a (b" OR NOT (size:[1 TO *])', '"\\"', "\x00(((a)))"),
)
CLAUSES: Final = (b"\x00\x00evil OR x", b"\x05\x01a,b", b"\x11\x02a*b", b"\x08\x031 TO *", b"\x11\x00AND")
JSONS: Final = (
    *(b'{"rl":{"a":[1,2.5e3,null,true]}}', b'{"a":1,"\\u0061":2}', b'["\\ud800"]', b"[" * 70, b"NaN", b"-0", b"1e999"),
    *(b"\xef\xbb\xbf{}", b"<html>", b'"\xff"', b'{"a":{"b":{"b":1,"b":2}}}', b'"\\u0022"', b"1" * 30, b"\xef\xbb\xbf"),
    *(b"[9007199254740993, 18446744073709551616]", b'{"a\\u0000":"\\ud83d\\ude00"}'),
)
GZIPS: Final = (b"\x02\x05" + gzip.compress(b"{}" * 50), b"\x03\x01" + gzip.compress(bytes(9999)), b"\x00\x09{}")
TOMLS: Final = (
    *('url = "https://a.example"\n[x]\na = 1', "deadline_seconds = inf\nfile_roots = ['/tmp']", "url = 'http://[::1'"),
    *("\x00", "tlp = 'red'\nallow_cloud = true", 'url = """https://a.example"""'),
)
HOSTILE: Final = ("' OR '1'='1", "../../etc/passwd", "/proc/self/environ", "\x00", "<script>", "a,b", "QUFBQQ==", "")
VENDOR: Final = (
    *[
        "classification",
        "threat_status",
        "status",
        "md5",
        "sha1",
        "sha256",
        "sha512",
        "riskscore",
        "factor",
        "threat_name",
        "classification_result",
        "threatname",
        "threat_platform",
        "threat_type",
        "threat_family",
        "classification_reason",
        "reason",
        "first_seen",
        "firstseen",
        "local_first_seen",
        "last_seen",
        "cloud_last_lookup",
        "av_scanners_summary",
        "av_scanners",
        "scanner_count",
        "scanner_match",
        "antivirus",
        "data_source",
        "file_type",
        "file_subtype",
        "sampletype",
        "filename",
        "proposed_filename",
        "aliases",
        "file_size",
        "threat_level",
        "trust_factor",
        "malicious",
        "KNOWN",
        "clean",
        "suspicious",
        "LOCAL",
        "Win32.Trojan.Zbot",
        "Document-PDF.Exploit.CVE-2012-0158",
        "a..b",
        "message",
        "error",
        "detail",
        "description",
    ],
    *(*HASHES, *TIMES, *HOSTILE, f"the token {CANARY}{CANARY[:6]} is bad", "a\u202eb\u2028c"),
)
BODIES: Final[tuple[dict[str, Any], ...]] = (
    {"classification": "malicious", "sha1": HASHES[0], "riskscore": 10, "threat_name": "Win32.Trojan.Zbot"},
    {"threat_status": "KNOWN", "md5": HASHES[1], "aliases": ["a"], "first_seen": TIMES[0], "last_seen": TIMES[1]},
    {"classification": "suspicious", "av_scanners_summary": {"scanner_count": 10, "scanner_match": 1}},
    {"message": "no", "detail": {"error": [None, "x"]}},
    *({"message": VENDOR[-2]}, {"detail": VENDOR[-1]}),
)


def bodies() -> tuple[bytes, ...]:
    """Vendor objects, as they grow from bytes with the words of VENDOR."""
    return tuple(sown(body, VENDOR) for body in BODIES)


def settings_words() -> list[str]:
    """The names of all settings, and values for some of them."""
    from connector.settings import Settings

    values = "https://appliance.example.com http://u:p@h/x [::1] amber+strict full sentinel legacy 1e400 true /tmp nan"
    return [*Settings.model_fields, *values.split(), "a" * 64, "10.0.0.0/8", "\x00", ""]


def settings() -> tuple[bytes, ...]:
    """A way to give settings (0 a TOML text, 1 arguments, 2 the environment) and what is given that way."""
    plain = {"url": "https://appliance.example.com", "deadline_seconds": 10, "verify_tls": False, "tlp": "amber+strict"}
    grown = sown_object(plain, settings_words())
    return (b"\x01" + grown, b"\x02" + grown, *(b"\x00" + each.encode() for each in TOMLS))


def words_of(schema: Any) -> list[str]:
    """Every name and every text in a schema that an input could hold, and some that it should not."""
    found: dict[str, None] = {}

    def walk(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            if key == "properties":
                found.update(dict.fromkeys(value))
            elif key in {"enum", "examples", "const", "default"}:
                several = value if isinstance(value, list) else [value]
                found.update(dict.fromkeys(each for each in several if isinstance(each, str)))
            walk(value)

    walk(schema)
    return [*found, *HASHES, *URLS[:4], *TIMES, *HOSTILE, "\ud800"][:256]


def params() -> tuple[bytes, ...]:
    """Every example of every action: its number, a byte that says "an object", and the object."""
    from connector.actions import every

    made = []
    for number, action in enumerate(every()):
        words = words_of(action.params.model_json_schema())
        made += [bytes([number, 1]) + sown_object(example.params, words) for example in action.examples]
    return tuple(made)


def cursors() -> tuple[bytes, ...]:
    """Cursors that the search would write."""
    from connector.actions.advanced_search import Place, _cursor

    return tuple(str(_cursor(Place(*place), "0" * 16, 100)).encode() for place in ((1, 0), (7, 99)))
