"""Where URLs lead: every hostile spelling is refused, every ordinary URL passes, and no text breaks the reader."""

import re
import socket
import time
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.zones import check_zone, host_of, in_zone, inner_reason, malformed_reason

CORPORA = Path(__file__).parent / "corpora"


def corpus(name):
    """The URLs of a corpus, with its escapes undone; its header says how it is written."""
    lines = (CORPORA / f"{name}.txt").read_bytes().decode("ascii").split("\n")
    return [line.encode().decode("unicode_escape") for line in lines if line and not line.startswith("# ")]


REFUSED, PUBLIC = corpus("urls_refused"), corpus("urls_public")
# From the IANA registries of special-purpose addresses (and Azure's page on 168.63.129.16), not from our tables.
_IPV4 = """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12
 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"""
_IPV6 = """::/128 ::1/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:db8::/32
 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8"""
RANGES = [ip_network(text) for text in f"{_IPV4} {_IPV6}".split()]
INNER_IPV4 = [network for network in RANGES if network.version == 4]


def url_of(address):
    return f"http://{address}/" if address.version == 4 else f"http://[{address}]/"


def refused(url):
    return malformed_reason(url) or inner_reason(url)


@st.composite
def spellings(draw, addresses):
    """An IPv4 address and one of the ways to write it: of one to four numbers, each to any base, in any digits."""
    address = draw(addresses)
    octets = list(address.packed)
    kept = draw(st.integers(0, 3))
    numbers = [*octets[:kept], int.from_bytes(bytes(octets[kept:]))]
    forms = [str, lambda n: f"0x{n:x}", lambda n: f"0X{n:08X}", lambda n: f"0{n:o}", lambda n: f"000{n:o}"]
    text = draw(st.sampled_from(".\u3002\uff0e\uff61")).join(draw(st.sampled_from(forms))(number) for number in numbers)
    zero, one = draw(st.sampled_from([("0", "1"), ("\uff10", "\uff11"), ("\u24ea", "\u2460"), ("\u2080", "\u2081")]))
    text = re.sub("[0-9]", lambda digit: chr(ord(one) - 1 + int(digit[0])) if digit[0] != "0" else zero, text)
    return address, text + draw(st.sampled_from(["", ".", "\u00ad", "\u200b"]))


def within(networks):
    return st.sampled_from(networks).flatmap(
        lambda net: st.integers(int(net[0]), int(net[-1])).map(type(net.network_address))
    )


ANY_IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)
PUBLIC_IPV4 = ANY_IPV4.filter(lambda address: not any(address in network for network in INNER_IPV4))


class TestCorpora:
    def test_they_are_large_enough_and_hold_nothing_twice(self):
        assert len(set(REFUSED)) == len(REFUSED) >= 200
        assert len(set(PUBLIC)) == len(PUBLIC) >= 200
        assert not set(REFUSED) & set(PUBLIC)

    @pytest.mark.parametrize("url", REFUSED, ids=ascii)
    def test_hostile_forms_are_refused(self, url):
        assert refused(url)

    @pytest.mark.parametrize("url", PUBLIC, ids=ascii)
    def test_ordinary_urls_pass(self, url):
        assert malformed_reason(url) is None
        assert inner_reason(url) is None

    def test_another_reader_finds_the_same_hosts(self):
        for url in PUBLIC:
            host = urlsplit(url).hostname.removesuffix(".")
            if host.isascii() and host[-1].isalpha() and ":" not in host:
                assert host_of(url) == host


