"""Where a URL leads, judged by its text alone: to the public Internet, into a private network, or nobody can say.

The appliance (or the vendor's cloud) fetches what is submitted, so a URL is a way into the network it stands in. Every
spelling of an address is read once into the address itself, and what readers of URLs understand differently is refused
instead of guessed. Nothing is resolved here: a public name may still have a private address, or get one later (DNS
rebinding), and a page may redirect. That stays the appliance's job; this guard is best effort.

Sources: WHATWG URL 3.5 (hosts) and UTS 46; what is public is told by ``reserved``. Sentences never repeat a user name,
a path, a query or a fragment.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from itertools import chain
from typing import Final

import idna

from connector.reserved import Address, carried, embedded, not_public, purpose
from connector.vocabulary import URL_FORBIDDEN

LONGEST_URL: Final = 8192  # as in vocabulary.Url
_LONGEST_HOST: Final = 1000  # before mapping, which may take characters away
_LONGEST_NAME, _LONGEST_LABEL = 253, 63  # RFC 1035 2.3.4

_Network = IPv4Network | IPv6Network


class _Unreadable(ValueError):
    """Why a URL or a host cannot be read, as a fragment of a sentence."""


@dataclass(frozen=True, slots=True)
class _Host:
    """Where a URL leads: a canonical name ("" for none), and every address that the host says or may be read as."""

    name: str
    addresses: tuple[Address, ...] = ()


def malformed_reason(url: str) -> str | None:
    """Why a URL must not be sent at all, public or not; None where every reader finds the same host in it."""
    try:
        _host(url)
    except _Unreadable as reason:
        return str(reason)
    return None


def inner_reason(url: str, private_zones: Sequence[str] = ()) -> str | None:
    """Why a URL counts as internal, or None when it leads to a public host; what cannot be read counts as internal.

    Raises:
        ValueError: for an entry of ``private_zones`` that ``check_zone`` would not take.
    """
    zones = [_zone(entry) for entry in private_zones]
    try:
        host = _host(url)
    except _Unreadable as reason:
        return f"nobody can tell where it leads: {reason}"
    zone = next((zone for zone in zones if _lies_in(host, zone)), None)
    if zone is not None:
        return f"its host lies inside the private zone {_shown(zone)} of the setting private_zones"
    kind = next(filter(None, map(purpose, host.addresses)), None)
    if kind is not None:
        return f"its host name carries an address of {kind}" if host.name else f"its host is an address of {kind}"
    return not_public(host.name) if host.name else None


def in_zone(url: str, zones: Sequence[str]) -> bool:
    """Whether the host of a URL lies in one of these zones; False for a URL that cannot be read.

    Raises:
        ValueError: for a zone that ``check_zone`` would not take.
    """
    read = [_zone(entry) for entry in zones]
    try:
        host = _host(url)
    except _Unreadable:
        return False
    return any(_lies_in(host, zone) for zone in read)


def host_of(url: str) -> str:
    """The host of a URL in one spelling: lower case, ASCII, no trailing dot; "" for a URL that cannot be read."""
    try:
        host = _host(url)
    except _Unreadable:
        return ""
    return host.name or str(host.addresses[0])


def check_zone(text: str) -> str:
    """One entry of the setting private_zones in its one spelling: a DNS suffix, an address or a network.

    Raises:
        ValueError: with a sentence, for anything else.
    """
    return _shown(_zone(text))


def _shown(zone: str | _Network) -> str:
    return str(zone.network_address) if not isinstance(zone, str) and zone.num_addresses == 1 else str(zone)


@lru_cache(maxsize=1024)
def _zone(text: str) -> str | _Network:
    """A name without its leading dot or ``*.``, or a network, which a single address is too."""
    wanted = "must be a DNS suffix such as corp.example.com, an IP address, or a network such as 10.0.0.0/8"
    if len(text) > _LONGEST_HOST:
        raise ValueError(wanted)
    if "/" in text or ":" in text:
        return _network(text, wanted)
    try:
        labels = _labels(re.sub(r"\A\*?\.", "", text))
    except _Unreadable:
        raise ValueError(wanted) from None
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        return _network(text, wanted)
    return ".".join(labels)


def _network(text: str, wanted: str) -> _Network:
    if "%" in text or not text.isascii():
        raise ValueError(wanted)
    try:
        return ip_network(text, strict=True)
    except ValueError:
        pass
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(wanted) from None
    raise ValueError(f"must be a network without further bits; write {meant}")


def _lies_in(host: _Host, zone: str | _Network) -> bool:
    if isinstance(zone, str):
        return host.name == zone or host.name.endswith(f".{zone}")
    return any(address in zone for address in host.addresses)


def _host(url: str) -> _Host:
    """The host of a URL; lengths come first, so that all that follows has bounded work to do."""
    if len(url) > LONGEST_URL:
        raise _Unreadable(f"it is longer than {LONGEST_URL} characters")
    if re.search(URL_FORBIDDEN, url) or re.search(r"[\ud800-\udfff]", url):
        raise _Unreadable("it holds a space, a control character, a backslash or another character to percent-encode")
    split = re.fullmatch(r"https?://([^/?#]*)(.*)", url, re.IGNORECASE | re.ASCII | re.DOTALL)
    if split is None:
        raise _Unreadable("it does not start with http:// or https://")
    authority, rest = split.groups()
    if "@" in authority:
        raise _Unreadable("it holds a user name or password; leave out the user name and password before the host")
    if rest[:1] in {"?", "#"} and "@" in rest.partition("/")[0]:
        raise _Unreadable("it has an @ after ? or #, which some readers take for the end of a user name; put / before")
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(:.*)?", authority, re.DOTALL)
    if found is None:
        raise _Unreadable("its host is no whole IPv6 address in brackets")
    host, port = found.groups()
    if port is not None and not (re.fullmatch(r":[0-9]{1,5}", port) and 0 < int(port[1:]) < 65536):
        raise _Unreadable("its port is not a number from 1 to 65535")
    if not host:
        raise _Unreadable("it names no host")
    return _bracketed(host[1:-1]) if host.startswith("[") else _named(host)


def _bracketed(text: str) -> _Host:
    if "%" in text:
        raise _Unreadable("its host is an IPv6 address with a zone; leave out % and what follows")
    if len(text) > 45 or not re.fullmatch(r"[0-9A-Fa-f:.]+", text):
        raise _Unreadable("its host stands in brackets but is no IPv6 address")
    try:
        address = IPv6Address(text)
    except ValueError:
        raise _Unreadable("its host stands in brackets but is no IPv6 address") from None
    return _Host("", _readings(address))


def _readings(address: Address) -> tuple[Address, ...]:
    """An address, and what it embeds: a zone may hold either."""
    return (address, *embedded(address)) if isinstance(address, IPv6Address) else (address,)


def _named(text: str) -> _Host:
    labels = _labels(text)
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):  # WHATWG URL, "ends in a number"
        return _Host("", _quads(labels))
    name = ".".join(labels)
    return _Host(name, tuple(chain.from_iterable(map(_readings, carried(name)))))


def _labels(text: str) -> list[str]:
    """The labels of a host name in ASCII and lower case, as UTS 46 maps them; one trailing dot is left out."""
    if "%" in text:
        raise _Unreadable("its host holds percent-encoding; write the host without")
    if len(text) > _LONGEST_HOST:
        raise _Unreadable("its host name is longer than DNS allows")
    try:
        mapped = idna.uts46_remap(text, std3_rules=False)
    except ValueError:
        raise _Unreadable("its host holds a character that no host name has (UTS 46)") from None
    labels = mapped.removesuffix(".").split(".")
    if not all(labels):
        raise _Unreadable("its host has an empty label: a dot in front, or two in a row")
    labels = [_ascii(label) for label in labels]
    if any(len(label) > _LONGEST_LABEL for label in labels) or len(".".join(labels)) > _LONGEST_NAME:
        raise _Unreadable("its host name is longer than DNS allows")
    return labels


def _ascii(label: str) -> str:
    """One mapped label in ASCII; an A-label must be the only spelling of what it stands for."""
    wrong = _Unreadable("its host is no valid international name (IDNA)")
    text = label
    if label.startswith("xn--"):
        try:
            text = label[4:].encode("ascii").decode("punycode") if len(label) <= _LONGEST_LABEL else ""
            stable = idna.uts46_remap(text, std3_rules=False) == text
        except ValueError:
            raise wrong from None
        if text.isascii() or not stable or text.startswith("xn--"):
            raise wrong
    if text.isascii():
        if not re.fullmatch(r"[a-z0-9_-]+", text):
            raise _Unreadable("its host holds a character that no host name has")
        return text
    if text.isdigit() or not _joined(text) or not re.fullmatch(r"[a-z0-9_\-\u0080-\U0010ffff]{1,63}", text):
        raise wrong
    encoded = "xn--" + text.encode("punycode").decode("ascii")
    if label.startswith("xn--") and encoded != label:
        raise wrong
    return encoded


def _joined(text: str) -> bool:
    """Whether every invisible joiner stands where a script needs it (RFC 5892 A.1 and A.2)."""
    try:
        return all(idna.valid_contextj(text, i) for i, char in enumerate(text) if char in "\u200c\u200d")
    except ValueError:
        return False


def _quads(labels: list[str]) -> tuple[Address, ...]:
    """The IPv4 address of up to four numbers (WHATWG URL, IPv4 parser, which is inet_aton), read in both ways.

    A leading zero means octal to most readers and nothing to others, so both addresses are given where they differ.
    """
    octal = _quad([_number(label, 8) for label in labels])
    if octal is None:
        raise _Unreadable("its host ends in a number but is no IPv4 address")
    plain = _quad([_number(label, 10) for label in labels])
    return (octal,) if plain in {octal, None} else (octal, plain)


def _number(text: str, zeroed: int) -> int | None:
    """A number in hexadecimal after 0x, to the base ``zeroed`` after a zero, and decimal otherwise."""
    base = 16 if text.startswith("0x") else zeroed if text.startswith("0") else 10
    digits = text[2:] if base == 16 else text
    try:
        return int(digits or "0", base) if "_" not in digits and "-" not in digits else None
    except ValueError:
        return None


def _quad(numbers: list[int | None]) -> IPv4Address | None:
    known = [number for number in numbers if number is not None]
    if len(known) != len(numbers) or len(known) > 4:
        return None
    *front, last = known
    if any(number > 255 for number in front) or last >= 256 ** (4 - len(front)):
        return None
    return IPv4Address(sum(number << 8 * (3 - i) for i, number in enumerate(front)) + last)
