"""What came from outside, made fit for STIX: times, URLs, names and pattern literals.

File names, threat names and URLs are chosen by whoever made the file. Here they become data that no consumer can
mistake for anything else: one line, bounded, without characters that steer a terminal or turn text around.
"""

import re
from datetime import datetime, timedelta
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote

from connector.verdict import read_time

LONGEST: Final = 1000
_PCHAR: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_USER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})"
_HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)"
_URI: Final = re.compile(  # RFC 3986, as STIX 2.1 section 6.14 wants a url value
    rf"[A-Za-z][A-Za-z0-9+.-]*:(?://(?:{_USER}*@)?{_HOST}(?::[0-9]*)?(?:/{_PCHAR}*)*|"
    rf"{_PCHAR}(?:{_PCHAR}|/)*)(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
)
_PARTS: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*:)(?://(?:([^/?#]*)@)?([^/?#]*?)((?::[0-9]*)?)(?=[/?#]|\Z))?([^#]*)(?:#(.*))?", re.DOTALL
)
_SAFE: Final = "!$&'()*+,;=:@/?%-._~"


def clean(text: str, most: int = LONGEST) -> str:
    """Text on one line, bounded; what cannot be seen (controls, direction marks, surrogates) becomes U+FFFD."""
    if not text.isprintable():
        text = "".join(" " if c.isspace() else c if c.isprintable() else "\ufffd" for c in text)
    text = text.strip()
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def literal(value: str) -> str:
    """A string literal of the STIX pattern grammar: backslashes first, then quotes (section 9.6)."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def uri(value: str) -> str | None:
    """The URL as RFC 3986 wants it, or None where it is none.

    What the standard forbids is percent-encoded and a host beyond ASCII becomes its IDNA form: that is how the
    request looks on the wire, so a pattern over it matches what a proxy logs. A proper URL is left as it is.
    """
    if "[" not in value and _URI.fullmatch(value):
        return value
    parts = _PARTS.fullmatch(value.strip())
    if parts is None:
        return None
    scheme, user, host, port, rest, fragment = parts.groups()
    made = scheme
    if host is not None:
        made += "//" + (_encoded(user).replace("@", "%40") + "@" if user is not None else "") + _host(host) + port
    made += _encoded(rest) + ("#" + _encoded(fragment) if fragment is not None else "")
    return made if _URI.fullmatch(made) and _address_ok(host) else None


def _encoded(text: str) -> str:
    stray = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    return quote(stray, safe=_SAFE, errors="surrogatepass")


def _host(host: str) -> str:
    if host.startswith("["):
        return host
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return _encoded(host)


def _address_ok(host: str | None) -> bool:
    if not host or not host.startswith("["):
        return True
    try:
        IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


def moment(value: str | None) -> str | None:
    """A time as stix2 writes it: UTC with Z, no trailing zeros; None for what is no date.

    A date before 1970 is how some systems write that they have none.
    """
    value = read_time(value)
    if value is None or value < "1970" or value[5] == "W":  # a week date passes for ISO 8601, not for RFC 3339
        return None
    return value if len(value) == 20 else value[:19] + ("." + value[20:-1]).rstrip("0").rstrip(".") + "Z"


def milliseconds(value: str) -> str:
    """The same time with exactly three digits, as ``created`` and ``modified`` need it (section 3.2)."""
    return value[:-1] + ".000Z" if len(value) == 20 else f"{value[:19]}.{value[20:-1].ljust(3, '0')}Z"


def later(value: str, days: int) -> str | None:
    """The time some days later; None beyond the calendar."""
    try:
        then = datetime.fromisoformat(value) + timedelta(days=days)
    except OverflowError:
        return None
    return moment(then.isoformat())
