"""The modes of looking hashes up: this connector, the vendor's SDK, and httpx as pip installs it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1
from statistics import quantiles
from threading import local
from typing import Any

from benchmarks.harness import ROOT, TOKEN

WARM = 50


def hashes(count: int) -> list[str]:
    return [sha1(str(n).encode()).hexdigest() for n in range(count)]


def settings(url: str, stix: bool = True, **more: Any) -> Any:
    """Settings for a measurement; without STIX an outcome holds the verdict, which is what the others give."""
    from connector import Settings

    profile = "core" if stix else "none"
    return Settings(url=url, token=TOKEN, api_generation="current", deadline_seconds=60, stix_profile=profile, **more)


def told(count: int, wall: float, cpu: float, seconds: list[float] | None = None) -> dict[str, Any]:
    """A rate, the CPU of one look-up, and how long single ones took."""
    made = {"rate": count / wall, "cpu_us": cpu / count * 1e6}
    if seconds:
        cuts = quantiles(seconds, n=100)
        made |= {"p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}
    return made


def one_by_one(look_up: Callable[[str], object], count: int) -> dict[str, Any]:
    asked = hashes(count + WARM)
    for value in asked[:WARM]:
        look_up(value)
    wall, cpu = time.perf_counter(), time.process_time()
    for value in asked[WARM:]:
        look_up(value)
    return told(count, time.perf_counter() - wall, time.process_time() - cpu)


def connector(url: str, count: int, stix: bool = False) -> dict[str, Any]:
    from connector import Connector

    with Connector(settings(url, stix)) as ours:
        return one_by_one(lambda value: _checked(ours.run("get_classification", {"hash_value": value})), count)


def _checked(outcome: Any) -> Any:
    assert outcome.status == "success", outcome
    return outcome


def sdk(url: str, count: int) -> dict[str, Any]:
    from ReversingLabs.SDK.a1000 import A1000

    theirs = A1000(url, token=TOKEN)
    return one_by_one(lambda value: theirs.get_classification_v3(value, local_only=True).json(), count)


def sdk_pool(url: str, count: int, at_once: int = 50) -> dict[str, Any]:
    """The SDK's best: threads, each with an A1000 of its own."""
    from ReversingLabs.SDK.a1000 import A1000

    own = local()

    def look_up(value: str) -> float:
        if not hasattr(own, "sdk"):
            own.sdk = A1000(url, token=TOKEN)
        started = time.perf_counter()
        own.sdk.get_classification_v3(value, local_only=True).json()
        return time.perf_counter() - started

    asked = hashes(count + 2 * at_once)
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(look_up, asked[count:]))
        wall, cpu = time.perf_counter(), time.process_time()
        seconds = list(pool.map(look_up, asked[:count]))
        return told(count, time.perf_counter() - wall, time.process_time() - cpu, seconds)


def stream(url: str, count: int, at_once: int = 50, stix: bool = False) -> dict[str, Any]:
    """The connector's bulk lane."""
    return asyncio.run(_stream(url, count, at_once, stix))


async def _stream(url: str, count: int, at_once: int, stix: bool) -> dict[str, Any]:
    from connector import AsyncConnector

    async with AsyncConnector(settings(url, stix)) as ours:
        async for _, outcome in lane(ours, hashes(2 * at_once), at_once):
            _checked(outcome)
        begun: list[float] = []
        seconds: list[float] = []
        asked = hashes(count)
        wall, cpu = time.perf_counter(), time.process_time()
        async for _, outcome in lane(ours, _marked(asked, begun), at_once):
            assert _checked(outcome).result.entry.hash_value == asked[len(seconds)]
            seconds.append(time.perf_counter() - begun[len(seconds)])
        assert len(seconds) == count
        return told(count, time.perf_counter() - wall, time.process_time() - cpu, seconds)


def lane(ours: Any, asked: Any, at_once: int) -> AsyncIterator[Any]:
    inputs = ({"hash_value": value} for value in asked)
    return ours.stream("get_classification", inputs, at_once=at_once)


def _marked(asked: list[str], begun: list[float]) -> Iterator[str]:
    for value in asked:
        begun.append(time.perf_counter())
        yield value


def httpx_stock(url: str, count: int, at_once: int = 50, kept: int | None = None) -> dict[str, Any]:
    """httpx.AsyncClient where pip installed nothing else; with its own limits, or with ``kept`` connections kept."""
    while str(ROOT) in sys.path:
        sys.path.remove(str(ROOT))
    return asyncio.run(_httpx_stock(url, count, at_once, kept))


async def _httpx_stock(url: str, count: int, at_once: int, kept: int | None) -> dict[str, Any]:
    import httpx

    more = {} if kept is None else {"limits": httpx.Limits(max_connections=kept, max_keepalive_connections=kept)}
    seconds: list[float] = []
    async with httpx.AsyncClient(headers={"Authorization": f"Token {TOKEN}"}, timeout=60, **more) as client:

        async def work(values: Iterator[str]) -> None:
            for value in values:
                started = time.perf_counter()
                (await client.get(f"{url}/api/samples/v3/{value}/classification/?localonly=1&av_scanners=0")).json()
                seconds.append(time.perf_counter() - started)

        async def all_of(values: Iterator[str]) -> None:
            await asyncio.gather(*(work(values) for _ in range(at_once)))

        await all_of(iter(hashes(2 * at_once)))
        seconds.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        await all_of(iter(hashes(count)))
        return told(count, time.perf_counter() - wall, time.process_time() - cpu, seconds)


def bare(url: str, count: int, at_once: int = 1) -> dict[str, Any]:
    """The least that a client can do: asyncio streams, one prepared request; what the stand-in can answer."""
    return asyncio.run(_bare(url, count, at_once))


async def _bare(url: str, count: int, at_once: int) -> dict[str, Any]:
    host, _, port = url.rpartition("/")[2].partition(":")
    request = f"GET /api/samples/v3/{'a' * 40}/classification/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    async def work(values: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in values:
            writer.write(request)
            await reader.readuntil(b"}")
        writer.close()

    wall, cpu = time.perf_counter(), time.process_time()
    numbers = iter(range(count))
    await asyncio.gather(*(work(numbers) for _ in range(at_once)))
    return told(count, time.perf_counter() - wall, time.process_time() - cpu)
