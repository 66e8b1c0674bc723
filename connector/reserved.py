"""What of the Internet's addresses and names is not public: tables, each row with its source, and how to ask them.

The ranges are written out, as ``ipaddress.is_global`` differs between patch releases (CVE-2024-4032). They follow the
IANA registries of special-purpose IPv4 and IPv6 addresses, and refuse what those call reachable where no web site is.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address

_PRIVATE, _DOCUMENTATION = "a private network (RFC 1918)", "the documentation ranges (RFC 5737)"
_IPV4: Final = tuple(
    (IPv4Network(network), words)
    for network, words in (
        ("0.0.0.0/8", "this host or this network (RFC 1122)"),
        ("10.0.0.0/8", _PRIVATE),
        ("100.64.0.0/10", "a provider's shared space (RFC 6598)"),
        ("127.0.0.0/8", "the loopback (RFC 1122)"),
        ("168.63.129.16/32", "the platform services of a cloud (Azure)"),
        ("169.254.0.0/16", "the local link, where clouds keep their metadata (RFC 3927)"),
        ("172.16.0.0/12", _PRIVATE),
        ("192.0.0.0/24", "the protocol assignments (RFC 6890)"),
        ("192.0.2.0/24", _DOCUMENTATION),
        ("192.31.196.0/24", "the AS112 sinks (RFC 7535)"),
        ("192.52.193.0/24", "multicast tunnelling (RFC 7450)"),
        ("192.88.99.0/24", "the former 6to4 relays (RFC 7526)"),
        ("192.168.0.0/16", _PRIVATE),
        ("192.175.48.0/24", "the AS112 sinks (RFC 7534)"),
        ("198.18.0.0/15", "the benchmarking range (RFC 2544)"),
        ("198.51.100.0/24", _DOCUMENTATION),
        ("203.0.113.0/24", _DOCUMENTATION),
        ("224.0.0.0/4", "the multicast range (RFC 5771)"),
        ("255.255.255.255/32", "the broadcast (RFC 919)"),
        ("240.0.0.0/4", "a reserved range (RFC 1112)"),
    )
)
_IPV6: Final = tuple(
    (IPv6Network(network), words)
    for network, words in (
        ("::/128", "no host at all (RFC 4291)"),
        ("::1/128", "the loopback (RFC 4291)"),
        ("64:ff9b:1::/48", "local translation to IPv4 (RFC 8215)"),
        ("100::/64", "the discard prefix (RFC 6666)"),
        ("2001::/32", "Teredo, which hides an IPv4 address (RFC 4380)"),
        ("2001::/23", "the protocol assignments (RFC 2928)"),
        ("2001:db8::/32", "the documentation ranges (RFC 3849)"),
        ("2620:4f:8000::/48", "the AS112 sinks (RFC 7534)"),
        ("3fff::/20", "the documentation ranges (RFC 9637)"),
        ("5f00::/16", "segment routing (RFC 9602)"),
        ("fc00::/7", "a private network (RFC 4193)"),
        ("fe80::/10", "the local link (RFC 4291)"),
        ("fec0::/10", "a site, in a form given up (RFC 3879)"),
        ("ff00::/8", "the multicast range (RFC 4291)"),
    )
)
_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
# IPv6 networks whose addresses hold an IPv4 address, and how many bits lie to the right of it.
_EMBEDDING: Final = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped, RFC 4291 2.5.5.2
    (IPv6Network("::/96"), 0),  # IPv4-compatible, RFC 4291 2.5.5.1
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)

# RFC 2606, 6761, 6762 (with appendix G), 7050, 7686, 8375, 9462, 9476, 9665; .internal: ICANN's board, 2024.
_SPECIAL_USE: Final = """localhost local test example invalid onion alt internal home.arpa ipv4only.arpa resolver.arpa
 service.arpa intranet private corp home lan"""
# Customary in private networks; none is delegated in the root zone.
_CUSTOMARY: Final = """mail localdomain localnet lokal intern intra domain workgroup pvt priv dmz wan mgmt svc cluster
 consul docker kube k8s openstacklocal novalocal router gateway fritz.box speedport.ip"""
_NOT_PUBLIC: Final = frozenset(f"{_SPECIAL_USE} {_CUSTOMARY}".split())
# Public names made to answer with the loopback, a home router, a cloud's metadata, or first this and then that.
_BACK: Final = """localtest.me lvh.me vcap.me lacolhost.com fuf.me localho.st localh.st localhst.co.uk localhost.tv
 local.gd 42foo.com 127-0-0-1.org.uk ddev.site lndo.site lcl.host localdev.me bugbounty.dod.network
 1u.ms rbndr.us rebind.it rebind.network routerlogin.net routerlogin.com tplinkwifi.net
 metadata.goog metadata.tencentyun.com"""
_LEADING_BACK: Final = frozenset(_BACK.split())
_SERVICES: Final = "nip.io sslip.io xip.io traefik.me local-ip.co local-ip.sh backname.io plex.direct"
_CARRYING: Final = frozenset(_SERVICES.split())
_FOUR: Final = re.compile(r"(?<![0-9a-z])(?=([0-9]{1,3}([.-])[0-9]{1,3}\2[0-9]{1,3}\2[0-9]{1,3})(?![0-9a-z]))")
_EIGHT: Final = re.compile(r"(?<![0-9a-z])([0-9a-f]{8})(?![0-9a-z])")


def embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to by translation or tunnel."""
    return (IPv4Address(int(address) >> bits & 0xFFFFFFFF) for network, bits in _EMBEDDING if address in network)


