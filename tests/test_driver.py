"""The one place that does I/O, over real sockets: the emulator, and a raw server for what no web server would send."""

import asyncio
import gzip
import hashlib
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import zlib
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from connector import AsyncConnector, Connector, Settings, __version__, tls
from connector.actions import every
from connector.cli.failure import exit_code
from connector.emulator import serve
from connector.errors import (
    ConfigError,
    ConnectFailed,
    DeadlineExceeded,
    InputRefused,
    MalformedResponse,
    OutcomeUnknown,
    ResponseTooLarge,
    ServerError,
    SpectraError,
    TlsError,
    Truncated,
    UnexpectedResponse,
)
from connector.reader import Limits
from tests.laboratory import ROOT, Lab, RawServer, Time, http_answer, run

TOKEN = "canary-token-0123456789abcdef"
SHA1 = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
LANES = ("sync", "async", "threads")

every_lane = pytest.mark.parametrize("lane", LANES)


@pytest.fixture(autouse=True)
def without_the_extra(request, monkeypatch):
    """The lane "threads" is the asynchronous one where the [fast] extra is not installed."""
    if "lane" in request.fixturenames and request.getfixturevalue("lane") == "threads":
        monkeypatch.setitem(sys.modules, "connector.fast", None)


def ask(url, lane, action="test_connection", params=None, *, clock=True, **settings):
    given = Settings(url=url, token=TOKEN, **settings)
    return run(given, action, params, lane=lane, time=Time() if clock else None)


def failure(kind, url, lane, *more, **settings):
    with pytest.raises(kind) as raised:
        ask(url, lane, *more, **settings)
    assert TOKEN not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__cause__ is None
    return raised.value


