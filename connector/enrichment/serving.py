"""An enrichment that lives beside the action server: events are posted, enriched, written, and then answered for."""

import asyncio
import logging
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from connector.enrichment.measures import Measures
from connector.enrichment.order import STANDARD, Order, read_order
from connector.enrichment.running import Enrichment, assembled, require_possible
from connector.enrichment.webhook import Webhook
from connector.errors import ConfigError, SpectraError
from connector.settings import Settings

SETTLE: Final = 0.02  # seconds: a sender waits for its answer
LOOK: Final = 5.0  # seconds after which it is looked again what is left of the quota
OF_SOURCES: Final = ("source", "input", "follow", "replay", "group", "consumer", "claim_after")
_log: Final = logging.getLogger("connector.enrichment")


def order_from(path: Path) -> Order:
    """The order in a TOML file, whose names are those of ``Order`` without what is said of a source.

    Raises:
        ConfigError: when it cannot be read, says something of a source, or names no output but standard output.
        InputRefused: with everything in it that is not accepted.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise ConfigError(f"the file of --enrich cannot be read: {problem.strerror or 'no reason is given'}") from None
    except ValueError as problem:
        raise ConfigError(f"the file of --enrich must be TOML in UTF-8: {problem}") from None
    if named := [name for name in OF_SOURCES if name in values]:
        raise ConfigError(f"the file of --enrich must not name {', '.join(named)}: events come to POST /events")
    if values.get("output", STANDARD) == STANDARD:
        raise ConfigError("the file of --enrich must name where events go with output, which is not standard output")
    if values.get("shape") == "csv":
        raise ConfigError("the file of --enrich cannot set shape to csv: events come to POST /events as JSON or lines")
    return read_order(values)


class Posted:
    """The route of posted events, and the run behind it.

    Raises:
        ConfigError: for an order that the settings do not allow.
    """

    def __init__(self, settings: Settings, order: Order) -> None:
        require_possible(order, settings)
        self._settings, self._order = settings, order
        self._webhook = Webhook(order.max_line)
        self.route = self._webhook.route()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Measures]:
        """Run for as long as the server, which shows the metrics; senders are told when it fails.

        Raises:
            SpectraError: for what cannot be opened.
        """
        async with assembled(self._settings, self._order, source=self._webhook, settle=SETTLE) as made:
            self._webhook.stopping = made.pipeline.stop
            task = asyncio.create_task(made.run())
            task.add_done_callback(self._ended)
            watching = asyncio.create_task(_watch(made))
            try:
                await self._opened(task)
                yield Measures(made.counts)
            finally:
                made.pipeline.stop()
                watching.cancel()
                await asyncio.wait((task, watching))

    async def _opened(self, task: "asyncio.Task[None]") -> None:
        opened = asyncio.create_task(self._webhook.opened.wait())
        await asyncio.wait((opened, task), return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if task.done():
            task.result()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Tell those who wait, and the log of the server; of a defect only its kind, as it may hold what was sent."""
        failure = None if task.cancelled() else task.exception()
        self._webhook.end(failure)
        if failure is not None and self._webhook.opened.is_set():
            told = failure.message if isinstance(failure, SpectraError) else f"a defect, {type(failure).__name__}"
            _log.error("the enrichment of POST /events ended: %s", told)


async def _watch(made: Enrichment) -> None:
    """Keep what is left of the quota among the counts, for whoever looks at the metrics."""
    while True:
        with suppress(SpectraError):
            made.counts.quota_left = await made.left()
        await asyncio.sleep(LOOK)
