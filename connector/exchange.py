"""One exchange as values: the request of a call, the reply of a response, the error of a failure, and the deadline.

Requests go through httpx's transports (no client, so no redirects, cookies, environment or netrc).
"""

import io
import math
import random
import re
import socket
import ssl
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from connector import failures, tls
from connector.errors import DeadlineExceeded, Happened, SpectraError
from connector.files import CHUNK, Opened, digest, opened
from connector.health import Health
from connector.http import httpx
from connector.plan import Call, Inspect, Pause, Reply, Sent
from connector.reader import Reader
from connector.settings import Settings
from connector.version import __version__
from connector.vocabulary import Veiled
from connector.wire import UploadBody, encoded, reply_of, target

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
    """What both lanes share for one appliance: its address, headers, TLS context, health and the clock."""

    def __init__(self, settings: Settings, token: SecretStr | None = None) -> None:
        self.settings = settings
        self.host = httpx.URL(settings.url)
        self.token = token
        self.clock: Callable[[], float] = time.monotonic
        self.random: Callable[[], float] = random.random
        self.health = Health(lambda: self.clock())  # noqa: PLW0108  # looked up each time, as a test sets another clock
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
        """How long to sleep.

        Raises:
            DeadlineExceeded: without sleeping, when the deadline comes first.
            CircuitOpen: when the retry after the pause costs more than the budget holds.
        """
        seconds = pause.seconds + self.random() * pause.jitter
        deadline.need(seconds)
        self.health.spend(pause.cost)
        return seconds

    def request(self, call: Call, deadline: Deadline, upload: UploadBody | None = None) -> httpx.Request:
        """The request of one call; query and headers are built here and nowhere else."""
        url = Target(self.host, target(call))
        seconds = max(0.001, min(LONGEST_READ, deadline.left()))
        timeout = {"connect": min(CONNECT_SECONDS, seconds), "read": seconds, "write": seconds, "pool": seconds}
        extensions = {"timeout": timeout}
        if upload is not None:
            headers = self.headers(call, upload.content_type, content_length=str(upload.length))
            return httpx.Request(call.method, url, headers=headers, stream=Body(upload), extensions=extensions)
        content, kind = encoded(call)
        headers = self.headers(call, kind)
        return httpx.Request(call.method, url, headers=headers, content=content, extensions=extensions)

    def headers(self, call: Call, content_type: str | None, content_length: str | None = None) -> Veiled:
        """The headers of one call, with the token where the call wants it; their repr shows none."""
        made = Veiled(self._plain)
        if call.authorised and self.token is not None:
            made["authorization"] = f"Token {self.token.get_secret_value()}"
        if content_type is not None:
            made["content-type"] = content_type
        if content_length is not None:
            made["content-length"] = content_length
        return made

    def hidden(self, call: Call) -> tuple[str, ...]:
        """What an answer to this call may repeat and no message may."""
        return call.secrets if self.token is None else (self.token.get_secret_value(), *call.secrets)


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
        file = Opened(io.BytesIO(upload.source), len(upload.source), lambda: True)
    else:
        file = opened(upload.source, settings.file_roots)
    with file.stream, deadline.extended(upload.content.size / BYTES_PER_SECOND):
        yield UploadBody(upload, file.stream, file.unchanged, lambda: deadline.need(0))


def seen(step: Inspect, deadline: Deadline, settings: Settings) -> Sent:
    """Read a file to its end; each mebibyte earns its time, as in an upload."""

    def go_on() -> None:
        deadline.ends += CHUNK / BYTES_PER_SECOND
        deadline.need(0)

    with deadline.extended(0):
        return digest(step.source, settings.file_roots, go_on)


def header(response: httpx.Response, name: bytes) -> str:
    """All values of a header by its lower-case name; httpx's own look-up decodes all headers each time."""
    found = [value.decode("latin-1") for key, value in response.headers.raw if key.lower() == name]
    return found[0] if len(found) == 1 else ", ".join(found)


def read_reply(response: httpx.Response, body: bytes, sent: Sent | None, hidden: tuple[str, ...]) -> Reply:
    kind, after, date = (header(response, name) for name in (b"content-type", b"retry-after", b"date"))
    return reply_of(response.status_code, body, kind, after or None, date, sent, hidden)


def reader_of(response: httpx.Response) -> Reader:
    return Reader(header(response, b"content-encoding"))


def failure(error: Exception, call: Call) -> SpectraError:
    """What a failed exchange means; ``outcome`` is not_sent only where that is certain, or nothing could change."""
    tls_error = _find(error, ssl.SSLError)
    if tls_error is not None and isinstance(error, httpx.ConnectError | ssl.SSLError):
        return tls.explain(str(tls_error))
    if isinstance(error, httpx.ProxyError):
        status = re.match(r"[0-9]{3}", str(error))
        return failures.proxy_refused(int(status[0]) if status else None)
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return failures.no_connection_in_time()
    if isinstance(error, httpx.ConnectError):
        unknown = _find(error, socket.gaierror)
        nameless = _find(error, UnicodeError)
        if unknown is None and nameless is None:
            return failures.no_connection()
        return failures.no_name(unknown.errno if isinstance(unknown, OSError) else None)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return failures.late(call)
    nonsense = isinstance(error, httpx.RemoteProtocolError) and not re.search("disconnected|closed|chunk", str(error))
    if isinstance(error, httpx.TransportError | OSError) and not nonsense:
        return failures.cut(call)
    return failures.no_http(call)


def _find(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, kind):
            return error
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None


def told(error: Exception, call: Call) -> SpectraError:
    """Whatever an exchange raised, as a SpectraError without traceback, cause or context: they hold the request.

    Raise it outside of any ``except`` block, or Python attaches the original again.
    """
    if isinstance(error, SpectraError):
        return failures.placed(error, call).with_traceback(None)
    if isinstance(error, NameError | AttributeError | TypeError | AssertionError):
        raise error  # a defect that must show
    return failure(error, call)


def bare(error: BaseException) -> BaseException:
    """An error without the frames that it came through, whose values are requests and answers, and with none behind it.

    A note says where a defect or an interruption was; what a SpectraError says is enough.
    """
    error.__cause__ = error.__context__ = None
    if isinstance(error, SpectraError):
        return error.with_traceback(None)
    places = [f"{f.name} ({Path(f.filename).name}:{f.lineno})" for f in traceback.extract_tb(error.__traceback__)]
    error.add_note(f"raised in {', '.join(places)}")
    return error.with_traceback(None)
