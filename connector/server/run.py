"""The application behind a real socket: in a thread for the length of a block, or in the foreground until a signal."""

import asyncio
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from connector.errors import ConfigError, SpectraError
from connector.server.application import Alongside, application
from connector.server.keys import DEFAULT_SCOPES, Keys, Scope, generated
from connector.server.options import DEFAULT, Options
from connector.server.protocol import HEAD_BYTES, Protocol
from connector.settings import Settings

LOOPBACK: Final = "127.0.0.1"
KEEP_ALIVE_SECONDS: Final = 75
DRAIN_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Running:
    """A server that takes requests. ``api_key`` is the key that was made for it; None where keys were given."""

    url: str
    api_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server listens, and how long it ends what is under way when it is told to stop."""

    host: str = LOOPBACK
    port: int = 0
    drain_seconds: int = DRAIN_SECONDS
    tls: tuple[Path, Path] | None = None


class _Server(uvicorn.Server):
    """Tells when it is up, and waits to be stopped instead of looking for it ten times a second."""

    def __init__(self, config: uvicorn.Config, app: Starlette, when_up: Callable[[], None]) -> None:
        super().__init__(config)
        self._running, self._when_up = app, when_up
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._when_up()
        if not self.should_exit:
            await self._end.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to ``serve_until_signal``: uvicorn would raise them again at its end."""
        yield

    def stop(self) -> None:
        """Take nothing new, and end what is under way; told twice, break it off. Safe from any thread or handler."""
        again, self.should_exit = self.should_exit, True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._break_off if again else self._stop)

    def _stop(self) -> None:
        self._running.state.readiness.stopping = True
        self._end.set()

    def _break_off(self) -> None:
        for task in list(self.server_state.tasks):
            task.cancel()

    def serve_on(self, listener: socket.socket) -> None:
        """Serve until it is stopped; what kept it from starting is in the application's state."""
        try:
            self.run([listener])
        except SystemExit:  # how uvicorn says that the application did not start
            return


@contextmanager
def serving(
    settings: Settings,
    *,
    keys: Keys | None = None,
    port: int = 0,
    routes: Sequence[BaseRoute] = (),
    scopes: Iterable[Scope] = DEFAULT_SCOPES,
    options: Options = DEFAULT,
    drain_seconds: int = 1,
    alongside: Alongside = nullcontext,
) -> Iterator[Running]:
    """Serve on loopback from a thread until the block ends; without keys one is made, with these scopes.

    Raises:
        SpectraError: where the settings cannot be used, or the port is taken.
    """
    plain, keys = _keys(keys, scopes)
    app = application(settings, keys, routes=routes, options=options, alongside=alongside)
    up = threading.Event()
    with _listening(Place(port=port, drain_seconds=drain_seconds)) as (listener, url):
        server = _Server(_config(app, Place(drain_seconds=drain_seconds)), app, up.set)
        thread = threading.Thread(target=server.serve_on, args=(listener,), name="spectra-serve", daemon=True)
        thread.start()
        try:
            while not up.wait(0.02):
                if not thread.is_alive():
                    raise _failure(app)
            yield Running(url, plain)
        finally:
            server.stop()
            thread.join()


def serve_until_signal(
    settings: Settings,
    *,
    ready: Callable[[Running], None],
    keys: Keys | None = None,
    scopes: Iterable[Scope] = DEFAULT_SCOPES,
    place: Place | None = None,
    routes: Sequence[BaseRoute] = (),
    options: Options = DEFAULT,
    alongside: Alongside = nullcontext,
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM; ``ready`` is called when requests are taken.

    The first signal ends what is under way within ``drain_seconds``; a second one breaks it off. The metrics are open
    to whoever reaches the server on loopback, and else to those who have a key.

    Raises:
        SpectraError: where the settings or the certificate cannot be used, or the address is taken.
    """
    place = place or Place()
    plain, keys = _keys(keys, scopes)
    told = replace(options, open_metrics=is_loopback(place.host))
    app = application(settings, keys, routes=routes, options=told, alongside=alongside)
    with _listening(place) as (listener, url):
        server = _Server(_config(app, place), app, lambda: ready(Running(url, plain)))
        with _stopped_by_signals(server):
            server.serve_on(listener)
    if not server.started:
        raise _failure(app)


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _keys(keys: Keys | None, scopes: Iterable[Scope]) -> tuple[str | None, Keys]:
    if keys is not None:
        return None, keys
    plain, key = generated(scopes)
    return plain, Keys((key,))


@contextmanager
def _stopped_by_signals(server: _Server) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda _number, _frame: server.stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _listening(place: Place) -> Iterator[tuple[socket.socket, str]]:
    """The open socket, and the address under which it is reached."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        listener = socket.create_server((place.host, place.port), family=family, backlog=1024)
    except (OSError, UnicodeError) as problem:
        why = getattr(problem, "strerror", None) or "it is no address of this machine"
        raise ConfigError(f"the server cannot listen on port {place.port} of this address ({why})") from None
    host = f"[{place.host}]" if family == socket.AF_INET6 else place.host
    with listener:
        yield listener, f"{'https' if place.tls else 'http'}://{host}:{listener.getsockname()[1]}"


def _config(app: Starlette, place: Place) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=logging.CRITICAL,  # the gate writes the log
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=place.drain_seconds,
        ssl_certfile=place.tls[0] if place.tls else None,
        ssl_keyfile=place.tls[1] if place.tls else None,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError):
        problem = "the certificate and the key of the server must be readable PEM files that belong together"
    else:
        return config
    raise ConfigError(problem, hint="check --tls-cert and --tls-key")


def _failure(app: Starlette) -> SpectraError:
    failure: SpectraError | None = app.state.failure
    return failure or ConfigError("the server did not start; nothing was sent")
