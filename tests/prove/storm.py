"""An outage and a storm of 429 in virtual time: how much a crowd of clients adds to the load, and how often they probe."""

import heapq
import itertools
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import click

from connector.endpoint import judge
from connector.endpoints import CLASSIFICATION_V3, SUBMIT_URL
from connector.errors import CircuitOpen, DeadlineExceeded, SpectraError
from connector.failures import cut, no_connection
from connector.health import BUDGET, Health, capabilities
from connector.plan import Call, Judged, Pause, Plan, Reply
from connector.retry import persist

Weather = Literal["outage", "storm", "brownout"]
WEATHERS: Final[tuple[Weather, ...]] = ("outage", "storm", "brownout")
MINUTES: Final = 10
DEADLINE: Final = 60.0
MOST_AMPLIFICATION: Final = 1.2
LOOK: Final = Call("GET", "/api/samples/v3/x/classification/")
CLOUD: Final = Call("GET", "/api/samples/v3/x/classification/", (("localonly", "0"),), cloud=True)
SUBMIT: Final = Call("POST", "/api/submit/url/", effect="submit")
MIX: Final = (LOOK, LOOK, LOOK, CLOUD, SUBMIT)


@dataclass(slots=True)
class Figures:
    """What a scenario came to; ``windows`` counts the calls sent in each window of each breaker of each client."""

    offered: int = 0
    sent: int = 0
    succeeded: int = 0
    refused: int = 0
    out_of_budget: int = 0
    tokens: list[int] = field(default_factory=lambda: [BUDGET, BUDGET])
    windows: Counter[tuple[int, str, float]] = field(default_factory=Counter)

    @property
    def amplification(self) -> float:
        return self.sent / max(1, self.offered)

    @property
    def probes_per_window(self) -> int:
        return max(self.windows.values(), default=0)


@dataclass(slots=True)
class Trip:
    """One plan under way: of which client, until when, and the place that its submission holds."""

    client: int
    plan: Plan[Reply]
    ends: float
    place: AbstractContextManager[None] | None = None


class Storm:
    """A crowd of clients before one appliance; events in a queue, and a clock that jumps from one to the next."""

    def __init__(self, clients: int, weather: Weather, seed: int, every_seconds: float = 5.0) -> None:
        self.now = 0.0
        self.weather = weather
        self.every = every_seconds
        self.rng = random.Random(f"{seed} {weather}")
        self.health = [Health(lambda: self.now) for _ in range(clients)]
        self.figures = Figures()
        self._queue: list[tuple[float, int, Any]] = []
        self._serial = itertools.count()

    def run(self) -> Figures:
        """Ten minutes of calls, and then until the last plan has ended."""
        for client in range(len(self.health)):
            self._later(self.rng.uniform(0, self.every), client)
        while self._queue:
            self.now, _, event = heapq.heappop(self._queue)
            if isinstance(event, int):
                self._offer(event)
            else:
                self._go_on(*event)
        return self.figures

    def _later(self, seconds: float, event: Any) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._serial), event))

    def _offer(self, client: int) -> None:
        if self.now >= MINUTES * 60:
            return
        self.figures.offered += 1
        call = self.rng.choice(MIX)
        endpoint = SUBMIT_URL if call is SUBMIT else CLASSIFICATION_V3
        plan = persist(call, lambda reply: judge(endpoint, reply, cloud=call.cloud))
        self._later(self.rng.expovariate(1 / self.every), client)
        self._go_on(Trip(client, plan, self.now + DEADLINE), None)

    def _go_on(self, trip: Trip, brought: Reply | SpectraError | None) -> None:
        """Send a plan what it waits for, and do its steps until the next one takes time."""
        if trip.place is not None:
            trip.place.__exit__(None, None, None)
            trip.place = None
        try:
            while True:
                step = trip.plan.throw(brought) if isinstance(brought, SpectraError) else trip.plan.send(brought)  # type: ignore[arg-type]
                try:
                    if self._takes_time(trip, step):
                        return
                    brought = None
                except SpectraError as error:
                    brought = error
        except StopIteration:
            self.figures.succeeded += 1
        except CircuitOpen:
            self.figures.refused += 1
        except SpectraError:
            pass

    def _takes_time(self, trip: Trip, step: Any) -> bool:
        health, figures = self.health[trip.client], self.figures
        if isinstance(step, Judged):
            health.judged(step.call, step.error, step.spent)
            self._note_tokens(health)
            return False
        if isinstance(step, Pause):
            self._pause(trip, step, health)
            return True
        windows = self._open_windows(trip.client, step)
        health.admit(step)
        place = health.place(step, lambda: 0.0)
        place.__enter__()
        trip.place = place
        figures.sent += 1
        figures.windows.update(windows)
        self._later(self.rng.uniform(0.02, 2.0), (trip, self._answer(step)))
        return True

    def _pause(self, trip: Trip, step: Pause, health: Health) -> None:
        seconds = step.seconds + self.rng.random() * step.jitter
        if self.now + seconds >= trip.ends:
            raise DeadlineExceeded("the deadline of this action passed")
        try:
            health.spend(step.cost)
        except CircuitOpen:
            self.figures.out_of_budget += 1
            raise
        self._note_tokens(health)
        self._later(seconds, (trip, None))

    def _note_tokens(self, health: Health) -> None:
        least, most = self.figures.tokens
        self.figures.tokens = [min(least, health.tokens), max(most, health.tokens)]

    def _open_windows(self, client: int, call: Call) -> list[tuple[int, str, float]]:
        """The windows in which a call that is let through now is a probe."""
        breakers = self.health[client]._breakers
        return [(client, name, until) for name in capabilities(call) if (until := breakers[name].until) is not None]

    def _answer(self, call: Call) -> Reply | SpectraError:
        if self.weather == "brownout" and self.rng.random() < 0.6:
            return Reply(201 if call is SUBMIT else 200, json={})
        if self.weather == "storm":
            return Reply(429, json={"message": "no"}, retry_after=self.rng.choice((None, "5", "30", "600")))
        return no_connection() if self.rng.random() < 0.5 else cut(call)


