"""Workers of `spectra enrich` as processes of their own against one appliance, and what they leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import redis

from connector.emulator import RunningAppliance, serve
from connector.emulator.product.loading import load
from tests.enrichment.made import hashed

SPECTRA = [sys.executable, "-c", "from connector.cli import main; main()", "enrich"]
KINDS = ("malicious", "suspicious", "goodware", "unknown", None)
LONGEST = 40.0
NUMBERS = {hashed(f"crew {number}")["sha256"]: number for number in range(500)}
SUBJECTS = tuple(NUMBERS)


def known(number: int) -> str | None:
    """What the appliance of a crew says of a subject; None where it was never seen."""
    return KINDS[number % len(KINDS)]


def event(number: int, of: int) -> bytes:
    """An event of the Elastic Common Schema with a number of its own, which names a subject."""
    told = {"ecs": {"version": "8.17.0"}, "event": {"sequence": number}, "file": {"hash": {"sha256": SUBJECTS[of]}}}
    return json.dumps(told).encode()


def until(true: Callable[[], Any], what: str, seconds: float = LONGEST) -> Any:
    """Wait for something to be true, and give it."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)
    return found


@dataclass
class Worker:
    """One process; ``ended`` waits for its end and gives the summary that it printed."""

    process: "subprocess.Popen[bytes]"
    errors: Path

    def ended(self, within: float = 10.0) -> dict[str, Any]:
        out, _ = self.process.communicate(timeout=within)
        assert self.process.returncode == 0, f"{self.process.returncode}: {out.decode()}\n{self.errors.read_text()}"
        told: dict[str, Any] = json.loads(out)
        assert told["events"]["adds_up"], told["events"]
        return told

    def retire(self) -> dict[str, Any]:
        """Have it end in order, which has to take less than ten seconds."""
        assert self.process.poll() is None, f"ended by itself: {self.errors.read_text()}"
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@dataclass
class Crew:
    """Workers with a folder of state for each, and the appliance that they ask."""

    folder: Path
    lab: RunningAppliance
    workers: list[Worker] = field(default_factory=list)

    def hire(self, *arguments: object, **environment: str) -> Worker:
        folder = self.folder / f"worker-{len(self.workers)}"
        folder.mkdir()
        known = {"SPECTRA_URL": self.lab.url, "SPECTRA_TOKEN": self.lab.token, "XDG_STATE_HOME": str(folder)}
        with (folder / "errors").open("wb") as errors:
            process = subprocess.Popen(
                [*SPECTRA, *map(str, arguments)],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | known | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.workers.append(Worker(process, folder / "errors"))
        return self.workers[-1]

    def slow(self, seconds: float) -> None:
        """Have the appliance think so long about each look-up; not at all with 0."""
        plan = {"match": {"method": "*", "path": "/api/*"}, "nth": "every", "delay_seconds": seconds}
        with httpx.Client(base_url=self.lab.url, trust_env=False) as http:
            http.delete("/_lab/faults").raise_for_status()
            if seconds:
                http.post("/_lab/faults", json={"faults": [plan]}).raise_for_status()

    @property
    def look_ups(self) -> Counter[str]:
        """How often the appliance was asked for each subject; a proof that an endpoint is there is none."""
        requests = [record["path"] for record in self.lab.product.ledger.shown()["requests"]]
        return Counter(word for path in requests for word in path.split("/") if word in NUMBERS)

    def end(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()
            worker.process.stdout.close()


@contextmanager
def crew(folder: Path, subjects: int) -> Iterator[Crew]:
    """An appliance that knows so many subjects, and workers that end with the block."""
    with serve() as lab:
        for number in range(subjects):
            if known(number):
                sample = {"sha256": SUBJECTS[number], "classification": known(number), "cloud": True}
                load(lab.product, sample | {"threat_name": f"Win32.Trojan.Crew{number}"})
        made = Crew(folder, lab)
        try:
            yield made
        finally:
            made.end()


def add(client: "redis.Redis", events: Sequence[bytes], stream: str = "events") -> None:
    with client.pipeline(transaction=False) as pipe:
        for each in events:
            pipe.xadd(stream, {"event": each})
        pipe.execute()


def entries(client: "redis.Redis", stream: str = "enriched") -> list[tuple[str, dict[str, Any]]]:
    """What lies in a stream of output: the id of each event, and the event."""
    return [(row[b"id"].decode(), json.loads(row[b"event"])) for _, row in client.xrange(stream)]


def pending(client: "redis.Redis", consumer: str | None = None) -> int:
    """What the group was given and is not done with; nothing while there is no group."""
    try:
        found = client.xpending("events", "siem")
    except redis.ResponseError:
        return 0
    if consumer is None:
        return int(found["pending"])
    return sum(each["pending"] for each in found["consumers"] or () if each["name"] == consumer.encode())


def require_whole(rows: Sequence[tuple[str, dict[str, Any]]], sent: Sequence[bytes]) -> None:
    """Each event came out once, under an id of its own, with what the appliance says of its subject."""
    assert sorted(told["event"]["sequence"] for _, told in rows) == sorted(
        json.loads(each)["event"]["sequence"] for each in sent
    )
    assert len({name for name, _ in rows}) == len(rows)
    for _, told in rows:
        assert verdict(told) == known(NUMBERS[told["file"]["hash"]["sha256"]]), told


def verdict(told: dict[str, Any]) -> str | None:
    """What an enriched event says of its subject; None where nothing was added."""
    added = told.get("threat", {}).get("enrichments")
    return added[0]["reversinglabs"]["classification"] if added else None
