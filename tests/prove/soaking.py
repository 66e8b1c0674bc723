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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import click
import httpx

from connector import AsyncConnector, Connector, Settings, SpectraError
from connector.emulator import serve
from tests.faults.plan import Fault
from tests.faults.proxy import FaultProxy
from tests.laboratory import hurried
from tests.prove.campaign_faults import draw
from tests.prove.campaign_workers import Passing

LANES: Final = 4  # connectors: half of them blocking
BATCH: Final = 25  # operations of each lane between two looks
FROM: Final = 0.2  # what is measured before this part of the requests is warming up
FLAT_MB: Final = 1.0
KNOWN: Final = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
HEAVY: Final = {"gzip_bomb", "encoded_many", "plain_huge", "status_line_long", "headers_many"}
Run = Callable[[str, dict[str, Any]], Any]


@dataclass(slots=True)
class Soak:
    """Everything that lives as long as the soak, and what was looked at: (requests so far, MB, descriptors)."""

    clock: Passing
    requests: int = 0
    faults: int = 0
    uncaught: int = 0
    samples: list[tuple[int, float, int]] = field(default_factory=list)

    def look(self) -> None:
        (self.clock.slept or []).clear()
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


def operation(rng: random.Random, name: str) -> tuple[str, dict[str, Any]]:
    """Mostly reads; submissions are such that the appliance's own memory stays as it is."""
    kind = rng.choices(("get_classification", "get_file_status", "get_report", "submit_file"), (40, 30, 20, 10))[0]
    if kind == "submit_file":
        return kind, {"content_base64": base64.b64encode(f"soak {name} {rng.randrange(20)}".encode()).decode()}
    return kind, {"hash_value": KNOWN} if kind == "get_classification" else {"hash_values": [KNOWN]}


def strike(proxy: FaultProxy, rng: random.Random, soak: Soak) -> None:
    """A fault on the next exchange, except for the heavy ones, whose buffers are no leak and hide one."""
    fault: Fault | None = None
    while fault is None or fault.kind in HEAVY or fault.longest < 1:
        fault = draw(rng, (("*", "*"),), silence=False).faults[0]
    soak.faults += sum(line.fired for line in proxy.account())
    soak.requests += len(proxy.seen)
    proxy.plan([fault])


def one(soak: Soak, run: Run, proxy: FaultProxy, rng: random.Random, name: str) -> Any:
    strike(proxy, rng, soak)
    action, params = operation(rng, name)
    soak.clock.sleep(40.0)  # so that an open breaker lets its probe through
    return run(action, params)


def blocking_batch(soak: Soak, connector: Connector, proxy: FaultProxy, rng: random.Random, name: str) -> None:
    for _ in range(BATCH):
        try:
            one(soak, connector.run, proxy, rng, name)
        except SpectraError:
            pass
        except Exception:  # noqa: BLE001  # counted, and the soak fails
            soak.uncaught += 1


async def looping_batch(
    soak: Soak, connector: AsyncConnector, proxy: FaultProxy, rng: random.Random, name: str
) -> None:
    for _ in range(BATCH):
        try:
            await one(soak, connector.run, proxy, rng, name)
        except SpectraError:
            pass
        except Exception:  # noqa: BLE001  # counted, and the soak fails
            soak.uncaught += 1


def _appliance(pipe: Connection) -> None:
    with serve(release="9.6", processing_seconds=0.0) as appliance:
        pipe.send((appliance.url, appliance.token))
        pipe.recv()


@contextmanager
def elsewhere() -> Iterator[tuple[str, str]]:
    """The address and token of an appliance in a process of its own, so that only the client's memory is looked at."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_appliance, args=(there,), daemon=True)
    process.start()
    url, token = here.recv()
    httpx.post(f"{url}/_lab/samples", json={"samples": [{"sha1": KNOWN}]}, trust_env=False).raise_for_status()
    try:
        yield url, token
    finally:
        here.send("end")
        process.join(10)


def soaked(requests: int, seed: int, seconds: float) -> Soak:
    """Batches of all lanes at once, and a look after each, until there were enough requests."""
    ends = time.monotonic() + seconds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, token = stack.enter_context(elsewhere())
        soak = Soak(Passing())
        proxies = [stack.enter_context(FaultProxy(url)) for _ in range(LANES)]
        dice = [random.Random(f"{seed} {number}") for number in range(LANES)]
        made = [_settings(proxy.url, token, folder / str(n)) for n, proxy in enumerate(proxies)]
        plain = [stack.enter_context(hurried(Connector(settings), soak.clock)) for settings in made[::2]]
        with asyncio.Runner() as runner:
            looping = [hurried(AsyncConnector(settings), soak.clock) for settings in made[1::2]]
            while soak.requests < requests and time.monotonic() < ends:
                _batch(soak, runner, plain, looping, proxies, dice)
                soak.look()
            for connector in looping:
                runner.run(connector.close())
    return soak


def _settings(url: str, token: str, folder: Path) -> Settings:
    return Settings(url=url, token=token, state=str(folder), api_generation="current", deadline_seconds=600.0)


def _batch(
    soak: Soak,
    runner: asyncio.Runner,
    plain: list[Connector],
    looping: list[AsyncConnector],
    proxies: list[FaultProxy],
    dice: list[random.Random],
) -> None:
    threads = [
        threading.Thread(target=blocking_batch, args=(soak, connector, proxies[2 * n], dice[2 * n], f"s{n}"))
        for n, connector in enumerate(plain)
    ]
    for thread in threads:
        thread.start()

    async def every() -> None:
        await asyncio.gather(
            *(
                looping_batch(soak, connector, proxies[2 * n + 1], dice[2 * n + 1], f"a{n}")
                for n, connector in enumerate(looping)
            )
        )

    runner.run(every())
    for thread in threads:
        thread.join()
    for proxy in proxies:
        with suppress(AssertionError):
            proxy.check()


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
