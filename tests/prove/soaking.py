"""Thousands of faulty requests through a few connectors that live long: memory and descriptors must not grow."""

import asyncio
import base64
import gc
import json
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import click

from connector import AsyncConnector, Connector, Settings, SpectraError
from connector.emulator import serve
from connector.emulator.product.loading import load
from tests.faults.plan import Fault
from tests.faults.proxy import FaultProxy
from tests.laboratory import hurried
from tests.prove.campaign_faults import HEAVY, draw
from tests.prove.campaign_workers import Passing

LANES: Final = 4  # connectors: half of them blocking
BATCH: Final = 25  # operations of each lane between two looks
STRUCK: Final = 18  # faults in a batch of a lane
IDS: Final = 30  # operation ids of a lane: a journal that grows fills SQLite's page cache, up to 2 MB, which is no leak
FROM: Final = 0.2  # what is measured before this part of the requests is warming up
FLAT_MB: Final = 1.0
KNOWN: Final = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"


@dataclass(slots=True)
class Soak:
    """What was done, and what was looked at: (requests so far, MB, descriptors)."""

    requests: int = 0
    faults: int = 0
    uncaught: int = 0
    samples: list[tuple[int, float, int]] = field(default_factory=list)

    def look(self) -> None:
        gc.collect()
        self.samples.append((self.requests, resident_mb(), sum(1 for _ in Path("/proc/self/fd").iterdir())))


def resident_mb() -> float:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


def slope(samples: list[tuple[int, float, int]]) -> float:
    """MB for each thousand requests, by least squares."""
    count = len(samples)
    at, mb = sum(one[0] for one in samples) / count, sum(one[1] for one in samples) / count
    spread = sum((one[0] - at) ** 2 for one in samples)
    return 1000 * sum((one[0] - at) * (one[1] - mb) for one in samples) / spread if spread else 0.0


def appliance(pipe: Connection, seed: int) -> None:
    """The process of the appliance and its proxies: gives the addresses, then plans a batch each time it is asked."""
    with ExitStack() as stack:
        served = stack.enter_context(serve(release="9.6", processing_seconds=0.0))
        load(served.product, {"sha1": KNOWN, "classification": "malicious"})
        proxies = [stack.enter_context(FaultProxy(served.url)) for _ in range(LANES)]
        rng = random.Random(seed)
        pipe.send(([proxy.url for proxy in proxies], served.token))
        while pipe.recv() == "next":
            seen = sum(len(proxy.seen) for proxy in proxies)
            fired = sum(line.fired for proxy in proxies for line in proxy.account())
            served.product.ledger.clear()
            for proxy in proxies:
                proxy.plan([strike(rng) for _ in range(STRUCK)])
            pipe.send((seen, fired))


def strike(rng: random.Random) -> Fault:
    """A fault on one of the next exchanges; the heavy ones are left out, whose buffers are no leak and hide one."""
    while True:
        fault = draw(rng, (("*", "*"),), silence=False).faults[0]
        if fault.kind not in HEAVY:
            return replace(fault, nth=rng.randint(1, 2 * STRUCK), times=1)


