"""A real HTTP server on loopback around the application: in a thread for tests, or in the foreground."""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from connector.emulator.pages.application import Application
from connector.emulator.pages.routes import RELEASES
from connector.emulator.product.state import Product

_HOST = "127.0.0.1"
_KEEP_ALIVE_SECONDS = 75  # as the usual proxies have it
_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class RunningAppliance:
    """An appliance that is being served; `product` may be looked into and arranged directly."""

    url: str
    token: str
    product: Product


class _Protocol(H11Protocol):
    """Shows the application its connection, so that a planned fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as its parent has it
        super().connection_made(transport)
        plain: socket.socket = transport.get_extra_info("socket")
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or head and body wait for each other
        application: Any = self.app

        async def connected(scope: Any, receive: Any, send: Any) -> None:
            scope["connection"] = transport
            await application(scope, receive, send)

        self.app = connected


class _Server(uvicorn.Server):
    """Tells when it is up, and ends at once when told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Wait for the end, instead of looking for it ten times a second."""
        self._loop = asyncio.get_running_loop()
        self.up.set()
        if not self.should_exit:
            await self._end.wait()

    def stop(self) -> None:
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)


@contextmanager
def serving(product: Product, *, port: int, release: str, tls: tuple[str, str] | None) -> Iterator[RunningAppliance]:
    """Serve from a thread until the block ends."""
    listener, server, appliance = _prepare(product, port, release, tls)
    thread = threading.Thread(target=server.run, args=([listener],), name="appliance", daemon=True)
    thread.start()
    try:
        if not server.up.wait(_START_SECONDS):
            raise RuntimeError("The appliance emulator did not start.")
        yield appliance
    finally:
        server.stop()
        thread.join()
        listener.close()
        product.close()


def serve_until_signal(
    product: Product, *, port: int, release: str, tls: tuple[str, str] | None, ready: Callable[[str, str], None]
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM, then return."""
    listener, server, appliance = _prepare(product, port, release, tls)

    def stop(_number: int, _frame: object) -> None:
        server.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    ready(appliance.url, appliance.token)
    try:
        _run_without_its_own_signals(server, listener)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        listener.close()
        product.close()


def _run_without_its_own_signals(server: _Server, listener: socket.socket) -> None:
    """Run in a thread: there uvicorn leaves signals alone, and would otherwise raise them again at its end."""
    thread = threading.Thread(target=server.run, args=([listener],), name="appliance")
    thread.start()
    while thread.is_alive():
        thread.join(0.2)


def _prepare(
    product: Product, port: int, release: str, tls: tuple[str, str] | None
) -> tuple[socket.socket, _Server, RunningAppliance]:
    if release not in RELEASES:
        raise ValueError(f"Unknown release {release!r}. Known: {', '.join(RELEASES)}.")
    listener = socket.create_server((_HOST, port), backlog=2048)
    scheme = "https" if tls else "http"
    url = f"{scheme}://{_HOST}:{listener.getsockname()[1]}"
    server = _Server(_config(Application(product, release=release, dated=True), tls))
    return listener, server, RunningAppliance(url, product.users.first.token, product)


def _config(application: Application, tls: tuple[str, str] | None) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        application,
        http=_Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
