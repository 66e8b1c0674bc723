"""Runs plans for one appliance, blocking, within one deadline for the whole plan."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Final, TypeVar, cast

from connector.errors import SpectraError
from connector.exchange import Deadline, Wire, inspect, mapped, read_reply, reader_of, unanswered, upload_of
from connector.http import httpx
from connector.plan import Call, Inspect, Pause, Plan, Reply, Step

T = TypeVar("T")
Transport = TypeVar("Transport", httpx.HTTPTransport, httpx.AsyncHTTPTransport)
POOL: Final = 10  # httpcore's pool is quadratic in its connections and loses requests above this size


class Driver:
    """Runs plans for one appliance, blocking; connections are kept and shared between threads."""

    def __init__(self, wire: Wire, sleep: Callable[[float], None] = time.sleep) -> None:
        self.wire = wire
        self._sleep = sleep
        self._reads = transport(httpx.HTTPTransport, wire, POOL)

    @cached_property
    def _changes(self) -> httpx.HTTPTransport:
        return transport(httpx.HTTPTransport, self.wire, 0)

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
        """One exchange. Submissions and deletions go over a fresh connection, so that none is lost to a stale one."""
        through = self._reads if call.effect == "read" else self._changes
        with upload_of(call, deadline, self.wire.settings) as upload, mapped(call):
            deadline.need(0)
            response = through.handle_request(self.wire.request(call, deadline, upload))
            try:
                reader = reader_of(response)
                for chunk in cast("httpx.SyncByteStream", response.stream):
                    reader.feed(chunk)
                    deadline.need(0, unanswered(call))
            finally:
                response.close()
            return read_reply(response, reader.body(), upload.sent if upload else None)

    def close(self) -> None:
        self._reads.close()
        if "_changes" in self.__dict__:
            self._changes.close()


def transport(kind: type[Transport], wire: Wire, kept: int) -> Transport:
    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=kept, keepalive_expiry=30.0)
    return kind(verify=wire.context, trust_env=False, limits=limits, proxy=wire.settings.proxy)
