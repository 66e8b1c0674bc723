"""An enrichment that lives beside the action server: events are posted, enriched, written, and then answered for."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from connector.enrichment.order import Order, read_order
from connector.enrichment.running import assembled
from connector.enrichment.webhook import Webhook
from connector.errors import ConfigError, SpectraError
from connector.settings import Settings

SETTLE: Final = 0.02  # seconds: a sender waits for its answer


def order_from(path: Path) -> Order:
    """The order in a TOML file, whose names are those of ``Order`` without ``source``.

    Raises:
        ConfigError: when it cannot be read, names a source, or writes to standard output.
        InputRefused: with everything in it that is not accepted.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise ConfigError(f"the file of --enrich cannot be read: {problem}") from None
    if "source" in values or values.get("output", "-") == "-":
        raise ConfigError(
            "the file of --enrich names where events go with output, which is not standard output, and no source: "
            "they come to POST /events"
        )
    return read_order(values)


class Posted:
    """The route of posted events, and the run behind it."""

    def __init__(self, settings: Settings, order: Order) -> None:
        self._settings, self._order = settings, order
        self._webhook = Webhook()
        self.route = self._webhook.route()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run for as long as the server; senders are told when it fails."""
        async with assembled(self._settings, self._order, source=self._webhook, settle=SETTLE) as made:
            task = asyncio.create_task(made.run())
            task.add_done_callback(self._ended)
            try:
                yield
            finally:
                made.pipeline.stop()
                await asyncio.wait((task,))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._webhook.refuse(error if isinstance(error, SpectraError) else ConfigError("the enrichment failed"))
