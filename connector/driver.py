"""Runs plans for one appliance, blocking, within one deadline for the whole plan."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from connector.errors import SpectraError
from connector.exchange import Deadline, Wire, inspect, mapped, read_reply, reader_of, unanswered, upload_of
from connector.http import httpx
from connector.plan import Call, Inspect, Pause, Plan, Reply, Step

T = TypeVar("T")


class Driver:
    """Runs plans for one appliance, blocking. Safe to share between threads.

    Reads take a connection from a stack and put it back; each is an httpx transport of its own, because httpcore's pool
    is quadratic in its connections and can lose a request that waits for one. Submissions and deletions get a fresh
    connection, so that none is lost to a stale one.
    """

    def __init__(self, wire: Wire, sleep: Callable[[float], None] = time.sleep) -> None:
        self.wire = wire
        self._sleep = sleep
        self._idle: list[httpx.BaseTransport] = []

    def run(self, plan: Plan[T], deadline: Deadline | None = None) -> T:
        """Run a plan to its end; raises what the plan raises."""
        deadline = deadline or self.wire.deadline()
        try:
            step = next(plan)
            while True:
                try:
                    reply = self.perform(step, deadline)
                except SpectraError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(reply)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # Generator's return type is lost on StopIteration
        finally:
            plan.close()

    def perform(self, step: Step, deadline: Deadline) -> Reply | None:
        if isinstance(step, Pause):
            self._sleep(self.wire.seconds(step, deadline))
            return None
        if isinstance(step, Inspect):
            inspect(step, self.wire.settings)
            return None
        return self.send(step, deadline)

    def send(self, call: Call, deadline: Deadline) -> Reply:
        """One exchange."""
        with (
            upload_of(call, deadline, self.wire.settings) as upload,
            self._connection(call) as connection,
            mapped(call),
        ):
            deadline.need(0)
            response = connection.handle_request(self.wire.request(call, deadline, upload))
            try:
                reader = reader_of(response)
                for chunk in cast("httpx.SyncByteStream", response.stream):
                    reader.feed(chunk)
                    deadline.need(0, unanswered(call))
            finally:
                response.close()
            return read_reply(response, reader.body(), upload.sent if upload else None)

    @contextmanager
    def _connection(self, call: Call) -> Iterator[httpx.BaseTransport]:
        keep = call.effect == "read"
        connection = self._idle.pop() if keep and self._idle else self.connect()
        try:
            yield connection
        finally:
            if keep:
                self._idle.append(connection)
            else:
                connection.close()

    def connect(self) -> httpx.BaseTransport:
        """A transport that holds at most one connection; it opens with its first request."""
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30.0)
        settings = self.wire.settings
        return httpx.HTTPTransport(verify=self.wire.context, trust_env=False, limits=limits, proxy=settings.proxy)

    def close(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            self._idle.pop().close()
