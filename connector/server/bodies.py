"""The body of a request, read within its limits, and the JSON that is believed of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from starlette.requests import Request

from connector.errors import InputRefused, Violation
from connector.reader import read_json
from connector.server.options import Options
from connector.server.problems import Refused, refused

IN_A_THREAD: Final = 1 << 20  # bytes from which parsing would hold the others up
JSON: Final = "application/json"
MULTIPART: Final = "multipart/form-data"


def media_of(request: Request) -> str:
    """The media type of a body without its parameters, in lower case; empty where none is named."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def chunks(request: Request) -> AsyncGenerator[bytes, None]:
    """The body as it comes; refused by its announced length, or as soon as it is longer than the limit.

    Raises:
        Refused: 413 past the limit, 408 when it takes too long, 415 for a body that is compressed.
    """
    options: Options = request.app.state.options
    _refuse_announced(request, options.max_body)
    taken = 0
    try:
        async with asyncio.timeout(options.body_seconds), aclosing(request.stream()) as stream:
            async for chunk in stream:
                taken += len(chunk)
                if taken > options.max_body:
                    raise _too_large(options.max_body)
                yield chunk
    except TimeoutError:
        raise _late(options.body_seconds) from None


def _refuse_announced(request: Request, most: int) -> None:
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise refused("media_type", "a compressed body is not taken; nothing was done", hint="send it as it is")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(most)


def _too_large(most: int) -> Refused:
    return refused(
        "body_too_large",
        f"a body may have at most {most:,} bytes here; nothing was done",
        hint="send less, or have the server started with a larger --max-body",
    )


def _late(seconds: float) -> Refused:
    return refused(
        "slow_body",
        f"the whole body must come within {seconds:g} seconds; nothing was done",
        hint="send it again over a faster connection",
        headers={"connection": "close"},
    )


async def read_all(request: Request) -> bytes:
    """The whole body."""
    async with aclosing(chunks(request)) as stream:
        return b"".join([chunk async for chunk in stream])


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of a body; an empty body without a media type is an empty object.

    Raises:
        Refused: 400 for what is not JSON, or JSON that two readers could read in two ways; 415 for another media type.
        InputRefused: for JSON that is not an object.
    """
    media = media_of(request)
    if media not in {"", JSON}:
        raise wrong_media(JSON)
    body = await read_all(request)
    if not body and not media:
        return {}
    if not media:
        raise wrong_media(JSON)
    return await parsed(body, "the body")


async def parsed(body: bytes, where: str) -> dict[str, Any]:
    """The JSON object of these bytes; as ``read_object``."""
    value, problem = await asyncio.to_thread(read_json, body) if len(body) > IN_A_THREAD else read_json(body)
    if problem:
        raise refused("malformed_request", f"{where} {problem}; nothing was done", hint="send one JSON object in UTF-8")
    if not isinstance(value, dict):
        raise InputRefused.of([Violation("", "must be a JSON object")])
    return value


def wrong_media(*taken: str) -> Refused:
    told = " or ".join(taken)
    return refused("media_type", f"the body must be {told}; nothing was done", hint="set the header Content-Type")
