"""A tiny upstream that counts what it was asked to do, and a client that sees single bytes and how they end."""

import contextlib
import json
import socket
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.faults.proxy import FaultProxy

CONTENT = json.dumps({"message": "done", "filler": "x" * 400}).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers by path: JSON, chunks, nothing, half of it, or before the whole request was read."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        if self.path == "/early":
            self.answer("413 Too Large", b"{}", "connection: close\r\n")
            self.close_connection = True
            return
        body = self.chunks() if self.headers.get("transfer-encoding") else self.rfile.read(size)
        if not self.headers.get("transfer-encoding") and len(body) < size:
            self.close_connection = True
            return
        self.server.done.append((self.command, self.path, len(body)))
        self.server.peers.add(self.client_address)
        getattr(self, f"path_{self.path.strip('/').partition('?')[0]}", self.path_plain)()

    do_POST = do_HEAD = do_GET  # noqa: N815  # names that the library looks for

    def chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        if self.rfile.readline() != b"\r\n":
            raise ConnectionError
        return body

    def answer(self, status: str, body: bytes, more: str = "") -> None:
        length = f"content-length: {len(body)}\r\n" if "chunked" not in more and "204" not in status else ""
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{length}{more}\r\n".encode()
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def path_plain(self) -> None:
        self.answer("200 OK", CONTENT)

    def path_empty(self) -> None:
        self.answer("204 No Content", b"")

    def path_chunked(self) -> None:
        parts = [CONTENT[:100], CONTENT[100:]]
        body = b"".join(f"{len(part):x};a=b\r\n".encode() + part + b"\r\n" for part in parts)
        self.answer("200 OK", body + b"0\r\nx-trailer: 1\r\n\r\n", "transfer-encoding: chunked\r\n")

    def path_to_the_end(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + CONTENT)
        self.close_connection = True

    def path_broken(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf")
        self.close_connection = True

    def path_silent(self) -> None:
        self.close_connection = True

    def path_interim(self) -> None:
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
        self.path_plain()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Tiny(ThreadingHTTPServer):
    """What it did, as (method, path, size of the body), and over which connections."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.done: list[tuple[str, str, int]] = []
        self.peers: set[tuple[str, int]] = set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A connection that breaks is what these tests are about."""


def told(proxy: FaultProxy, request: bytes, patience: float = 5, context: ssl.SSLContext | None = None):
    """What a client gets for these bytes, and how it ends: fin, rst, or silence for longer than its patience."""
    got = b""
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(proxy)), timeout=patience))
        if context is not None:
            client = stack.enter_context(
                context.wrap_socket(client, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
            )
        try:
            with contextlib.suppress(BrokenPipeError):
                client.sendall(request)
            while piece := client.recv(65536):
                got += piece
        except (ConnectionResetError, ssl.SSLEOFError):  # Python has the second for both an RST and a rude FIN
            return got, "rst"
        except TimeoutError:
            return got, "silence"
        return got, "fin"


def port_of(proxy: FaultProxy) -> int:
    return int(proxy.url.rpartition(":")[2])


def posted(body: bytes, path: str = "/work", *more: str) -> bytes:
    """The bytes of a POST request."""
    lines = "".join(f"{line}\r\n" for line in (f"content-length: {len(body)}", "host: appliance", *more))
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body
