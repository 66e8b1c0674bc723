"""The only file that does I/O: it runs plans, sync and async, over httpx, within one deadline for the whole plan.

Both lanes send through the transport itself (no client, so no redirects, cookies, environment or netrc). httpx is
imported here and nowhere else in the connector, so that its continuation can be swapped in at this one place.
"""

import asyncio
import io
import itertools
import math
import os
import random
import ssl
import stat
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, TypeVar, cast
from urllib.parse import urlencode

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx's own command line, which imports rich: 50 ms
import httpx  # noqa: E402  # after the line above, on purpose

if sys.modules.get("httpx._main") is None:
    del sys.modules["httpx._main"]

from connector import tls  # noqa: E402
from connector.errors import (  # noqa: E402
    ConnectFailed,
    DeadlineExceeded,
    Happened,
    InputRefused,
    SpectraError,
    Truncated,
    UnexpectedResponse,
    Violation,
)
from connector.plan import Call, Inspect, Pause, Plan, Reply, Sent, Step  # noqa: E402
from connector.settings import Settings  # noqa: E402
from connector.wire import Reader, UploadBody, encoded, file_stat, read_answered_at, read_json, rfc3339  # noqa: E402

T = TypeVar("T")
Transport = TypeVar("Transport", httpx.HTTPTransport, httpx.AsyncHTTPTransport)
SHARDS: Final = 10
POOL: Final = 10  # httpcore's pool is quadratic in its connections and loses requests above this size
BYTES_PER_SECOND: Final = 1_000_000  # the slowest upload that the deadline allows for
LONGEST_READ: Final = 60.0


@dataclass(slots=True)
class Deadline:
    """Seconds left for a whole plan, on a monotonic clock; an upload earns more for its size."""

    ends: float
    clock: Callable[[], float]

    def left(self) -> float:
        return self.ends - self.clock()

    @contextmanager
    def extended(self, seconds: float) -> Iterator[None]:
        """More time for a transfer; what is left afterwards is no more than was left before."""
        left = self.left()
        self.ends += seconds
        try:
            yield
        finally:
            self.ends = min(self.ends, self.clock() + left)

    def cancel(self) -> None:
        """End it now, so that a transfer in another thread breaks off."""
        self.ends = -math.inf

    def need(self, seconds: float, outcome: Happened = "not_sent") -> None:
        """Raise DeadlineExceeded unless more than ``seconds`` are left."""
        if self.left() <= seconds:
            raise DeadlineExceeded("the deadline of this action passed (deadline_seconds)", outcome=outcome)


class Target(httpx.URL):
    """A path of a known origin. The path comes encoded from a plan, so it is not parsed and checked once more.

    Uses how httpx 0.28 keeps a URL (the version is pinned for it, and a test compares with ``httpx.URL``).
    """

    def __init__(self, origin: httpx.URL, target: str) -> None:
        path, mark, query = target.partition("?")
        self._uri_reference = origin._uri_reference._replace(path=path, query=query if mark else None)  # noqa: SLF001


