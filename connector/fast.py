"""The transport of the [fast] extra: aiohttp under httpx's interface, for many reads at once.

aiohttp's own cookies, environment, redirects and decompression stay off; the TLS context is the appliance's.
"""

import ssl

import aiohttp
import httpx_aiohttp

from connector.http import httpx

CONNECTIONS = 256


def fast_transport(context: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """A transport that opens its session at the first request, on the loop that sends it."""

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context, keepalive_timeout=30.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )

    return httpx_aiohttp.AiohttpTransport(verify=context, trust_env=False, client=session)
