"""Sockets keep to one deadline, whatever the peer does; real sockets, and a resolver that hangs."""

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress

import httpcore
import pytest

from connector import AsyncConnector, Connector, Settings, SpectraError
from connector.errors import ConnectFailed, DeadlineExceeded, OutcomeUnknown
from connector.http import Transport
from connector.network import SLICE, Network, resolved
from tests.laboratory import RawServer, Time, http_answer, run

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
        with silent_listener() as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            params = {"content_base64": "QUJD" * 400_000}  # 1.2 MB, which earn 1.2 s
            assert late(url, "submit_file", params, kind=OutcomeUnknown, api_generation="current") < 1.2 + OVER

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

    @pytest.mark.parametrize(
        ("action", "params"),
        [("submit_url", {"url": "https://www.example.com/"}), ("submit_file", {"content_base64": "QUJD" * 2_000_000})],
    )
    def test_a_cancelled_submission_ends_within_a_second_and_a_half(self, action, params):
        asked, over = threading.Event(), threading.Event()

        def silent(connection, _):
            asked.set()
            over.wait(20)

        with RawServer(silent) as server:
            settings = Settings(url=server.url, token=TOKEN, state="memory", api_generation="current")

            async def cancelled():
                async with AsyncConnector(settings) as connector:
                    task = asyncio.create_task(connector.run(action, params))
                    assert await asyncio.to_thread(asked.wait, 10)
                    task.cancel()
                    began = time.monotonic()
                    await asyncio.gather(task, return_exceptions=True)
                return time.monotonic() - began  # with the connector closed, whose threads have ended

            assert asyncio.run(cancelled()) < 1.5
            over.set()


@contextmanager
def silent_listener():
    """A listener whose connections are never accepted and take little: the peer of what nobody reads."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


@contextmanager
def connected(seconds):
    """A stream to a peer that is silent and reads nothing, and this many seconds for all of it."""
    network = Network()
    with silent_listener() as listener:
        ends = time.monotonic() + seconds
        network.left = lambda: ends - time.monotonic()
        stream = network.connect_tcp("127.0.0.1", listener.getsockname()[1])
        yield network, stream
        stream.close()


class TestStream:
    """One connection, without HTTP around it."""

    def test_a_read_without_an_answer_ends_at_the_deadline_and_not_with_a_slice(self):
        with connected(1.2) as (_, stream):
            began = time.monotonic()
            with pytest.raises(httpcore.ReadTimeout):
                stream.read(1, 60.0)

            assert 1.1 < time.monotonic() - began < 1.2 + OVER

    def test_a_write_to_a_peer_that_stops_reading_ends_at_the_deadline(self):
        with connected(1.2) as (_, stream):
            began = time.monotonic()
            with pytest.raises(httpcore.WriteTimeout):
                stream.write(b"x" * 20_000_000, 60.0)

            assert 1.1 < time.monotonic() - began < 1.2 + OVER

    @pytest.mark.parametrize("what", ["read", "write"])
    def test_what_is_cancelled_from_elsewhere_ends_within_a_slice(self, what):
        with connected(60.0) as (network, stream):
            timer = threading.Timer(0.2, lambda: setattr(network, "left", lambda: -1.0))
            timer.start()
            began = time.monotonic()
            with pytest.raises((httpcore.ReadTimeout, httpcore.WriteTimeout)):
                stream.read(1) if what == "read" else stream.write(b"x" * 20_000_000)
            timer.join()

            assert time.monotonic() - began < 0.2 + SLICE + 0.3

    def test_a_peer_that_is_gone_is_a_write_error(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            network = Network()
            network.left = lambda: 10.0
            stream = network.connect_tcp("127.0.0.1", listener.getsockname()[1])
            peer, _ = listener.accept()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            with pytest.raises(httpcore.WriteError):
                stream.write(b"x" * 20_000_000)
            stream.close()

    def test_what_is_written_arrives_whole_and_in_order(self):
        text, came = bytes(range(256)) * 20_000, bytearray()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            network = Network()
            network.left = lambda: 30.0
            stream = network.connect_tcp("127.0.0.1", listener.getsockname()[1])
            peer, _ = listener.accept()

            def take():
                while len(came) < len(text):
                    came.extend(peer.recv(100_000))
                peer.sendall(b"x")

            taker = threading.Thread(target=take)
            taker.start()
            stream.write(text)
            assert stream.read(1) == b"x"
            stream.close()
            taker.join(10)
            peer.close()

        assert bytes(came) == text

    def test_what_was_not_sent_when_an_unanswered_request_ends_is_dropped(self):
        """Else the system would go on sending it, and an upload could arrive whole after it was sent again."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            network = Network()
            network.left = lambda: 30.0
            stream = network.connect_tcp("127.0.0.1", listener.getsockname()[1])
            peer, _ = listener.accept()
            stream.write(b"x" * 100_000)
            stream.close()

            with peer, pytest.raises(ConnectionResetError):
                deque(iter(lambda: peer.recv(1000), b""), maxlen=0)

    def test_a_connection_that_nobody_accepts_ends_at_the_deadline(self):
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [_begun(full.getsockname()) for _ in range(4)]  # the queue of a listener with a backlog of 0
            network = Network()
            ends = time.monotonic() + 0.4
            network.left = lambda: ends - time.monotonic()
            began = time.monotonic()
            with pytest.raises(httpcore.ConnectTimeout):
                network.connect_tcp("127.0.0.1", full.getsockname()[1], 15.0)
            for each in waiting:
                each.close()

        assert 0.3 < time.monotonic() - began < 0.4 + OVER


