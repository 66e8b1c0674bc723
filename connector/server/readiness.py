"""Whether actions can be run now: the journal opens and the appliance answered a moment ago."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from connector.async_client import AsyncConnector
from connector.errors import SpectraError, StateError
from connector.server.problems import Problem, own

FRESH_SECONDS: Final = 10.0  # an answer of the appliance counts for so long
AGAIN_SECONDS: Final = 2.0  # a failure is not asked about again before
MOST_SECONDS: Final = 5.0  # that the appliance has to answer


class Readiness:
    """Asks the appliance at most once at a time, and not more often than is needed; nobody is named or shown."""

    def __init__(self, connector: AsyncConnector, clock: Callable[[], float] = time.monotonic) -> None:
        self.stopping = False
        self._connector = connector
        self._clock = clock
        self._turn = asyncio.Lock()
        self._known: Problem | None = None
        self._until = float("-inf")

    async def problem(self) -> Problem | None:
        """Why actions cannot be run now; None where they can."""
        if self.stopping:
            return own("stopping", "the server ends what is under way and takes nothing new")
        async with self._turn:
            if self._clock() >= self._until:
                self._known = await self._look()
                self._until = self._clock() + (FRESH_SECONDS if self._known is None else AGAIN_SECONDS)
            return self._known

    async def _look(self) -> Problem | None:
        try:
            await asyncio.to_thread(self._open_journal)
            async with asyncio.timeout(MOST_SECONDS):
                await self._connector.run("test_connection")
        except TimeoutError:
            return _not_ready(f"the appliance did not answer within {MOST_SECONDS:g} seconds", AGAIN_SECONDS)
        except StateError:
            return _not_ready("the journal of operations cannot be opened", AGAIN_SECONDS)
        except SpectraError as error:
            return _not_ready(f"the appliance did not answer as it should ({error.code})", error.retry_after)
        return None

    def _open_journal(self) -> None:
        self._connector.journal.find("readiness")


def _not_ready(why: str, retry_after: float | None) -> Problem:
    after = AGAIN_SECONDS if retry_after is None else retry_after
    return own("not_ready", why, retry_after=after, hint="run spectra doctor where the server runs")
