"""A TCP proxy in front of an appliance that carries out planned faults, and accounts for each of them.

One thread a connection, blocking sockets, HTTP/1.1 with keep-alive on both sides. A request is passed on as it comes; an
answer is taken in whole before the client gets its first byte, so that with every answer_* fault the work is done.
"""

import contextlib
import re
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from tests.faults import strikes
from tests.faults.listener import Listener, refused_url
from tests.faults.messages import Answer, Ended, Head, Stream, read_answer
from tests.faults.peer import finish, readable, reset
from tests.faults.plan import Fault, Kind, Line, Plan, Seen, Strike

__all__ = ["Fault", "FaultProxy", "Kind", "Line", "Seen", "refused_url"]
_CONNECT_SECONDS: Final = 5.0
_STALL_SECONDS: Final = 60.0  # the longest wait for either side to go on with a message
_FIRST_BYTE_SECONDS: Final = 1.0
_EXPECT: Final = re.compile(rb"\r\nexpect:[^\r]*", re.IGNORECASE)


class FaultProxy(Listener):
    """Forwards to one appliance over plain HTTP; with ``tls`` (a server's context) clients come over TLS.

    ``with FaultProxy(lab.url) as proxy: proxy.plan([Fault("answer_half_rst", match=("POST", "/api/uploads/"))])``
    """

    def __init__(self, upstream_url: str, tls: ssl.SSLContext | None = None) -> None:
        address = urlsplit(upstream_url)
        if address.scheme != "http" or address.hostname is None or address.port is None:
            raise ValueError("The upstream is an http:// address with a port.")
        super().__init__("https" if tls else "http")
        self.upstream = (address.hostname, address.port)
        self._tls = tls
        self._plan = Plan()

    def plan(self, faults: list[Fault]) -> None:
        """Replace the plan, its account and what was seen."""
        self._plan = Plan([Strike(fault) for fault in faults])

    @property
    def seen(self) -> list[Seen]:
        """Every exchange since the plan, in the order in which their answers began."""
        return list(self._plan.seen)

    def account(self) -> list[Line]:
        return self._plan.account()

    def unfired(self) -> list[Fault]:
        """The planned faults that were not carried out, or not as often as planned."""
        return [line.fault for line in self._plan.missing()]

    def check(self) -> None:
        """Raise AssertionError, naming every planned fault that did not fire as planned."""
        told = [f"{line.fault} matched {line.matched} and fired {line.fired}" for line in self._plan.missing()]
        assert not told, "Planned faults that did not fire: " + "; ".join(told)

    def serve(self, connection: socket.socket) -> None:
        connection.settimeout(_STALL_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plan = self._plan
        if (strike := plan.of_connection()) is not None:
            readable(connection, _FIRST_BYTE_SECONDS)  # so that connecting has succeeded, always
            plan.record("", "", 0, strike)
            reset(connection)
            return
        upstream = _Upstream(self)
        with contextlib.closing(upstream), contextlib.suppress(OSError, Ended):
            if self._tls is None:
                self._talk(connection, upstream)
                return
            with self.tracked(self._tls.wrap_socket(connection, True, do_handshake_on_connect=False)) as secured:
                self._talk(secured, upstream)

    def _talk(self, connection: socket.socket, upstream: "_Upstream") -> None:
        client = Stream(connection)
        while self._exchange(client, upstream):
            pass

    def _exchange(self, client: Stream, upstream: "_Upstream") -> bool:
        """One request and its answer; False when the connection has ended."""
        head = client.head()
        if head is None:
            return False
        if head.get("expect").lower() == "100-continue":
            client.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        plan = self._plan
        strike = plan.of_exchange(*head.start[:2])
        if strike is None:
            return _relay(client, head, upstream, plan)
        if strike.fault.kind.startswith("request_"):
            _strike_request(client, head, upstream, plan, strike)
            return False
        return _strike_answer(client, head, upstream, plan, strike)


def _relay(client: Stream, head: Head, upstream: "_Upstream", plan: Plan) -> bool:
    """Pass an exchange on as it is; an upstream that breaks off is passed on too."""
    forwarded, answer = upstream.exchange(client, head)
    plan.record(head.start[0], head.start[1], forwarded, None)
    if answer is None:
        finish(client.connection)
        return False
    client.connection.sendall(answer.head.raw + answer.body)
    ends = head.says_close() or answer.head.says_close() or answer.framing == "close"
    if ends or not answer.whole or upstream.early:
        finish(client.connection)
        return False
    return True


def _strike_answer(client: Stream, head: Head, upstream: "_Upstream", plan: Plan, strike: Strike) -> bool:
    """Forward, unless the fault says otherwise, and write what the client gets; no answer, no fault."""
    fault = strike.fault
    if fault.forward:
        forwarded, answer = upstream.exchange(client, head)
    else:
        forwarded, answer = 0, strikes.NO_ANSWER
        for _ in client.pieces(head.framing(0)):
            pass
    struck = answer is not None and answer.whole
    plan.record(head.start[0], head.start[1], forwarded, strike if struck else None)
    if answer is None or not struck:
        finish(client.connection)
        return False
    goes_on = strikes.strike(client.connection, fault, answer)
    if goes_on and (head.says_close() or upstream.early):
        finish(client.connection)
        return False
    return goes_on


def _strike_request(client: Stream, head: Head, upstream: "_Upstream", plan: Plan, strike: Strike) -> None:
    """Take the request, or a part of it, and end; the upstream never sees it completed."""
    fault, framing = strike.fault, head.framing(0)
    if fault.kind == "request_swallow" or isinstance(framing, str):
        body = b"".join(client.pieces(framing))
    else:
        body = b"".join(client.exactly(fault.part(framing)))
    forwarded = 0
    if fault.kind != "request_swallow" and framing != 0:
        part = body if isinstance(framing, int) else body[: fault.part(len(body))]
        forwarded = upstream.abandon(head.raw + part)
    plan.record(head.start[0], head.start[1], forwarded, strike)
    ends = {"request_rst": "rst", "request_fin": "fin", "request_swallow": "wait"}
    strikes.end_so(client.connection, ends[fault.kind], fault.longest)


class _Upstream:
    """The connection to the appliance that belongs to one connection of a client; opened when needed, and kept."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.stream: Stream | None = None
        self.early = False  # it answered, or ended, before it had the whole request
        self.forwarded = 0  # bytes of the current request

    def _opened(self) -> Stream:
        if self.stream is not None and readable(self.stream.connection):
            self.close()  # it ended while nothing was asked
        if self.stream is None:
            connection = socket.create_connection(self.proxy.upstream, timeout=_CONNECT_SECONDS)
            connection.settimeout(_STALL_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.proxy.track(connection)
            self.stream = Stream(connection)
        return self.stream

    def close(self) -> None:
        if self.stream is not None:
            self.proxy.forget(self.stream.connection)
            self.stream = None

    def exchange(self, client: Stream, head: Head) -> tuple[int, Answer | None]:
        """Forward a request as it comes; the bytes that were forwarded, and the answer, or None without one."""
        self.forwarded, answer = 0, None
        with contextlib.suppress(OSError, Ended):
            stream = self._opened()
            self._forward(stream, client, head)
            answer = read_answer(stream, head.start[0])
        if answer is None or not answer.whole or answer.head.says_close() or self.early:
            self.close()
        return self.forwarded, answer

    def _forward(self, stream: Stream, client: Stream, head: Head) -> None:
        """Send head and body, until the other side answers or ends; a client that leaves ends it for both."""
        raw = _EXPECT.sub(b"", head.raw)  # the proxy has answered that itself
        for piece in client.pieces(head.framing(0)):
            self.early = readable(stream.connection) or not self._written(stream, raw + piece)
            if self.early:
                return
            raw = b""
        if raw:
            self.early = not self._written(stream, raw)

    def _written(self, stream: Stream, piece: bytes) -> bool:
        """Write; False where the other side takes no more, and may have answered already."""
        try:
            stream.connection.sendall(piece)
        except ConnectionError:
            return False
        self.forwarded += len(piece)
        return True

    def abandon(self, part: bytes) -> int:
        """Send a part of a request and close; the bytes that were sent."""
        with contextlib.suppress(OSError):
            self._opened().connection.sendall(part)
        self.close()
        return len(part)
