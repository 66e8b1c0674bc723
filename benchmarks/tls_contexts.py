"""How many TLS contexts the connector makes for one appliance over many look-ups, blocking and under asyncio."""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

from benchmarks.lookups import hashes, lane, settings


def count(url: str, ca: str, look_ups: int = 100) -> dict[str, Any]:
    """Contexts made while connectors for one appliance are made and used; one is right."""
    import connector.async_client
    import connector.client  # the empty context that plain HTTP has is made at import  # noqa: F401

    with suppress(ImportError):
        import aiohttp  # makes two at import, which serve no appliance  # noqa: F401
    made = _counting()
    asyncio.run(_bulk(url, ca, look_ups))
    for _ in range(2):
        _one_by_one(url, ca, look_ups)
    return {"contexts": len(made)}


def _counting() -> list[str]:
    made: list[str] = []
    original = ssl.SSLContext.__new__

    def counted(cls: type[ssl.SSLContext], *args: Any, **kwargs: Any) -> ssl.SSLContext:
        made.append(cls.__name__)
        return original(cls, *args, **kwargs)

    ssl.SSLContext.__new__ = counted  # type: ignore[method-assign]
    return made


async def _bulk(url: str, ca: str, look_ups: int) -> None:
    from connector import AsyncConnector

    async with AsyncConnector(settings(url, ca_file=ca)) as ours:
        async for _, outcome in lane(ours, hashes(look_ups), 20):
            assert outcome.status == "success", outcome


def _one_by_one(url: str, ca: str, look_ups: int) -> None:
    from connector import Connector

    with Connector(settings(url, ca_file=ca)) as ours:
        for value in hashes(look_ups):
            assert ours.run("get_classification", {"hash_value": value}).status == "success"
