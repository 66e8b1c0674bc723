"""Events that are posted to the action server: a source whose batches are requests, answered when they are out.

A request is answered 200 only when its events were written and made durable, so a sender that repeats what was not
answered loses nothing; the same key, or the same body, gives its events the same ids.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector.enrichment.bodies import Body, body_of
from connector.enrichment.memory import Recent
from connector.enrichment.values import Batch, Failure
from connector.errors import Happened, InputRefused, SpectraError, Violation
from connector.server.actions import operation_of
from connector.server.bodies import IN_A_THREAD, JSON, media_of, read_all, wrong_media
from connector.server.keys import require
from connector.server.openapi import OPERATION_PATTERN, SECURED, problems
from connector.server.problems import Problem, Refused, own
from connector.server.told import ToldRoute

NDJSON: Final = "application/x-ndjson"
WAITING: Final = 16  # requests whose events wait for their turn; more are told to come again
WAITING_BYTES: Final = 64 << 20  # of their bodies; one alone may be larger
MOST: Final = 1000  # events of one batch
KEYS: Final = 4096  # recent keys whose events are known again
NOTICE: Final = 0.25  # seconds after which those who wait see that the server is to stop
LATER: Final = 60.0  # seconds after which it is worth asking whether a run that ended was started again


@dataclass(slots=True, eq=False)
class _Post:
    """The events of one request, ``left`` batches of which are not out; the answer says why not, or is None."""

    name: str
    body: Body
    answer: asyncio.Future[Problem | None]
    left: int


class Webhook:
    """A source, and the route that feeds it. ``longest`` are the bytes that an event may have.

    ``stopping`` is called when a sender waits while the server is to stop, again and again.
    """

    origin = "webhook"

    def __init__(self, longest: int) -> None:
        self.opened = asyncio.Event()
        self.stopping: Callable[[], None] = lambda: None
        self._longest = longest
        self._queue: asyncio.Queue[_Post | None] = asyncio.Queue()
        self._bytes = 0
        self._parts: dict[int, _Post] = {}
        self._unanswered: set[_Post] = set()
        self._number = 0
        self._known: Recent[str, str] = Recent(KEYS)
        self._stopped = False
        self._failure: BaseException | None = None

    def route(self) -> ToldRoute:
        return ToldRoute("POST", "/events", self.take, _OPERATION)

    async def open(self, position: Any) -> None:
        """There is no place to go on from: whoever sends keeps what was not answered."""
        self.opened.set()

    async def batches(self) -> AsyncIterator[Batch | None]:
        """The events of one request after the other; after ``stop`` those that were taken before."""
        while (post := await self._queue.get()) is not None:
            self._bytes -= post.body.size
            for start in range(0, len(post.body.events), MOST):
                self._number += 1
                self._parts[self._number] = post
                yield self._batch(post, start)

    def _batch(self, post: _Post, start: int) -> Batch:
        events = post.body.events[start : start + MOST]
        ids = [f"{post.name}-{n}" for n in range(start, start + len(events))]
        told = f"the event is longer than {self._longest:,} bytes, which max_line can raise"
        broken = {n: Failure("too_long", told) for n, event in enumerate(events) if len(event) > self._longest}
        return Batch(events, self._number, self.origin, start, ids=ids, broken=broken or None)

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._queue.put_nowait(None)

    async def done(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            post = self._parts.pop(batch.position)
            post.left -= 1
            if not post.left:
                self._tell(post, None)

    def end(self, failure: BaseException | None = None) -> None:
        """The run is over: take no more, and tell those who wait that their events may not be out."""
        self._stopped, self._failure = True, failure
        for post in tuple(self._unanswered):
            self._tell(post, _ended(failure, taken=True))

    def _tell(self, post: _Post, problem: Problem | None) -> None:
        self._unanswered.discard(post)
        if not post.answer.done():
            post.answer.set_result(problem)

    async def close(self) -> None:
        self.end(self._failure)

    async def take(self, request: Request) -> Response:
        """POST /events: NDJSON, or a JSON array of events, or one event."""
        sender, media, key = require(request, "read").name, _media(request), operation_of(request)
        body = await _body(request, lines=media == NDJSON)
        if body.events:
            post = self._offered(body, f"{sender}/{key}" if key else None)
            while not post.answer.done():
                await asyncio.wait((post.answer,), timeout=NOTICE)
                if request.app.state.readiness.stopping:
                    self.stopping()
            problem = post.answer.result()
            if problem is not None:
                raise Refused(problem)
        return JSONResponse({"events": len(body.events)})

    def _offered(self, body: Body, key: str | None) -> _Post:
        if self._stopped:
            raise Refused(_ended(self._failure, taken=False))
        waiting = self._queue.qsize()
        if waiting >= WAITING or (waiting and self._bytes + body.size > WAITING_BYTES):
            raise Refused(_OVERLOADED)
        if key is not None:
            self._require_same(key, body)
        post = _Post(key or body.digest, body, asyncio.get_running_loop().create_future(), -(-len(body.events) // MOST))
        self._bytes += body.size
        self._unanswered.add(post)
        self._queue.put_nowait(post)
        return post

    def _require_same(self, key: str, body: Body) -> None:
        """Other events under the same ids would be taken for these, and lost."""
        if self._known.get(key) not in {None, body.digest}:
            told = "belongs to other events, which came before; give these a key of their own"
            raise InputRefused.of([Violation("/operation_id", told)])
        self._known.put(key, body.digest)


def _media(request: Request) -> str:
    media = media_of(request)
    if media not in {JSON, NDJSON}:
        raise wrong_media(NDJSON, JSON)
    return media


async def _body(request: Request, *, lines: bool) -> Body:
    data = await read_all(request)
    if len(data) > IN_A_THREAD:
        return await asyncio.to_thread(body_of, data, lines=lines)
    return body_of(data, lines=lines)


_OVERLOADED: Final = own(
    "overloaded",
    "too many events wait for their enrichment; these were not taken",
    retry_after=1.0,
    hint="send them again a little later",
)


def _ended(failure: BaseException | None, *, taken: bool) -> Problem:
    """Why events are not out: always a status that has senders come again, as the events are as good as before."""
    outcome: Happened = "unknown" if taken else "not_sent"
    told = "some of these events may be out" if taken else "these events were not taken"
    again = "send them again when the server is up again; they have the same ids then"
    if failure is None:
        return own("stopping", f"the server is stopping; {told}", outcome=outcome, retry_after=1.0, hint=again)
    if isinstance(failure, SpectraError):
        why = f"the enrichment ended; {told}: {failure.message}"
        return own("not_ready", why, outcome=outcome, retry_after=LATER, hint=failure.hint or again)
    return own("defect", f"the enrichment ended by a defect of its own; {told}", outcome=outcome, hint=again)


_TAKEN: Final = {"type": "object", "required": ["events"], "properties": {"events": {"type": "integer", "minimum": 0}}}
_OPERATION: Final[dict[str, Any]] = {
    "operationId": "enrich_events",
    "summary": "Enrich events",
    "description": "Answered when the events are written where the server was told to write them, so that what is "
    "not answered 200 can be sent again. Lines that are no event are in the dead-letter file then.",
    "tags": ["enrichment"],
    "x-required-scope": "read",
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Names these events: the same key again gives them the same ids. Left out, what they are "
            "names them, so that the same events have the same ids.",
            "schema": {"type": "string", "pattern": OPERATION_PATTERN},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            NDJSON: {"schema": {"type": "string", "description": "One event a line."}},
            JSON: {"schema": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "object"}]}},
        },
    },
    "responses": {"200": {"description": "How many events are out.", "content": {JSON: {"schema": _TAKEN}}}}
    | problems((*SECURED, 409)),
}
