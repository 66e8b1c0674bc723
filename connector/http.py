"""The one place where httpx is imported, so that its continuation can be swapped in; and its transport as we use it.

httpx imports its own command line when rich is installed, which takes 0.05 s and is never used here; it is kept out.
"""

import ssl
import sys

_KEPT_OUT = "httpx._main"
sys.modules.setdefault(_KEPT_OUT, None)  # type: ignore[arg-type]  # None makes the import fail, which httpx expects
import httpx  # noqa: E402  # after the line above, on purpose

if sys.modules.get(_KEPT_OUT) is None:
    del sys.modules[_KEPT_OUT]

from connector.network import Network  # noqa: E402  # httpcore, after httpx

__all__ = ["Transport", "httpx"]


class Transport(httpx.HTTPTransport):
    """A transport of one connection that keeps to a deadline: ``network.left`` gives the seconds of the exchange.

    httpx 0.28 has no argument for httpcore's backend, so it is put into the pool that the transport made.
    """

    def __init__(self, context: ssl.SSLContext, proxy: str | None = None) -> None:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30.0)
        through = None
        if proxy is not None:  # left to itself, httpcore would make a context for a proxy from the environment
            through = httpx.Proxy(proxy, ssl_context=context if proxy.startswith("https:") else None)
        super().__init__(verify=context, trust_env=False, limits=limits, proxy=through)
        self.network = Network()
        self._pool._network_backend = self.network  # noqa: SLF001
