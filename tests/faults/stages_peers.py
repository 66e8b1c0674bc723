"""Peers that an appliance may have before it: names, certificates, tunnels, and one that answers too early."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final
from unittest import mock

from tests.faults.causes import QUEUE
from tests.faults.listener import Listener
from tests.faults.messages import Stream
from tests.faults.proxy import FaultProxy
from tests.faults.scene import CONNECT_SECONDS, ELSEWHERE, HOST, Cell, Scene, before_only, scene
from tests.faults.tls import ByteCounter, Certificates
from tests.laboratory import Lab


class Early(Listener):
    """An appliance that has seen enough: 413 right after the head, while the body still comes."""

    def __init__(self, busy_first: bool) -> None:
        super().__init__("http")
        self.busy_first, self.asked = busy_first, 0

    def serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        client = Stream(connection)
        head = client.head()
        if head is None:
            return
        self.asked += 1
        late = self.busy_first and self.asked == 1
        status, body = ("429 Busy\r\nretry-after: 0", QUEUE) if late else ("413 Too Large", b'{"message": "too large"}')
        text = (
            f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}"
        )
        connection.sendall(text.encode() + b"\r\n\r\n" + body)
        for _ in client.pieces(head.framing(0)):
            pass


@contextlib.contextmanager
def early(cell: Cell, lab: Lab) -> Iterator[Scene]:
    with Early(cell.when == "second") as peer:
        yield Scene(peer.url, lambda: peer.asked, lambda: None, lab.time)


@contextlib.contextmanager
def names(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """A host name whose look-ups fail, or lead to where nobody listens, when it is time."""
    real, count, hit = socket.getaddrinfo, itertools.count(1), []
    at = cell.connections + 1 + (cell.when == "second")

    def looked_up(host: Any, *more: Any, **named: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        if text != HOST:
            return real(host, *more, **named)
        number = next(count)
        due = number >= at if cell.when == "every" else number == at
        if due:
            hit.append(number)
        how = cell.cause.numbers["how"] if due else ""
        if how in {"nobody", "later"}:
            raise socket.gaierror(socket.EAI_NONAME if how == "nobody" else socket.EAI_AGAIN, how)
        return real(ELSEWHERE if how else "127.0.0.1", *more, **named)

    def fired() -> None:
        proxy.check()
        assert hit

    with FaultProxy(lab.url) as proxy, contextlib.ExitStack() as stack:
        proxy.plan(before_only(cell))
        stack.enter_context(mock.patch("socket.getaddrinfo", looked_up))
        stack.enter_context(mock.patch("aiohttp.connector._DNSCacheTable.expired", return_value=True))
        if cell.cause.numbers["how"] == "deaf":
            stack.enter_context(deaf((ELSEWHERE, int(proxy.url.rpartition(":")[2]))))
        yield scene(proxy, cell, lab, url=proxy.url.replace("127.0.0.1", HOST), fired=fired)


@contextlib.contextmanager
def deaf(address: tuple[str, int]) -> Iterator[None]:
    """A peer whose queue is full, so that connecting takes for ever; clients are told to wait a moment only."""
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(socket.socket())
        peer.bind(address)
        peer.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        for module in ("connector.exchange", "connector.fast"):
            stack.enter_context(mock.patch(f"{module}.CONNECT_SECONDS", CONNECT_SECONDS))
        yield


CERTIFICATES: Final = Certificates()


class Faces(FaultProxy):
    """Shows the good certificate, and to the connections that are due another face; those never get through."""

    def __init__(self, upstream: str, face: ByteCounter, due: Callable[[int], bool]) -> None:
        super().__init__(upstream, CERTIFICATES.context("good"))
        self.face, self.due, self.count = face, due, itertools.count(1)

    def serve(self, connection: socket.socket) -> None:
        if self.due(next(self.count)):
            self.face.serve(connection)
        else:
            super().serve(connection)


@contextlib.contextmanager
def faces(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """A peer over TLS that cannot prove who it is, when it is time; it keeps every byte that it is sent."""
    form, pinned = cell.cause.numbers["form"], cell.cause.numbers.get("pinned")
    context = CERTIFICATES.context(form) if form else None
    answer = b"" if form else b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
    at = cell.connections + 1 + (cell.when == "second")
    with ByteCounter(context, answer) as face, Faces(lab.url, face, lambda n: n >= at) as proxy:
        proxy.plan(before_only(cell))

        def fired() -> None:
            proxy.check()
            assert face.connections > 0
            assert not face.saw(lab.token)
            assert bytes(face.received[:1]) in {b"", b"\x16"}

        trust = {"certificate_sha256": CERTIFICATES.sha256("good")} if pinned else {"ca_pem": CERTIFICATES.ca_pem}
        yield scene(proxy, cell, lab, fired=fired, settings=trust)


class Tunnel(Listener):
    """A proxy for CONNECT that refuses the tunnels that are due, and opens the others."""

    def __init__(self, upstream: tuple[str, int], status: int, due: Callable[[int], bool]) -> None:
        super().__init__("http")
        self.upstream, self.status, self.due = upstream, status, due
        self.count, self.refused = itertools.count(1), 0

    def serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        came = b""
        while b"\r\n\r\n" not in came:
            piece = connection.recv(65536)
            if not piece:
                return
            came += piece
        if self.due(next(self.count)):
            self.refused += 1
            connection.sendall(f"HTTP/1.1 {self.status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(self.upstream, 5) as beyond, self.tracked(beyond):
            back = threading.Thread(target=_pump, args=(beyond, connection))
            back.start()
            _pump(connection, beyond)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def tunnel(cell: Cell, lab: Lab) -> Iterator[Scene]:
    """A proxy between, and the appliance over TLS behind it."""
    at = cell.connections + 1 + (cell.when == "second")
    due = (lambda n: n >= at) if cell.when == "every" else (lambda n: n == at)
    with FaultProxy(lab.url, CERTIFICATES.context("good")) as proxy:
        port = int(proxy.url.rpartition(":")[2])
        with Tunnel(("127.0.0.1", port), cell.cause.numbers["status"], due) as between:
            proxy.plan(before_only(cell))

            def fired() -> None:
                proxy.check()
                assert between.refused > 0

            trust = {"ca_pem": CERTIFICATES.ca_pem, "proxy": between.url}
            yield scene(proxy, cell, lab, fired=fired, settings=trust)