class TestAddresses:
    @pytest.mark.parametrize("network", RANGES, ids=str)
    def test_a_special_range_is_refused_to_both_its_ends(self, network):
        assert inner_reason(url_of(network[0]))
        assert inner_reason(url_of(network[-1]))

    @pytest.mark.parametrize("network", INNER_IPV4, ids=str)
    def test_beside_a_special_range_the_public_begins(self, network):
        beside = [int(network[0]) - 1, int(network[-1]) + 1]
        for address in (IPv4Address(number) for number in beside if 0 <= number < 2**32):
            inner = any(address in other for other in INNER_IPV4)
            assert (inner_reason(url_of(address)) is not None) == inner

    @given(spellings(within(INNER_IPV4)))
    def test_an_inner_ipv4_address_is_refused_in_every_spelling(self, spelled):
        assert inner_reason(f"http://{spelled[1]}/")

    @given(ANY_IPV4 | within(INNER_IPV4))
    @example(IPv4Address("192.0.0.8"))
    def test_what_the_library_calls_not_global_is_refused(self, address):
        if not address.is_global or address.is_multicast:
            assert inner_reason(url_of(address))

    @given(PUBLIC_IPV4, st.sampled_from(["", ".", ":8080", ".:1"]))
    def test_a_public_ipv4_address_passes(self, address, end):
        assert refused(f"http://{address}{end}/") is None

    @given(spellings(PUBLIC_IPV4))
    def test_a_spelling_of_a_public_address_is_never_malformed(self, spelled):
        assert malformed_reason(f"http://{spelled[1]}/") is None
        assert host_of(f"http://{spelled[1]}/") == str(spelled[0])

    @given(
        st.lists(st.from_regex(r"0x[0-9a-fA-F]{0,9}|0[0-9]{0,12}|[0-9]{1,10}", fullmatch=True), min_size=1, max_size=5)
    )
    def test_what_is_read_as_an_address_is_what_the_system_reads(self, numbers):
        text = ".".join(numbers)
        if malformed_reason(f"http://{text}/") is None:
            filled = re.sub(r"0x(?=\.|\Z)", "0x0", text)  # a bare 0x is zero to browsers and nothing to inet_aton
            assert host_of(f"http://{text}/") == str(IPv4Address(socket.inet_aton(filled)))

    @given(
        st.lists(st.from_regex(r"0x[0-9a-f]{1,9}|0[0-7]{0,12}|[1-9][0-9]{0,9}", fullmatch=True), min_size=1, max_size=5)
    )
    def test_what_the_system_reads_as_an_address_is_never_taken_for_a_name(self, numbers):
        text = ".".join(numbers)
        try:
            meant = str(IPv4Address(socket.inet_aton(text)))
        except OSError:
            assert malformed_reason(f"http://{text}/")
        else:
            assert host_of(f"http://{text}/") == meant

    @pytest.mark.parametrize("host", ["010.0.0.1", "0100.64.0.1", "0127.1", "0169.254.0.1", "0010.8.8.8"])
    def test_where_readers_disagree_about_a_leading_zero_one_inner_reading_is_enough(self, host):
        assert inner_reason(f"http://{host}/")

    @given(st.sampled_from(["::ffff:", "64:ff9b::"]), ANY_IPV4)
    def test_an_address_within_an_ipv6_address_is_judged_as_itself(self, prefix, address):
        assert inner_reason(f"http://[{prefix}{address}]/") == inner_reason(url_of(address))

    @given(ANY_IPV4, st.integers(0, 2**80 - 1))
    def test_an_address_within_a_6to4_address_is_judged_as_itself(self, address, rest):
        embedding = IPv6Address((0x2002 << 112) + (int(address) << 80) + rest)
        assert inner_reason(url_of(embedding)) == inner_reason(url_of(address))

    @given(ANY_IPV4)
    def test_an_ipv4_compatible_address_is_at_best_as_public_as_what_it_holds(self, address):
        reason = inner_reason(f"http://[::{address}]/")
        assert (reason is None) == (inner_reason(url_of(address)) is None)

    @given(st.integers(0x65 << 112, (0x2000 << 112) - 1) | st.integers(0x4000 << 112, 2**128 - 1))
    def test_outside_2000_3_no_ipv6_is_public(self, number):
        assert inner_reason(url_of(IPv6Address(number)))

    @given(within([network for network in RANGES if network.version == 6]))
    def test_inside_a_special_range_no_ipv6_is_public(self, address):
        assert inner_reason(url_of(address))

    @given(st.integers(0x2003 << 112, (0x2620 << 112) - 1).map(IPv6Address))
    def test_unicast_ipv6_passes(self, address):
        assert refused(url_of(address)) is None


