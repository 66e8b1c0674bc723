"""AsyncConnector, the face for asyncio: one action, many inputs at once, or a search page by page."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from connector.actions import find
from connector.actions.advanced_search import PAGE, Result, page_cursors
from connector.async_driver import AsyncDriver, Gate
from connector.check import checked
from connector.client import Params, Session, veiled
from connector.errors import SpectraError
from connector.outcome import Outcome
from connector.settings import Settings
from connector.stream import each
from connector.verdict import Verdict

if TYPE_CHECKING:
    from connector.journal import Journal

SEARCH: Final = "advanced_search"


class AsyncConnector:
    """Runs actions on one appliance under asyncio; use as an async context manager on one event loop.

    ``gate`` is awaited before every request, retries included; what it raises is what the action raises.
    """

    def __init__(self, settings: Settings, *, gate: Gate | None = None) -> None:
        self._session = Session(settings)
        self._driver = AsyncDriver(self._session.wire, gate=gate)

    async def run(
        self, name: str, params: Params | None = None, *, operation_id: str | None = None, in_doubt: bool = False
    ) -> Outcome:
        """Run one action to its outcome; as Connector.run."""
        params = veiled(params)
        action, ready = self._session.prepare(name, params, operation_id)
        await self._login()
        return await self._driver.run(self._session.plan(action, ready, operation_id, in_doubt=in_doubt))

    @property
    def journal(self) -> "Journal":
        """The journal of submissions and deletions; StateError when it cannot be opened."""
        return self._driver.blocking.intents.journal

    async def stream(
        self, name: str, inputs: Iterable[Params] | AsyncIterable[Params], *, at_once: int = 50, ordered: bool = True
    ) -> AsyncGenerator[tuple[Params, Outcome | SpectraError], None]:
        """Run one action on many inputs, ``at_once`` of them at a time: the bulk lane.

        Yields each input with its outcome, or with its error as a value, so that one bad input does not end the rest.
        """
        find(name)

        async def one(params: Params) -> Outcome | SpectraError:
            try:
                return await self.run(name, params)
            except SpectraError as error:
                return error

        async for pair in each(inputs, one, at_once, ordered=ordered):
            yield pair

    async def search_pages(self, params: Mapping[str, Any], *, prefetch: int = 8) -> AsyncGenerator[Outcome, None]:
        """Search page by page to the end, ``prefetch`` pages asked for ahead; an outcome for each page.

        Give ``sort``, so that the pages do not move; ``limit`` and ``cursor`` are not used. Memory does not grow with
        the number of pages. Ends at the last page, and where a page says the same as the one before.

        Raises:
            SpectraError: when a page fails; all pages before it were yielded.
        """
        cursors = page_cursors(checked(find(SEARCH), {**params, "limit": PAGE}))
        pages = self.stream(SEARCH, ({**params, "limit": PAGE, "cursor": c} for c in cursors), at_once=prefetch)
        before: tuple[Verdict, ...] = ()
        async with aclosing(pages):
            async for _, outcome in pages:
                if isinstance(outcome, SpectraError):
                    raise outcome
                if outcome.verdicts and outcome.verdicts == before:
                    return
                before = outcome.verdicts
                yield outcome
                if isinstance(outcome.result, Result) and outcome.result.cursor is None:
                    return

    async def _login(self) -> None:
        if self._session.needs_login():
            self._session.wire.token = await self._driver.run(self._session.login())

    async def close(self) -> None:
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
