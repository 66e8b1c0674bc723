"""make prove: runs every gate, two at a time, and writes docs/proof.md with what was asked beside what was measured.

What each gate found is kept in build/prove, so that one can be run again alone and the page written anew from all.
"""

import json
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click

from connector.version import __version__
from tests.prove.gates import GATES, MINUTE, SEED, Gate
from tests.prove.report import report

ROOT: Final = Path(__file__).parents[2]
PROOF: Final = ROOT / "docs" / "proof.md"
KEPT: Final = ROOT / "build" / "prove"
LIBRARIES: Final = ("httpx", "httpcore", "h11", "aiohttp", "pydantic", "stix2", "orjson", "hypothesis")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a gate printed and how it ended."""

    gate: Gate
    holds: bool
    seconds: float
    lines: tuple[dict[str, Any], ...] = field(default=())
    problem: str = ""


def ran(gate: Gate) -> Ran:
    """Run one gate; what it prints beside its JSON goes to this program's stderr when it fails."""
    began = time.monotonic()
    command = [str(ROOT / gate.home / "bin" / "python"), *gate.command]
    try:
        ended = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=gate.minutes * MINUTE
        )
    except subprocess.TimeoutExpired:
        return Ran(gate, False, time.monotonic() - began, problem=f"not done within {gate.minutes} minutes")
    lines = tuple(json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{"))
    holds = ended.returncode == 0 and bool(lines)
    problem = "" if holds else (ended.stderr.strip().splitlines() or ["it printed nothing"])[-1][:300]
    click.echo(f"{'holds' if holds else 'FAILS'}  {gate.name}  ({time.monotonic() - began:.0f} s) {problem}", err=True)
    return Ran(gate, holds, time.monotonic() - began, lines, problem)


def keep(one: Ran) -> Ran:
    """Write what a gate found where the report looks for it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    values = {"holds": one.holds, "seconds": one.seconds, "lines": one.lines, "problem": one.problem}
    place(one.gate).write_text(json.dumps(values, indent=1), "utf-8")
    return one


def kept(gate: Gate) -> Ran:
    """What a gate found when it last ran."""
    if not place(gate).exists():
        return Ran(gate, False, 0.0, problem="not run")
    values = json.loads(place(gate).read_text("utf-8"))
    return Ran(gate, values["holds"], values["seconds"], tuple(values["lines"]), values["problem"])


def place(gate: Gate) -> Path:
    return KEPT / f"{gate.name.replace(' ', '-').replace(',', '')}.json"


def versions() -> dict[str, str]:
    found = {"connector": __version__, "Python": platform.python_version()}
    return found | {name: version(name) for name in LIBRARIES}


@click.command()
@click.option("--only", multiple=True, help="Part of the name of a gate; the others are told as they last ended.")
@click.option("--report", "report_only", is_flag=True, help="Run none; write the page from how they last ended.")
def main(only: tuple[str, ...], report_only: bool) -> None:
    """Run the proof, and write docs/proof.md."""
    chosen = [gate for gate in GATES if not only or any(part in gate.name for part in only)]
    if not report_only:
        for gate in chosen:
            if gate.heavy:
                keep(ran(gate))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda gate: keep(ran(gate)), (gate for gate in chosen if not gate.heavy)))
    done = [kept(gate) for gate in GATES]
    PROOF.write_text(report(done, versions(), SEED), "utf-8")
    click.echo(f"written: {PROOF.relative_to(ROOT)}", err=True)
    sys.exit(not all(one.holds for one in done))


if __name__ == "__main__":
    main()
