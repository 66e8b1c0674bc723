"""The process that is killed: ``spectra run``, forked from a process that has imported everything, or started cold.

``python -m tests.prove.victim`` reads one request a line: ``{"words": [...], "env": {...}, "cwd": "...", "out": "...",
"held": false}``. It forks; the child is what ``spectra`` is, with its standard output in the file ``out``. A held child
stops itself first (SIGSTOP), so that a tracer can attach before its first system call. Answers are lines, too:
``{"pid": n}`` once it runs or is stopped, and ``{"status": n}`` when it ended: its exit code, or minus its signal.
"""

import ctypes
import gc
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import connector.steps
from connector.cli import main

ROOT: Final = Path(__file__).parents[2]
STRACE: Final = shutil.which("strace")
WARM: Final = ("cli.failure", "cli.run", "client", "journal", "driver", "stix", "check")
LOOKS: Final = (0.04, 0.08, 0.16)  # seconds, for the fifteen that a look for a lost answer takes: this peer is quick
LONGEST: Final = 60.0  # seconds that a victim may live
_LIBC: Final = ctypes.CDLL(None)
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a victim ended: its exit code or minus its signal, the JSON that it printed in full, and what a tracer saw."""

    status: int
    told: dict[str, Any] | None
    traced: str = ""

    @property
    def code(self) -> str:
        return str(((self.told or {}).get("error") or {}).get("code", ""))


class Victims:
    """A process that stands ready, and becomes one victim after the other."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.prove.victim"]
        pipe = subprocess.PIPE
        self._ready = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=pipe,
            stdout=pipe,
            bufsize=0,
            preexec_fn=bound,  # noqa: PLW1509  # made before there are threads
        )
        self._out, self._log, self._pid = Path(), Path(), 0
        self._tracer: subprocess.Popen[str] | None = None

    def close(self) -> None:
        self._ready.stdin.close()  # type: ignore[union-attr]  # it has one
        self._ready.wait(LONGEST)
        self._ready.stdout.close()  # type: ignore[union-attr]  # as above

    def start(self, words: Sequence[str], env: Mapping[str, str], cwd: Path, *trace: str) -> int:
        """Run ``spectra`` with these words in a folder; with ``trace``, under strace with these options."""
        out, self._log = cwd / "out", cwd / "trace"
        request = {"words": list(words), "env": dict(env), "cwd": str(cwd), "out": str(out), "held": bool(trace)}
        self._ready.stdin.write(json.dumps(request).encode() + b"\n")  # type: ignore[union-attr]  # as above
        self._out, self._pid = out, self._answer()["pid"]
        self._tracer = traced(self._pid, self._log, *trace) if trace else None
        return self._pid

    def end(self) -> Ended:
        """Wait for the end of the one that was started last."""
        try:
            status = self._answer()["status"]
        except TimeoutError:
            os.kill(self._pid, signal.SIGKILL)
            raise
        finally:
            if self._tracer is not None:
                self._tracer.communicate(timeout=LONGEST)
        return Ended(status, read(self._out), self._log.read_text() if self._tracer else "")

    def _answer(self) -> dict[str, int]:
        stdout: Any = self._ready.stdout
        if not select.select([stdout], [], [], LONGEST)[0]:
            raise TimeoutError("the victim lives too long")
        line = stdout.readline()
        answer: dict[str, int] = json.loads(line)
        return answer


def traced(pid: int, log: Path, *options: str) -> "subprocess.Popen[str]":
    """Attach strace to a stopped process, and let that go on.

    Raises:
        OSError: when it cannot be attached; the process is killed.
    """
    command = [STRACE or "strace", "-f", "-o", str(log), *options, "-p", str(pid)]
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    tracer = subprocess.Popen(command, stdout=nothing, stderr=pipe, text=True)
    said = tracer.stderr.readline()  # type: ignore[union-attr]  # it has one
    if "attached" not in said:
        os.kill(pid, signal.SIGKILL)
        tracer.communicate(timeout=LONGEST)
        raise OSError(f"strace cannot attach: {said.strip()}")
    os.kill(pid, signal.SIGCONT)
    return tracer


def cold(words: Sequence[str], env: Mapping[str, str], cwd: Path) -> "subprocess.Popen[bytes]":
    """Start the installed command, as a user does; what it prints goes to the file ``out`` of the folder."""
    command = [str(Path(sys.executable).with_name("spectra")), *words]
    nothing, known = subprocess.DEVNULL, {**os.environ, **env}
    with (cwd / "out").open("wb") as out:
        return subprocess.Popen(command, cwd=cwd, env=known, stdout=out, stderr=nothing)


def bound() -> None:
    """In a child: die with who started it (Linux), so that a harness that is killed itself leaves nothing behind."""
    with suppress(AttributeError):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def read(path: Path) -> dict[str, Any] | None:
    """The JSON that a victim printed; None where it did not come to its end."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def serve() -> None:
    """Answer requests until standard input ends."""
    for name in WARM:
        __import__(f"connector.{name}")
    connector.steps.SETTLING = LOOKS  # type: ignore[misc]  # final for the product, not for its harness
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(request)
        if request["held"]:
            os.waitpid(pid, os.WUNTRACED)
        tell(pid=pid)
        tell(status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def become(request: dict[str, Any]) -> None:
    """In the child: the command line from here on; never returns."""
    bound()
    out = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor, number in ((nothing, 0), (out, 1), (nothing, 2)):
        os.dup2(descriptor, number)
    os.chdir(request["cwd"])
    os.environ.update(request["env"])
    sys.argv = ["spectra", *request["words"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started this may have had it ignored
    if request["held"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    code: Any = 1
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 1)


def tell(**values: int) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
