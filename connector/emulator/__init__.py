"""The embedded appliance: a Spectra Analyze emulator written from the vendor's pages, independent of the connector.

Importing this module costs nothing; the server is loaded when it is asked for.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.emulator.pages.application import Application
    from connector.emulator.product.clock import Clock
    from connector.emulator.product.state import Product
    from connector.emulator.server import RunningAppliance
    from connector.emulator.switches import Switches

__all__ = ["Clock", "Product", "RunningAppliance", "Switches", "application", "run", "serve"]
_HOMES = {"Clock": "product.clock", "Product": "product.state", "RunningAppliance": "server", "Switches": "switches"}


def serve(
    *,
    port: int = 0,
    release: str = "9.6",
    token: str | None = None,
    switches: "Switches | None" = None,
    processing_seconds: float = 0.3,
    tls: tuple[str, str] | None = None,
) -> "AbstractContextManager[RunningAppliance]":
    """Serve an appliance on loopback from a thread, for the length of a `with` block."""
    from connector.emulator.product.state import Product  # noqa: PLC0415 - keeps the import cheap
    from connector.emulator.server import serving  # noqa: PLC0415 - as above

    product = Product(token=token, switches=switches, processing_seconds=processing_seconds)
    return serving(product, port=port, release=release, tls=tls)


def run(
    port: int,
    release: str,
    token: str | None,
    ready: Callable[[str, str], None],
    *,
    switches: "Switches | None" = None,
    processing_seconds: float = 0.3,
    tls: tuple[str, str] | None = None,
) -> None:
    """Serve an appliance in the foreground until SIGINT or SIGTERM; `ready` gets its address and token."""
    from connector.emulator.product.state import Product  # noqa: PLC0415 - keeps the import cheap
    from connector.emulator.server import serve_until_signal  # noqa: PLC0415 - as above

    product = Product(token=token, switches=switches, processing_seconds=processing_seconds)
    serve_until_signal(product, port=port, release=release, tls=tls, ready=ready)


def application(product: "Product", *, release: str = "9.6") -> "Application":
    """Give the ASGI application of an appliance, to be mounted anywhere."""
    from connector.emulator.pages.application import Application  # noqa: PLC0415 - keeps the import cheap

    return Application(product, release=release)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as above

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
