"""What the HTTP libraries log of our exchanges: that something happened, never what was in it.

At the level DEBUG httpcore logs the headers of every answer, and aiohttp warns of cookies by their names. An answer may
repeat the token that it was asked with, so neither belongs into a log. In its debug mode asyncio logs a failed write
with its traceback, whose frames hold the request. Other users of these libraries in the same process are not affected.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

NAMES: Final = (
    *("httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks"),
    *("aiohttp.client", "aiohttp.internal", "asyncio"),
)
_ours: ContextVar[bool] = ContextVar("ours", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """What is logged in here, in this thread or task, is of ours."""
    before = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(before)


def _hushed(record: logging.LogRecord) -> bool:
    """Leaves the name of the event in a record of ours: the first word of httpcore, nothing of aiohttp.

    Of asyncio the sentence is left, which names the transport, without the traceback behind it.
    """
    if not _ours.get():
        return True
    record.exc_info = None
    if record.name == "asyncio":
        return True
    words = str(record.msg).split(" ", 1)
    record.msg, record.args = words[0], ()
    return record.name.startswith("httpcore.")


for _name in NAMES:
    logging.getLogger(_name).addFilter(_hushed)
