"""A desk from which ``spectra enrich`` is run as a process of its own, and where all that it wrote is read.

Every run has a state folder of the test's own, and is searched for the token: no run may show it anywhere.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.laboratory import ROOT, Lab

SPECTRA = [sys.executable, "-c", "from connector.cli import main; main()", "enrich"]
LOOK_UP = "/api/samples/*"
WORDS = ("malicious", "suspicious", "goodware")


def sha1(number: int) -> str:
    return f"{number:040x}"


def event(number: int, subject: int | None = None) -> bytes:
    """An ECS event that names the file of this number, or of another one."""
    return json.dumps({"n": number, "file": {"hash": {"sha1": sha1(number if subject is None else subject)}}}).encode()


def until(true: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        time.sleep(0.005)


@dataclass(frozen=True)
class Ran:
    """A run that ended: its exit code, and what it wrote to standard output and standard error."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> Any:
        """The summary, which stands alone on standard output when the events go elsewhere."""
        assert self.code == 0, self.err or self.out
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error, which stands alone on standard output."""
        return json.loads(self.out)["error"]


class Desk:
    """A folder of files, an appliance, and the command."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.state = folder / "state"
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith("SPECTRA_")} | {
            "SPECTRA_URL": lab.url,
            "SPECTRA_TOKEN": lab.token,
            "XDG_STATE_HOME": str(self.state),
            "PYTHONPATH": str(ROOT),
        }

    def load(self) -> dict[str, dict[str, str]]:
        """A malicious, a suspicious and a goodware sample, which are files 1, 2 and 3; their hashes by verdict."""
        named = {"malicious": "Win32.Trojan.Fictional", "suspicious": "Document-PDF.Exploit.Imaginary"}
        return {
            word: self.lab.load(sha1=sha1(number), classification=word, threat_name=named.get(word), cloud=True)
            for number, word in enumerate(WORDS, 1)
        }

    def write(self, name: str, *events: bytes) -> Path:
        """A file of lines."""
        path = self.folder / name
        path.write_bytes(b"".join(line + b"\n" for line in events))
        return path

    def lines(self, name: str) -> list[Any]:
        """What a file holds, line by line; nothing where there is none."""
        path = self.folder / name
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    @property
    def asked(self) -> int:
        """How many look-ups the appliance was asked for so far, without those of no file that show its release."""
        return sum("/api/samples/" in path and sha1(0) not in path for path in self.lab.paths)

    def start(self, *arguments: str, **more: Any) -> "subprocess.Popen[bytes]":
        environment = self.environment | more.pop("env", {})
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*SPECTRA, *arguments], cwd=self.folder, env=environment, **pipes | more)

    def ended(self, process: "subprocess.Popen[bytes]", stdin: bytes | None = None, seconds: float = 45.0) -> Ran:
        try:
            out, err = process.communicate(stdin, timeout=seconds)
        finally:
            process.kill()
        ran = Ran(process.returncode, out or b"", (err or b"").decode())
        assert self.lab.token.encode() not in (out or b"") + (err or b""), "the token was shown"
        assert "Traceback" not in ran.err, ran.err
        return ran

    def run(self, *arguments: str, stdin: bytes | None = None, **more: Any) -> Ran:
        """Run it to its end."""
        pipes = {} if stdin is None else {"stdin": subprocess.PIPE}
        return self.ended(self.start(*arguments, **pipes, **more), stdin)

    def enrich(self, *arguments: str, source: str = "in", output: str = "out", **more: Any) -> Ran:
        """Run it from a file to a file."""
        return self.run("--input", source, "--output", output, *arguments, **more)

    @contextmanager
    def running(self, *arguments: str, **more: Any) -> Iterator["subprocess.Popen[bytes]"]:
        """A run that is killed at the end of the block, if it is still there."""
        process = self.start(*arguments, **more)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def forget_faults(self) -> None:
        """The appliance is well again, whether the plan was followed or not."""
        self.lab.http.delete("/_lab/faults")
        self.lab.faulty = False

    def require_no_secret(self) -> None:
        """No file that was written holds the token."""
        for path in self.folder.rglob("*"):
            if path.is_file() and path.stat().st_size < 1 << 24:
                assert self.lab.token.encode() not in path.read_bytes(), f"the token is in {path.name}"

    def require_whole(self, counts: Any, written: Sequence[Any], dead: Sequence[Any]) -> None:
        """The counts of a summary add up, and they are those of the lines that are there."""
        events = counts["events"]
        assert events["adds_up"]
        assert events["read"] == events["enriched"] + sum(events["passed"].values()) + events["dead"]
        assert (events["read"] - events["dead"], events["dead"]) == (len(written), len(dead))
        assert counts["lines"]["written"] == len(written)
        reasons: dict[str, int] = {}
        for letter in dead:
            reasons[letter["reason"]] = reasons.get(letter["reason"], 0) + 1
        assert events["dead_by_reason"] == reasons


def stopped(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> float:
    """Send a signal, and give the seconds until the process is gone."""
    begun = time.monotonic()
    process.send_signal(number)
    process.wait(30)
    return time.monotonic() - begun
