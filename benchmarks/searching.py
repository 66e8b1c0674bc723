"""The modes of walking through a search: page by page with the connector, all in one list with the SDK."""

import asyncio
import time
from typing import Any

from benchmarks.child import memory
from benchmarks.harness import TOKEN
from benchmarks.lookups import settings


def connector(url: str, pages: int, stix: bool = True) -> dict[str, Any]:
    """AsyncConnector.search_pages; every outcome is read and let go."""
    return asyncio.run(_connector(url, pages, stix))


async def _connector(url: str, pages: int, stix: bool) -> dict[str, Any]:
    from connector import AsyncConnector

    async with AsyncConnector(settings(url, stix)) as ours:
        seen = rows = objects = 0
        wall, cpu = time.perf_counter(), time.process_time()
        params = {"query": f"filecount:{pages}", "sort": "firstseen desc"}
        async for outcome in ours.search_pages(params, prefetch=8):
            seen += 1
            rows += len(outcome.verdicts)
            objects += len(outcome.stix["objects"]) if outcome.stix else 0
        assert (seen, rows) == (pages, pages * 100), (seen, rows)
        spent = time.perf_counter() - wall
        return told(rows, spent, time.process_time() - cpu) | {"objects": objects}


def sdk(url: str, pages: int) -> dict[str, Any]:
    """The SDK's aggregation, which returns one list."""
    from ReversingLabs.SDK.a1000 import A1000

    theirs = A1000(url, token=TOKEN)
    wall, cpu = time.perf_counter(), time.process_time()
    found = theirs.advanced_search_v3_aggregated(f"filecount:{pages}", records_per_page=100)
    spent = time.perf_counter() - wall
    assert len(found) == pages * 100, len(found)
    return told(len(found), spent, time.process_time() - cpu)


def told(rows: int, wall: float, cpu: float) -> dict[str, Any]:
    return {"rate": rows / wall, "seconds": wall, "cpu_ms_page": cpu / rows * 1e5, "peak": memory("VmHWM")}


def stix() -> dict[str, Any]:
    """The ratio of benchmarks.stix_page for a mixed page of 100, after its comparison of every object."""
    from benchmarks.stix_page import compare, page
    from connector.stix import StixOptions

    return {"ratio": compare(page(), StixOptions())}
