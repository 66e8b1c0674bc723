"""Sockets keep to one deadline, whatever the peer does; real sockets, and a resolver that hangs."""

import asyncio
import socket
import ssl
import threading
import time
from contextlib import suppress

import pytest

from connector import AsyncConnector, Connector, Settings, SpectraError
from connector.errors import ConnectFailed, DeadlineExceeded, OutcomeUnknown
from connector.http import Transport
from connector.network import Network, resolved
from tests.laboratory import RawServer, http_answer, run

TOKEN = "0123456789abcdef"
OVER = 0.5


def late(url, action="test_connection", params=None, *, seconds=0.4, kind=DeadlineExceeded, **more):
    """How far past its deadline an action ended."""
    settings = Settings(url=url, token=TOKEN, deadline_seconds=seconds, state="memory", **more)
    began = time.monotonic()
    with pytest.raises(kind):
        run(settings, action, params or {}, lane="sync")
    return time.monotonic() - began - seconds


def drip(text, every=0.02, times=400):
    def answer(connection, asked):
        with suppress(OSError):
            for position in range(times):
                connection.sendall(text(position))
                time.sleep(every)

    return answer


class TestOneDeadline:
    def test_a_head_that_drips(self):
        with RawServer(drip(lambda at: b"H" if at == 0 else b"x")) as server:
            assert late(server.url) < OVER

    def test_interim_answers_without_end(self):
        with RawServer(drip(lambda _: b"HTTP/1.1 103 Early Hints\r\n\r\n")) as server:
            assert late(server.url) < OVER

    def test_headers_without_end(self):
        with RawServer(drip(lambda at: b"HTTP/1.1 200 OK\r\n" if at == 0 else b"x-a: b\r\n")) as server:
            assert late(server.url) < OVER

    def test_a_body_that_drips(self):
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
        with RawServer(drip(lambda at: head if at == 0 else b" ")) as server:
            assert late(server.url) < OVER

    def test_an_upload_that_nobody_reads(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            params = {"content_base64": "QUJD" * 4_000_000}  # 12 MB, which earn 12 s
            assert late(url, "submit_file", params, kind=OutcomeUnknown, api_generation="current") < 12 + OVER

    def test_a_handshake_that_never_ends(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            assert late(url, kind=ConnectFailed) < OVER

    def test_a_name_that_is_not_looked_up(self, monkeypatch):
        asked = threading.Event()
        done = threading.Event()

        def hanging(*_, **__):
            asked.set()
            done.wait(20)
            raise OSError

        monkeypatch.setattr("connector.network.socket.getaddrinfo", hanging)
        over = late("http://appliance.example.com", kind=ConnectFailed)
        done.set()

        assert asked.is_set()
        assert over < OVER

    def test_a_cancelled_submission_ends_within_seconds(self):
        ended = []

        def silent(connection, asked):
            with suppress(OSError):
                ended.append(connection.recv(1))

        with RawServer(silent) as server:
            settings = Settings(url=server.url, token=TOKEN, state="memory", api_generation="current")

            async def cancelled():
                async with AsyncConnector(settings) as connector:
                    task = asyncio.create_task(connector.run("submit_url", {"url": "https://www.example.com/"}))
                    await asyncio.sleep(0.3)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

            began = time.monotonic()
            asyncio.run(cancelled())

        assert time.monotonic() - began < 5


class TestNames:
    def looked_up(self, monkeypatch, number):
        def failing(*_, **__):
            raise socket.gaierror(number, "no")

        monkeypatch.setattr("connector.network.socket.getaddrinfo", failing)
        with pytest.raises(ConnectFailed) as failed:
            run(Settings(url="http://x.example.com", token=TOKEN, deadline_seconds=0.3), "test_connection", lane="sync")
        return failed.value

    def test_a_name_that_does_not_exist_is_not_tried_again(self, monkeypatch):
        error = self.looked_up(monkeypatch, socket.EAI_NONAME)

        assert (error.retryable, error.outcome) == (False, "not_sent")
        assert "does not exist" in error.message

    def test_a_name_that_cannot_be_looked_up_now_is(self, monkeypatch):
        error = self.looked_up(monkeypatch, socket.EAI_AGAIN)

        assert error.retryable
        assert "at the moment" in error.message

    def test_the_next_address_is_tried_when_one_refuses(self, monkeypatch):
        with RawServer(http_answer(b'{"results": []}')) as server:
            port = int(server.url.rsplit(":", 1)[1])
            found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
            monkeypatch.setattr("connector.network.socket.getaddrinfo", lambda *_, **__: found)
            settings = Settings(url=f"http://localhost:{port}", token=TOKEN)

            assert run(settings, "test_connection", lane="sync").branch == "ok"

    def test_an_address_is_not_looked_up(self, monkeypatch):
        monkeypatch.setattr("connector.network.socket.getaddrinfo", None)

        assert resolved("127.0.0.1", 1, 1.0) == ["127.0.0.1"]
        assert resolved("::1", 1, 1.0) == ["::1"]


class TestTransport:
    @pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:1"])
    def test_httpx_s_pool_uses_these_sockets(self, proxy):
        made = Transport(ssl.create_default_context(), proxy)

        assert isinstance(made.network, Network)
        assert made._pool._network_backend is made.network
        made.close()

    def test_without_time_nothing_is_waited_for(self):
        network = Network()
        network.left = lambda: -5.0

        assert network.seconds(None) == 0.001
        assert not network.may_wait()

    def test_an_operation_gets_what_is_left_and_no_more_than_it_asked_for(self):
        network = Network()
        network.left = lambda: 7.0

        assert [network.seconds(None), network.seconds(3.0), network.seconds(9.0)] == [7.0, 3.0, 7.0]

    def test_a_connection_that_the_peer_closed_is_told_as_cut(self):
        with RawServer(lambda connection, asked: None) as server:
            settings = Settings(url=server.url, token=TOKEN, deadline_seconds=0.3)
            with Connector(settings) as connector, pytest.raises(SpectraError) as failed:
                connector.run("test_connection")

        assert failed.value.code == "truncated"
