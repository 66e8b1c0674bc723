"""What every request passes on its way in and every answer on its way out: places, headers, counting, the log."""

import asyncio
import json
import re
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.server.metrics import Metrics
from connector.server.options import Log, Options
from connector.server.problems import MEDIA_TYPE, Problem, own

UNCOUNTED: Final = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
SAFE_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
NO_STORE: Final = (b"cache-control", b"no-store")
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
GONE: Final = 499  # in the log and the metrics: the caller went away before the answer
_OVERLOADED: Final = own(
    "overloaded",
    "too many requests are under way; nothing was done",
    retry_after=1.0,
    hint="try again, or have the server started with a larger --max-concurrent",
)
_DEFECT: Final = own(
    "defect",
    "the server failed by a defect of its own; whether anything was done is in the journal",
    outcome="unknown",
    hint="look at the server's log, and at the operation in spectra journal list, before it is done again",
)
_STOPPED: Final = own(
    "stopping",
    "the server stopped before the action ended; whether anything was done is in the journal",
    outcome="unknown",
    hint="repeat it with the same Idempotency-Key when the server is up again",
)


class Gate:
    """The ASGI middleware around all routes."""

    def __init__(
        self, app: ASGIApp, options: Options, metrics: Metrics, label: Callable[[Scope], str], write: "Write | None"
    ) -> None:
        self._app, self._options, self._metrics = app, options, metrics
        self._label, self._write = label, write
        self._flying = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(scope, send)
        counted = scope["path"] not in UNCOUNTED
        self._flying += counted
        self._metrics.in_flight.inc()
        try:
            if counted and self._flying > self._options.max_concurrent:
                await seen.answer(_OVERLOADED)
            else:
                await self._pass(scope, receive, seen)
        finally:
            self._flying -= counted
            self._metrics.in_flight.dec()
            self._tell(scope, seen)

    async def _pass(self, scope: Scope, receive: Receive, seen: "_Seen") -> None:
        """Run the routes; whatever they do not answer is answered here, and never with what went wrong inside."""
        try:
            await self._app(scope, receive, seen.send)
        except ClientDisconnect:
            seen.status = GONE
        except asyncio.CancelledError:
            if seen.begun:
                raise
            await seen.answer(_STOPPED)
        except Exception as error:  # noqa: BLE001  # the last boundary: a defect must not end the server
            seen.defect = places(error)
            if not seen.begun:
                await seen.answer(_DEFECT)

    def _tell(self, scope: Scope, seen: "_Seen") -> None:
        seconds, action = time.perf_counter() - seen.began, self._label(scope)
        self._metrics.answered(action, seen.status, seconds)
        if self._write is None:
            return
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "id": seen.id,
            "method": method,
            "action": action,
            "status": seen.status,
            "seconds": round(seconds, 4),
            "key": scope["state"].get("key"),
        }
        self._write(line | ({"defect": seen.defect} if seen.defect else {}))


class _Seen:
    """One request, and what became of its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.id = str(uuid.uuid4())
        scope.setdefault("state", {})["instance"] = f"urn:uuid:{self.id}"
        self.began = time.perf_counter()
        self.status, self.begun, self.defect = GONE, False, ""
        self._send = send
        self._stored = scope["path"] in UNCOUNTED

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
            own_headers = [*SAFE_HEADERS, (b"date", formatdate(usegmt=True).encode())]
            if not any(name.lower() == b"cache-control" for name, _ in message["headers"]):
                own_headers.append(NO_STORE)
            message = {**message, "headers": [*message["headers"], *own_headers]}
        await self._send(message)

    async def answer(self, problem: Problem) -> None:
        body = problem.body(f"urn:uuid:{self.id}")
        named = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.all_headers()}
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def places(error: BaseException) -> str:
    """A defect as its kind and its places in the code; not its message, which may hold what a caller sent."""
    found = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
    notes = [re.sub(r"[^ -~]", " ", note) for note in getattr(error, "__notes__", ()) if note.startswith("raised in ")]
    return "; ".join([type(error).__name__, *found, *notes])


Write = Callable[[Mapping[str, Any]], None]


def writer(form: Log) -> Write | None:
    """What writes the log to standard error, a line for each request; None for no log."""
    return {"json": _as_json, "text": _as_text, "none": None}[form]


def _as_json(line: Mapping[str, Any]) -> None:
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


def _as_text(line: Mapping[str, Any]) -> None:
    sys.stderr.write(" ".join(str(value) if value is not None else "-" for value in line.values()) + "\n")
    sys.stderr.flush()
