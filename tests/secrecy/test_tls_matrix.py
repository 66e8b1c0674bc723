"""An appliance that does not prove who it is gets no byte of a request, on any lane, for any action."""

import pytest

from connector import Settings, SpectraError
from connector.errors import TlsError
from tests.faults.tls import BAD, ByteCounter, Certificates, speaks_1_1
from tests.laboratory import http_answer, run
from tests.secrecy.canaries import TOKEN
from tests.secrecy.running import LANES, PARAMS, lane_of

TOLD = {
    "unknown_ca": "unknown CA",
    "wrong_host": "is for another",
    "expired": "has expired",
    "not_yet_valid": "not yet valid",
    "self_signed": "self-signed",
    "tls_1_1": "TLS versions older than 1.2",
    "changed_leaf": "not the pinned one",
    None: "does not speak TLS",
}
ANSWER = http_answer(b'{"results": []}')
every_lane = pytest.mark.parametrize("lane", LANES)


def peer(certificates: Certificates, form) -> ByteCounter:
    return ByteCounter(None if form is None else certificates.context(form), ANSWER)


def trust(certificates: Certificates, form) -> dict:
    """What a careful client has: the CA, and for a changed leaf the pin of the leaf that was there before."""
    if form == "changed_leaf":
        return {"ca_pem": certificates.ca_pem, "certificate_sha256": certificates.sha256("good")}
    return {"ca_pem": certificates.ca_pem}


@every_lane
@pytest.mark.parametrize("action", ["test_connection", "submit_file"])
@pytest.mark.parametrize("form", TOLD, ids=str)
def test_a_bad_peer_gets_nothing(certificates, form, action, lane):
    with peer(certificates, form) as bad, lane_of(lane):
        settings = Settings(url=bad.url, token=TOKEN, state="memory", **trust(certificates, form))
        with pytest.raises(TlsError) as raised:
            run(settings, action, PARAMS[action], lane=lane)
    error = raised.value

    assert TOLD[form] in error.message
    assert (error.outcome, error.retryable) == ("not_sent", False)
    assert bad.connections == 1, "once: asking again does not make it another"
    assert not bad.saw(TOKEN)
    assert bytes(bad.received[:1]) in {b"", b"\x16"}, "nothing but a ClientHello, where TLS was not spoken"
    assert "verify_tls" not in f"{error.message} {error.hint}", "never tells to turn the checks off"


def test_every_bad_form_is_in_the_matrix():
    assert {*BAD, "changed_leaf", None} == set(TOLD)


def test_the_form_tls_1_1_proves_something(certificates):
    assert speaks_1_1(certificates)


def good(certificates: Certificates, tmp_path) -> dict[str, dict]:
    ca, leaf = tmp_path / "ca.pem", tmp_path / "leaf.pem"
    ca.write_text(certificates.ca_pem)
    leaf.write_text(
        certificates.pem("good").partition("-----END EC PRIVATE KEY-----")[2].lstrip() or certificates.pem("good")
    )
    pin = certificates.sha256("good")
    return {
        "ca_file": {"ca_file": ca},
        "ca_pem": {"ca_pem": certificates.ca_pem},
        "its own certificate": {"ca_file": leaf},
        "a pin": {"certificate_sha256": pin},
        "a pin and ca_file": {"certificate_sha256": pin.upper(), "ca_file": ca},
        "a pin and ca_pem": {"certificate_sha256": pin, "ca_pem": certificates.ca_pem},
    }


@every_lane
def test_a_good_peer_is_accepted_in_every_way(certificates, tmp_path, lane):
    for way, settings in good(certificates, tmp_path).items():
        with peer(certificates, "good") as appliance, lane_of(lane):
            outcome = run(Settings(url=appliance.url, token=TOKEN, **settings), "test_connection", lane=lane)

            assert (outcome.branch, outcome.notices) == ("ok", ()), way
            assert appliance.saw(TOKEN), way


@every_lane
def test_a_pin_proves_a_peer_whose_certificate_proves_nothing_else(certificates, lane):
    for form in ("self_signed", "unknown_ca", "expired", "wrong_host"):
        with peer(certificates, form) as appliance, lane_of(lane):
            settings = Settings(url=appliance.url, token=TOKEN, certificate_sha256=certificates.sha256(form))

            assert run(settings, "test_connection", lane=lane).branch == "ok"


@every_lane
def test_a_proxy_over_tls_must_prove_who_it_is(certificates, lane):
    """What the appliance must prove, with the same trust; the environment has no say in it."""
    for form, arrives in (("unknown_ca", False), ("good", True)):
        with ByteCounter(certificates.context(form), http_answer(b"", "403 Forbidden")) as proxy, lane_of(lane):
            settings = Settings(
                url="https://appliance.example.com", token=TOKEN, proxy=proxy.url, ca_pem=certificates.ca_pem
            )
            with pytest.raises(SpectraError) as raised:
                run(settings, "test_connection", lane=lane)

            assert b"CONNECT appliance.example.com:443" in proxy.received or not arrives
            assert bool(proxy.received) is arrives
            assert not proxy.saw(TOKEN)
        assert raised.value.outcome == "not_sent"
