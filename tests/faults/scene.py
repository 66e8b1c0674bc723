"""A cell of the matrix, and the scene it is played in: where to go, how time passes, what was seen from outside."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.causes import JSON, QUEUE, Cause, Target
from tests.faults.expect import READS, Column, Lane, When
from tests.faults.proxy import Fault, FaultProxy
from tests.laboratory import Lab, Time

HOST: Final = "appliance.test"
ELSEWHERE: Final = "127.0.0.2"  # loopback too, and nobody listens there
AT_ONCE: Final = (("connection", "close"), ("retry-after", "0"), JSON)
CONNECT_SECONDS: Final = 0.15  # real seconds after which a peer that does not accept is given up
DEADLINE: Final = 0.15  # real seconds of the cells that wait
DEADLINE_AT_ONCE: Final = 0.3  # of those whose time begins with the request, not with the fault
ROUTES: Final[dict[str, dict[Column, Target]]] = {
    "current": {
        "REP": ("GET", "/api/samples/v3/*/classification/"),
        "SRCH": ("POST", "/api/samples/v3/search/"),
        "UPF": ("POST", "/api/submit/file/"),
        "UPU": ("POST", "/api/submit/url/"),
        "TAG": ("POST", "/api/tag/*/"),
    },
    "legacy": {
        "REP": ("GET", "/api/samples/*/ticloud/"),
        "SRCH": ("POST", "/api/samples/v2/search/"),
        "UPF": ("POST", "/api/uploads/"),
        "UPU": ("POST", "/api/uploads/"),
        "TAG": ("DELETE", "/api/tag/*/"),
    },
}
ALWAYS: Final[dict[Column, Target]] = {
    "POLL": ("GET", "/api/uploads/v2/url-samples/*"),
    "DEL": ("POST", "/api/samples/v2/delete_bulk/"),
}
# Both generations are played: the blocking lane asks the current endpoints, the other one the deprecated ones. Only
# the current deletion says whether it was taken; the deprecated one accepts any body. Tags have one generation: they are
# added in the one lane and removed in the other.
GENERATION: Final[dict[Lane, str]] = {"sync": "current", "async": "legacy"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix, brought about in one way."""

    number: str
    cause: Cause
    column: Column
    when: When
    lane: Lane

    def __str__(self) -> str:
        return f"{self.number}-{self.cause.name}-{self.column}-{self.when}-{self.lane}".replace(" ", "_")

    @property
    def generation(self) -> str:
        return "current" if self.column == "DEL" else GENERATION[self.lane]

    @property
    def target(self) -> Target:
        own = ROUTES[self.generation].get(self.column) or ALWAYS[self.column]
        return self.cause.target.get(self.column, own)

    @property
    def deadline(self) -> float:
        """Real seconds of a cell that waits for its end; aiohttp counts them from the request on."""
        return DEADLINE_AT_ONCE if self.lane == "async" and self.column in READS else DEADLINE

    @property
    def connections(self) -> int:
        """Connections before the one of the struck request: a deletion or a change of tags looks first."""
        return int(self.column in {"DEL", "TAG"})


@dataclass(slots=True)
class Scene:
    """A stage that is set: where to go, how time passes, and what was seen from outside."""

    url: str
    asked: Callable[[], int]
    fired: Callable[[], None]
    time: Time
    settings: dict[str, Any] = field(default_factory=dict)
    ready: Callable[[Any], None] = lambda _: None  # given the client, right before the run
    around: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext


def faults(cell: Cell) -> list[Fault]:
    """The plan of a proxy: what comes before, the fault in its place."""
    cause, target = cell.cause, cell.target
    before = [] if cell.when != "second" else [busy(target, cause.skip + 1)]
    fault = {"nth": cause.skip + 1 + len(before), **cause.fault(cell.column)}
    if cell.when == "every" and "times" not in fault:
        fault |= {"nth": "every"} if not cause.skip else {"times": 3}
    return [*before, Fault(match=target, longest=20.0, **fault)]


def busy(target: Target, nth: int, *, keep: bool = False) -> Fault:
    """An appliance without room for a moment, so that there is a second attempt; on another connection."""
    headers = AT_ONCE[int(keep) :]
    return Fault("replace", target, nth=nth, status=429, headers=headers, body=QUEUE, forward=False)


def asked_of(proxy: FaultProxy, target: Target) -> Callable[[], int]:
    """How often the target was asked, as the proxy saw it."""
    seen = Fault("garbage", target)
    return lambda: sum(seen.matches(one.method, one.path) for one in proxy.seen)


def scene(proxy: FaultProxy, cell: Cell, lab: Lab, **more: Any) -> Scene:
    return Scene(
        **{"url": proxy.url, "asked": asked_of(proxy, cell.target), "fired": proxy.check, "time": lab.time} | more
    )


def before_only(cell: Cell) -> list[Fault]:
    return [busy(cell.target, 1)] if cell.when == "second" else []
