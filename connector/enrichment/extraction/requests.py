"""The URL of a request that a sensor saw on the wire, where it logs host and path apart."""

from typing import Any, Final

from connector.enrichment.extraction.rules import Hits, put
from connector.enrichment.extraction.subjects import is_address

_HTTP: Final = 80


def address_of(host: Any, path: Any, port: Any, method: Any) -> str | None:
    """The URL of a request; None where it has none, as with CONNECT and ``OPTIONS *``. A path may be a URL itself."""
    if type(path) is not str or method == "CONNECT":
        return None
    if is_address(path):
        return path
    if type(host) is not str or not host or not path.startswith("/"):
        return None
    if ":" in host and not host.startswith("["):
        name, _, end = host.rpartition(":")
        host = host if end.isdigit() and ":" not in name else f"[{host}]"
    if type(port) is int and port != _HTTP and not host.endswith(f":{port}"):
        host = f"{host}:{port}"
    url = f"http://{host}{path}"
    return url if is_address(url) else None


def suricata_rule(http: Any, hits: Hits) -> int:
    """EVE's ``http``: ``hostname``, ``url`` and, where the Host header names one, ``http_port``."""
    if type(http) is dict:
        url = address_of(http.get("hostname"), http.get("url"), http.get("http_port"), http.get("http_method"))
        if url is not None:
            put(hits, "http.url", url)
    return 0


def zeek_rule(event: Any, hits: Hits) -> int:
    """Zeek's http.log: ``host`` is without its port, which is ``id.resp_p`` (as its own ``HTTP::build_url`` has it)."""
    if type(event) is dict and "uri" in event:
        port = event.get("id.resp_p")
        if port is None and type(event.get("id")) is dict:
            port = event["id"].get("resp_p")
        url = address_of(event.get("host"), event["uri"], port, event.get("method"))
        if url is not None:
            put(hits, "uri", url)
    return 0
