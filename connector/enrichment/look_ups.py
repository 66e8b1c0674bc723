"""A finding for each subject: from the cache, or from the appliance, asked once however many events wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from connector.enrichment.counts import Counts
from connector.enrichment.lifetime import Lifetimes
from connector.enrichment.patience import Patience
from connector.enrichment.ports import Cache, Limiter
from connector.enrichment.values import Failure, Finding, Known, is_url
from connector.errors import (
    ApplianceRefused,
    BadRequest,
    CapacityError,
    CircuitOpen,
    InputRefused,
    MalformedResponse,
    QuotaError,
    ResponseMismatch,
    ResponseTooLarge,
    ServerError,
    SpectraError,
    TlsError,
    UnexpectedResponse,
    Unreachable,
)
from connector.outcome import Outcome

URL_ACTION: Final = "get_url_reputation"
OVER_QUOTA: Final = Failure("over_quota", "the budget of look-ups is used up for now; the event passes through")
_OF_THE_SUBJECT: Final = (InputRefused, BadRequest, MalformedResponse, ResponseMismatch, ResponseTooLarge)
_AWAY: Final = (Unreachable, ServerError, CapacityError, QuotaError, CircuitOpen, UnexpectedResponse)
LEASE: Final = 10.0  # seconds after which a look-up of a worker that died is another's; the living renew theirs
POLL: Final = 0.05  # seconds between two looks for what another worker finds, growing to LONGEST_POLL
LONGEST_POLL: Final = 0.5
QUOTA_SECONDS: Final = 900.0  # a used-up quota does not mend itself within seconds
PUT: Final = 64  # findings written to the cache at once, or as many as came in AGE seconds, as others wait for them
AGE: Final = 0.25
Answer = Finding | Failure


class Runs(Protocol):
    """What is needed of an AsyncConnector."""

    def run(self, name: str, params: dict[str, Any]) -> Awaitable[Outcome]: ...


@runtime_checkable
class Shared(Protocol):
    """A cache through which workers agree who asks for what."""

    async def claim(self, subjects: Sequence[str], seconds: float) -> frozenset[str]: ...

    async def release(self, subjects: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """Which action is run for a hash, how many look-ups at once, and for how long what it says is used."""

    action: str
    at_once: int
    lifetimes: Lifetimes
    passing: bool = False


class LookUps:
    """Findings for subjects, each asked for once. ``wall`` gives seconds since 1970, ``clock`` measures time."""

    def __init__(
        self,
        connector: Runs,
        cache: Cache,
        limiter: Limiter,
        terms: Terms,
        counts: Counts,
        patience: Patience,
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connector, self._cache, self._limiter = connector, cache, limiter
        self._terms, self._counts, self._patience = terms, counts, patience
        self._wall, self._sleep = wall, sleep
        self._flying: dict[str, asyncio.Future[Answer]] = {}
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._fresh: list[Finding] = []
        self._kept_at = 0.0
        self._workers: list[asyncio.Task[None]] = []
        self._claims: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._proven: set[str] = set()
        self._proving = asyncio.Lock()
        self._cause: SpectraError | None = None

    async def find(self, subjects: Sequence[str]) -> dict[str, Answer]:
        """What is known of each subject.

        Raises:
            SpectraError: when the appliance refuses all look-ups, or is away for longer than the patience lasts.
        """
        loop = asyncio.get_running_loop()
        mine = [subject for subject in subjects if subject not in self._flying]
        waited = {subject: self._flying[subject] for subject in subjects if subject in self._flying}
        for subject in mine:
            self._flying[subject] = waited[subject] = loop.create_future()
        try:
            await self._settle(mine)
            for future in waited.values():
                if not future.done():
                    await asyncio.wait((future,))
            return {subject: future.result() for subject, future in waited.items()}
        finally:
            for subject in mine:
                self._forget(subject)
            await self._keep(least=1)
            await self._release(self._claims.intersection(mine))

    def _forget(self, subject: str) -> None:
        future = self._flying.pop(subject, None)
        if future is not None and not future.cancel():
            with suppress(asyncio.CancelledError):
                future.exception()  # somebody saw it, or nobody waits for it

    async def _settle(self, subjects: Sequence[str]) -> None:
        """Answer from the cache what it has, and have the rest looked up, here or by another worker."""
        left = self._resolved(await self._cache.get(subjects), subjects)
        while left:
            ours = await self._claimed(left)
            for subject in left:
                if subject in ours:
                    self._ask(subject)
            left = [subject for subject in left if subject not in ours]
            if left:
                left = await self._wait_for_others(left)

    def _resolved(self, found: Any, subjects: Sequence[str]) -> list[str]:
        """Give what was found to those who wait; the subjects that are left."""
        for subject, finding in found.items():
            self._flying[subject].set_result(finding)
        self._counts.cached(len(found), found.values())
        return [subject for subject in subjects if subject not in found] if found else list(subjects)

    async def _claimed(self, subjects: Sequence[str]) -> frozenset[str]:
        """Those that are ours to look up; what another worker found between our look and our claim is taken from it."""
        if not isinstance(self._cache, Shared):
            return frozenset(subjects)
        ours = await self._cache.claim(subjects, LEASE)
        if not ours:
            return ours
        self._claims |= ours
        meanwhile = await self._cache.get(tuple(ours))
        self._resolved(meanwhile, ())
        await self._release(meanwhile)
        if self._claims and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.get_running_loop().create_task(self._renew())
        return ours

    async def _renew(self) -> None:
        """Keep what is claimed, however long the permits for it take."""
        while self._claims and isinstance(self._cache, Shared):
            await asyncio.sleep(LEASE / 3)
            await self._cache.claim(tuple(self._claims), LEASE)

    async def _release(self, subjects: Iterable[str]) -> None:
        """Let other workers ask about these."""
        given = [subject for subject in subjects if subject in self._claims]
        self._claims.difference_update(given)
        if given and isinstance(self._cache, Shared):
            await self._cache.release(given)

    async def _wait_for_others(self, subjects: Sequence[str]) -> list[str]:
        """Look into the cache until the others are done, or until they have had time enough to be asked after."""
        left, waited, pause = list(subjects), 0.0, POLL
        while left and waited < LEASE:
            await self._sleep(pause)
            waited, pause = waited + pause, min(LONGEST_POLL, pause * 1.5)
            left = self._resolved(await self._cache.get(left), left)
            if left and (gone := await self._claimed(left)):  # their worker gave up, or died
                for subject in gone:
                    self._ask(subject)
                left = [subject for subject in left if subject not in gone]
        return left

    def _ask(self, subject: str) -> None:
        if self._flying[subject].done():
            return
        self._queue.put_nowait(subject)
        if len(self._workers) < self._terms.at_once and self._queue.qsize() > 0:
            self._workers.append(asyncio.get_running_loop().create_task(self._work()))

    async def _work(self) -> None:
        """Take subjects one after the other; a worker ends when nothing is left."""
        me = asyncio.current_task()
        try:
            while not self._queue.empty():
                subject = self._queue.get_nowait()
                future = self._flying.get(subject)
                if future is None or future.done():
                    continue
                try:
                    answer = await self._looked_up(subject)
                except BaseException as error:
                    if not future.done():
                        future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
                    raise
                if not future.done():
                    future.set_result(answer)
                if isinstance(answer, Failure):
                    await self._release((subject,))  # a finding is released when it is in the cache
        except SpectraError:
            pass  # it is in the future of the subject, from where the run ends
        finally:
            self._workers.remove(me)  # type: ignore[arg-type]  # a task is running here

    async def _looked_up(self, subject: str) -> Answer:
        while True:
            begun = self._wall()
            try:
                outcome = await self._run(*self._question(subject))
            except _OF_THE_SUBJECT as error:
                self._counts.failed(error.code)
                if isinstance(error, InputRefused) and is_url(subject):
                    return Finding(subject, None, begun, begun)  # private: nobody is asked, and nothing is known
                return Failure(error.code, error.message)
            except _AWAY as error:
                if not isinstance(error, QuotaError) or not self._terms.passing:
                    await self._hold(error)
                    continue
                if error.status == 429:
                    await self._limiter.pause(error.retry_after or QUOTA_SECONDS)
                return OVER_QUOTA
            else:
                return await self._found(subject, outcome, begun)

    async def _run(self, name: str, params: dict[str, Any]) -> Outcome:
        """Run an action; the first goes alone, as it finds out what the appliance has, for all that come after."""
        if name in self._proven:
            return await self._connector.run(name, params)
        async with self._proving:
            if name not in self._proven:
                outcome = await self._connector.run(name, params)
                self._proven.add(name)
                return outcome
        return await self._connector.run(name, params)

    async def _hold(self, error: SpectraError) -> None:
        """Have all workers wait; raise the error where waiting is of no use, or has lasted too long."""
        self._counts.failed(error.code)
        if isinstance(error, TlsError) or (isinstance(error, ApplianceRefused) and not error.retryable):
            raise error
        if not isinstance(error, CircuitOpen):
            self._cause = error
        try:
            seconds = self._patience.failed(error)
        except CircuitOpen:
            raise self._cause or error from None  # an open circuit only repeats that something failed before
        await self._limiter.pause(seconds)
        await self._sleep(seconds)

    def _question(self, subject: str) -> tuple[str, dict[str, Any]]:
        return (URL_ACTION, {"url": subject}) if is_url(subject) else (self._terms.action, {"hash_value": subject})

    async def _found(self, subject: str, outcome: Outcome, begun: float) -> Finding:
        self._patience.worked()
        now = self._wall()
        verdict = outcome.verdicts[0] if outcome.verdicts else None
        known: Known = verdict.classification if verdict else "not_found"
        finding = Finding(subject, verdict, now, self._terms.lifetimes.until(known, now))
        self._counts.looked_up(known, now - begun, verdict.threat.family if verdict else None)
        self._fresh.append(finding)
        await self._keep(least=PUT if now - self._kept_at < AGE else 1)
        return finding

    async def _keep(self, least: int) -> None:
        """Write what was found to the cache, where there is enough of it to be worth the way."""
        if len(self._fresh) < least:
            return
        fresh, self._fresh, self._kept_at = self._fresh, [], self._wall()
        await self._cache.put(fresh)
        await self._release([finding.subject for finding in fresh])

    async def close(self) -> None:
        """Stop the look-ups under way; what was found is kept."""
        for worker in tuple(self._workers):
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._keep(least=1)
        await self._release(tuple(self._claims))
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
