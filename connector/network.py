"""Blocking sockets that keep to one deadline: each operation gets the time that is left of the whole, and no more.

httpx's timeouts are for each read, so a peer that sends a byte now and then is never late for them: headers that drip,
endless 103 Early Hints, a body without end. Looking a name up is bounded as well, which the system's resolver is not.
"""

import ipaddress
import math
import queue
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

import httpcore

LONGEST: Final = 3600.0  # seconds for one operation, as sockets take no infinity
SLICE: Final = 1.0  # seconds after which a waiting operation looks whether it still may wait
_LINGER: Final = "hh" if sys.platform == "win32" else "ii"


class Network(httpcore.NetworkBackend):
    """The backend of one connection; ``left`` gives the seconds that the exchange under way has."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self.left: Callable[[], float] = lambda: math.inf

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that answers.

        Raises:
            httpcore.ConnectTimeout: when no address answered in time.
            httpcore.ConnectError: when none took the connection; from the socket.gaierror where the name is unknown.
        """
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in resolved(host, port, self.seconds(timeout)):
            seconds = self.seconds(timeout)
            try:
                made = self._inner.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return Stream(made, self)
        raise failure

    def seconds(self, timeout: float | None) -> float:
        """What is left for one operation; never 0, which would mean not to wait at all."""
        return max(0.001, min(self.left(), LONGEST if timeout is None else timeout, LONGEST))

    def may_wait(self) -> bool:
        return self.left() > 0


class Stream(httpcore.NetworkStream):
    """A connection whose reads and writes end when the exchange must end, or within a second of its cancellation."""

    def __init__(self, inner: httpcore.NetworkStream, network: Network) -> None:
        self._inner, self._network = inner, network
        self._unanswered = False

    def _drop_if_closed(self, unanswered: bool) -> None:
        """While a request is unanswered, closing the connection drops what the system has not sent of it yet.

        Else the system goes on sending what it took, after a crash as well: an upload would arrive whole that was
        looked for long before, and be sent twice.
        """
        plain = self._inner.get_extra_info("socket")
        if unanswered != self._unanswered and isinstance(plain, socket.socket):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, unanswered, 0))
            self._unanswered = unanswered

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            try:
                found = self._inner.read(max_bytes, min(SLICE, self._network.seconds(timeout)))
            except httpcore.ReadTimeout:
                if not self._network.may_wait():
                    raise
            else:
                self._drop_if_closed(unanswered=False)
                return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._drop_if_closed(unanswered=True)
        plain = self._socket()
        if plain is None:
            self._inner.write(buffer, self._network.seconds(timeout))
            return
        left = memoryview(buffer)
        while left:
            left = left[self._send(plain, left, timeout) :]

    def _send(self, plain: socket.socket, data: memoryview, timeout: float | None) -> int:
        plain.settimeout(min(SLICE, self._network.seconds(timeout)))
        try:
            return plain.send(data)
        except TimeoutError:
            if self._network.may_wait():
                return 0
            raise httpcore.WriteTimeout("the peer took no more") from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def _socket(self) -> socket.socket | None:
        """The socket to write to; None within TLS inside TLS, whose bytes do not go to it as they are."""
        plain = self._inner.get_extra_info("socket")
        secured = self._inner.get_extra_info("ssl_object")
        own = getattr(plain, "_sslobj", None)
        return plain if isinstance(plain, socket.socket) and (secured is None or secured is own) else None

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        made = self._inner.start_tls(ssl_context, server_hostname, self._network.seconds(timeout))
        return Stream(made, self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def resolved(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a host, within ``seconds``: the system's resolver knows no limit, so it runs in a thread."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return [host]
    answer: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()
    threading.Thread(target=_resolve, args=(host, port, answer), name="resolver", daemon=True).start()
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout("the name was not looked up in time") from None
    if isinstance(found, list):
        return found
    try:
        raise found
    except (OSError, UnicodeError) as error:  # as its context: httpcore cuts causes off
        raise httpcore.ConnectError("the name cannot be looked up") from error


def _resolve(host: str, port: int, answer: "queue.SimpleQueue[list[str] | Exception]") -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answer.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
    except (OSError, UnicodeError) as error:
        answer.put(error)
