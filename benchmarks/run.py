"""Measure what is asked of the connector's speed and memory, and write benchmarks/results.md.

``python -m benchmarks.run`` takes about ten minutes; ``--only NAME`` (again and again) measures some figures and
``--quick`` does so with fewer rounds; neither writes the page, but prints it.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks import figures, report
from benchmarks.enriching import enriching
from benchmarks.harness import ROOT, Bench, Row, bench
from benchmarks.playbooks import playbooks

RESULTS = ROOT / "benchmarks" / "results.md"
FIGURES = figures.FIGURES | {"playbooks": playbooks, "enriching": enriching}


def measured(bench: Bench, names: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        started = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += FIGURES[name](bench)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", action="append", choices=list(FIGURES), help="measure this figure alone")
    options.add_argument("--quick", action="store_true", help="fewer rounds, for development")
    options.add_argument("--output", type=Path, help="where to write the page")
    given = options.parse_args()
    output = given.output or (None if given.only or given.quick else RESULTS)
    with bench(quick=given.quick, file=given.only is None or "upload" in given.only) as found:
        rows = measured(found, given.only or list(FIGURES))
        print(report.table(rows))
        if output is not None:
            only = "".join(f" --only {name}" for name in given.only or ())
            report.write(found, rows, f"python -m benchmarks.run{only}", output)
            print(f"written to {output.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
