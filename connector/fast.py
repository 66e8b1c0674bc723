"""Reads at full speed, with the [fast] extra: one aiohttp session, used without its cookies, environment or redirects.

Reads only: aiohttp cannot tell surely whether a request left, which the outcome of a submission depends on.
"""

import asyncio
import ssl
from functools import partial

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from connector import failures, tls
from connector.errors import SpectraError
from connector.exchange import CONNECT_SECONDS, Deadline, Wire
from connector.plan import Call, Reply
from connector.quiet import quiet
from connector.reader import Reader
from connector.wire import encoded, reply_of, target

CONNECTIONS = 256


class FastReads:
    """Sends the reads of one appliance; its session opens at the first one, on the loop that sends it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=_connector(self._wire.context),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        session._retry_connection = False  # noqa: SLF001  # aiohttp would send a GET twice for each attempt of ours
        return session

    async def send(self, call: Call, deadline: Deadline) -> Reply:
        """One read.

        Raises:
            SpectraError: for whatever goes wrong; without a traceback into the exchange, which holds the request.
        """
        if self._session is None:
            self._session = self._open()
        deadline.need(0)
        try:
            with quiet():
                return await self._exchange(self._session, call, deadline.left())
        except SpectraError as error:
            failed = error.with_traceback(None)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            failed = _failure(error, call)
        raise failed

    async def _exchange(self, session: aiohttp.ClientSession, call: Call, seconds: float) -> Reply:
        content, kind = encoded(call)
        headers = self._wire.headers(call, kind)
        url = URL(self._wire.settings.url + target(call), encoded=True)
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(CONNECT_SECONDS, seconds))
        async with session.request(
            call.method,
            url,
            headers=headers,
            data=content or None,
            allow_redirects=False,
            timeout=timeout,
            proxy=self._wire.settings.proxy,
        ) as response:
            found = response.headers
            reader = Reader(", ".join(found.getall("Content-Encoding", ())))
            await _read(response, reader, call)
            return reply_of(
                response.status,
                reader.body(),
                found.get("Content-Type", ""),
                found.get("Retry-After"),
                found.get("Date"),
                hidden=self._wire.hidden(call),
            )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _read(response: aiohttp.ClientResponse, reader: Reader, call: Call) -> None:
    """Feed a body to its reader; one whose framing is broken ended early, whatever follows."""
    try:
        async for chunk in response.content.iter_any():
            reader.feed(chunk)
    except (aiohttp.ClientError, ValueError):
        raise failures.cut(call) from None


class _Protocol(ResponseHandler):
    """Ends a body with its connection: aiohttp 3.14 waits on after a chunk that breaks the framing, to the deadline."""

    def connection_lost(self, exc: BaseException | None) -> None:
        body = self._payload
        super().connection_lost(exc)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError("the body broke the framing of HTTP"))


def _connector(context: ssl.SSLContext) -> aiohttp.TCPConnector:
    made = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context, keepalive_timeout=30.0)
    made._factory = partial(_Protocol, loop=asyncio.get_running_loop())  # type: ignore[assignment]  # noqa: SLF001
    return made


def _failure(error: Exception, call: Call) -> SpectraError:
    """What a failed read means. A read changes nothing, so every failure counts as not sent."""
    if isinstance(error, aiohttp.ClientSSLError):
        return tls.explain(str(error.os_error))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return failures.no_name(error.errno)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return failures.no_connection_in_time()
    if isinstance(error, TimeoutError):
        return failures.late(call)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return failures.proxy_refused(error.status)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return failures.proxy_refused()
    if isinstance(error, aiohttp.ClientConnectorError):
        return failures.no_connection()
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError):
        return failures.cut(call)
    return failures.no_http(call)
