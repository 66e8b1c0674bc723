"""A place on this machine that takes HTTP requests, keeps them, and answers as the test says; with TLS if wanted."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Place:
    """``base`` is its address; ``asked`` holds every request in order."""

    base: str
    asked: list[Asked]


@contextmanager
def place(answer: Callable[[Asked], Said], tls: ssl.SSLContext | None = None) -> Iterator[Place]:
    """Listen on a free port until the block ends; every connection is closed after its answer."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked.append(
                Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length))
            )
            said = answer(asked[-1])
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST  # noqa: N815  # the name that http.server looks for

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # server_close waits for them, so nothing is left open

        def handle_error(self, *_: object) -> None:
            """A client that hangs up, or does not trust us, is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Place(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