def purpose(address: Address) -> str | None:
    """What an address is for, after "an address of", or None where it is public; of an embedded address, its own."""
    if isinstance(address, IPv4Address):
        return next((words for network, words in _IPV4 if address in network), None)
    special = next((words for network, words in _IPV6 if address in network), None)
    inside = list(embedded(address))
    if special is not None or inside:
        return special or next(filter(None, map(purpose, inside)), None)
    return None if address in _PUBLIC_IPV6 else "a range outside 2000::/3, where all public IPv6 hosts are (RFC 4291)"


def carried(name: str) -> Iterator[Address]:
    """The addresses that a host name spells out, under the services that answer with them.

    Dots, hyphens and eight hexadecimal digits (nip.io), IPv6 with a hyphen for each colon (sslip.io). A label that
    looks like the last but cannot be read counts as the unspecified address.
    """
    service = next((tail for tail in _tails(name) if tail in _CARRYING), None)
    if service is None:
        return
    front = name.removesuffix(service).rstrip(".")
    for found in _FOUR.finditer(front):
        numbers = [int(part) for part in re.split("[.-]", found[1])]
        if max(numbers) < 256:
            yield IPv4Address(bytes(numbers))
    yield from (IPv4Address(int(found[1], 16)) for found in _EIGHT.finditer(front))
    for label in front.split("."):
        if "--" in label or label.count("-") >= 7:
            try:
                yield IPv6Address(label.replace("-", ":"))
            except ValueError:
                yield IPv6Address(0)


def not_public(name: str) -> str | None:
    """Why a host name (ASCII, lower case, no trailing dot) is not one of the public DNS, or None."""
    if "." not in name:
        return "its host name has one label, which only a local network knows"
    for tail in _tails(name):
        if tail in _NOT_PUBLIC:
            return f"its host name ends with .{tail}, which is not public"
        if tail in _LEADING_BACK:
            return f"its host name belongs to {tail}, which leads back into the network of whoever asks"
    if not re.fullmatch(r"[a-z]{2,63}|xn--[a-z0-9-]+", name.rpartition(".")[2]):
        return "its host name does not end with a top-level domain"
    return None


def _tails(name: str) -> Iterator[str]:
    """A name, and the same without its first label, and so on."""
    labels = name.split(".")
    return (".".join(labels[i:]) for i in range(len(labels)))
