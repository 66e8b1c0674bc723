"""One exchange as values: the request of a call, the reply of a response, the error of a failure, and the deadline.

Requests go through httpx's transports (no client, so no redirects, cookies, environment or netrc).
"""

import io
import math
import os
import random
import re
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from connector import tls
from connector.errors import (
    ConnectFailed,
    DeadlineExceeded,
    Happened,
    InputRefused,
    SpectraError,
    Truncated,
    UnexpectedResponse,
    Violation,
)
from connector.http import httpx
from connector.plan import Call, Inspect, Pause, Reply, Sent
from connector.settings import Settings
from connector.version import __version__
from connector.wire import Reader, UploadBody, encoded, file_stat, reply_of, target

BYTES_PER_SECOND: Final = 1_000_000  # the slowest upload that the deadline allows for
LONGEST_READ: Final = 60.0
CONNECT_SECONDS: Final = 15.0


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
        self._plain = {"host": host, "accept": "application/json", "accept-encoding": "gzip", "user-agent": AGENT}

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
        url = Target(self.host, target(call))
        seconds = max(0.001, min(LONGEST_READ, deadline.left()))
        timeout = {"connect": min(CONNECT_SECONDS, seconds), "read": seconds, "write": seconds, "pool": seconds}
        extensions = {"timeout": timeout}
        if upload is not None:
            headers = self.headers(call, upload.content_type) | {"content-length": str(upload.length)}
            return httpx.Request(call.method, url, headers=headers, stream=Body(upload), extensions=extensions)
        content, kind = encoded(call)
        headers = self.headers(call, kind)
        return httpx.Request(call.method, url, headers=headers, content=content, extensions=extensions)

    def headers(self, call: Call, content_type: str | None) -> dict[str, str]:
        """The headers of one call, with the token where the call wants it."""
        made = dict(self._plain)
        if call.authorised and self.token is not None:
            made["authorization"] = f"Token {self.token}"
        if content_type is not None:
            made["content-type"] = content_type
        return made


AGENT: Final = f"spectra-analyze-connector/{__version__}"
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


def read_reply(response: httpx.Response, body: bytes, sent: Sent | None) -> Reply:
    kind, after, date = (_header(response, name) for name in (b"content-type", b"retry-after", b"date"))
    return reply_of(response.status_code, body, kind, after or None, date, sent)


def reader_of(response: httpx.Response) -> Reader:
    return Reader(_header(response, b"content-encoding").strip().lower())


def _failure(error: Exception, call: Call) -> SpectraError:
    """What a failed exchange means; ``outcome`` is not_sent only where that is certain, or nothing could change."""
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
    nonsense = isinstance(error, httpx.RemoteProtocolError) and not re.search("disconnected|closed", str(error))
    if isinstance(error, httpx.TransportError | OSError) and not nonsense:
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
