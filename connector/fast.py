"""Reads at full speed, with the [fast] extra: one aiohttp session, used without its cookies, environment or redirects.

Reads only: aiohttp cannot tell surely whether a request left, which the outcome of a submission depends on.
"""

import aiohttp
from yarl import URL

from connector import failures, tls
from connector.errors import SpectraError
from connector.exchange import CONNECT_SECONDS, Deadline, Wire
from connector.plan import Call, Reply
from connector.reader import Reader
from connector.wire import encoded, reply_of, target

CONNECTIONS = 256


class FastReads:
    """Sends the reads of one appliance; its session opens at the first one, on the loop that sends it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._wire.context, keepalive_timeout=30.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def send(self, call: Call, deadline: Deadline) -> Reply:
        """One read.

        Raises:
            SpectraError: for whatever goes wrong; without a traceback into the exchange, which holds the request.
        """
        if self._session is None:
            self._session = self._open()
        deadline.need(0)
        try:
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
            async for chunk in response.content.iter_any():
                reader.feed(chunk)
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
