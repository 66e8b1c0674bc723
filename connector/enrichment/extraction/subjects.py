"""What is a hash and what is a URL, in a text that may be anything."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from connector.vocabulary import URL_FORBIDDEN

LENGTHS: Final = {"sha256": 64, "sha1": 40, "md5": 32, "sha512": 128}  # the strongest first; SHA-512 is known of few
ABSENT: Final = frozenset({"", "-"})
LONGEST_URL: Final = 8192

_DIGITS: Final = frozenset(LENGTHS.values())
_fromhex: Final = bytes.fromhex
# Most URLs, quickly: no port, no user, ASCII only.
_COMMON: Final = re.compile(r"https?://[A-Za-z0-9.-]+(?:/[!#-;=?-\[\]_a-z~]*)?").fullmatch
_FORBIDDEN: Final = re.compile(URL_FORBIDDEN).search
_LABELLED: Final = re.compile(r"([A-Za-z0-9-]+)=([^,;\s]*)").findall


def is_hash(value: str, length: int = 0) -> bool:
    """Whether a text is an MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal; with ``length``, one of so many digits."""
    if len(value) != length if length else len(value) not in _DIGITS:
        return False
    try:
        return 2 * len(_fromhex(value)) == len(value)
    except ValueError:
        return False


def is_address(value: str) -> bool:
    """Whether a text is an absolute http or https URL that the appliance can be asked about (``vocabulary.Url``)."""
    if len(value) > LONGEST_URL:
        return False
    if _COMMON(value):
        return True
    if value[:4].lower() != "http" or _FORBIDDEN(value):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def strongest(values: Sequence[tuple[str, str]]) -> str | None:
    """The strongest hash among pairs of its kind (``SHA256`` or ``sha-256``) and its value; None where none is one."""
    by_kind = {kind.replace("-", "").lower(): value for kind, value in values}
    for kind, length in LENGTHS.items():
        value = by_kind.get(kind)
        if value is not None and is_hash(value, length):
            return value
    return None


def labelled(text: str) -> tuple[str | None, int]:
    """The strongest hash of a text such as ``SHA1=..,MD5=..,IMPHASH=..``, and 1 where what is called one is none."""
    pairs = [
        (kind, value)
        for kind, value in _LABELLED(text)
        if kind.replace("-", "").lower() in LENGTHS and value not in ABSENT
    ]
    value = strongest(pairs)
    return value, int(value is None and bool(pairs))


def texts(value: Any) -> Iterator[Any]:
    """A member's value, or the values in it where it is a list, without those that say nothing."""
    for each in value if type(value) is list else (value,):
        if each is not None and not (type(each) is str and each in ABSENT):
            yield each
