"""An appliance in a process of its own, and operations on it that its ledger can tell from all others."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, Final, NamedTuple, Self

import httpx

from connector.journal import Journal
from connector.operation import Entry
from tests.faults.listener import HOST, Listener
from tests.prove.victim import LONGEST, ROOT, Ended, Victims, bound

LARGE: Final = 3_000_000  # bytes of the file that is uploaded slowly
CHUNK, REST = 65_536, 0.02  # bytes that the slow peer takes, and the seconds it rests then: about 3 MB/s
CHANGES: Final = tuple(
    b"POST /api/" + path for path in (b"submit/", b"uploads/", b"samples/v2/delete_bulk/", b"samples/delete_bulk/")
)
_numbers = count(1)


class Peer(Listener):
    """Passes bytes on to an appliance: one origin for every run of an operation.

    While it is ``slow``, requests take their time; while it is ``mute``, no answer to a change comes back. ``begun`` are
    the first bytes of every connection, written down before the appliance has them.
    """

    def __init__(self, url: str) -> None:
        super().__init__("http")
        self._port = int(url.rsplit(":", 1)[1])
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)  # else all of an upload waits in here
        self.slow = self.mute = False
        self.begun: list[bytes] = []

    def serve(self, connection: socket.socket) -> None:
        with self.tracked(socket.create_connection((HOST, self._port))) as upstream:
            for end in (connection, upstream):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = connection.recv(CHUNK, socket.MSG_PEEK)
            self.begun.append(first[:100])
            mute = self.mute and first.startswith(CHANGES)
            back = Thread(target=_pass, args=(upstream, None if mute else connection, 0.0), daemon=True)
            back.start()
            _pass(connection, upstream, REST if self.slow else 0.0)
            back.join()


def _pass(source: socket.socket, to: socket.socket | None, rest: float) -> None:
    with suppress(OSError):
        while piece := source.recv(CHUNK):
            if to is not None:
                to.sendall(piece)
            time.sleep(rest)
    with suppress(OSError):
        if to is not None:
            to.shutdown(socket.SHUT_WR)


@dataclass(frozen=True, slots=True)
class Case:
    """One operation: what it is on the command line, its folder, and the hashes of what it may touch and must not."""

    action: str
    params: dict[str, Any]
    home: Path
    name: str
    hashes: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        return ["run", self.action, json.dumps(self.params), "--operation-id", self.name]

    @property
    def state(self) -> Path:
        return self.home.parent / "state"


class Ledger(NamedTuple):
    """What the appliance knows of an operation: how often it took it, and every hash that was deleted."""

    times: int
    gone: frozenset[str] = frozenset()


class Scene:
    """An appliance in another process, a peer before it, victims that stand ready, and a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [str(Path(sys.executable).with_name("spectra")), "appliance", "--processing-seconds", "0.01"]
        self._appliance = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=bound,  # noqa: PLW1509  # made before there are threads
        )
        known = json.loads(self._appliance.stdout.readline())  # type: ignore[union-attr]  # it has one
        self._token = known["token"]
        self._http = httpx.Client(base_url=known["url"], trust_env=False, timeout=30)
        self.peer, self._victims = Peer(known["url"]), Victims()

    def __enter__(self) -> Self:
        self.peer.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._victims.close()
        self.peer.close()
        self._http.close()
        self._appliance.terminate()
        self._appliance.communicate(timeout=30)

    def env(self, case: Case) -> dict[str, str]:
        known = {"SPECTRA_URL": self.peer.url, "SPECTRA_TOKEN": self._token, "SPECTRA_ALLOW_DELETE": "true"}
        return known | {"SPECTRA_STATE": str(case.state)}

    def run(self, case: Case, *trace: str) -> Ended:
        self._victims.start(case.words, self.env(case), case.home, *trace)
        return self._victims.end()

    def leave_in_doubt(self, case: Case, number: int) -> None:
        """Run an operation until the appliance has taken it, and send a signal before it learns of that."""
        self.peer.mute = True
        pid = self._victims.start(case.words, self.env(case), case.home)
        until = time.monotonic() + LONGEST
        while not self.ledger(case).times and time.monotonic() < until:
            time.sleep(0.005)
        os.kill(pid, number)
        self._victims.end()
        self.peer.mute = False

    def clear(self) -> None:
        """Empty the ledger: it is read in whole, after every run."""
        self._http.delete("/_lab/ledger").raise_for_status()

    def new(self, kind: str, batch: str = "") -> Case:
        """A new operation, and the appliance arranged for it; those of a batch share a journal."""
        name = f"{kind}-{next(_numbers)}"
        home = self.folder / (batch or name) / name
        home.mkdir(parents=True)
        return ARRANGED[kind](self, home, name)

    def load(self, hashes: list[str]) -> None:
        samples = [{"sha1": value, "classification": "malicious", "riskscore": 9, "local": True} for value in hashes]
        self._http.post("/_lab/samples", json={"samples": samples}).raise_for_status()

    def ledger(self, case: Case) -> Ledger:
        shown = self._http.get("/_lab/ledger").json()
        if case.action == "bulk_delete":
            ours = [record for record in shown["deletes"] if record["hash_value"] in case.hashes]
            gone = frozenset(record["sha1"] for record in ours if record["sha1"])
            return Ledger(len({record["task"] for record in ours}), gone)
        key, value = ("url", case.params["url"]) if case.action == "submit_url" else ("sha1", case.hashes[0])
        return Ledger(sum(record.get(key) == value for record in shown["submissions"]))


def of_file(scene: Scene, home: Path, name: str) -> Case:
    return _of_content(home, name, name.encode(), wait=False)


def of_large_file(scene: Scene, home: Path, name: str) -> Case:
    return _of_content(home, name, name.encode() + bytes(LARGE), wait=True)


def _of_content(home: Path, name: str, content: bytes, *, wait: bool) -> Case:
    (home / "sample.bin").write_bytes(content)
    params = {"file": "sample.bin", "wait": wait}
    return Case("submit_file", params, home, name, (hashlib.sha1(content).hexdigest(),))


def of_url(scene: Scene, home: Path, name: str) -> Case:
    return Case("submit_url", {"url": f"https://www.example.com/{name}"}, home, name)


def of_deletion(scene: Scene, home: Path, name: str) -> Case:
    """A plan of two of three samples, ready to be confirmed."""
    hashes = [hashlib.sha1(f"{name}{n}".encode()).hexdigest() for n in range(3)]
    scene.load(hashes)
    asked = {"hash_values": hashes[:2]}
    planned = scene.run(Case("bulk_delete", asked | {"plan": True}, home, f"{name}-plan"))
    if planned.status != 0 or planned.told is None:
        raise RuntimeError(f"the plan of a deletion ends with {planned.status} {planned.code}")
    confirm = {"confirm": planned.told["result"]["digest"]}
    return Case("bulk_delete", asked | confirm, home, name, tuple(hashes))


Arranged = Callable[[Scene, Path, str], Case]
ARRANGED: Final[dict[str, Arranged]] = {"file": of_file, "large": of_large_file, "url": of_url, "deletion": of_deletion}


def kept(case: Case) -> Entry | None:
    """What the journal holds, read in a copy: reading it in place would mend it before the next run does."""
    if not case.state.exists():
        return None
    with tempfile.TemporaryDirectory(dir=case.home) as copied:
        state = Path(shutil.copytree(case.state, Path(copied) / "state"))
        with Journal.open(state) as journal:
            return journal.find(case.name)
