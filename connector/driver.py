"""Runs plans for one appliance, blocking, within one deadline for the whole plan."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

from connector.errors import SpectraError
from connector.exchange import Deadline, Wire, bare, read_reply, reader_of, seen, told, upload_of
from connector.failures import cut, unanswered
from connector.http import Transport, httpx
from connector.intent import Current, Intents
from connector.plan import Brought, Call, Inspect, Judged, Note, Pause, Plan, Recall, Reply, Step
from connector.quiet import quiet
from connector.reader import Reader

T = TypeVar("T")


@dataclass(slots=True)
class Run:
    """One plan under way: until when, and which operation it is where it changes something."""

    deadline: Deadline
    current: Current = field(default_factory=Current)


class Driver:
    """Runs plans for one appliance, blocking. Safe to share between threads.

    Reads take a connection from a stack and put it back; each is an httpx transport of its own, because httpcore's pool
    is quadratic in its connections and can lose a request that waits for one. Submissions and deletions get a fresh
    connection, so that none is lost to a stale one.
    """

    def __init__(self, wire: Wire, sleep: Callable[[float], None] = time.sleep) -> None:
        self.wire = wire
        self.intents = Intents(wire.settings.state)
        self._sleep = sleep
        self._idle: list[Transport] = []

    def run(self, plan: Plan[T]) -> T:
        """Run a plan to its end; raises what the plan raises, without the frames of the plan and of its exchanges."""
        run = Run(self.wire.deadline())
        try:
            step = next(plan)
            while True:
                try:
                    brought = self.perform(step, run)
                except SpectraError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(brought)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # Generator's return type is lost on StopIteration
        except BaseException as error:  # noqa: BLE001  # also a defect and an interruption, each as itself
            raise bare(error) from None
        finally:
            plan.close()
            self.intents.leave(run.current)

    def perform(self, step: Step, run: Run) -> Brought:
        """Do one step, and give what it brings."""
        match step:
            case Call():
                return self.send(step, run)
            case Pause():
                self._sleep(self.wire.seconds(step, run.deadline))
            case Judged():
                self.wire.health.judged(step.call, step.error, step.spent)
            case Inspect():
                return seen(step, run.deadline, self.wire.settings)
            case Recall():
                return self.intents.recall(run.current, step.operation)
            case Note():
                self.intents.note(run.current, step)
        return None

    def send(self, call: Call, run: Run) -> Reply:
        """One exchange.

        Raises:
            SpectraError: for whatever goes wrong; without a traceback into the exchange, which holds the request.
        """
        self.wire.health.admit(call)
        run.deadline.need(0)
        try:
            with self.wire.health.place(call, run.deadline.left), quiet():
                return self._exchange(call, run)
        except Exception as error:  # noqa: BLE001  # the one boundary; told() knows every kind and lets defects through
            failed = told(error, call)
        raise failed

    def _exchange(self, call: Call, run: Run) -> Reply:
        deadline = run.deadline
        with upload_of(call, deadline, self.wire.settings) as upload, self._connection(call) as connection:
            request = self.wire.request(call, deadline, upload)
            connection.network.left = deadline.left
            if call.effect != "read":
                self.intents.intend(run.current)
            response = connection.handle_request(request)
            try:
                reader = reader_of(response)
                self._read(response, reader, call, deadline)
            finally:
                response.close()
            sent = upload.sent if upload else None
            return read_reply(response, reader.body(), sent, self.wire.hidden(call))

    def _read(self, response: httpx.Response, reader: Reader, call: Call, deadline: Deadline) -> None:
        """Feed a body to its reader; one whose framing is broken ended early, whatever follows."""
        try:
            for chunk in cast("httpx.SyncByteStream", response.stream):
                reader.feed(chunk)
                deadline.need(0, unanswered(call))
        except httpx.RemoteProtocolError:
            raise cut(call) from None

    @contextmanager
    def _connection(self, call: Call) -> Iterator[Transport]:
        keep = call.effect == "read"
        connection = self._idle.pop() if keep and self._idle else self.connect()
        try:
            yield connection
        finally:
            if keep:
                self._idle.append(connection)
            else:
                connection.close()

    def connect(self) -> Transport:
        """A transport that holds at most one connection; it opens with its first request."""
        return Transport(self.wire.context, self.wire.settings.proxy)

    def close(self) -> None:
        """Close the connections that are idle, and the journal."""
        while self._idle:
            self._idle.pop().close()
        self.intents.close()