DOTLESS = re.compile(r"(https?://[^/?#:@\[\]]*[^./?#:@\[\]])((?::[^/]*)?/.*)", re.DOTALL)


class TestNames:
    NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True).filter(lambda x: x[2:4] != "--")

    @given(NAMES, st.sampled_from(["local", "internal", "home.arpa", "localhost", "corp", "svc", "localtest.me"]))
    def test_below_an_inner_suffix_all_is_inner(self, name, suffix):
        assert inner_reason(f"https://{name}.{suffix}/")
        assert inner_reason(f"https://{suffix}/")

    @given(NAMES, st.sampled_from(["com", "org", "de", "example.com", "xn--p1ai"]))
    def test_a_suffix_counts_at_the_end_only_and_by_whole_labels(self, name, end):
        for suffix in ("local", "internal", "nip.io", "lvh.me"):
            assert inner_reason(f"https://{name}.{suffix}.{end}/") is None
        assert inner_reason(f"https://{name}local.{end}/") is None
        assert inner_reason("https://x-lvh.me/") is None

    @given(NAMES)
    def test_one_label_is_inner(self, name):
        assert refused(f"http://{name}/")

    @given(st.sampled_from([url for url in PUBLIC + REFUSED if re.match("https?://", url)]), st.data())
    def test_letter_case_does_not_change_the_answer(self, url, data):
        front = re.match(r"https?://[!-.0->@-~]*", url)[0]
        swapped = "".join(data.draw(st.sampled_from([char.lower(), char.upper()])) for char in front)
        assert inner_reason(swapped + url[len(front) :]) == inner_reason(url)

    @given(st.sampled_from([found for found in map(DOTLESS.fullmatch, PUBLIC + REFUSED) if found]))
    def test_a_trailing_dot_does_not_change_the_answer(self, found):
        assert inner_reason(f"{found[1]}.{found[2]}") == inner_reason(found[0])

    @given(
        ANY_IPV4, st.sampled_from(["nip.io", "sslip.io", "traefik.me"]), st.sampled_from(["", "app.", "app-", "a.b-c."])
    )
    def test_a_name_that_carries_an_address_is_judged_by_it(self, address, service, front):
        inner = inner_reason(url_of(address)) is not None
        hexadecimal = address.packed.hex()
        for text in (str(address), str(address).replace(".", "-"), hexadecimal, hexadecimal.upper()):
            assert (inner_reason(f"http://{front}{text}.{service}/") is not None) == inner

    @given(st.integers(0, 2**128 - 1).map(IPv6Address))
    @example(IPv6Address("::1"))
    @example(IPv6Address("2606:4700::1"))
    def test_a_name_that_carries_an_ipv6_address_is_judged_by_it(self, address):
        name = str(address).replace(":", "-")
        assert (inner_reason(f"http://{name}.sslip.io/") is None) == (inner_reason(url_of(address)) is None)


