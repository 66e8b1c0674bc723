"""How a figure is measured: the stand-in on one core, each mode in a fresh process on the other, in rounds.

Modes take turns within a round, so that a busy machine slows all of them alike; what counts is the ratio of two
modes in the same round, and of these ratios the median.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.child import CORE

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "0123456789abcdef0123456789abcdef"
ABSENT = {
    "stock": ("sniffio",),  # what pip installs for httpx alone
    "plain": ("aiohttp", "httpx_aiohttp", "orjson"),  # the connector without its [fast] extra
}
Measured = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``met`` is None where nothing was asked."""

    figure: str
    asked: str
    measured: str
    met: bool | None = None
    short: str = ""
    profile: tuple[str, dict[str, Any]] | None = None


@dataclass(slots=True)
class Bench:
    """What every measurement needs: where the stand-in is, and how often to repeat."""

    ports: dict[str, int]
    folder: Path
    ca: Path
    file: Path
    file_sha1: str
    quick: bool = False
    log: list[str] = field(default_factory=list)

    def rounds(self, many: int) -> int:
        return 2 if self.quick else many

    def url(self, port: str) -> str:
        return f"http{'s' if 'tls' in port else ''}://127.0.0.1:{self.ports[port]}"

    def say(self, text: str) -> None:
        self.log.append(text)
        print("  " + text, file=sys.stderr, flush=True)


def environment(**more: str) -> dict[str, str]:
    """A small environment, the same for all: nothing of the machine's proxies or certificates."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | more


def child(what: str, /, *, lacks: Path | None = None, seconds: float = 300, **arguments: Any) -> Measured:
    """Run one mode in a fresh process and return what it says.

    ``lacks`` is a folder made by ``without``; the process sees that instead of the installed packages.
    """
    calm()
    command = [sys.executable, "-m", "benchmarks.child", what, json.dumps(arguments)]
    variables = environment()
    if lacks is not None:
        command.insert(1, "-S")
        variables["PYTHONPATH"] = f"{ROOT}{os.pathsep}{lacks}"
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=seconds
    )
    if done.returncode:
        raise RuntimeError(f"{what} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def calm(core: int = CORE, most: float = 2.0) -> None:
    """Wait, but not for long, until nobody else works on the core of the clients."""
    ends = time.monotonic() + most
    while time.monotonic() < ends:
        idle, everything = ticks(core)
        time.sleep(0.2)
        idle_after, everything_after = ticks(core)
        if idle_after - idle >= 0.8 * (everything_after - everything):
            return


def ticks(core: int) -> tuple[int, int]:
    """Clock ticks that a core was idle, and all of them (Linux); as good as idle where nobody can tell."""
    stat = Path("/proc/stat")
    lines = stat.read_text().splitlines() if stat.exists() else []
    line = next((line.split()[1:9] for line in lines if line.startswith(f"cpu{core} ")), ["0"] * 8)
    spent = [int(value) for value in line]
    return spent[3] + spent[4], sum(spent)


def without(folder: Path, kind: str) -> Path:
    """A folder with everything that is installed but the packages that ABSENT names for this kind of installation."""
    made = folder / kind
    if made.exists():
        return made
    made.mkdir()
    installed = Path(next(path for path in sys.path if path.endswith("site-packages")))
    for entry in installed.iterdir():
        name = entry.name.lower()
        if entry.suffix != ".pth" and not any(name == p or name.startswith((f"{p}-", f"{p}.")) for p in ABSENT[kind]):
            (made / entry.name).symlink_to(entry)
    return made


def in_rounds(
    bench: Bench, many: int, modes: dict[str, Callable[[], Measured]], show: str
) -> dict[str, list[Measured]]:
    """Every mode once in each round, in turn."""
    results: dict[str, list[Measured]] = {name: [] for name in modes}
    for _ in range(bench.rounds(many)):
        for name, mode in modes.items():
            results[name].append(mode())
    for name, found in results.items():
        values = ", ".join(f"{each[show]:.4g}" for each in found)
        bench.say(f"{name}: {show} {values}")
    return results


def middle(results: Sequence[Measured], key: str) -> float:
    return median(each[key] for each in results)


def ratio(ours: Sequence[Measured], theirs: Sequence[Measured], key: str) -> float:
    """The median of the ratios of each round."""
    return median(one[key] / other[key] for one, other in zip(ours, theirs, strict=True))


def row(
    figure: str,
    asked: str,
    measured: str,
    value: float,
    bound: float,
    *,
    least: bool = True,
    profile: tuple[str, dict[str, Any]] | None = None,
) -> Row:
    """A row with its verdict: value must be at least (or at most) the bound."""
    met = value >= bound if least else value <= bound
    short = "" if met else f"{abs(value - bound) / bound:.0%}" if bound else "all"
    return Row(figure, asked, measured, met, short, profile)


@contextmanager
def bench(*, quick: bool, file: bool = True) -> Iterator[Bench]:
    """A stand-in that runs for as long as it is needed, with a certificate and a file of 1 GiB to upload."""
    with tempfile.TemporaryDirectory(prefix="spectra-bench-") as name:
        folder = Path(name)
        pem, ca = certificate(folder)
        path, sha1 = big_file(folder, (1 << 30) if file else 0)
        command = [sys.executable, "-m", "benchmarks.standin", "--sha1", sha1, "--pem", str(pem)]
        server = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            ports = json.loads(server.stdout.readline()) if server.stdout else {}
            yield Bench(ports, folder, ca, path, sha1, quick)
        finally:
            stop(server)


def stop(server: "subprocess.Popen[str]") -> None:
    """End of its standard input ends the stand-in; if not, it is killed."""
    try:
        server.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.communicate()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate with its key for 127.0.0.1, and the CA that signed it."""
    import trustme

    authority = trustme.CA()
    pem, ca = folder / "server.pem", folder / "ca.pem"
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    authority.cert_pem.write_to_path(str(ca))
    return pem, ca


def big_file(folder: Path, size: int) -> tuple[Path, str]:
    """A file that is not all zeros, with its SHA-1; it stays in the page cache."""
    from hashlib import sha1

    path, digest, block = folder / "sample.bin", sha1(), os.urandom(1 << 20)
    with path.open("wb") as stream:
        for _ in range(size >> 20):
            stream.write(block)
            digest.update(block)
    return path, digest.hexdigest()