class Wire:
    """What both lanes share for one appliance: its address, headers, TLS context and the clock."""

    def __init__(self, settings: Settings, token: str | None = None) -> None:
        self.settings = settings
        self.host = httpx.URL(settings.url)
        self.token = token
        self.clock: Callable[[], float] = time.monotonic
        self.random: Callable[[], float] = random.random
        self.context = self._context()
        host = self.host.netloc.decode("ascii")
        self._plain = httpx.Headers(
            {"host": host, "accept": "application/json", "accept-encoding": "gzip", "user-agent": AGENT}
        )
        self._with_token: httpx.Headers | None = None
        self._token_in_headers: str | None = None

    def _context(self) -> ssl.SSLContext:
        s = self.settings
        if self.host.scheme == "http":
            return _NO_TLS
        pem = s.ca_pem
        return tls.context(
            tls.readable(s.ca_file), pem, s.certificate_sha256, s.verify_tls, tls.readable(s.client_cert)
        )

    def deadline(self) -> Deadline:
        return Deadline(self.clock() + self.settings.deadline_seconds, self.clock)

    def seconds(self, pause: Pause, deadline: Deadline) -> float:
        """How long to sleep; raises DeadlineExceeded, without sleeping, when the deadline comes first."""
        seconds = pause.seconds + self.random() * pause.jitter
        deadline.need(seconds)
        return seconds

    def request(self, call: Call, deadline: Deadline, upload: UploadBody | None = None) -> httpx.Request:
        """The request of one call; query and headers are built here and nowhere else."""
        target = call.path + ("?" + urlencode(call.query) if call.query else "")
        url = Target(self.host, target)
        headers = self._headers(call)
        seconds = max(0.001, min(LONGEST_READ, deadline.left()))
        timeout = {"connect": min(15.0, seconds), "read": seconds, "write": seconds, "pool": seconds}
        extensions = {"timeout": timeout}
        if upload is not None:
            headers["content-type"] = upload.content_type
            headers["content-length"] = str(upload.length)
            return httpx.Request(call.method, url, headers=headers, stream=Body(upload), extensions=extensions)
        content, kind = encoded(call)
        if kind:
            headers["content-type"] = kind
        return httpx.Request(call.method, url, headers=headers, content=content, extensions=extensions)

    def _headers(self, call: Call) -> httpx.Headers:
        """A copy of the headers that every request has, with the token where the call wants it."""
        if not call.authorised or self.token is None:
            return self._plain.copy()
        if self._with_token is None or self._token_in_headers != self.token:
            self._token_in_headers = self.token
            self._with_token = httpx.Headers({**self._plain, "authorization": f"Token {self.token}"})
        return self._with_token.copy()


AGENT: Final = "spectra-analyze-connector"
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Body(httpx.SyncByteStream):
    """An upload as httpx wants it: a stream that is read once."""

    def __init__(self, upload: UploadBody) -> None:
        self.upload = upload

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.upload)


@contextmanager
def upload_of(call: Call, deadline: Deadline, settings: Settings) -> Iterator[UploadBody | None]:
    """The upload of a call, with its file open for as long as it is needed; None where there is none."""
    upload = call.upload
    if upload is None:
        yield None
        return
    if isinstance(upload.source, bytes):
        stream: BinaryIO = io.BytesIO(upload.source)
        size, unchanged = len(upload.source), lambda: True
    else:
        stream, size, unchanged = _open(upload.source, settings.file_roots)
    with stream, deadline.extended(size / BYTES_PER_SECOND):
        yield UploadBody(upload, stream, size, unchanged, lambda: deadline.need(0))


def inspect(step: Inspect, settings: Settings) -> None:
    """Refuse a source that cannot be submitted; sends nothing.

    Raises:
        InputRefused: naming ``/file`` or ``/content_base64``.
    """
    if isinstance(step.source, bytes):
        if not step.source:
            raise InputRefused.of([Violation("/content_base64", "must hold at least one byte")])
        return
    stream, size, _ = _open(step.source, settings.file_roots)
    stream.close()
    if size == 0:
        raise _unreadable("must hold at least one byte")


def _open(path: Path, roots: tuple[Path, ...] | None) -> tuple[BinaryIO, int, Callable[[], bool]]:
    """A regular file, open for reading, with its size and a check that it did not change since."""
    try:
        real = path.expanduser().resolve(strict=True)
        if roots is not None and not any(real.is_relative_to(root.expanduser().resolve()) for root in roots):
            raise _unreadable("must lie inside one of the folders of the setting file_roots")
        before = file_stat(real)
        descriptor = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError, RuntimeError):
        raise _unreadable("must be a file that exists and can be read") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unreadable("must be a regular file, not a folder or a device")

    def unchanged() -> bool:
        try:
            return file_stat(real) == before
        except OSError:
            return False

    return os.fdopen(descriptor, "rb", buffering=0), before[2], unchanged


