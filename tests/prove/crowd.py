"""The campaign: many workers, sync and async, random operations and faults over real sockets; claims beside the ledger."""

import contextlib
import json
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import click

from connector.emulator import serve
from tests.faults.proxy import FaultProxy
from tests.prove.campaign_books import Books, Tally
from tests.prove.campaign_workers import Bench, Passing, all_done, worker

ROUND: Final = 500  # faults on one appliance before it is another
WORKERS: Final = 6  # half of them threads, half of them tasks
STOCK: Final = 400


def one_round(seed: str, faults: int, seconds: float) -> Tally:
    """The counts of one appliance with its workers; in each lane one worker keeps its connector to the end."""
    ends = time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        appliance = stack.enter_context(serve(release="9.6"))
        books = Books(appliance.product, random.Random(seed), STOCK)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        benches = []
        for number in range(WORKERS):
            proxy = stack.enter_context(FaultProxy(appliance.url))
            rng, clock = random.Random(f"{seed}/{number}"), Passing(passed=books.advance)
            journal, lasting = folder / f"journal-{number}", number < 2
            benches.append(Bench(f"w{number}", books, proxy, appliance.token, journal, rng, clock, lasting))
        scripts = [(bench, worker(bench, -(-faults // WORKERS), ends)) for bench in benches]
        all_done(scripts[::2], scripts[1::2])
        total = Tally()
        for bench in benches:
            total.add(bench.tally)
        for what in books.outside_a_plan():
            total.find("wrong", f"{what} was deleted and no plan named it")
        for failure in appliance.product.ledger.failures:
            total.find("wrong", f"the appliance itself failed: {failure}")
        return total


def measured(faults: int, seed: str, seconds: float = 300.0, processes: int = 1) -> tuple[dict[str, Any], Tally]:
    """The figures of as many rounds as it takes, and the counts."""
    began, total, number = time.monotonic(), Tally(), 0
    with contextlib.ExitStack() as stack:
        pool = ProcessPoolExecutor(processes, get_context("spawn")) if processes > 1 else None
        spread = stack.enter_context(pool).map if pool is not None else map
        while total.injected < faults and (left := seconds - (time.monotonic() - began)) > 0:
            rounds = min(processes, -(-(faults - total.injected) // ROUND))
            size = min(ROUND, -(-(faults - total.injected) // rounds))
            names = [f"{seed}/{number + n}" for n in range(rounds)]
            for one in spread(one_round, names, [size] * rounds, [left] * rounds):
                total.add(one)
            number += rounds
            click.echo(f"{total.injected} of {faults} faults, {time.monotonic() - began:.0f} s", err=True)
    took = time.monotonic() - began
    line = {name: value for name, value in asdict(total).items() if name != "told"}
    return line | {
        "rounds": number,
        "seed": seed,
        "seconds": round(took, 1),
        "calls_per_second": round(total.calls / took),
    }, total


@click.command()
@click.option("--faults", default=10_000, help="How many must be injected and have fired.")
@click.option("--seed", default="20261124")
@click.option("--seconds", default=480.0, help="The longest it may take.")
@click.option("--processes", default=2)
def main(faults: int, seed: str, seconds: float, processes: int) -> None:
    """Inject faults until enough of them fired; exit 1 on a duplicate, a loss, a wrong outcome or an uncaught error."""
    line, total = measured(faults, seed, seconds, processes)
    for told in total.told:
        click.echo(told, err=True)
    click.echo(json.dumps(line))
    sys.exit(not (total.holds() and total.injected >= faults))


if __name__ == "__main__":
    main()