class TestReasons:
    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("http://10.0.0.1/", "its host is an address of a private network (RFC 1918)"),
            ("http://[fd00::1]/", "its host is an address of a private network (RFC 4193)"),
            ("http://[4000::1]/", "its host is an address of a range outside 2000::/3"),
            ("http://a.b.internal/", "its host name ends with .internal, which is not public"),
            ("http://printer/", "its host name has one label"),
            ("http://a.lvh.me/", "its host name belongs to lvh.me"),
            ("http://10.0.0.1.nip.io/", "its host name carries an address of a private network (RFC 1918)"),
            ("http://a.lan2/", "its host name does not end with a top-level domain"),
            ("http://a..b/", "nobody can tell where it leads: its host has an empty label"),
        ],
    )
    def test_an_inner_host_is_called_by_what_makes_it_inner(self, url, said):
        assert inner_reason(url).startswith(said)

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("http://example.com/" + "a" * 8174, "it is longer than 8192 characters"),
            ("http://example.com/ ", "it holds a space, a control character, a backslash"),
            ("ftp://example.com/", "it does not start with http:// or https://"),
            ("http:///a", "it names no host"),
            (
                "http://a:b@example.com/",
                "it holds a user name or password; leave out the user name and password before",
            ),
            ("http://example.com#@a", "it has an @ after ? or #"),
            ("http://example.com:0/", "its port is not a number from 1 to 65535"),
            ("http://ex%61mple.com/", "its host holds percent-encoding"),
            ("http://exa*mple.com/", "its host holds a character that no host name has"),
            ("http://1.2.3.256/", "its host ends in a number but is no IPv4 address"),
            ("http://a..example.com/", "its host has an empty label"),
            ("http://[fe80::1%25eth0]/", "its host is an IPv6 address with a zone"),
            ("http://[::1]x/", "its host is no whole IPv6 address in brackets"),
            ("http://[1:2]/", "its host stands in brackets but is no IPv6 address"),
            ("http://xn--a-.com/", "its host is no valid international name (IDNA)"),
            ("http://exam\u202eple.com/", "its host holds a character that no host name has (UTS 46)"),
            (f"http://{'a' * 64}.com/", "its host name is longer than DNS allows"),
            (f"http://{'abcd.' * 50}com/", None),
            (f"http://{'abcd.' * 50}info/", "its host name is longer than DNS allows"),
            (f"http://{'a' * 63}.com/", None),
            ("http://example.com/" + "a" * 8173, None),
        ],
    )
    def test_a_malformed_url_is_told_what_is_wrong(self, url, said):
        reason = malformed_reason(url)
        assert reason is None if said is None else reason.startswith(said)

    @given(st.sampled_from(REFUSED))
    def test_no_reason_repeats_a_user_name_a_path_or_a_query(self, url):
        tagged = re.sub(
            r"\A(https?://)([^/?#]*).*", r"\1c4nary:c4nary@\2/c4nary?c4nary=c4nary#c4nary", url, flags=re.DOTALL
        )
        plain = re.sub(r"\A(https?://[^/?#]*).*", r"\1/c4nary?c4nary=c4nary#c4nary", url, flags=re.DOTALL)
        for text in (tagged, plain):
            assert "c4nary" not in f"{malformed_reason(text)} {inner_reason(text)}"


