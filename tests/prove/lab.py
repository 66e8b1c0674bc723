"""What the campaigns share: an appliance behind a fault proxy, operations with their trace in the ledger, one JSON line."""

import asyncio
import base64
import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from connector import AsyncConnector, Connector, Outcome, Settings
from connector.emulator import serve
from tests.faults.proxy import FaultProxy
from tests.laboratory import Lab, hurried

Lane = Literal["sync", "async"]
SUBMITS = {"submit_file": "/api/submit/file/", "submit_url": "/api/submit/url/"}
DELETES = "/api/samples/v2/delete_bulk/"


@dataclass
class Bench:
    """One appliance and the proxy before it; the clocks of both move only when somebody sleeps."""

    lab: Lab
    proxy: FaultProxy
    state: str
    rng: random.Random
    serial: int = 0

    def settings(self, **more: Any) -> Settings:
        given = {"url": self.proxy.url, "token": self.lab.token, "state": self.state, "allow_delete": True}
        return Settings(**given | {"api_generation": "current"} | more)

    def run(self, action: str, params: dict[str, Any], lane: Lane, operation_id: str | None = None) -> Outcome:
        """One action on a client of its own, through the proxy."""
        return on(self.settings(), self.lab, lambda c: c.run(action, params, operation_id=operation_id), lane)

    def next(self) -> int:
        self.serial += 1
        return self.serial


def on(settings: Settings, lab: Lab, do: Callable[[Any], Any], lane: Lane) -> Any:
    """Do something with a client of this lane."""
    if lane == "sync":
        with hurried(Connector(settings), lab.time) as connector:
            return do(connector)

    async def once() -> Any:
        async with hurried(AsyncConnector(settings), lab.time) as connector:
            return await do(connector)

    return asyncio.run(once())


@contextmanager
def bench(state: str, seed: int) -> Iterator[Bench]:
    with serve(release="9.6") as appliance, FaultProxy(appliance.url) as proxy:
        lab = Lab(appliance).as_new()
        try:
            yield Bench(lab, proxy, state, random.Random(seed))
        finally:
            lab.http.close()


@dataclass(frozen=True)
class Intent:
    """One thing to do, and how often the ledger says that it was done."""

    action: str
    params: dict[str, Any]
    path: str
    done: Callable[[], int] = field(repr=False)


def intent(b: Bench) -> Intent:
    """A random thing to do: a file or a URL that nobody submitted, a sample to delete, or a look-up."""
    number = b.next()
    ledger = b.lab.product.ledger
    kind = b.rng.choice(("submit_file", "submit_url", "bulk_delete", "get_classification"))
    if kind == "submit_file":
        content = f"content {number} {b.rng.random()}".encode()
        sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        params = {"content_base64": base64.b64encode(content).decode()}
        return Intent(kind, params, SUBMITS[kind], lambda: sum(r.get("sha1") == sha1 for r in ledger.submissions))
    if kind == "submit_url":
        url = f"https://www.example.com/{number}"
        return Intent(kind, {"url": url}, SUBMITS[kind], lambda: sum(r.get("url") == url for r in ledger.submissions))
    sha1 = b.lab.load(classification="malicious")["sha1"]
    if kind == "get_classification":
        return Intent(kind, {"hash_value": sha1}, "/api/samples/v3/*", lambda: 0)
    b.proxy.plan([])
    planned = b.run("bulk_delete", {"hash_values": [sha1], "plan": True}, "sync")
    params = {"hash_values": [sha1], "confirm": planned.result.digest}
    return Intent(kind, params, DELETES, lambda: int(b.lab.product.local.find(sha1) is None))


def told(line: dict[str, Any], *, holds: bool) -> None:
    """Print the figures, and end with 1 where the claim does not hold."""
    print(json.dumps(line))  # noqa: T201
    sys.exit(not holds)
