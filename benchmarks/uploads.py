"""The modes of sending a file of 1 GiB: this connector, hashing or not, blocking or under asyncio; the SDK; curl."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

from benchmarks.child import forget_peak, memory
from benchmarks.harness import TOKEN, environment
from benchmarks.lookups import settings

MEGABYTE = 1e6


class NoDigest:
    """A hash that does not look at the bytes; what is left is the transfer."""

    def __init__(self, told: str) -> None:
        self._told = told

    def update(self, _chunk: bytes) -> None:
        pass

    def hexdigest(self) -> str:
        return self._told


class NoHashing:
    """Stands in for hashlib in connector.wire. The SHA-1 is the file's own, as the connector compares it."""

    def __init__(self, told: str) -> None:
        self._told = told

    def sha1(self, usedforsecurity: bool = True) -> NoDigest:
        return NoDigest(self._told)

    def sha256(self) -> NoDigest:
        return NoDigest("0" * 64)


def told(path: str, seconds: float, idle: float) -> dict[str, Any]:
    """Megabytes in a second, and how far the peak of memory lies above idle."""
    return {
        "rate": Path(path).stat().st_size / MEGABYTE / seconds,
        "seconds": seconds,
        "idle": idle,
        "peak_over_idle": memory("VmHWM") - idle,
    }


@contextlib.contextmanager
def switched_off(known_sha1: str | None) -> Iterator[None]:
    """Without hashing, where the SHA-1 is told."""
    from connector import wire

    kept = wire.hashlib
    if known_sha1 is not None:
        wire.hashlib = NoHashing(known_sha1)
    try:
        yield
    finally:
        wire.hashlib = kept


def connector(url: str, path: str, ca: str | None = None, known_sha1: str | None = None) -> dict[str, Any]:
    """The blocking connector; with known_sha1 the bare transfer."""
    from connector import Connector

    with Connector(settings(url, ca_file=ca)) as ours:
        ours.run("submit_file", {"content_base64": "AAAA"})  # imports what is imported late, connects once
        with switched_off(known_sha1):
            idle = forget_peak()
            started = time.perf_counter()
            outcome = ours.run("submit_file", {"file": path})
            spent = time.perf_counter() - started
        assert outcome.branch == "submitted", outcome
        return told(path, spent, idle)


def under_asyncio(url: str, path: str, ca: str | None = None) -> dict[str, Any]:
    """AsyncConnector, with a heartbeat that tells how long the loop was held."""
    return asyncio.run(_under_asyncio(url, path, ca))


async def _under_asyncio(url: str, path: str, ca: str | None) -> dict[str, Any]:
    from connector import AsyncConnector

    async with AsyncConnector(settings(url, ca_file=ca)) as ours:
        await ours.run("submit_file", {"content_base64": "AAAA"})
        idle = forget_peak()
        late: list[float] = []
        heart = asyncio.create_task(heartbeat(late))
        started = time.perf_counter()
        outcome = await ours.run("submit_file", {"file": path})
        spent = time.perf_counter() - started
        heart.cancel()
        assert outcome.branch == "submitted", outcome
        late.sort()
        return told(path, spent, idle) | {"lag_ms": late[-1] * 1e3, "lag_p99_ms": late[int(len(late) * 0.99)] * 1e3}


async def heartbeat(late: list[float], every: float = 0.001) -> None:
    """Notes how late each beat is."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every
        await asyncio.sleep(every)
        late.append(max(0.0, loop.time() - due))


def idle_loop(seconds: float = 2.0) -> dict[str, Any]:
    """The same heartbeat while nothing of ours runs: the machine's own share of the delay."""
    return asyncio.run(_idle_loop(seconds))


async def _idle_loop(seconds: float) -> dict[str, Any]:
    late: list[float] = []
    heart = asyncio.create_task(heartbeat(late))
    await asyncio.sleep(seconds)
    heart.cancel()
    return {"lag_ms": max(late) * 1e3}


def sdk(url: str, path: str) -> dict[str, Any]:
    """The vendor's SDK, which reads the file and builds the whole body in memory."""
    from ReversingLabs.SDK.a1000 import A1000

    theirs = A1000(url, token=TOKEN)
    theirs.submit_file_from_path(__file__)
    idle = forget_peak()
    started = time.perf_counter()
    theirs.submit_file_from_path(path)
    return told(path, time.perf_counter() - started, idle)


def curl(url: str, path: str, ca: str | None = None) -> dict[str, Any]:
    """curl, by its own clock."""
    command = ["curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{time_total}"]
    command += ["--header", "Expect:", "--form", f"file=@{path}", *(["--cacert", ca] if ca else [])]
    command.append(f"{url}/api/submit/file/")
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(), timeout=120)
    return told(path, float(done.stdout), 0.0)


def hashing(path: str) -> dict[str, Any]:
    """SHA-1 and SHA-256 of the file in one pass, and nothing else."""
    digests = (sha1(usedforsecurity=False), sha256())
    started = time.perf_counter()
    with Path(path).open("rb", buffering=0) as stream:
        while chunk := stream.read(1 << 20):
            for digest in digests:
                digest.update(chunk)
    return told(path, time.perf_counter() - started, 0.0)
