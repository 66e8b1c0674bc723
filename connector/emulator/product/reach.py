"""Which hosts the emulator may fetch from: this machine's loopback, and nothing beyond."""

import ipaddress
from urllib.parse import urlsplit

NO_ROUTE = "The emulator has no route to this URL: load a sample for it, or use a loopback address."


def is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
