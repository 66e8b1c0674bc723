"""The TLS peers show what their form says, and keep every byte they were sent."""

import hashlib
import socket
import ssl

import httpx
import pytest

from tests.faults.listener import HOST
from tests.faults.tls import BAD, FORMS, ByteCounter, speaks_1_1

SECRET = "canary-0123456789"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
PLAIN = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
REASONS = {
    "unknown_ca": "unable to get local issuer",
    "wrong_host": "IP address mismatch",
    "expired": "certificate has expired",
    "not_yet_valid": "not yet valid",
    "self_signed": "self-signed certificate",
    "tls_1_1": "protocol version",
}


def ask(url, context):
    return httpx.get(url, headers={"authorization": SECRET}, verify=context, trust_env=False, timeout=10)


@pytest.mark.parametrize("form", ["good", "changed_leaf"])
def test_a_good_peer_is_told_the_secret(certificates, form):
    with ByteCounter(certificates.context(form), OK) as peer:
        assert ask(peer.url, certificates.client()).status_code == 200
        assert peer.idle()

    assert peer.saw(SECRET)
    assert SECRET.encode() in peer.received
    assert SECRET.encode() not in peer.wire
    assert (peer.connections, peer.handshakes, peer.refusals) == (1, 1, [])


@pytest.mark.parametrize("form", BAD)
def test_a_bad_peer_is_refused_for_its_reason_and_gets_no_byte(certificates, form):
    with ByteCounter(certificates.context(form), OK) as peer:
        with pytest.raises(httpx.ConnectError, match=REASONS[form]):
            ask(peer.url, certificates.client())
        assert peer.idle()

    assert not peer.saw(SECRET)
    assert not peer.received
    assert len(peer.wire) > 100
    assert peer.handshakes == 0
    assert len(peer.refusals) == 1


def test_a_secret_that_does_get_through_is_seen(certificates):
    blind = ssl._create_unverified_context()
    with ByteCounter(certificates.context("expired"), OK) as peer:
        ask(peer.url, blind)
        assert peer.idle()

    assert peer.saw(SECRET)


def test_plain_http_on_a_tls_port_is_no_tls(certificates):
    with ByteCounter(answer=PLAIN) as peer:
        with pytest.raises(httpx.ConnectError, match="wrong version number"):
            ask(peer.url, certificates.client())
        assert peer.idle()
        assert not peer.saw(SECRET)
        assert ask(peer.plain_url, certificates.client()).status_code == 400
        assert peer.idle()

    assert peer.saw(SECRET)


def test_what_is_sent_in_the_clear_to_a_tls_port_is_seen(certificates):
    with ByteCounter(certificates.context("good"), OK) as peer:
        with pytest.raises(httpx.TransportError):
            ask(peer.plain_url, certificates.client())
        assert peer.idle()

    assert peer.saw(SECRET)
    assert not peer.received


@pytest.mark.parametrize("form", [form for form in FORMS if form != "tls_1_1"])  # which no ordinary client speaks
def test_a_fingerprint_is_that_of_the_leaf_shown(certificates, form):
    blind = ssl._create_unverified_context()
    with (
        ByteCounter(certificates.context(form)) as peer,
        socket.create_connection(peer.address, 5) as plain,
        blind.wrap_socket(plain, server_hostname=HOST) as shaken,
    ):
        assert hashlib.sha256(shaken.getpeercert(binary_form=True)).hexdigest() == certificates.sha256(form)


def test_every_leaf_is_another(certificates):
    assert len({certificates.sha256(form) for form in FORMS}) == len(FORMS)
    assert certificates.sha256("good") == certificates.sha256("good")


def test_the_old_protocol_is_really_spoken(certificates):
    if not speaks_1_1(certificates):
        pytest.skip("this OpenSSL speaks no TLS 1.1: a client refuses it in any case")
    with ByteCounter(certificates.context("tls_1_1"), OK) as peer, pytest.raises(httpx.ConnectError):
        ask(peer.url, certificates.client())
