"""What the operator of an action server chooses: its limits, and what it tells in its log."""

from dataclasses import dataclass
from typing import Final, Literal

MEBIBYTE: Final = 1 << 20
Log = Literal["json", "text", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Limits of one server.

    max_body: bytes of a request's body, JSON and multipart alike.
    body_seconds: a body must have come by then.
    max_concurrent: requests under way at once; health, metrics and the OpenAPI document are not counted.
    open_metrics: /metrics needs no key; for a server that only this machine reaches.
    """

    max_body: int = 64 * MEBIBYTE
    body_seconds: float = 60.0
    max_concurrent: int = 128
    open_metrics: bool = True
    log: Log = "none"


DEFAULT: Final = Options()
