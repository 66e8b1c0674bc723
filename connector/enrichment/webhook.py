"""Events that are posted to the action server: a source whose batches are requests, answered when they are out.

A request is answered 200 only when its events were written and made durable, so a sender that repeats what was not
answered loses nothing; the same key, or the same body, gives its events the same ids.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector.enrichment.codec import dumps, loads
from connector.enrichment.values import Batch
from connector.errors import InputRefused, SpectraError, StateError, Violation
from connector.server.bodies import JSON, media_of, read_all, wrong_media
from connector.server.keys import allow, required
from connector.server.openapi import SECURED, problems
from connector.server.problems import refused
from connector.server.told import ToldRoute

NDJSON: Final = "application/x-ndjson"
WAITING: Final = 16  # requests whose events wait for their turn; more are told to come again
IDLE: Final = 0.5


class Webhook:
    """A source, and the route that feeds it."""

    origin = "webhook"

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Batch] = asyncio.Queue(WAITING)
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._number = 0
        self._stopped = asyncio.Event()
        self._failure: SpectraError | None = None

    def route(self) -> ToldRoute:
        return ToldRoute("POST", "/events", self.take, _OPERATION)

    async def open(self, position: Any) -> None:
        """Nothing to open: whoever sends keeps what was not answered."""

    async def batches(self) -> AsyncIterator[Batch | None]:
        while not self._stopped.is_set():
            try:
                yield await asyncio.wait_for(self._queue.get(), IDLE)
            except TimeoutError:
                yield None

    def stop(self) -> None:
        self._stopped.set()
        while not self._queue.empty():
            self.fail(StateError("the server is stopping; these events were not taken"), self._queue.get_nowait())

    async def done(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            future = self._answers.pop(batch.position, None)
            if future is not None and not future.done():
                future.set_result(None)

    def fail(self, error: SpectraError, *batches: Batch) -> None:
        """Tell the senders of these batches, or of all, that their events are not out."""
        for position in [batch.position for batch in batches] or list(self._answers):
            future = self._answers.pop(position, None)
            if future is not None and not future.done():
                future.set_exception(error)

    def refuse(self, error: SpectraError) -> None:
        """Take no more: the run behind it ended."""
        self._failure = error
        self.fail(error)

    async def close(self) -> None:
        self.fail(StateError("the server stopped before these events were out"))

    async def take(self, request: Request) -> Response:
        """POST /events: NDJSON, or a JSON array of events, or one event."""
        allow(required(request), "read")
        events = await _events(request)
        if not events:
            return JSONResponse({"events": 0})
        self._number += 1
        name = request.headers.get("idempotency-key") or hashlib.sha256(b"\n".join(events)).hexdigest()[:32]
        ids = [f"{name}-{n}" for n in range(len(events))]
        batch = Batch(events, self._number, self.origin, ids=ids)
        future = self._answers[batch.position] = asyncio.get_running_loop().create_future()
        try:
            self._offer(batch)
            await future
        finally:
            self._answers.pop(batch.position, None)
            with suppress(asyncio.CancelledError):
                _ = future.exception() if future.done() else None
        return JSONResponse({"events": len(events)})

    def _offer(self, batch: Batch) -> None:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        if self._stopped.is_set():
            raise refused("stopping", "the server is stopping; nothing was done", hint="send them again later")
        try:
            self._queue.put_nowait(batch)
        except asyncio.QueueFull:
            raise refused(
                "overloaded",
                "too many events wait for their enrichment; these were not taken",
                retry_after=1.0,
                hint="send them again a little later",
            ) from None


async def _events(request: Request) -> list[bytes]:
    """The events of a body, each as it came where it is a line; those of an array are written anew."""
    media = media_of(request)
    if media not in {JSON, NDJSON}:
        raise wrong_media(NDJSON, JSON)
    body = await read_all(request)
    if media == NDJSON:
        return [line for line in body.split(b"\n") if line.strip()]
    try:
        value = loads(body)
    except ValueError:
        raise InputRefused.of([Violation("", "must be JSON in UTF-8: an array of events, or one event")]) from None
    if isinstance(value, list):
        return [dumps(event) for event in value]
    return [body.replace(b"\n", b" ").replace(b"\r", b" ")]


_TAKEN: Final = {"type": "object", "required": ["events"], "properties": {"events": {"type": "integer", "minimum": 0}}}
_OPERATION: Final[dict[str, Any]] = {
    "operationId": "enrich_events",
    "summary": "Enrich events",
    "description": "Answered when the events are written where the server was told to write them, so that what is "
    "not answered 200 can be sent again. The same Idempotency-Key, or the same body, gives the same event ids.",
    "tags": ["enrichment"],
    "x-required-scope": "read",
    "requestBody": {
        "required": True,
        "content": {
            NDJSON: {"schema": {"type": "string", "description": "One event a line."}},
            JSON: {"schema": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "object"}]}},
        },
    },
    "responses": {"200": {"description": "How many events are out.", "content": {JSON: {"schema": _TAKEN}}}}
    | problems(SECURED),
}
