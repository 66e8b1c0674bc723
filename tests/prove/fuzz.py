"""Coverage-guided fuzzing of every parser of untrusted text, by atheris, with one JSON line for each.

``python tests/prove/fuzz.py --all --runs 1000000 --seed 1``, or the names of targets; ``--list`` tells them. Each
target has a process of its own, which does not stop at a finding: it keeps the smallest input for each exception and
the line that raised it. ``uncaught`` counts every input that failed. Exit code 1 when there was one, or when a target
could not run. With ``--all``, expensive targets take a share of the runs, told by ``--list``; ``--whole`` gives all.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.prove.targets import TARGETS, Check  # noqa: E402 - the path comes first

SLOWEST = 5  # seconds for one input, after which it counts as endless
MEMORY = 1024  # MiB
Line = dict[str, Any]


class Watch:
    """Runs a check on each input, keeps what it raised, and ends the process after the last."""

    def __init__(self, check: Check, runs: int, seeds: int, into: int) -> None:
        self._check, self._left, self._seeds, self._into = check, runs, seeds, into
        self._found: dict[tuple[str, str], Line] = {}
        self._uncaught, self._began = 0, time.perf_counter()

    def __call__(self, data: bytes) -> None:
        try:
            self._check(data)
        except Exception as crash:  # noqa: BLE001 - anything that a check raises is a finding
            self._note(crash, data)
        self._left -= 1
        if self._left <= 0:
            self._end()

    def _note(self, crash: Exception, data: bytes) -> None:
        self._uncaught += 1
        frames = traceback.extract_tb(crash.__traceback__)
        place = next((f for f in reversed(frames) if "/connector/" in f.filename), frames[-1])
        where = f"{Path(place.filename).name}:{place.lineno}"
        key = type(crash).__name__, str(crash) if isinstance(crash, AssertionError) else where
        kept = self._found.get(key)
        if kept is None or len(data) < kept["size"]:
            what = {"exception": key[0], "where": where, "says": ascii(str(crash))[1:-1][:160]}
            self._found[key] = what | {"input": ascii(data), "size": len(data)}

    def _end(self) -> None:
        line: Line = {"seconds": round(time.perf_counter() - self._began, 1), "uncaught": self._uncaught}
        line |= {"seeds_in_corpus": self._seeds}
        os.write(self._into, json.dumps(line | {"findings": list(self._found.values())}).encode())
        os._exit(0)  # libFuzzer has no other way out that leaves its own handlers alone


def inside(name: str, runs: int, seed: int, folder: Path) -> None:
    """The fuzzing process of one target: instrument what it imports, build the check, run."""
    import atheris

    target = TARGETS[name]
    with atheris.instrument_imports(include=_modules(target.modules), enable_loader_override=False):
        check = target.build()
    seeds = target.seeds()
    _prepare(folder, seeds)
    answer = os.open(folder / "answer", os.O_WRONLY | os.O_CREAT)
    limits = [
        f"-max_len={target.longest}",
        f"-timeout={SLOWEST}",
        f"-rss_limit_mb={MEMORY}",
        "-reload=0",
        "-keep_seed=1",
    ]
    places = [f"-artifact_prefix={folder}/", f"-dict={folder / 'words'}", str(folder / "corpus")]
    arguments = [f"-seed={seed}", "-use_value_profile=1", *limits, *places]
    atheris.Setup([sys.argv[0], *arguments], Watch(check, runs, len(seeds), answer))
    atheris.Fuzz()


def _modules(names: tuple[str, ...]) -> list[str]:
    """Full names to instrument; a module of the standard library is forgotten, so that it is imported anew."""
    full = [name.removeprefix("std.") if name.startswith("std.") else f"connector.{name}" for name in names]
    for name in full:
        sys.modules.pop(name, None)
    return full


def _prepare(folder: Path, seeds: tuple[bytes, ...]) -> None:
    """The corpus to begin with, and its words as a dictionary in libFuzzer's form."""
    (folder / "corpus").mkdir()
    for number, content in enumerate(seeds):
        (folder / "corpus" / f"seed-{number}").write_bytes(content)
    words = {word for seed in seeds for word in re.findall(rb"[A-Za-z0-9_]{2,32}|[^A-Za-z0-9_]{1,8}", seed)}
    shown = ("".join(f"\\x{byte:02x}" for byte in word) for word in sorted(words))
    (folder / "words").write_text("".join(f'"{word}"\n' for word in shown), "ascii")


def fuzzed(name: str, runs: int, seed: int) -> Line:
    """One target in a process of its own; what the line tells when that process died is the input that killed it."""
    line: Line = {"target": name, "runs": runs, "seed": seed}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        command = [sys.executable, __file__, name, "--runs", str(runs), "--seed", str(seed), "--inside", made]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        answer = folder / "answer"
        if answer.exists() and answer.stat().st_size:
            return line | json.loads(answer.read_text("utf-8"))
        last = ended.stderr.strip().rpartition("\n")[2]
        if last.startswith(("ModuleNotFoundError: ", "ImportError: ")):
            return line | {"skipped": last.partition(" (/")[0]}
        killers = [
            ascii(path.read_bytes())
            for kind in ("timeout", "oom", "crash", "slow")
            for path in folder.glob(f"{kind}-*")
        ]
        return line | {"uncaught": 1, "killed_by": killers, "says": ended.stderr[-1500:]}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("targets", nargs="*", metavar="TARGET")
    options.add_argument("--all", action="store_true")
    options.add_argument("--list", action="store_true")
    options.add_argument("--whole", action="store_true", help="all runs for the expensive targets too")
    options.add_argument("--runs", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if unknown := set(chosen.targets) - TARGETS.keys():
        options.error(f"there is no target {min(unknown)}; --list tells them")
    if chosen.inside:
        inside(chosen.targets[0], chosen.runs, chosen.seed, chosen.inside)
    if chosen.list:
        for name, target in TARGETS.items():
            sys.stdout.write(json.dumps({"target": name, "modules": target.modules, "share": target.share}) + "\n")
        return 0
    failed = False
    for name in TARGETS if chosen.all else chosen.targets:
        share = 1 if chosen.whole or not chosen.all else TARGETS[name].share
        line = fuzzed(name, max(1, int(chosen.runs * share)), chosen.seed)
        failed |= line.get("uncaught") != 0
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
