"""Two workers share runs under limits that hold for both; one of them is killed, and nothing is lost or done twice."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connector.emulator import serve
from connector.errors import StateError
from connector.playbooks.durable.runs import open_runs
from connector.playbooks.durable.state import State
from tests.playbooks.postgres import binaries, postgres
from tests.playbooks.victim_books import ask, book, call, order, step
from tests.playbooks.victim_desk import Open, desk

pytestmark = pytest.mark.slow
needs_postgres = pytest.mark.skipif(binaries() is None, reason="there is no PostgreSQL here")
SPECTRA = Path(sys.executable).with_name("spectra")
BOUND = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"  # die with this
LONGEST = 90.0


@dataclass(slots=True)
class Crew:
    """Workers on one state, each of them with a journal of its own, as on another machine."""

    state: State
    folder: Path
    appliance: Any
    options: tuple[str, ...]
    workers: list["subprocess.Popen[str]"] = field(default_factory=list)

    def hire(self) -> dict[str, Any]:
        """Start a worker, and give what it says when it is ready."""
        number = len(self.workers)
        known = {
            "SPECTRA_URL": self.appliance.url,
            "SPECTRA_TOKEN": self.appliance.token,
            "SPECTRA_STATE": str(self.folder / f"journal-{number}"),
            "SPECTRA_FILE_ROOTS": str(self.folder / "files"),
            "SPECTRA_PLAYBOOK_STATE": self.state.url,
        }
        with (self.folder / f"log-{number}").open("w") as log:
            worker = subprocess.Popen(
                [sys.executable, "-c", BOUND, str(SPECTRA), "playbook", "worker", *self.options],
                env=os.environ | known,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.workers.append(worker)
        line = worker.stdout.readline()
        assert line, (self.folder / f"log-{number}").read_text()
        return json.loads(line)

    def order(self, runs: Any, count: int) -> None:
        """Leave runs to the workers: each submits a file of its own."""
        (self.folder / "files").mkdir()
        made = book(
            variables={"__file__": ""},
            send=call("submit_file", "look", content={"file": "__file__:value"}),
            look=call("get_tags"),
        )
        made["playbook_variables"]["__file__"]["external"] = True
        for number in range(count):
            file = self.folder / "files" / f"{number}.exe"
            file.write_bytes(b"MZ of run %d" % number)
            runs.enqueue(order(made, f"run-{number}", {"file": str(file)}))

    def end(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait(30)
            worker.stdout.close()


@contextmanager
def crew(state: State, folder: Path, *options: str) -> Iterator[Crew]:
    with serve(processing_seconds=0.01) as appliance:
        made = Crew(state, folder, appliance, options)
        try:
            yield made
        finally:
            made.end()


def finish(made: Crew, runs: Any, count: int, kill_at: int, look: Callable[[], int]) -> tuple[Counter[str], int]:
    """Wait until all runs are over, killing the first worker after a few: their states, and the most that were under way."""
    end, most, killed = time.monotonic() + LONGEST, 0, False
    while True:
        states = Counter(run["state"] for run in runs.listed(count))
        most = max(most, *(look() for _ in range(5)))
        if states["done"] >= kill_at and not killed:
            made.workers[0].kill()
            killed = True
        if states["done"] + states["failed"] == count:
            assert killed
            return states, most
        assert time.monotonic() < end, (states, [(made.folder / f"log-{n}").read_text()[-500:] for n in range(2)])
        time.sleep(0.05)


def judge(made: Crew, runs: Any, count: int) -> None:
    """Every run submitted its own file, once, and its timeline is whole."""
    sent = Counter(entry["sha1"] for entry in made.appliance.product.ledger.submissions)
    assert (len(sent), sum(sent.values())) == (count, count), sent.most_common(3)
    for number in range(0, count, 7):
        told = runs.timeline(f"run-{number}")
        assert [visit["state"] for visit in told["visits"]] == ["done"] * 4, told


def at_once(times: list[int], milliseconds: int) -> int:
    """The most that began within so many milliseconds."""
    return max(sum(first <= other < first + milliseconds for other in times) for first in times)


@needs_postgres
def test_two_workers_share_200_runs_under_limits_and_one_is_killed(tmp_path):
    count, at_most, rate = 200, 8, 60
    limits = ("--concurrency", f"{at_most}", "--rate", f"{rate}/1")
    with (
        postgres() as url,
        crew(State(url, tmp_path), tmp_path, *limits) as made,
        open_runs(made.state, prepare=True) as runs,
        psycopg.connect(url, autocommit=True) as database,
    ):
        made.order(runs, count)
        said = [made.hire(), made.hire()]

        def under_way() -> int:
            told = "SELECT count(*) FROM dbos.workflow_status WHERE name = 'spectra.run' AND status = 'PENDING'"
            return database.execute(told).fetchone()[0]

        states, most = finish(made, runs, count, 60, under_way)
        judge(made, runs, count)
        told = "SELECT started_at_epoch_ms FROM dbos.workflow_status WHERE name = 'spectra.permit'"
        times = [started for (started,) in database.execute(told) if started]
        both = {name for (name,) in database.execute("SELECT DISTINCT executor_id FROM dbos.workflow_status")}
        made.workers[1].send_signal(signal.SIGTERM)
        assert made.workers[1].wait(30) == 0
    assert states == {"done": count}
    assert 1 < most <= at_most
    assert len(times) >= 2 * count
    assert at_once(times, 1000) <= rate
    assert {one["worker"] for one in said} <= both
    assert [one["state"] for one in said] == [re.sub(r":[0-9a-f]{32}@", ":***@", url)] * 2
    assert url.split(":")[2].split("@")[0] not in (tmp_path / "log-1").read_text()


def test_two_workers_share_runs_in_one_file_and_one_is_killed(tmp_path):
    count, at_most = 40, 4
    state = State.of(str(tmp_path / "state"))
    with crew(state, tmp_path, "--concurrency", f"{at_most}") as made, open_runs(state, prepare=True) as runs:
        made.order(runs, count)
        made.hire()
        made.hire()
        database = sqlite3.connect(state.file)

        def under_way() -> int:
            told = "SELECT count(*) FROM workflow_status WHERE name = 'spectra.run' AND status = 'PENDING'"
            return database.execute(told).fetchone()[0]

        states, most = finish(made, runs, count, 10, under_way)
        database.close()
        judge(made, runs, count)
        assert states == {"done": count}
        assert 1 < most <= at_most


@needs_postgres
def test_a_run_on_postgresql_is_decided_cancelled_failed_left_and_resumed(lab, tmp_path, monkeypatch):
    monkeypatch.setattr("connector.playbooks.calling.PAUSE_SECONDS", 0.01)
    made = book(first=call("get_tags", "gate"), gate=ask("Go on?", "last"), last=call("get_tags"))
    with postgres(durable=False) as url, desk(lab, tmp_path) as file_desk:
        at = replace(file_desk, state=State(url, tmp_path))

        async def left(here: Open) -> None:
            await here.engine.start(order(made, "pg"))
            await here.until("pg", "waiting")
            await asyncio.to_thread(here.runs.cancel, "pg")
            assert (await here.resumed("pg", "waiting"))["state"] == "waiting"

        async def decided(here: Open) -> dict[str, Any]:
            assert (await here.told("pg"))["state"] == "interrupted"
            assert await asyncio.to_thread(here.runs.take_over) == ["pg"]
            await here.until("pg", "waiting")
            await asyncio.to_thread(here.runs.decide, "pg", "Go on?", "approved", "me", "")
            return await here.until("pg", "done", "failed")

        at.do(left)
        told = at.do(decided, server="http://127.0.0.1:9")
        assert (told["state"], told["failed_step"]) == ("failed", step("last"))
        assert at.do(lambda here: here.resumed("pg"))["state"] == "done"
    assert len(lab.requests) == 2


@needs_postgres
def test_a_database_that_cannot_be_reached_is_said_to_be_so(tmp_path):
    with (
        pytest.raises(StateError, match="cannot be reached") as error,
        open_runs(State("postgresql://spectra:hidden@127.0.0.1:9/none", tmp_path)),
    ):
        pass
    assert "hidden" not in str(error.value)


@needs_postgres
def test_a_worker_that_loses_its_database_stops_and_says_so(tmp_path):
    """Others may think that it is dead, so it must not go on."""
    with crew(State("", tmp_path), tmp_path) as made:
        with postgres(durable=False) as url:
            made.state = State(url, tmp_path)
            made.hire()
        assert made.workers[0].wait(60) == 1
    assert "the connection that says this worker lives was lost" in (tmp_path / "log-0").read_text()
