"""Kills what submits and deletes, at every system call and at random, and counts what was lost or done twice.

``python -m tests.prove.crashes`` kills at every system call, then has the disk fail at every write; ``--random 200
--seed N`` kills cold processes at random moments; ``--sigterm 100`` ends them politely, four at a time on one journal;
``--quick`` takes a sample of the calls. After each death the same operation is run again, twice. The ledger of the
appliance must hold it once, or at most once where the connector says that nobody can tell; a deletion must have taken
all that was confirmed or nothing, as it says; and the third run must send nothing. One JSON line for each part; exit
code 1 when anything was lost, done twice, or told wrongly.
"""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import click

from connector.operation import Entry
from tests.prove.scene import CHANGES, Case, Ledger, Scene, kept
from tests.prove.victim import Ended, cold, read

WORKERS: Final = 2
TOGETHER: Final = 4  # processes on one journal, where they are ended politely
POLITE_SECONDS: Final = 10.0
TOO_MANY: Final = 20  # problems, after which looking on is of no use
SMALL: Final = ("file", "url", "deletion")
ALL: Final = ("file", "large", "large", "url", "deletion")  # the slow one lives longest, and has most to lose
DURABLE: Final = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "write")
WIRE: Final = ("connect", "sendto", "recvfrom")
DISK: Final = ("pwrite64", "fdatasync", "fsync", "ftruncate")
UNKNOWN: Final = 5  # the exit code
QUICK: Final = 17  # of so many calls one, where a sample is enough; prime, so that it meets every kind of call
T = TypeVar("T")


