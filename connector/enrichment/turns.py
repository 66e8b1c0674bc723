"""When a request may go to the appliance: the limiter's permit, taken one after the other, before every attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from connector.endpoints import CLASSIFICATION_V3
from connector.enrichment.counts import Counts
from connector.enrichment.ports import Limiter
from connector.errors import QuotaError
from connector.plan import Call

SOON: Final = 10.0  # a wait for the rate limit is shorter; one that is longer is for the quota or a pause


@dataclass(slots=True)
class Turns:
    """The gate of an AsyncConnector. With ``passing``, a wait that is not short is refused instead of waited for."""

    limiter: Limiter
    counts: Counts
    clock: Callable[[], float]
    passing: bool = False
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, call: Call) -> float:
        """Wait for a permit; the seconds that it took. The proof that an endpoint is there needs none.

        Raises:
            QuotaError: with ``retry_after``, when passing events on is preferred to waiting; nothing was sent.
        """
        if call == CLASSIFICATION_V3.probe:
            return 0.0
        begun = self.clock()
        async with self._turn:
            waited = False
            while (seconds := await self.limiter.take()) > 0:
                if self.passing and seconds > SOON:
                    raise QuotaError(
                        "the budget of look-ups allows the next one later; nothing was sent",
                        outcome="not_sent",
                        retry_after=seconds,
                    )
                waited = True
                await self.sleep(seconds)
        spent = self.clock() - begun
        if waited:
            self.counts.waited(spent)
        return spent
