"""No redirect is followed: whatever it points to gets no connection, no token and no byte of a sample."""

import base64
from contextlib import ExitStack

import pytest

from connector import Settings
from connector.errors import UnexpectedResponse
from tests.faults.tls import ByteCounter
from tests.laboratory import http_answer, run
from tests.secrecy.canaries import TOKEN

SAMPLE = b"the bytes of a sample that must not go elsewhere"
CODES = {
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
}
FORMS = {
    "another host": "//{plain}/api/uploads/",
    "an absolute address": "https://{secure}/api/uploads/",
    "a downgrade to http": "http://{plain}/api/uploads/",
    "user information": "https://user:secret@{secure}/accounts/login/?next=/api/",
    "another port": "https://127.0.0.1:{port}/",
}
# The one request of each is the first, so that it is the upload itself that is sent on.
ASKED = {
    "test_connection": {},
    "get_classification": {"hash_value": "0" * 40, "localonly": False},
    "submit_file": {"content_base64": base64.b64encode(SAMPLE).decode()},
}


class Sinks:
    """Where redirects point to: one that speaks TLS with a good certificate, and one that does not."""

    def __init__(self, stack, certificates):
        self.secure = stack.enter_context(ByteCounter(certificates.context("good"), http_answer(b"{}")))
        self.plain = stack.enter_context(ByteCounter(None, http_answer(b"{}")))

    def location(self, form):
        secure = self.secure.url.removeprefix("https://")
        plain = self.plain.url.removeprefix("https://")
        return FORMS[form].format(secure=secure, plain=plain, port=self.secure.address[1])

    @property
    def connections(self):
        return self.secure.connections + self.plain.connections


@pytest.fixture(scope="module")
def sinks(certificates):
    with ExitStack() as stack:
        yield Sinks(stack, certificates)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("lane", ["sync", "async"])
def test_no_redirect_is_followed(sinks, certificates, code, form, lane):
    answer = http_answer(b"", f"{code} {CODES[code]}", location=sinks.location(form))
    for action, params in ASKED.items():
        with ByteCounter(certificates.context("good"), answer) as appliance:
            settings = Settings(url=appliance.url, token=TOKEN, ca_pem=certificates.ca_pem, api_generation="legacy")
            with pytest.raises(UnexpectedResponse) as raised:
                run(settings, action, params, lane=lane)

            assert appliance.saw(TOKEN), "the request was sent, to the appliance"
            assert (b"POST /api/uploads/" in appliance.received) is (action == "submit_file")
        assert raised.value.outcome == "rejected"
        assert (raised.value.status, raised.value.retryable) == (code, False)
        assert "redirect, which is never followed" in raised.value.message
        assert "127.0.0.1" not in f"{raised.value.message} {raised.value.hint}"
    assert sinks.connections == 0


@pytest.mark.parametrize("lane", ["sync", "async"])
def test_a_sink_that_is_asked_is_seen(sinks, certificates, lane):
    """The sinks count: a client that does ask them is noticed."""
    with ByteCounter(certificates.context("good"), http_answer(b'{"results": []}')) as sink:
        run(Settings(url=sink.url, token=TOKEN, ca_pem=certificates.ca_pem), "test_connection", lane=lane)

        assert sink.connections >= 1
        assert sink.saw(TOKEN)


@pytest.mark.parametrize("lane", ["sync", "async"])
def test_no_redirect_of_a_login_is_followed(sinks, certificates, lane):
    answer = http_answer(b"", "307 Temporary Redirect", location=sinks.location("an absolute address"))
    with ByteCounter(certificates.context("good"), answer) as appliance:
        settings = Settings(
            url=appliance.url, username="analyst", password="only for the appliance", ca_pem=certificates.ca_pem
        )
        with pytest.raises(UnexpectedResponse):
            run(settings, "test_connection", lane=lane)

    assert sinks.connections == 0