@dataclass(slots=True)
class Figures:
    """What came of all deaths.

    points: deaths, or failures of the disk. lost: what the connector says in the end is not what the appliance did.
    twice: taken more than once. unknown: the connector says that nobody can tell; of those, unknown_yet_sent were taken.
    undone: a deletion that never left, and is said to be undone. at: how far the journal was at the death.
    """

    points: int = 0
    lost: int = 0
    twice: int = 0
    unknown: int = 0
    unknown_yet_sent: int = 0
    undone: int = 0
    slowest_end: float = 0.0
    at: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        for each in fields(self):
            mine, more = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, max(mine, more) if isinstance(mine, float) else mine + more)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where one worker works, and what it found."""

    scene: Scene
    figures: Figures = field(default_factory=Figures)

    def judge(self, case: Case, first: Ended, how: str) -> None:
        """Look at what a death left, run the operation again, twice, and count what is wrong."""
        scene, figures = self.scene, self.figures
        scene.peer.slow = False
        figures.points += 1
        before, entry = scene.ledger(case), kept(case)
        figures.at[entry.state if entry else "nothing"] += 1
        second = scene.run(case)
        known = len(scene.peer.begun)
        third = scene.run(case)
        asked = scene.peer.begun[known:]
        after = scene.ledger(case)
        found = [
            *_told_wrongly(first, second, entry, before),
            *_asked_again(second, third, asked),
            *self._counted(case, second, after),
        ]
        figures.problems += [f"{case.action}, {how}: {what}" for what in found]
        if not found:
            shutil.rmtree(case.home)

    def _counted(self, case: Case, second: Ended, after: Ledger) -> Iterator[str]:
        """Compare what the connector says in the end with what the appliance did."""
        figures, wrong = self.figures, ""
        figures.twice += after.times > 1
        if after.times > 1:
            yield f"the appliance took it {after.times} times"
        if second.status == UNKNOWN and case.action == "submit_url":
            figures.unknown += 1
            figures.unknown_yet_sent += after.times == 1
        elif second.status != 0 or second.told is None:
            wrong = f"run again, it ends with {second.status} {second.code}; it was taken {after.times} times"
        elif case.action == "bulk_delete":
            entries = second.told["result"]["entries"]
            says = {entry["hash_value"] for entry in entries if entry["state"] == "deleted"}
            figures.undone += not says
            if after.gone not in (set(), set(case.params["hash_values"])) or says != after.gone:
                wrong = f"{len(says)} are said to be deleted, and {len(after.gone)} are gone"
        elif after.times == 0:
            wrong = "it is said to be submitted, and the appliance never had it"
        figures.lost += bool(wrong)
        if wrong:
            yield wrong


def _told_wrongly(first: Ended, second: Ended, entry: Entry | None, before: Ledger) -> Iterator[str]:
    """What the first run said or wrote down, beside what the appliance had when it ended."""
    if before.times and (entry is None or entry.state == "refused"):
        yield "it was sent, and the journal does not say so"
    if first.told is None:
        return
    error = first.told.get("error")
    if error is not None:
        if error["outcome"] in {"not_sent", "rejected"} and before.times:
            yield f"it was sent, and the error says {error['outcome']}"
        return
    noted = any("the journal could not note" in notice for notice in first.told["notices"])
    if not noted and (entry is None or entry.state != "done"):
        yield "it ended well, the journal does not have it, and no notice says so"
    if not noted and first.told != second.told:
        yield "what was told at first is told otherwise when it is run again"


def _asked_again(second: Ended, third: Ended, asked: Sequence[bytes]) -> Iterator[str]:
    """The third run only repeats the second."""
    if any(first.startswith(CHANGES) for first in asked) or (third.status == 0 and asked):
        yield "the third run asked the appliance again"
    if second.status != third.status or (second.status == 0 and second.told != third.told):
        yield f"the second run ended with {second.status} {second.code}, the third with {third.status} {third.code}"


@dataclass(frozen=True, slots=True)
class Strike:
    """What goes wrong at one call, or from there on (``ever``); in the run ``after`` one that a signal left in doubt."""

    kind: str
    call: str
    number: int
    what: str
    ever: bool = False
    after: int = 0

    def __str__(self) -> str:
        when = f", taken up after {signal.Signals(self.after).name}" if self.after else ""
        return f"{self.what} at {self.call} {self.number}{'+' * self.ever}{when}"

    def options(self) -> list[str]:
        when = f"{self.number}{'+' if self.ever else ''}"
        return ["-e", f"trace={self.call}", "-e", f"inject={self.call}:{self.what}:when={when}"]


def calls_of(scene: Scene, kind: str, after: int = 0) -> dict[str, int]:
    """How often an undisturbed run makes each system call, in the thread that makes it most often."""
    ended = scene.run(begun(scene, kind, after), "-e", "trace=all")
    if ended.status not in {0, UNKNOWN}:
        raise RuntimeError(f"{kind}: undisturbed, it ends with {ended.status} {ended.code}")
    found = Counter(re.findall(r"^(\d+) +(\w+)\(", ended.traced, re.MULTILINE))
    names = dict.fromkeys(name for _, name in found)
    return {name: max(n for (_, other), n in found.items() if other == name) for name in names}


def begun(scene: Scene, kind: str, after: int) -> Case:
    """A new operation; with ``after``, taken by the appliance and left in doubt by that signal."""
    case = scene.new(kind)
    if after:
        scene.leave_in_doubt(case, after)
    return case


def kills(scene: Scene, step: int = 1) -> list[Strike]:
    """Every call of every scenario, and where a doubt is taken up every call that touches the disk or the wire.

    One more of each call than there are; with ``step`` every n-th, and only of those that touch disk or wire.
    """
    strikes = []
    for kind, after in product(SMALL, (0, signal.SIGKILL, signal.SIGINT)):
        for call, times in calls_of(scene, kind, after).items():
            if call in (*DURABLE, *WIRE) or (step == 1 and not after):
                strikes += [Strike(kind, call, n, "signal=KILL", after=after) for n in range(1, times + 2)]
    return strikes[::step]


def disk_errors(scene: Scene, step: int = 1) -> list[Strike]:
    """Every write and flush of every scenario fails, once or from there on."""
    ways = [(f"error={error}", ever) for error in ("EIO", "ENOSPC") for ever in (False, True)]
    strikes = []
    for kind in SMALL:
        calls = calls_of(scene, kind)
        places = [(call, number) for call in DISK for number in range(1, calls.get(call, 0) + 2)]
        strikes += [Strike(kind, *place, *way) for place in places for way in ways]
    return strikes[::step]


def strike(stage: Stage, planned: Strike) -> None:
    """One run in which one thing goes wrong; nothing is counted where its call never came."""
    stage.scene.clear()
    case = begun(stage.scene, planned.kind, planned.after)
    first = stage.scene.run(case, *planned.options())
    if first.status == -signal.SIGKILL or "(INJECTED)" in first.traced:
        stage.judge(case, first, str(planned))


Doom = tuple[str, float]  # a scenario, and after how many seconds its process is ended


def kill_at_random(stage: Stage, doom: Doom) -> None:
    stage.scene.clear()
    case = stage.scene.new(doom[0])
    ((status, _),) = ended_by(stage.scene, [case], [doom[1]], signal.SIGKILL)
    stage.figures.ends[_name_of(status)] += 1
    stage.judge(case, Ended(status, read(case.home / "out")), f"kill -9 after {doom[1]:.3f} s")


def end_politely(stage: Stage, dooms: Sequence[Doom]) -> None:
    """Send SIGTERM to several processes that work on one journal; each must end soon."""
    stage.scene.clear()
    batch = stage.scene.new("url").name + "-batch"
    cases = [stage.scene.new(kind, batch) for kind, _ in dooms]
    ends = ended_by(stage.scene, cases, [seconds for _, seconds in dooms], signal.SIGTERM)
    for case, (status, took) in zip(cases, ends, strict=True):
        stage.figures.ends[_name_of(status)] += 1
        stage.figures.slowest_end = max(stage.figures.slowest_end, took)
        if took > POLITE_SECONDS:
            stage.figures.problems.append(f"{case.action}: it took {took:.1f} s to end after SIGTERM")
        stage.judge(case, Ended(status, read(case.home / "out")), "SIGTERM")


def _name_of(status: int) -> str:
    return f"exit {status}" if status >= 0 else signal.Signals(-status).name


def ended_by(scene: Scene, cases: Sequence[Case], moments: Sequence[float], number: int) -> list[tuple[int, float]]:
    """Start cold processes before the slow peer, send each a signal at its moment: status, and the seconds until then."""
    scene.peer.slow = True

    def one(case: Case, seconds: float) -> tuple[int, float]:
        process = cold(case.words, scene.env(case), case.home)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(seconds), 0.0
        began = time.monotonic()
        process.send_signal(number)
        return process.wait(60), time.monotonic() - began

    with ThreadPoolExecutor(len(cases)) as pool:
        return list(pool.map(one, cases, moments))


def dooms_of(scene: Scene, number: int, seed: str, load: int = 1) -> list[Doom]:
    """Processes to be ended at moments spread evenly over the life of their kind, which is measured first."""
    lives = {}
    for kind in set(ALL):
        cases = [scene.new(kind, f"undisturbed-{kind}") for _ in range(load)]
        began = time.monotonic()
        if any(status for status, _ in ended_by(scene, cases, [60.0] * load, signal.SIGKILL)):
            raise RuntimeError(f"{kind}: undisturbed, it does not end well")
        lives[kind] = time.monotonic() - began
    chance = random.Random(seed)
    kinds = [chance.choice(ALL) for _ in range(number)]
    return [(kind, chance.uniform(0, lives[kind])) for kind in kinds]


@contextmanager
def stages(number: int = WORKERS) -> Iterator[list[Stage]]:
    """One stage for each worker."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crashes-")))
        yield [Stage(stack.enter_context(Scene(folder / str(n)))) for n in range(number)]


