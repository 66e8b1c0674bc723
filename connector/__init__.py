"""Dependable actions for a ReversingLabs Spectra Analyze appliance.

    from connector import Connector, Settings

    with Connector(Settings(url="https://appliance.example.com", token="...")) as connector:
        outcome = connector.run("get_ticloud_reputation", {"hash_value": "..."})

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from connector.version import __version__

if TYPE_CHECKING:
    from connector.async_client import AsyncConnector
    from connector.client import Connector
    from connector.errors import (
        ApplianceRefused,
        BadAnswer,
        ConfigError,
        InputRefused,
        OutcomeUnknown,
        ServerError,
        SpectraError,
        Unreachable,
        Violation,
    )
    from connector.outcome import Next, Outcome, Used
    from connector.settings import Settings
    from connector.verdict import File, Url, Verdict

_HOMES = {
    "client": ("Connector",),
    "async_client": ("AsyncConnector",),
    "settings": ("Settings",),
    "outcome": ("Next", "Outcome", "Used"),
    "verdict": ("File", "Url", "Verdict"),
    "errors": (
        "ApplianceRefused",
        "BadAnswer",
        "ConfigError",
        "InputRefused",
        "OutcomeUnknown",
        "ServerError",
        "SpectraError",
        "Unreachable",
        "Violation",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ApplianceRefused",
    "AsyncConnector",
    "BadAnswer",
    "ConfigError",
    "Connector",
    "File",
    "InputRefused",
    "Next",
    "Outcome",
    "OutcomeUnknown",
    "ServerError",
    "Settings",
    "SpectraError",
    "Unreachable",
    "Url",
    "Used",
    "Verdict",
    "Violation",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'connector' has no attribute {name!r}")
    value = getattr(import_module(f"connector.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