class TestLanes:
    """One plan, two drivers, the same requests."""

    @every_lane
    @pytest.mark.parametrize("action", every(), ids=lambda action: action.name)
    def test_every_lane_takes_the_same_steps(self, lab: Lab, tmp_path, monkeypatch, action, lane):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "sample.exe").write_bytes(b"MZ")
        for example in action.examples:
            seen = []
            for each in ("sync", lane):
                lab.as_new().load(sha1=SHA1, classification="malicious", cloud=True, local=True)
                try:
                    outcome = lab.run(action.name, example.params, lane=each, allow_delete=True)
                    seen.append((lab.requests, lab.time.slept != [], outcome.branch, outcome.notices))
                except SpectraError as error:
                    seen.append((lab.requests, lab.time.slept != [], error.code, error.message))

            assert seen[0] == seen[1]

    @every_lane
    def test_a_connection_is_kept_for_reads(self, lane):
        ports = []

        def answer(connection, asked):
            while asked:
                ports.append(connection.getpeername()[1])
                while not asked.endswith(b"=" + b"0" * 40):
                    asked += connection.recv(65536)
                connection.sendall(http_answer(b'{"results": []}', connection="keep-alive"))
                asked = connection.recv(65536)

        with RawServer(answer) as server:
            settings = Settings(url=server.url, token=TOKEN)

            async def three_times():
                async with AsyncConnector(settings) as connector:
                    for _ in range(3):
                        await connector.run("test_connection")

            if lane == "sync":
                with Connector(settings) as connector:
                    for _ in range(3):
                        connector.run("test_connection")
            else:
                asyncio.run(three_times())

        assert len(ports) == 3
        assert len(set(ports)) == 1

    def test_one_connector_serves_many_threads(self, lab: Lab):
        lab.load(sha1=SHA1, classification="malicious")
        found = []
        with lab.connector() as connector:
            threads = [
                threading.Thread(
                    target=lambda: found.append(connector.run("get_classification", {"hash_value": SHA1}).branch)
                )
                for _ in range(25)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert found == ["malicious"] * 25

    @pytest.mark.parametrize("lane", ["async", "threads"])
    def test_many_at_once_all_end(self, lab: Lab, lane):
        lab.load(sha1=SHA1, classification="malicious")

        async def many():
            async with lab.async_connector() as connector:
                runs = [connector.run("get_classification", {"hash_value": SHA1}) for _ in range(100)]
                return await asyncio.gather(*runs)

        assert {outcome.branch for outcome in asyncio.run(many())} == {"malicious"}

    def test_a_plan_that_is_cancelled_is_closed(self, lab: Lab):
        ended = []

        def plan():
            try:
                from connector.plan import nap

                yield from nap(0.01)
                yield from nap(60)
            finally:
                ended.append(True)

        async def cancelled():
            async with AsyncConnector(lab.settings()) as connector:
                task = asyncio.create_task(connector._driver.run(plan()))
                await asyncio.sleep(0.05)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(cancelled())

        assert ended == [True]


class TestDeadline:
    """One deadline for a whole action, whatever the appliance does."""

    @every_lane
    def test_no_answer(self, lane):
        with RawServer(lambda connection, asked: time.sleep(0.5)) as server:
            began = time.monotonic()
            error = failure(DeadlineExceeded, server.url, lane, clock=False, deadline_seconds=0.2)

        assert time.monotonic() - began < 2
        assert (exit_code(error), error.outcome) == (4, "not_sent")

    @every_lane
    def test_an_answer_that_drips_forever(self, lane):
        def drip(connection, asked):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
            for _ in range(40):
                connection.sendall(b" ")
                time.sleep(0.02)

        with RawServer(drip) as server:
            began = time.monotonic()
            failure(DeadlineExceeded, server.url, lane, clock=False, deadline_seconds=0.2)

        assert time.monotonic() - began < 2

    @every_lane
    def test_pauses_count_and_none_begins_that_would_pass_it(self, lab: Lab, lane):
        lab.fault(status=503, body={})

        with pytest.raises(ServerError):
            lab.run("test_connection", lane=lane, deadline_seconds=60)

        assert len(lab.requests) == 3
        assert sum(lab.time.slept) < 60

    @every_lane
    def test_waiting_for_a_verdict_ends_with_the_deadline_and_a_pending_answer(self, lab: Lab, lane):
        lab.state(processing_seconds=3600.0)
        params = {"content_base64": "YWJj", "wait": True}

        outcome = lab.run("submit_file", params, lane=lane, deadline_seconds=30)

        assert (outcome.status, outcome.branch, outcome.next.action) == ("pending", "pending", "get_file_status")
        assert 15 < sum(lab.time.slept) < 31

    @every_lane
    def test_a_submission_without_an_answer_is_unknown(self, lane):
        with RawServer(lambda connection, asked: time.sleep(0.6)) as server:
            params = {"url": "http://example.com/"}
            settings = {"api_generation": "legacy", "deadline_seconds": 0.3}
            error = failure(OutcomeUnknown, server.url, lane, "submit_url", params, clock=False, **settings)

            assert len(server.asked) == 1
        assert (exit_code(error), error.outcome) == (5, "unknown")


GZIPPED = gzip.compress(json.dumps({"results": []}).encode())
BOMB = gzip.compress(bytes(80 << 20))

BROKEN = {
    "nothing": (b"", Truncated),
    "half a head": (b"HTTP/1.1 200 OK\r\ncontent-", Truncated),
    "no HTTP": (b"220 mail.example.com ESMTP\r\n\r\n", UnexpectedResponse),
    "half a body": (http_answer(b'{"results": []}')[:-4], Truncated),
    "half a gzip": (http_answer(GZIPPED[:-9], content_encoding="gzip"), Truncated),
    "a damaged gzip": (http_answer(b"\x1f\x8b" + b"x" * 40, content_encoding="gzip"), Truncated),
    "a gzip bomb": (http_answer(BOMB, content_encoding="gzip"), ResponseTooLarge),
    "a gzip of a gzip": (http_answer(gzip.compress(GZIPPED), content_encoding="gzip, gzip"), ResponseTooLarge),
    "a gzip with more behind it": (http_answer(GZIPPED + b"more", content_encoding="gzip"), MalformedResponse),
    "a name twice": (http_answer(b'{"results": [], "results": []}'), MalformedResponse),
    "an encoding nobody asked for": (http_answer(zlib.compress(b"{}"), content_encoding="br"), MalformedResponse),
    "a page": (http_answer(b"<html>login</html>", content_type="text/html"), UnexpectedResponse),
    "a page that says it is JSON": (http_answer(b"<html>login</html>"), UnexpectedResponse),
    "no JSON": (http_answer(b'{"results": ['), MalformedResponse),
    "NaN": (http_answer(b'{"results": [NaN]}'), MalformedResponse),
    "a list": (http_answer(b"[7]"), MalformedResponse),
    "an empty body": (http_answer(b""), MalformedResponse),
    "a hundred thousand brackets": (http_answer(b"[" * 100_000), MalformedResponse),
    "a redirect": (http_answer(b"", "302 Found", location="/login/"), UnexpectedResponse),
    "a permanent redirect": (http_answer(b"", "308 Moved", location="http://127.0.0.1:1/"), UnexpectedResponse),
    "a gateway error": (http_answer(b"<html></html>", "504 Gateway Timeout", content_type="text/html"), ServerError),
    "a teapot": (http_answer(b"{}", "418 I'm a teapot"), UnexpectedResponse),
    "204": (b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", UnexpectedResponse),
}


class TestBrokenAnswers:
    """An answer that cannot be trusted is an error of the right kind, and nothing is believed."""

    @every_lane
    @pytest.mark.parametrize("what", BROKEN)
    def test_it_is_an_error(self, what, lane):
        answer, kind = BROKEN[what]
        with RawServer(answer) as server:
            error = failure(kind, server.url, lane)
            asked = len(server.asked)

        assert asked == (3 if error.retryable else 1)
        assert exit_code(error) in {1, 3, 4}
        assert error.message.isascii()

    @pytest.mark.parametrize("what", ["nothing", "half a body", "a page", "a gateway error", "half a gzip"])
    @pytest.mark.parametrize("lane", ["sync", "async"])
    def test_after_a_submission_it_leaves_the_outcome_unknown(self, what, lane):
        with RawServer(BROKEN[what][0]) as server:
            params = {"url": "http://example.com/"}
            error = failure(OutcomeUnknown, server.url, lane, "submit_url", params, api_generation="legacy")

            assert len(server.asked) == 1
        assert exit_code(error) == 5

    @every_lane
    def test_a_gzip_answer_is_read(self, lane):
        with RawServer(http_answer(GZIPPED, content_encoding="GZIP")) as server:
            assert ask(server.url, lane).branch == "ok"

    @every_lane
    def test_a_chunked_gzip_answer_is_read(self, lane):
        chunks = b"".join(b"%x\r\n%s\r\n" % (1, bytes([byte])) for byte in GZIPPED) + b"0\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        with RawServer(head + chunks) as server:
            assert ask(server.url, lane).branch == "ok"

    @every_lane
    def test_a_redirect_is_never_followed(self, lane):
        with RawServer(http_answer(b"{}")) as elsewhere:
            redirect = http_answer(b"", "307 Temporary Redirect", location=f"{elsewhere.url}/api/samples/status/")
            with RawServer(redirect) as server:
                failure(UnexpectedResponse, server.url, lane)

            assert elsewhere.asked == []

    @every_lane
    def test_an_answer_that_never_ends_is_cut_at_its_limit(self, lane, monkeypatch):
        monkeypatch.setattr("connector.reader.Reader.__init__.__defaults__", ("", Limits(wire=1 << 20)))

        def endless(connection, asked):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n[")
            for _ in range(100):
                connection.sendall(b" " * 65536)

        with RawServer(endless) as server:
            failure(ResponseTooLarge, server.url, lane)

    @every_lane
    def test_connection_refused(self, lane):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        error = failure(ConnectFailed, f"http://127.0.0.1:{port}", lane)

        assert (exit_code(error), error.outcome, error.retryable) == (4, "not_sent", True)

    @every_lane
    def test_a_host_that_does_not_exist(self, lane):
        error = failure(ConnectFailed, "http://no-such-host.invalid", lane)

        assert "does not exist" in error.message
        assert not error.retryable

    @every_lane
    def test_a_submission_that_never_left_is_not_unknown(self, lane):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        error = failure(
            ConnectFailed,
            f"http://127.0.0.1:{port}",
            lane,
            "submit_url",
            {"url": "http://example.com/"},
            api_generation="legacy",
        )

        assert error.outcome == "not_sent"


class TestManners:
    """What is sent: our headers and nothing else; nothing from the environment; nothing remembered."""

    @every_lane
    def test_the_headers_are_ours_alone(self, lane):
        with RawServer(http_answer(b'{"results": []}')) as server:
            ask(server.url, lane)
            head = server.asked[0].decode().split("\r\n\r\n")[0].split("\r\n")

        sent = {line.split(":")[0].lower(): line.split(": ", 1)[1] for line in head[1:]}
        assert head[0] == "POST /api/samples/status/ HTTP/1.1"
        assert sent.pop("host") == server.url.removeprefix("http://")
        assert sent.pop("authorization") == f"Token {TOKEN}"
        assert sent.pop("accept") == "application/json"
        assert sent.pop("accept-encoding") == "gzip"
        assert sent.pop("user-agent") == f"spectra-analyze-connector/{__version__}"
        assert sent.pop("content-type") == "application/x-www-form-urlencoded"
        assert set(sent) <= {"content-length", "connection"}

    @every_lane
    def test_the_environment_s_proxies_and_netrc_are_ignored(self, lab: Lab, lane, monkeypatch, tmp_path):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        netrc = tmp_path / "netrc"
        netrc.write_text("default login canary password canary\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))

        assert lab.run("test_connection", lane=lane).branch == "ok"

    @every_lane
    def test_the_proxy_of_the_settings_is_used(self, lane):
        with RawServer(http_answer(b'{"results": []}')) as proxy:
            outcome = ask("http://appliance.example.com", lane, proxy=proxy.url)

        assert outcome.branch == "ok"
        assert proxy.asked[0].startswith(b"POST http://appliance.example.com/api/samples/status/")

    @every_lane
    def test_cookies_are_never_kept(self, lane):
        answer = http_answer(b'{"results": []}', set_cookie="session=canary; Path=/")
        with RawServer(answer) as server:
            settings = Settings(url=server.url, token=TOKEN)

            async def twice():
                async with AsyncConnector(settings) as connector:
                    await connector.run("test_connection")
                    await connector.run("test_connection")

            if lane == "sync":
                with Connector(settings) as connector:
                    connector.run("test_connection")
                    connector.run("test_connection")
            else:
                asyncio.run(twice())

        assert len(server.asked) == 2
        assert b"cookie" not in b"".join(server.asked).lower()

    @every_lane
    def test_the_token_is_in_no_log_and_no_error(self, lab: Lab, lane, caplog):
        caplog.set_level(logging.DEBUG)
        password = "canary-password"
        lab.product.users.add("canary", "p", token=TOKEN, rights=frozenset({"upload"}), active=True)
        told = []
        lab.run("test_connection", lane=lane, token=TOKEN)
        for fault in (
            {"status": 500, "body": {}},
            {"cut": "before"},
            {"cut": "halfway"},
            {"status": 200, "body": "html"},
        ):
            lab.as_new().fault(**fault)
            params = {"content_base64": "YWJj", "archive_password": password}
            with pytest.raises(SpectraError) as raised:
                lab.run("submit_file", params, lane=lane, token=TOKEN, api_generation="legacy")
            told += [*traceback.format_exception(raised.value), json.dumps(raised.value.as_dict())]

        for text in (caplog.text, "".join(told)):
            assert TOKEN not in text
            assert password not in text

    @every_lane
    def test_the_password_is_exchanged_once_for_a_token(self, lab: Lab, lane):
        settings = {"token": None, "username": "admin", "password": "password-for-the-lab"}

        async def twice():
            async with lab.async_connector(**settings) as connector:
                return [await connector.run("test_connection") for _ in range(2)]

        if lane == "sync":
            with lab.connector(**settings) as connector:
                found = [connector.run("test_connection") for _ in range(2)]
        else:
            found = asyncio.run(twice())

        assert [outcome.branch for outcome in found] == ["ok", "ok"]
        assert lab.paths == ["/api-token-auth/", "/api/samples/status/", "/api/samples/status/"]

    @every_lane
    def test_a_wrong_password_is_told_without_it(self, lab: Lab, lane):
        with pytest.raises(SpectraError) as raised:
            lab.run("test_connection", lane=lane, token=None, username="admin", password="canary-password")

        assert raised.value.code == "auth"
        assert "canary-password" not in f"{raised.value!r} {json.dumps(raised.value.as_dict())}"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def certificates(authority, tmp_path_factory):
    """PEM files: a good certificate for 127.0.0.1, one for another host, and one that has expired."""
    folder = tmp_path_factory.mktemp("tls")
    past = datetime.now(UTC) - timedelta(days=2)
    made = {
        "good": authority.issue_cert("127.0.0.1", "localhost"),
        "other host": authority.issue_cert("elsewhere.example.com"),
        "other address": authority.issue_cert("127.0.0.2"),
        "expired": authority.issue_cert("127.0.0.1", not_before=past - timedelta(days=9), not_after=past),
    }
    files = {}
    for name, cert in made.items():
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_bytes(cert.cert_chain_pems[0].bytes())
        key.write_bytes(cert.private_key_pem.bytes())
        files[name] = (chain, key)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    files["ca"] = (folder / "ca.pem", None)
    return files


@pytest.fixture(scope="module")
def tls_labs(certificates):
    with ExitStack() as stack:
        started = {}

        def lab_with(name):
            if name not in started:
                chain, key = certificates[name]
                lab = started[name] = Lab(stack.enter_context(serve(tls=(str(chain), str(key)))))
                stack.callback(lab.http.close)
            return started[name].as_new()

        yield lab_with


def fingerprint(path):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()


def der_pin(colons, path):
    plain = fingerprint(path)
    return ":".join(plain[i : i + 2].upper() for i in range(0, 64, 2)) if colons else plain


class TestTls:
    """The appliance proves who it is before a byte of ours leaves."""

    @every_lane
    def test_a_known_authority(self, tls_labs, certificates, lane):
        assert tls_labs("good").run("test_connection", lane=lane, ca_file=certificates["ca"][0]).branch == "ok"

    @every_lane
    def test_an_authority_as_text(self, tls_labs, certificates, lane):
        pem = certificates["ca"][0].read_text()

        assert tls_labs("good").run("test_connection", lane=lane, ca_pem=pem).notices == ()

    @every_lane
    def test_the_appliance_s_own_certificate_as_authority(self, tls_labs, certificates, lane):
        assert tls_labs("good").run("test_connection", lane=lane, ca_file=certificates["good"][0]).branch == "ok"

    @every_lane
    @pytest.mark.parametrize(
        ("name", "trust", "told"),
        [
            ("good", {}, "unknown CA"),
            ("other host", {"ca_file"}, "another"),
            ("other address", {"ca_file"}, "another address"),
            ("expired", {"ca_file"}, "has expired"),
        ],
    )
    def test_what_does_not_prove_it_is_refused(self, tls_labs, certificates, lane, name, trust, told):
        lab = tls_labs(name)
        with pytest.raises(TlsError) as raised:
            lab.run("test_connection", lane=lane, **dict.fromkeys(trust, certificates["ca"][0]))

        assert told in raised.value.message
        assert (raised.value.outcome, raised.value.retryable, exit_code(raised.value)) == ("not_sent", False, 4)
        assert "spectra trust" in raised.value.hint
        assert lab.requests == []

    @every_lane
    @pytest.mark.parametrize("colons", [True, False])
    def test_a_pin_that_matches(self, tls_labs, certificates, lane, colons):
        pin = der_pin(colons, certificates["good"][0])

        assert tls_labs("good").run("test_connection", lane=lane, certificate_sha256=pin).notices == ()

    @every_lane
    @pytest.mark.parametrize("with_authority", [True, False])
    def test_a_pin_that_does_not_match_sends_nothing(self, tls_labs, certificates, lane, with_authority):
        lab = tls_labs("good")
        trust = {"ca_file": certificates["ca"][0]} if with_authority else {}
        with pytest.raises(TlsError, match="pinned") as raised:
            lab.run("test_connection", lane=lane, certificate_sha256="a" * 64, **trust)

        assert fingerprint(certificates["good"][0]) in raised.value.message
        assert lab.requests == []

    @every_lane
    def test_a_pin_does_not_replace_the_authority_beside_it(self, tls_labs, certificates, lane):
        pin = fingerprint(certificates["good"][0])
        with pytest.raises(TlsError):
            tls_labs("good").run(
                "test_connection", lane=lane, certificate_sha256=pin, ca_file=certificates["other host"][0]
            )

    @every_lane
    def test_without_verification_every_outcome_says_so(self, tls_labs, lane):
        outcome = tls_labs("expired").run("test_connection", lane=lane, verify_tls=False)

        assert "was not verified" in outcome.notices[0]

    @every_lane
    def test_a_pin_holds_also_without_verification(self, tls_labs, lane):
        with pytest.raises(TlsError):
            tls_labs("good").run("test_connection", lane=lane, verify_tls=False, certificate_sha256="a" * 64)

    @every_lane
    def test_a_port_that_does_not_speak_tls(self, lab: Lab, lane):
        with pytest.raises(TlsError) as raised:
            lab.run("test_connection", lane=lane, url=lab.url.replace("http:", "https:"))

        assert "does not speak TLS" in raised.value.message

    @every_lane
    def test_one_context_for_one_appliance(self, tls_labs, certificates, lane, monkeypatch):
        lab = tls_labs("good")
        lab.run("test_connection", lane=lane, ca_file=certificates["ca"][0])  # the packages' own are made now
        tls.context.cache_clear()
        made = []
        original = ssl.SSLContext.__new__
        monkeypatch.setattr(ssl.SSLContext, "__new__", lambda *args, **more: made.append(1) or original(*args, **more))

        for _ in range(3):
            lab.run("test_connection", lane=lane, ca_file=certificates["ca"][0])
            lab.run("submit_url", {"url": "http://127.0.0.1:1/"}, lane=lane, ca_file=certificates["ca"][0])

        assert len(made) == 1

    def test_a_file_that_is_no_certificate_is_a_config_error(self, tmp_path):
        (tmp_path / "ca.pem").write_text("no certificate")
        for name in ("ca.pem", "missing.pem"):
            with pytest.raises(ConfigError, match="not a readable PEM certificate"):
                Connector(Settings(url="https://127.0.0.1", token=TOKEN, ca_file=tmp_path / name))

    def test_a_key_log_is_never_written(self, tls_labs, certificates, monkeypatch, tmp_path):
        tls.context.cache_clear()
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))

        tls_labs("good").run("test_connection", ca_file=certificates["ca"][0])

        assert not (tmp_path / "keys").exists() or (tmp_path / "keys").read_bytes() == b""


class TestUploading:
    """A file is streamed, hashed on the way, and never half of one thing and half of another."""

    @every_lane
    def test_the_hashes_are_those_of_the_file(self, lab: Lab, tmp_path, lane):
        content = os.urandom(3_000_000)
        (tmp_path / "sample.bin").write_bytes(content)

        result = lab.run("submit_file", {"file": str(tmp_path / "sample.bin")}, lane=lane).result

        assert result.sent_sha1 == result.sha1 == hashlib.sha1(content).hexdigest()
        assert result.sent_sha256 == hashlib.sha256(content).hexdigest()
        assert result.sent_bytes == 3_000_000

    @every_lane
    def test_every_parameter_arrives(self, lab: Lab, lane):
        params = {
            "content_base64": "YWJj",
            "filename": 'a "quoted"; name\u202e.exe',
            "tags": "one, two words",
            "comment": "<b>caf\u00e9</b> & co",
            "analysis": "cloud",
            "rl_cloud_sandbox_platform": "windows10",
        }
        for generation in ("current", "legacy"):
            lab.run("submit_file", params, lane=lane, api_generation=generation, allow_cloud=True)
            record = lab.ledger["submissions"][-1]

            assert record["visibility"] == "public"
            assert record["fields"]["tags"] == "one,two words"
            assert record["fields"]["comment"] == params["comment"]
            assert record["fields"]["filename"] == params["filename"]

    def test_a_zip_with_a_password_is_unpacked_there_and_only_the_file_is_kept(self, lab: Lab, tmp_path):
        import pyzipper

        archive = tmp_path / "sample.zip"
        with pyzipper.AESZipFile(archive, "w", encryption=pyzipper.WZ_AES) as made:
            made.setpassword(b"infected")
            made.writestr("inside.exe", b"MZ SPECTRA-LAB-MALICIOUS")

        outcome = lab.run("submit_file", {"file": str(archive), "archive_password": "infected", "wait": True})

        assert outcome.result.sha1 == hashlib.sha1(b"MZ SPECTRA-LAB-MALICIOUS").hexdigest()
        assert outcome.result.sent_sha1 == hashlib.sha1(archive.read_bytes()).hexdigest()
        assert outcome.branch == "malicious"
        assert "infected" not in json.dumps(lab.ledger)

    @pytest.mark.parametrize("lane", ["sync", "async"])
    @pytest.mark.parametrize("change", ["touched", "grown", "cut"])
    def test_a_file_that_changes_while_it_is_sent_is_refused_and_nothing_is_stored(
        self, lab: Lab, tmp_path, lane, change
    ):
        path = tmp_path / "moving.bin"
        with path.open("wb") as stream:
            stream.truncate(64 << 20)  # more than any socket buffers

        def on_the_way(connection, asked):
            """What arrives goes on to the appliance, and the file changes when its beginning has come."""
            with socket.create_connection(("127.0.0.1", int(lab.url.rsplit(":", 1)[1]))) as onwards:
                onwards.sendall(asked)
                if change == "touched":
                    os.utime(path, (1, 1))
                else:
                    os.truncate(path, (65 if change == "grown" else 1) << 20)
                while chunk := connection.recv(1 << 20):
                    onwards.sendall(chunk)

        with RawServer(on_the_way) as between:
            with pytest.raises(InputRefused) as raised:
                lab.run("submit_file", {"file": str(path)}, lane=lane, api_generation="current", url=between.url)

            assert len(between.asked) == 1
        assert raised.value.violations[0].pointer == "/file"
        assert "changed while it was being sent" in raised.value.message
        assert lab.ledger["submissions"] == []

    def test_the_loop_goes_on_while_a_file_is_sent(self, tmp_path):
        path = tmp_path / "large.bin"
        with path.open("wb") as stream:
            stream.truncate(8 << 20)
        ticked = threading.Event()
        receipt = {"detail": {"id": 1, "sha1": hashlib.sha1(bytes(8 << 20)).hexdigest()}}

        def answer(connection, asked):
            expected = int(asked.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            got = len(asked.split(b"\r\n\r\n", 1)[1])
            assert ticked.wait(5), "the loop was held while the file was being sent"
            while got < expected:
                got += len(connection.recv(1 << 20))
            connection.sendall(http_answer(json.dumps(receipt).encode(), "201 Created"))

        async def sending(url):
            async with AsyncConnector(Settings(url=url, token=TOKEN, api_generation="legacy")) as connector:
                task = asyncio.create_task(connector.run("submit_file", {"file": str(path)}))
                for _ in range(20):
                    await asyncio.sleep(0.002)
                ticked.set()
                return await task

        with RawServer(answer) as server:
            assert asyncio.run(sending(server.url)).branch == "submitted"

    @pytest.mark.slow
    @pytest.mark.parametrize("lane", ["sync", "async"])
    def test_a_large_file_never_enters_memory(self, lab: Lab, tmp_path, lane):
        path = tmp_path / "large.bin"
        with path.open("wb") as stream:
            stream.truncate(200 << 20)
        call = 'connector.run("submit_file", {"file": sys.argv[3]})'
        program = f"""
import asyncio, resource, sys
from connector import AsyncConnector, Connector, Settings
settings = Settings(url=sys.argv[1], token=sys.argv[2], deadline_seconds=300)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def sync():
    with Connector(settings) as connector:
        connector.run("submit_file", {{"content_base64": "YWJj"}})
        before = peak()
        return {call}, peak() - before
async def other():
    async with AsyncConnector(settings) as connector:
        await connector.run("submit_file", {{"content_base64": "YWJj"}})
        before = peak()
        return await {call}, peak() - before
outcome, grown = sync() if {lane == "sync"} else asyncio.run(other())
print(outcome.result.sent_sha256, grown)
"""
        ended = subprocess.run(
            [sys.executable, "-c", program, lab.url, lab.token, str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )

        sha256, grown = ended.stdout.split()
        with path.open("rb") as stream:
            assert sha256 == hashlib.file_digest(stream, "sha256").hexdigest()
        assert int(grown) < 16 << 10, f"peak memory grew by {grown} KiB"


def test_no_source_of_the_driver_reads_a_whole_file():
    """A guard for reviewers: streaming is lost by one careless read."""
    text = (Path(ROOT) / "connector" / "driver.py").read_text() + (Path(ROOT) / "connector" / "wire.py").read_text()

    assert ".read_bytes()" not in text
    assert ".read()" not in text
