"""Peers that say back what they were told: an appliance, a proxy and a login that repeat secrets wherever they can."""

import base64
import contextlib
import html
import json
import re
import socket
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote_plus

from tests.laboratory import RawServer
from tests.secrecy.canaries import BODY, CANARIES, HEADER

# What an answer holds of its own, to see that neither its body nor its headers get anywhere.
HTML: Final = f"<!doctype html><title>{BODY}</title>"
Made = Callable[[list[str]], bytes]


def told_in(request: bytes) -> list[str]:
    """The canaries that a request holds, in the clear, in a form, or in Basic credentials."""
    plain = request.decode("latin-1")
    shown = [plain, unquote_plus(plain)]
    for basic in re.findall(r"Basic ([A-Za-z0-9+/=]+)", plain):
        with contextlib.suppress(ValueError):
            shown.append(base64.b64decode(basic).decode())
    return [secret for secret in CANARIES.values() if any(secret in text for text in shown)]


def whole_request(connection: socket.socket, asked: bytes) -> bytes:
    """The request with all of its body, where its length is told."""
    head, _, body = asked.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        piece = connection.recv(65536)
        if not piece:
            break
        asked, missing = asked + piece, missing - len(piece)
    return asked


class Echo(RawServer):
    """Answers every request with what ``made`` makes of the secrets in it; ``requests`` keeps them in full."""

    def __init__(self, made: Made) -> None:
        self.requests: list[bytes] = []

        def answer(connection: socket.socket, asked: bytes) -> None:
            request = whole_request(connection, asked)
            self.requests.append(request)
            connection.sendall(made(told_in(request)))

        super().__init__(answer)

    def was_told(self, secret: str) -> bool:
        return any(secret in told_in(request) for request in self.requests)


def echoing(status: int, reason: str = "Echoed", body: str = "json", **headers: str) -> Made:
    """An answer that repeats secrets in its body, in its headers, in cookies, in its Location, and in its status line."""

    def made(secrets: list[str]) -> bytes:
        raw = " ".join(secrets) or "nothing"
        content = _json(secrets) if body == "json" else _page(raw) if body == "html" else b""
        first = re.sub("[^!-~]", "", raw)
        named = {
            "content-type": "application/json" if body == "json" else f"text/html; charset={first}",
            "x-echo": raw,
            "x-mark": HEADER,
            "www-authenticate": f'Token realm="{raw}"',
            "location": f"http://127.0.0.1:9/next?token={first}&mark={HEADER}",
            "retry-after": f"{first}-{HEADER}",
            "date": raw,
            "etag": f'"{first}"',
            **headers,
        }
        lines = [f"{name}: {value}" for name, value in named.items()]
        lines += [f"set-cookie: session={first}; Path=/; Domain={HEADER}", f"set-cookie: no name {HEADER}={first}"]
        lines += [f"content-length: {len(content)}", "connection: close"]
        told = "\r\n".join([f"HTTP/1.1 {status} {reason} {raw}", *lines])
        return told.encode("latin-1") + b"\r\n\r\n" + content

    return made


def _json(secrets: list[str]) -> bytes:
    words = " ".join(f"{s} | {quote_plus(s)} | {quote(s, safe='')} | {quote(s)} | {html.escape(s)}" for s in secrets)
    return json.dumps({"message": f"refused: {words}", "debug": [BODY, *secrets]}).encode()


def _page(raw: str) -> bytes:
    return f"{HTML}<pre>{html.escape(raw)} {raw}</pre>".encode()


def answering(status: int, value: Any) -> Made:
    """An answer that is the same to everyone."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    head = f"HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
    return lambda _: head.encode() + b"connection: close\r\n\r\n" + content