def _unreadable(message: str) -> InputRefused:
    return InputRefused.of([Violation("/file", message)])


def _header(response: httpx.Response, name: bytes) -> str:
    """A header by its lower-case name; httpx's own look-up decodes all of them each time."""
    return next((value.decode("latin-1") for key, value in response.headers.raw if key.lower() == name), "")


def _reply(response: httpx.Response, body: bytes, sent: Sent | None) -> Reply:
    value, is_json = read_json(body)
    return Reply(
        status=response.status_code,
        json=value,
        is_json=is_json,
        content_type=_header(response, b"content-type"),
        size=len(body),
        retry_after=_header(response, b"retry-after") or None,
        answered_at=read_answered_at(_header(response, b"date")) or rfc3339(datetime.now(UTC)),
        sent=sent,
    )


def _reader(response: httpx.Response) -> Reader:
    return Reader(_header(response, b"content-encoding").strip().lower())


def _failure(error: Exception, call: Call) -> SpectraError:
    """What a failed exchange means; ``outcome`` is not_sent only where that is certain, or nothing could change."""
    if isinstance(error, SpectraError):
        return error
    tls_error = _find(error, ssl.SSLError)
    if tls_error is not None and isinstance(error, httpx.ConnectError | ssl.SSLError):
        return tls.explain(str(tls_error))
    if isinstance(error, httpx.ProxyError):
        return ConnectFailed("the proxy refused the connection, not the appliance; nothing was sent")
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return ConnectFailed("the appliance did not accept a connection in time; nothing was sent")
    if isinstance(error, httpx.ConnectError):
        return _no_connection(str(error))
    outcome = unanswered(call)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return DeadlineExceeded("the appliance did not answer in time", outcome=outcome)
    if isinstance(error, httpx.TransportError | OSError):
        return Truncated("the connection ended before the answer was complete", outcome=outcome)
    return UnexpectedResponse("the exchange with the appliance broke a rule of HTTP", outcome=outcome)


def unanswered(call: Call) -> Happened:
    """What an exchange without a complete answer did: a read changes nothing, all else is unknown."""
    return "not_sent" if call.effect == "read" else "unknown"


def _no_connection(text: str) -> ConnectFailed:
    lowered = text.lower()
    if "name or service not known" in lowered or "nodename nor servname" in lowered or "getaddrinfo" in lowered:
        return ConnectFailed("the host name of the appliance does not exist; nothing was sent", retryable=False)
    return ConnectFailed("no connection to the appliance could be made; nothing was sent")


def _find(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, kind):
            return error
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None


@contextmanager
def mapped(call: Call) -> Iterator[None]:
    """Whatever an exchange raises leaves as a SpectraError without a cause: a cause would hold the request."""
    try:
        yield
    except (SpectraError, NameError, AttributeError, TypeError, AssertionError):
        raise  # ours: already told, or a defect that must show
    except Exception as error:  # noqa: BLE001  # the one boundary; _failure knows every kind and the rest is UnexpectedResponse
        raise _failure(error, call) from None