def _begun(address):
    made = socket.socket()
    made.setblocking(False)
    with suppress(BlockingIOError):
        made.connect(address)
    return made


def has_addresses(monkeypatch, *addresses):
    """Every name has these addresses; an address is only itself, which connecting to it looks up as well."""
    real = socket.getaddrinfo

    def found(host, port, *more, **named):
        if host != "x.example.com":
            return real(host, port, *more, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr("connector.network.socket.getaddrinfo", found)


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
            has_addresses(monkeypatch, "127.0.0.2", "127.0.0.1")
            settings = Settings(url=f"http://x.example.com:{port}", token=TOKEN)

            assert run(settings, "test_connection", lane="sync").branch == "ok"

    @pytest.mark.parametrize("refusing", ["::1", "127.0.0.2"])
    def test_every_address_is_tried_before_it_is_given_up(self, monkeypatch, refusing):
        has_addresses(monkeypatch, refusing, "127.0.0.1", "127.0.0.1")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            assert resolved("x.example.com", port, 5.0) == [refusing, "127.0.0.1"]

            Network().connect_tcp("x.example.com", port, 5.0).close()

    def test_where_every_address_refuses_there_is_no_connection(self, monkeypatch):
        has_addresses(monkeypatch, "127.0.0.2", "127.0.0.1")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # it does not listen, so connecting there is refused
            with pytest.raises(httpcore.ConnectError):
                Network().connect_tcp("x.example.com", taken.getsockname()[1], 5.0)

    def test_a_name_without_any_address_is_no_connection(self, monkeypatch):
        has_addresses(monkeypatch)

        with pytest.raises(httpcore.ConnectError):
            Network().connect_tcp("x.example.com", 80, 5.0)

    @pytest.mark.parametrize(("number", "times"), [(socket.EAI_AGAIN, 3), (socket.EAI_NONAME, 1)])
    def test_a_name_is_looked_up_three_times_where_that_may_help_and_else_once(self, monkeypatch, number, times):
        asked, clock = [], Time()

        def failing(*_, **__):
            asked.append(1)
            raise socket.gaierror(number, "no")

        monkeypatch.setattr("connector.network.socket.getaddrinfo", failing)
        with pytest.raises(ConnectFailed) as failed:
            run(Settings(url="http://x.example.com", token=TOKEN), "test_connection", lane="sync", time=clock)

        assert (len(asked), len(clock.slept)) == (times, times - 1)
        assert (failed.value.retryable, failed.value.outcome) == (times == 3, "not_sent")

    def test_a_name_that_no_resolver_takes_is_a_failed_connection(self):
        with pytest.raises(httpcore.ConnectError):
            resolved("a" * 64 + ".example.com", 80, 5.0)

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

    def test_no_operation_waits_for_longer_than_an_hour(self):
        network = Network()

        assert [network.seconds(None), network.seconds(9999.0), network.may_wait()] == [3600.0, 3600.0, True]

    def test_a_read_and_a_submission_go_over_these_sockets(self, monkeypatch):
        """Were httpx's attribute renamed, its own sockets would be used, and this would see none of ours."""
        made = []
        original = Network.connect_tcp

        def counted(self, host, port, *args, **more):
            made.append(host)
            return original(self, host, port, *args, **more)

        monkeypatch.setattr(Network, "connect_tcp", counted)
        with RawServer(http_answer(b'{"results": [], "detail": {"id": 1}}')) as server:
            settings = Settings(url=server.url, token=TOKEN, state="memory", api_generation="current")
            with Connector(settings) as connector:
                connector.run("test_connection")
                with suppress(SpectraError):
                    connector.run("submit_url", {"url": "https://www.example.com/"})

        assert made == ["127.0.0.1", "127.0.0.1"]

    def test_a_connection_that_the_peer_closed_is_told_as_cut(self):
        with RawServer(lambda connection, asked: None) as server:
            settings = Settings(url=server.url, token=TOKEN, deadline_seconds=0.3)
            with Connector(settings) as connector, pytest.raises(SpectraError) as failed:
                connector.run("test_connection")

        assert failed.value.code == "truncated"
