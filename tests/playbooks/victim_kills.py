"""Kills runs of playbooks at every point that they pass, and counts what was lost, left unfinished or done twice.

``python -m tests.playbooks.victim_kills`` runs three playbooks of the package against the emulator: one submits a file,
one a URL, one deletes after an approval. For each point of each a process is killed there (SIGKILL), together with the
action server in it, and another one takes over; ``--pairs N`` kills that one as well, at random. In the end the run must
be done with a whole timeline, and the appliance's ledger must hold one submission or one deletion. One JSON line; exit
code 1 when anything was lost or done twice.
"""

import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import click

from connector.emulator import RunningAppliance, serve
from connector.emulator.product.loading import load
from tests.playbooks.victim import Ended, Job, Victims
from tests.playbooks.victim_books import order, shipped

KINDS: Final = ("triage-attachment", "detonate-url", "hunt-and-clean")
WORKERS: Final = 2
LIVES: Final = 4  # processes that a run may need beyond those that are killed
CONTENT: Final = b"MZ SPECTRA-LAB-MALICIOUS:Win32.Trojan.Kill/9 "


@dataclass(frozen=True, slots=True)
class Death:
    """A run of this playbook, whose processes die at these points, one after the other."""

    kind: str
    points: tuple[int, ...]


@dataclass(slots=True)
class Figures:
    """What came of all deaths; ``short`` are timelines in which something is missing or not ended."""

    points: int = 0
    lost: int = 0
    twice: int = 0
    short: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Stage:
    """An appliance, a process that becomes victims, and a folder."""

    appliance: RunningAppliance
    victims: Victims
    folder: Path
    steps: dict[str, set[str]] = field(default_factory=dict)
    number: int = 0

    def job(self, kind: str) -> Job:
        """A new run, of something that the appliance has not seen."""
        self.number += 1
        folder = self.folder / f"{self.number}"
        folder.mkdir()
        product = self.appliance.product
        product.ledger.clear()
        file = folder / "invoice.exe"
        file.write_bytes(CONTENT + folder.as_posix().encode())
        given = {"file": str(file)}
        if kind == "detonate-url":
            given = {"url": f"{self.appliance.url}/_lab/ledger?{self.number}"}
        if kind == "hunt-and-clean":
            name = f"hunted-{self.number}.exe"
            load(product, {"sha1": f"{self.number:040x}", "filename": name, "classification": "malicious"})
            given = {"query": f"filename:{name}"}
        order_ = order(shipped(kind), "run", given).as_dict()
        return Job(folder=str(folder), url=self.appliance.url, token=self.appliance.token, run="run", order=order_)

    def undisturbed(self, kind: str) -> Ended:
        """A run that nobody kills: the points that there are, and the steps that it visits."""
        ended = self.victims.run(self.job(kind))
        if ended.told is None or ended.told["state"] != "done" or self.done() != 1:
            raise RuntimeError(f"{kind}: undisturbed, it is not done once: {ended}")
        self.steps[kind] = {visit["name"] for visit in ended.told["visits"]}
        return ended

    def done(self) -> int:
        """How often the appliance was changed: submissions and deletions."""
        ledger = self.appliance.product.ledger
        return len(ledger.submissions) + len(ledger.deletes)

    def die(self, death: Death, figures: Figures) -> None:
        """Run it until it is done, killing one process after the other; count what is wrong in the end."""
        job = self.job(death.kind)
        ended, dying = None, list(death.points)
        for _ in range(len(dying) + LIVES):
            point = dying.pop(0) if dying else 0
            ended = self.victims.run(self.next(job, ended, point))
            if ended.status == 0 and not dying:
                break
            if ended.status not in {0, -signal.SIGKILL}:
                break
        figures.points += 1
        for what in self.wrong(death.kind, ended, figures):
            figures.problems.append(f"{death}: {what}; {(Path(job.folder) / 'log').read_text()[-600:]}")

    @staticmethod
    def next(job: Job, before: Ended | None, point: int) -> Job:
        """The next process: the first ones begin the run, until it is begun; then it is taken over."""
        again = job.order if before is None else None
        return Job(folder=job.folder, url=job.url, token=job.token, run=job.run, order=again, die=point)

    def wrong(self, kind: str, ended: Ended | None, figures: Figures) -> Iterator[str]:
        told = ended.told if ended else None
        if told is None or told["state"] != "done":
            figures.lost += 1
            yield f"it is not done: {(told or {}).get('state')} {(told or {}).get('sentence')} {ended and ended.status}"
        elif {visit["name"] for visit in told["visits"]} != self.steps[kind] or not ended_all(told):
            figures.short += 1
            yield "its timeline is not whole"
        if self.done() != 1:
            figures.twice += self.done() > 1
            figures.lost += self.done() < 1
            yield f"the appliance was changed {self.done()} times"


def ended_all(told: dict[str, Any]) -> bool:
    return all(visit["state"] == "done" and visit["left"] is not None for visit in told["visits"])


@contextmanager
def stages(number: int = WORKERS) -> Iterator[list[Stage]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="playbooks-")))
        victims = [Victims() for _ in range(number)]  # before there are threads
        made = []
        for name, one in enumerate(victims):
            stack.callback(one.close)
            (folder / str(name)).mkdir()
            made.append(Stage(stack.enter_context(serve(processing_seconds=0.01)), one, folder / str(name)))
        yield made


def every(on: Sequence[Stage], kinds: Sequence[str], step: int = 1) -> list[Death]:
    """A death at every point of these playbooks, or at every ``step``-th."""
    deaths = []
    for kind in kinds:
        for stage in on:
            points = stage.undisturbed(kind).points
        deaths += [Death(kind, (point,)) for point in range(1, len(points) + 1, step)]
    return deaths


def pairs(deaths: Sequence[Death], number: int, seed: str) -> list[Death]:
    """So many runs in which the process that takes over is killed as well."""
    chance = random.Random(seed)
    chosen = [chance.choice(deaths) for _ in range(number)]
    return [Death(one.kind, (*one.points, chance.randint(1, 20))) for one in chosen]


def work(on: Sequence[Stage], deaths: Sequence[Death]) -> Figures:
    """Die every death, one at a time on each stage."""
    waiting: SimpleQueue[Death] = SimpleQueue()
    for death in deaths:
        waiting.put(death)

    def worker(stage: Stage) -> Figures:
        figures = Figures()
        try:
            while len(figures.problems) < 10:
                stage.die(waiting.get_nowait(), figures)
        except Empty:
            return figures
        return figures

    with ThreadPoolExecutor(len(on)) as pool:
        found = list(pool.map(worker, on))
    return Figures(
        *(sum(getattr(one, name) for one in found) for name in ("points", "lost", "twice", "short")),
        [problem for one in found for problem in one.problems],
    )


@click.command()
@click.option("--pairs", "number", default=60, help="Runs in which two processes are killed.")
@click.option("--seed", default="1", help="Of what is random.")
def main(number: int, seed: str) -> None:
    """Kill at every point of the three playbooks, and in pairs."""
    began = time.monotonic()
    with stages() as on:
        deaths = every(on, KINDS)
        found = work(on, [*deaths, *pairs(deaths, number, seed)])
    line = {name: getattr(found, name) for name in ("points", "lost", "twice", "short", "problems")}
    click.echo(json.dumps(line | {"seconds": round(time.monotonic() - began, 1)}))
    sys.exit(bool(found.problems))


if __name__ == "__main__":
    main()