def work(on: Sequence[Stage], do: Callable[[Stage, T], None], jobs: Sequence[T]) -> Figures:
    """Do every job, one at a time on each stage, and add up what was found."""
    waiting: SimpleQueue[T] = SimpleQueue()
    for job in jobs:
        waiting.put(job)

    def worker(stage: Stage) -> None:
        with suppress(Empty):
            while len(stage.figures.problems) < TOO_MANY:
                do(stage, waiting.get_nowait())

    with ThreadPoolExecutor(len(on)) as pool:
        list(pool.map(worker, on))
    found = Figures()
    for stage in on:
        found.add(stage.figures)
    return found


def part(
    name: str, do: Callable[[Stage, T], None], plan: Callable[[Scene], Sequence[T]]
) -> tuple[dict[str, Any], bool]:
    """One part of the proof: its line, and whether it holds."""
    began = time.monotonic()
    with stages() as on:
        found = work(on, do, plan(on[0].scene))
    told = {each.name: getattr(found, each.name) for each in fields(found)}
    line = {"crashes": name, **{key: value for key, value in told.items() if value or isinstance(value, int)}}
    return line | {"seconds": round(time.monotonic() - began, 1)}, not (found.problems or found.lost or found.twice)


@click.command()
@click.option("--quick", is_flag=True, help="A sample of the calls.")
@click.option("--random", "at_random", default=0, help="So many cold processes, killed at random.")
@click.option("--sigterm", default=0, help="So many cold processes, ended politely.")
@click.option("--seed", default="1", help="Of what is random.")
def main(quick: bool, at_random: int, sigterm: int, seed: str) -> None:
    """Run the parts that are asked for; without any, those that are enumerated."""
    ran = []
    if at_random:
        ran.append(part("at random", kill_at_random, lambda scene: dooms_of(scene, at_random, seed, WORKERS)))
    if sigterm:
        ran.append(part("SIGTERM", end_politely, lambda scene: in_turns(dooms_of(scene, sigterm, seed, TOGETHER))))
    if not ran:
        ran.append(part("enumerated", strike, lambda scene: kills(scene, QUICK if quick else 1)))
        ran.append(part("disk errors", strike, lambda scene: disk_errors(scene, 2 * QUICK if quick else 1)))
    for line, _ in ran:
        click.echo(json.dumps(line))
    sys.exit(not all(holds for _, holds in ran))


def in_turns(dooms: Sequence[Doom]) -> list[Sequence[Doom]]:
    return [dooms[start : start + TOGETHER] for start in range(0, len(dooms), TOGETHER)]


if __name__ == "__main__":
    main()