@contextmanager
def elsewhere(seed: int) -> Iterator[tuple[Connection, list[str], str]]:
    """The appliance in a process of its own, so that only the memory of the connectors is looked at."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=appliance, args=(there, seed), daemon=True)
    process.start()
    urls, token = here.recv()
    try:
        yield here, urls, token
    finally:
        here.send("end")
        process.join(10)


def operation(rng: random.Random, name: str) -> tuple[str, dict[str, Any], str | None]:
    """Mostly reads; of submissions the same ones again and again."""
    kind = rng.choices(("get_classification", "get_file_status", "get_report", "submit_file"), (40, 30, 20, 10))[0]
    if kind == "submit_file":
        number = rng.randrange(IDS)
        content = base64.b64encode(f"soak {name} {number}".encode()).decode()
        return kind, {"content_base64": content}, f"{name}-{number}"
    return kind, {"hash_value": KNOWN} if kind == "get_classification" else {"hash_values": [KNOWN]}, None


@dataclass(slots=True)
class Lane:
    """One connector with its clock and its chance."""

    name: str
    connector: Connector | AsyncConnector
    clock: Passing
    rng: random.Random
    uncaught: int = 0

    def turns(self) -> Iterator[tuple[str, dict[str, Any], str | None]]:
        for _ in range(BATCH):
            self.clock.sleep(40.0)  # so that an open breaker lets its probe through
            yield operation(self.rng, self.name)
        (self.clock.slept or []).clear()

    def block(self) -> None:
        assert isinstance(self.connector, Connector)
        for action, params, name in self.turns():
            try:
                self.connector.run(action, params, operation_id=name)
            except SpectraError:
                pass
            except Exception:  # noqa: BLE001  # counted, and the soak fails
                self.uncaught += 1

    async def loop(self) -> None:
        assert isinstance(self.connector, AsyncConnector)
        for action, params, name in self.turns():
            try:
                await self.connector.run(action, params, operation_id=name)
            except SpectraError:
                pass
            except Exception:  # noqa: BLE001  # counted, and the soak fails
                self.uncaught += 1


def lanes(urls: list[str], token: str, folder: Path, seed: int) -> list[Lane]:
    """Blocking and asyncio in turn."""
    made = []
    for number, url in enumerate(urls):
        settings = Settings(
            url=url, token=token, state=str(folder / str(number)), api_generation="current", deadline_seconds=600.0
        )
        clock, kind = Passing(), AsyncConnector if number % 2 else Connector
        made.append(Lane(f"lane-{number}", hurried(kind(settings), clock), clock, random.Random(f"{seed} {number}")))
    return made


def soaked(requests: int, seed: int, seconds: float) -> Soak:
    """Batches of all lanes at once, and a look after each, until there were enough requests."""
    ends = time.monotonic() + seconds
    soak = Soak()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pipe, urls, token = stack.enter_context(elsewhere(seed))
        made = lanes(urls, token, folder, seed)
        with asyncio.Runner() as runner:
            while soak.requests < requests and time.monotonic() < ends:
                pipe.send("next")
                seen, fired = pipe.recv()
                soak.requests, soak.faults = soak.requests + seen, soak.faults + fired
                batch(runner, made)
                soak.look()
            close(runner, made)
        soak.uncaught = sum(lane.uncaught for lane in made)
    return soak


def batch(runner: asyncio.Runner, made: list[Lane]) -> None:
    threads = [threading.Thread(target=lane.block) for lane in made[::2]]
    for thread in threads:
        thread.start()

    async def every() -> None:
        await asyncio.gather(*(lane.loop() for lane in made[1::2]))

    runner.run(every())
    for thread in threads:
        thread.join()


def close(runner: asyncio.Runner, made: list[Lane]) -> None:
    for lane in made:
        if isinstance(lane.connector, Connector):
            lane.connector.close()
        else:
            runner.run(lane.connector.close())


def measured(requests: int, seed: int, seconds: float = 300.0) -> dict[str, Any]:
    """The figures; growth is what the straight line through the later samples rises from its first to its last."""
    began = time.monotonic()
    soak = soaked(requests, seed, seconds)
    kept = soak.samples[int(len(soak.samples) * FROM) :]
    rise = slope(kept)
    open_files = [one[2] for one in kept]
    line: dict[str, Any] = {"requests": soak.requests, "faults": soak.faults, "uncaught": soak.uncaught}
    line["rss_slope"] = round(rise, 4)
    line["rss_growth_mb"] = round(rise * (kept[-1][0] - kept[0][0]) / 1000, 3)
    line |= {"rss_mb": round(kept[-1][1], 1), "descriptors": [min(open_files), max(open_files)]}
    line["descriptors_first_last"] = [
        _middle(open_files[: len(open_files) // 4]),
        _middle(open_files[-len(open_files) // 4 :]),
    ]
    return line | {"seed": seed, "seconds": round(time.monotonic() - began, 1)}


def _middle(values: list[int]) -> int:
    return sorted(values)[len(values) // 2] if values else 0


def holds(line: dict[str, Any]) -> bool:
    first, last = line["descriptors_first_last"]
    return abs(line["rss_growth_mb"]) <= FLAT_MB and abs(last - first) <= 2 and not line["uncaught"]


@click.command()
@click.option("--requests", default=15_000)
@click.option("--seed", default=20261124)
@click.option("--seconds", default=300.0, help="The longest it may take.")
def main(requests: int, seed: int, seconds: float) -> None:
    """Soak, and say how memory and descriptors went."""
    line = measured(requests, seed, seconds)
    click.echo(json.dumps(line))
    sys.exit(not (holds(line) and line["requests"] >= requests))


if __name__ == "__main__":
    main()
