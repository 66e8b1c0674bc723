"""One request and its answer, as values; the only place that speaks ASGI's dialect is `application`."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from connector.emulator.product.refusals import NoCredentials
from connector.emulator.product.state import Product
from connector.emulator.product.users import User

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
_JSON = ("content-type", "application/json")
_HTML = ("content-type", "text/html; charset=utf-8")


class ClientGone(Exception):
    """The client hung up while it was still sending."""


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    receive: Receive
    client: str | None = None
    signed_in: User | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    bytes_received: int = 0

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True)) if self.query_string else {}

    @property
    def user(self) -> User:
        if self.signed_in is None:
            raise NoCredentials("Authentication credentials were not provided.")
        return self.signed_in

    @property
    def announced_bytes(self) -> int:
        """What Content-Length says, 0 when it says nothing useful."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else 0

    async def chunks(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            self.bytes_received += len(chunk)
            more = message.get("more_body", False)
            if chunk:
                yield chunk


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Product, Request], Awaitable[Answer]]


def as_json(value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, json.dumps(value, separators=(",", ":")).encode(), (_JSON, *headers))


def as_html(text: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, text.encode(), (_HTML, *headers))


def as_text(text: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, text.encode(), (("content-type", "text/plain; charset=utf-8"), *headers))