def hammered(threads: int, seconds: float, seed: int) -> list[int]:
    """The least and the most tokens that any of the threads saw while all of them spend and earn at random."""
    health = Health(time.monotonic)
    seen: list[int] = []
    ends = time.monotonic() + seconds

    def hammer(number: int) -> None:
        rng = random.Random(seed + number)
        while time.monotonic() < ends:
            if rng.random() < 0.5:
                health.judged(LOOK, None, rng.choice((0, 5, 10, 20)))
            else:
                with suppress(CircuitOpen):
                    health.spend(rng.choice((5, 10)))
            seen.append(health.tokens)

    crowd = [threading.Thread(target=hammer, args=(number,)) for number in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return [min(seen), max(seen)]


def measured(clients: int, seed: int, seconds: float = 1.0) -> dict[str, Any]:
    """The figures of all weathers; the amplification is told of the two in which nothing succeeds."""
    began = time.monotonic()
    found = {weather: Storm(clients, weather, seed).run() for weather in WEATHERS}
    tokens = [*hammered(10, seconds, seed), *itertools.chain(*(one.tokens for one in found.values()))]
    line: dict[str, Any] = {"clients": clients, "minutes": MINUTES}
    line["amplification"] = round(max(found[weather].amplification for weather in ("outage", "storm")), 3)
    line["probes_per_window"] = max(one.probes_per_window for one in found.values())
    line["tokens"] = [min(tokens), max(tokens)]
    for weather, one in found.items():
        line[weather] = dict(_told(one))
    return line | {"seed": seed, "seconds": round(time.monotonic() - began, 1)}


def _told(one: Figures) -> Iterator[tuple[str, Any]]:
    yield from (("offered", one.offered), ("sent", one.sent), ("succeeded", one.succeeded), ("refused", one.refused))
    yield from (("out_of_budget", one.out_of_budget), ("amplification", round(one.amplification, 3)))
    yield "probes", sum(one.windows.values())


def holds(line: dict[str, Any]) -> bool:
    least, most = line["tokens"]
    calm = line["amplification"] <= MOST_AMPLIFICATION and line["probes_per_window"] <= 1
    return bool(calm and 0 <= least <= most <= BUDGET)


@click.command()
@click.option("--clients", default=1000)
@click.option("--seed", default=20261124)
def main(clients: int, seed: int) -> None:
    """Let the storm pass, and say what the clients made of it."""
    line = measured(clients, seed)
    click.echo(json.dumps(line))
    sys.exit(not holds(line))


if __name__ == "__main__":
    main()
