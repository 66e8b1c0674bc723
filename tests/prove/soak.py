"""Thousands of faulty requests through few clients: memory and descriptors must not grow."""

import asyncio
import gc
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from connector import AsyncConnector, Connector, SpectraError
from tests.faults.plan import Fault
from tests.laboratory import hurried
from tests.prove.campaign import QUICK
from tests.prove.lab import Bench, bench, told

WARM_UP = 0.2  # of the requests, before anything is compared
ROUND = 250
FLAT_MB = 1.0  # how far the straight line through the samples may rise or fall from its begin to its end


def resident_mb() -> float:
    line = next(row for row in Path("/proc/self/status").read_text("ascii").splitlines() if row.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def slope(samples: list[float]) -> float:
    """How much a straight line through the samples rises from the first to the last (least squares)."""
    middle, mean = (len(samples) - 1) / 2, sum(samples) / len(samples)
    spread = sum((at - middle) ** 2 for at in range(len(samples)))
    rise = sum((at - middle) * (value - mean) for at, value in enumerate(samples)) / spread
    return rise * (len(samples) - 1)


def faulty(b: Bench) -> None:
    """Every other answer of the next round is broken in a random way."""
    kinds = [kind for kind in QUICK if kind not in {"replace", "refuse"}]
    b.proxy.plan([Fault(b.rng.choice(kinds), nth=2, times=1) for _ in range(ROUND // 2)])  # type: ignore[arg-type]


def measured(requests: int, seed: int) -> dict[str, Any]:
    began, memory, open_files = time.monotonic(), list[float](), list[int]()
    with tempfile.TemporaryDirectory() as state, bench(state, seed) as b:
        sha1 = b.lab.load(classification="malicious")["sha1"]
        settings = b.settings()
        loop = asyncio.new_event_loop()
        fast = hurried(AsyncConnector(settings), b.lab.time)
        with hurried(Connector(settings), b.lab.time) as plain:
            done = 0
            while done < requests:
                faulty(b)
                b.lab.product.ledger.clear()
                b.lab.time.slept.clear()
                for number in range(ROUND):
                    b.lab.time.sleep(0.0 if number % 8 else 40.0)  # so that an open breaker lets its probe through
                    with suppress(SpectraError):
                        if number % 2:
                            plain.run("get_classification", {"hash_value": sha1})
                        else:
                            loop.run_until_complete(fast.run("get_classification", {"hash_value": sha1}))
                b.lab.product.ledger.clear()
                done += ROUND
                gc.collect()
                memory.append(resident_mb())
                open_files.append(descriptors())
            injected = sum(line.fired for line in b.proxy.account())
        loop.run_until_complete(fast.close())
        loop.close()
    kept = memory[int(len(memory) * WARM_UP) :]
    later = open_files[int(len(open_files) * WARM_UP) :]
    line = {"soak": "reads", "requests": done, "faults_in_the_last_round": injected}
    line |= {"rss_slope_mb": round(slope(kept), 3), "rss_mb": round(kept[-1], 1)}
    line |= {"descriptors": [min(later), max(later)], "seconds": round(time.monotonic() - began, 1)}
    return line


@click.command()
@click.option("--requests", default=15_000)
@click.option("--seed", default=1)
def main(requests: int, seed: int) -> None:
    """Soak, and say how memory and descriptors went."""
    line = measured(requests, seed)
    least, most = line["descriptors"]
    told(line, holds=abs(line["rss_slope_mb"]) <= FLAT_MB and most - least <= 2)


if __name__ == "__main__":
    main()