class TestZones:
    @pytest.mark.parametrize(
        ("written", "canonical"),
        [
            ("corp.example.com", "corp.example.com"),
            (".Corp.Example.COM", "corp.example.com"),
            ("*.corp.example.com.", "corp.example.com"),
            ("b\u00fccher.example", "xn--bcher-kva.example"),
            ("prod", "prod"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3/32", "10.1.2.3"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("FD00:0::/8", "fd00::/8"),
            ("2001:DB8::1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8::/32"),
        ],
    )
    def test_a_zone_has_one_spelling(self, written, canonical):
        assert check_zone(written) == canonical
        assert check_zone(canonical) == canonical

    @pytest.mark.parametrize(
        "text",
        [
            *("", ".", "*", "*.", "**.a.com", "*corp.com", "a.*.com", "a b", "https://a.com", "a.com/x", "a.com:80"),
            *("a..b", "user@a.com", "1.2", "256.1.1.1", "010.0.0.1", "0x7f000001", "10.0.0.0/33", "fe80::1%eth0"),
            *("[fd00::1]", "%41.com", "a" * 64, "a" * 2000, "\ud800", "\uff11\uff10.0.0.0/8", "10.0.0.0/\uff18"),
        ],
    )
    def test_what_is_no_zone_is_refused_with_what_would_be(self, text):
        with pytest.raises(ValueError, match=r"must be a DNS suffix such as .*, or a network such as 10\.0\.0\.0/8"):
            check_zone(text)

    def test_a_network_with_further_bits_is_refused_with_the_one_that_was_meant(self):
        with pytest.raises(ValueError, match=r"write 10\.0\.0\.0/8"):
            check_zone("10.1.2.3/8")

    @given(st.text(max_size=40) | st.text("0123456789.:/*x%abcdef", max_size=20))
    def test_any_text_is_a_zone_or_a_value_error(self, text):
        try:
            canonical = check_zone(text)
        except ValueError:
            return
        assert check_zone(canonical) == canonical

    @pytest.mark.parametrize("zone", ["corp.example.com", ".corp.example.com", "*.CORP.example.com."])
    def test_a_suffix_holds_itself_and_what_is_below(self, zone):
        for url in ("https://corp.example.com/", "https://WIKI.corp.example.com./a", "https://a.b.corp.example.com:1/"):
            assert in_zone(url, [zone])
            assert inner_reason(url, ["x.y", zone]) == (
                "its host lies inside the private zone corp.example.com of the setting private_zones"
            )
        for url in ("https://example.com/", "https://xcorp.example.com/", "https://corp.example.com.example.org/"):
            assert not in_zone(url, [zone])
            assert inner_reason(url, [zone]) is None

    @pytest.mark.parametrize(
        "host",
        [
            "8.8.4.4",
            "0x08080404",
            "134743044",
            "[::ffff:8.8.4.4]",
            "[2002:808:404::1]",
            "8-8-4-4.nip.io",
            "\uff18.8.4.4",
        ],
    )
    def test_a_network_holds_its_addresses_however_they_are_written(self, host):
        url = f"http://{host}/"

        assert in_zone(url, ["8.8.4.0/24"])
        assert in_zone(url, ["8.8.4.4"])
        assert not in_zone(url, ["8.8.5.0/24", "example.com", "2606::/16"])
        assert (
            inner_reason(url, ["8.8.4.4"])
            == "its host lies inside the private zone 8.8.4.4 of the setting private_zones"
        )
        assert inner_reason(url) is None

    def test_an_ipv6_network_holds_its_addresses(self):
        assert in_zone("http://[2606:4700::1]/", ["2606:4700::/32"])
        assert not in_zone("http://[2606:4701::1]/", ["2606:4700::/32"])

    def test_what_cannot_be_read_lies_in_no_zone_and_has_no_host(self):
        assert not in_zone("http://u:p@corp.example.com/", ["corp.example.com"])
        assert host_of("http://u:p@corp.example.com/") == ""

    def test_a_zone_that_is_none_is_never_passed_over(self):
        for ask in (inner_reason, in_zone):
            with pytest.raises(ValueError, match="must be"):
                ask("https://example.com/", ["a b"])


PIECES = [
    *("a", ".", "a.", "1.", "0x", "0", "-", "xn--", "[", "]", ":", "@", "a@", "%", "%25", "/", "//", "?", "#", "\\"),
    *("\u3002", "\uff11", "\u00fc", "\u00ad", "\u200d", "\ud800", "\U0001f600", "1-1-1-1.", "--", "\x00", "http://"),
]
HOSTILE = st.text("http:/@[]?#%.\\0x7f1:\u3002\uff11\u24d0\u00ad\u200d\u202e\ud800 xn--", max_size=60)


class TestAnyText:
    @given(
        st.text(max_size=200) | HOSTILE | HOSTILE.map("http://".__add__) | st.text(max_size=60).map("https://".__add__)
    )
    def test_no_text_breaks_the_reader_and_what_it_passes_has_one_host(self, text):
        reason = malformed_reason(text)
        assert reason is None or inner_reason(text)
        assert in_zone(text, ["example.com"]) in {True, False}
        if reason is None and text.isascii():
            assert urlsplit(text).username is None
            assert host_of(f"http://{text.split('//')[1].lower()}") == host_of(text) != ""

    @pytest.mark.parametrize("piece", PIECES, ids=ascii)
    def test_the_time_is_bounded_whatever_the_text(self, piece):
        for front in ("", "http://", "http://example.com/", "http://["):
            for size in (900, 8100, 1_000_000):
                url = front + piece * (size // len(piece))
                began = time.process_time()
                malformed_reason(url), inner_reason(url, ["a.com", "10.0.0.0/8"]), in_zone(url, ["a.com"])
                assert time.process_time() - began < 1

    @pytest.mark.parametrize("service", ["nip.io", "sslip.io"])
    @pytest.mark.parametrize("piece", ["1-", "1-1-1-1-", "1.", "f", "ab.", "--."])
    def test_the_time_is_bounded_for_names_that_carry_addresses(self, piece, service):
        url = f"http://a{(piece * 250)[:230]}.{service}/"
        began = time.process_time()
        inner_reason(url)

        assert time.process_time() - began < 1
