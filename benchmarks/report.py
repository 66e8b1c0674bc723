"""The results as a page of Markdown: the table, how it was made, and the profile and reason of what fell short."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import run
from typing import Any

from benchmarks.harness import Bench, Row, child

PACKAGES = ("reversinglabs-sdk-py3", "requests", "httpx", "httpcore", "aiohttp", "orjson", "pydantic", "stix2")
HEAD = """# Speed and memory

Written by `{command}` on {when}; do not edit.

Every ratio compares modes that took turns in this run, each in a fresh process on core 1, against a stand-in server on
core 0 over loopback (`benchmarks/standin.py`); it is the median of the ratios of the rounds. `make bench` does it all.

Machine: {machine}. {versions}. One-minute load when written: {load:.1f}.
"""
VERDICT = {True: "met", False: "**fell short by {short}**", None: ""}
_TWICE = (
    "Since the journal, a file is read and hashed before its first byte leaves, so that its intent can be on the disk, "
    "and hashed again on the way, so that what was sent is known. What is called bare here pays for the first pass."
)
REASONS = {
    "bare transfer, against curl": _TWICE,
    "the same over TLS": _TWICE,
    "against hashing alone": _TWICE,
    "against httpx.AsyncClient as installed": "The bound comes from a machine on which stock httpx did 132 look-ups a "
    "second. Its default limits close what is beyond 20 idle connections; where it keeps all 50 (the row below), "
    "its pool takes its full toll. The rest of the time is the connector's own: validation, verdict and STIX.",
    "of the ceiling": "On one core the look-ups are bound by the processor, not by the wait: the rate is what one "
    "core does at this moment, and it falls with every other process on it (see the load above and each round below).",
    "cold look-up": "Imports, on both sides. The connector loads pydantic (models and their validators), click, and "
    "httpx with httpcore and h11; the SDK loads requests. The look-up itself takes a few milliseconds.",
    "loop with the standard library's json": "Parsing, finding the hash and closing the event take 3.5 us here, "
    "reading and writing 0.6 us, and the start of the command 0.6 s; the loop needs 19 us. From the first event on it "
    "is about 4x.",
    "standard library": "Building the objects takes 2.2 ms for a page; the standard library's encoder takes another "
    "2 ms to write them, orjson 0.2 ms. The [fast] extra has orjson.",
    "the SDK's aggregation": "The SDK hands out the parsed entries as they are. The connector reads a verdict from "
    "each (10 us), sums it up, and makes about 375 STIX objects a page where STIX is asked for.",
}


def write(bench: Bench, rows: list[Row], command: str, path: Path) -> None:
    parts = [head(command), table(rows), *shortfalls(rows), raw(bench)]
    path.write_text("\n".join(parts), "utf-8")


def head(command: str) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    curl = " ".join(run(["curl", "--version"], capture_output=True, text=True, check=False).stdout.split()[:2])
    versions = ", ".join([*(f"{name} {installed(name)}" for name in PACKAGES), curl])
    when = datetime.now(UTC).date()
    return HEAD.format(command=command, when=when, machine=machine, versions=versions, load=os.getloadavg()[0])


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def table(rows: list[Row]) -> str:
    lines = ["| figure | asked | measured | verdict |", "|---|---|---|---|"]
    for row in rows:
        verdict = VERDICT[row.met].format(short=row.short)
        lines.append(f"| {row.figure} | {row.asked} | {row.measured} | {verdict} |")
    return "\n".join(lines) + "\n"


def shortfalls(rows: list[Row]) -> list[str]:
    """Why figures were not reached: the reason where one is known, and each profile once."""
    told: list[str] = []
    profiled: list[object] = []
    for row in rows:
        if row.met is not False:
            continue
        reason = next((text for part, text in REASONS.items() if part in row.figure), "")
        told.append(f"## Fell short: {row.figure}\n\n{reason}\n")
        if row.profile is not None and row.profile not in profiled:
            profiled.append(row.profile)
            told.append(f"```\n{profile_of(*row.profile)}\n```\n")
    return told


def profile_of(what: str, arguments: dict[str, Any]) -> str:
    """The profile of a mode, measured now."""
    if what.startswith("profiling:"):
        return child(what, **arguments)["profile"]
    return child("profiling:top", what=what, arguments=arguments)["profile"]


def raw(bench: Bench) -> str:
    """What each round gave, so that the spread can be seen."""
    return "## Each round\n\n```\n" + "\n".join(bench.log) + "\n```\n"
