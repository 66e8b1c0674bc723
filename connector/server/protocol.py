"""HTTP/1.1 as uvicorn speaks it with h11, with a time for heads and for unread bodies, and problems in JSON."""

import asyncio
import socket
import uuid
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from connector.server.problems import MEDIA_TYPE, own

HEAD_SECONDS: Final = 20.0  # a request's head must have come by then
LINGER_SECONDS: Final = 10.0  # how long the rest of a body is read that was answered before it had come
HEAD_BYTES: Final = 32_768  # of the head of a request, and of anything else that h11 must have whole


class Protocol(H11Protocol):
    """One connection."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as its parent has it
        super().connection_made(transport)
        plain: socket.socket = transport.get_extra_info("socket")
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or head and body wait for each other
        self._set(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        answered = self.cycle is None or self.cycle.response_complete
        if not answered:
            self._set(None)
        elif self._timer is None:
            self._set(HEAD_SECONDS)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            self._set(LINGER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set(None)
        super().connection_lost(exc)

    def _set(self, seconds: float | None) -> None:
        """Close the connection after so many seconds; None: leave it open."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or too long to be a head, and close."""
        if self.transport.is_closing() or self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        told = f"this is not a request in HTTP/1.1, or its head has more than {HEAD_BYTES:,} bytes; nothing was done"
        body = own("malformed_request", told).body(f"urn:uuid:{uuid.uuid4()}")
        named = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), "connection": "close"}
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        events = (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