class Driver:
    """Runs plans for one appliance, blocking; connections are kept and shared between threads."""

    def __init__(self, wire: Wire, sleep: Callable[[float], None] = time.sleep) -> None:
        self.wire = wire
        self._sleep = sleep
        self._reads = _transport(httpx.HTTPTransport, wire, POOL)
        self._changes = _transport(httpx.HTTPTransport, wire, 0)

    def run(self, plan: Plan[T], deadline: Deadline | None = None) -> T:
        """Run a plan to its end; raises what the plan raises."""
        deadline = deadline or self.wire.deadline()
        try:
            step = next(plan)
            while True:
                try:
                    reply = self.perform(step, deadline)
                except SpectraError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(reply)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # Generator's return type is lost on StopIteration
        finally:
            plan.close()

    def perform(self, step: Step, deadline: Deadline) -> Reply | None:
        if isinstance(step, Pause):
            self._sleep(self.wire.seconds(step, deadline))
            return None
        if isinstance(step, Inspect):
            inspect(step, self.wire.settings)
            return None
        return self.send(step, deadline)

    def send(self, call: Call, deadline: Deadline) -> Reply:
        """One exchange. Submissions and deletions go over a fresh connection, so that none is lost to a stale one."""
        transport = self._reads if call.effect == "read" else self._changes
        with upload_of(call, deadline, self.wire.settings) as upload, mapped(call):
            deadline.need(0)
            response = transport.handle_request(self.wire.request(call, deadline, upload))
            try:
                reader = _reader(response)
                for chunk in cast("httpx.SyncByteStream", response.stream):
                    reader.feed(chunk)
                    deadline.need(0, unanswered(call))
            finally:
                response.close()
            return _reply(response, reader.body(), upload.sent if upload else None)

    def close(self) -> None:
        self._reads.close()
        self._changes.close()


class AsyncDriver:
    """Runs plans for one appliance under asyncio; reads on the loop, submissions in a worker thread.

    A submission reads its file and hashes it, which must not hold the loop; and only the blocking transport tells
    surely whether a request left, which a submission's outcome depends on.
    """

    def __init__(self, wire: Wire, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.wire = wire
        self._sleep = sleep
        self._reads = _async_transport(wire)
        self._blocking = Driver(wire)

    async def run(self, plan: Plan[T]) -> T:
        """Run a plan to its end; raises what the plan raises."""
        deadline = self.wire.deadline()
        try:
            step = next(plan)
            while True:
                try:
                    reply = await self.perform(step, deadline)
                except SpectraError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(reply)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # Generator's return type is lost on StopIteration
        finally:
            plan.close()

    async def perform(self, step: Step, deadline: Deadline) -> Reply | None:
        if isinstance(step, Pause):
            await self._sleep(self.wire.seconds(step, deadline))
            return None
        if isinstance(step, Inspect):
            inspect(step, self.wire.settings)
            return None
        if step.effect == "read":
            return await self.send(step, deadline)
        try:
            return await asyncio.to_thread(self._blocking.send, step, deadline)
        except asyncio.CancelledError:
            deadline.cancel()
            raise

    async def send(self, call: Call, deadline: Deadline) -> Reply:
        """One read."""
        with mapped(call):
            deadline.need(0)
            async with asyncio.timeout(deadline.left()):
                response = await self._reads.handle_async_request(self.wire.request(call, deadline))
                try:
                    reader = _reader(response)
                    async for chunk in cast("httpx.AsyncByteStream", response.stream):
                        reader.feed(chunk)
                finally:
                    await response.aclose()
            return _reply(response, reader.body(), None)

    async def close(self) -> None:
        await self._reads.aclose()
        self._blocking.close()


def _transport(kind: type[Transport], wire: Wire, kept: int) -> Transport:
    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=kept, keepalive_expiry=30.0)
    return kind(verify=wire.context, trust_env=False, limits=limits, proxy=wire.settings.proxy)


def _async_transport(wire: Wire) -> httpx.AsyncBaseTransport:
    """The [fast] transport where it is installed and no proxy is asked for, else shards of httpx's own."""
    try:
        from connector.fast import fast_transport  # noqa: PLC0415  # an extra
    except ImportError:
        return _Shards([_transport(httpx.AsyncHTTPTransport, wire, POOL) for _ in range(SHARDS)])
    if wire.settings.proxy is not None:
        return _Shards([_transport(httpx.AsyncHTTPTransport, wire, POOL) for _ in range(SHARDS)])
    return fast_transport(wire.context)


class _Shards(httpx.AsyncBaseTransport):
    """Several small pools in turn: httpcore's pool slows down with the square of its connections."""

    def __init__(self, transports: list[httpx.AsyncHTTPTransport]) -> None:
        self._transports = transports
        self._turn = itertools.cycle(transports)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await next(self._turn).handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._transports:
            await transport.aclose()
