"""An appliance under test: what it holds, what it saw, and a clock that no test has to wait for."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
from jsonschema import Draft202012Validator

from connector import AsyncConnector, Connector, Outcome, Settings
from connector.emulator import RunningAppliance
from connector.emulator.product.loading import load

C = TypeVar("C", Connector, AsyncConnector)
ROOT = Path(__file__).parents[1]


@cache
def validator(name: str) -> Draft202012Validator:
    """The validator of a committed schema."""
    return Draft202012Validator(json.loads((ROOT / "schemas" / f"{name}.json").read_text("utf-8")))


def schema_says(name: str, message: Any) -> list[str]:
    """What a committed schema has against a message."""
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator(name).iter_errors(message)]


@dataclass
class Time:
    """A clock that only sleeping moves: the client's and the appliance's go together."""

    now: float = 0.0
    slept: list[float] | None = None
    passed: Callable[[float], None] = lambda seconds: None

    def __post_init__(self) -> None:
        self.slept = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        self.passed(seconds)

    async def async_sleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)


class Lab:
    """One emulated appliance, as its owner sees it."""

    def __init__(self, appliance: RunningAppliance) -> None:
        self.url, self.token, self.product = appliance.url, appliance.token, appliance.product
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=30, verify=False)
        self.time = Time()
        self.faulty = False

    def as_new(self) -> "Lab":
        """Forget everything: samples, switches, state, faults, ledger and clock."""
        self.product.close()
        type(self.product).__init__(self.product, token=self.token)
        if self.faulty:
            self.http.delete("/_lab/faults")
        self.faulty = False
        self.product.clock.freeze()
        self.time = Time(passed=self.product.clock.advance)
        return self

    def tell(self, page: str, **values: Any) -> Any:
        """Use a page of the lab; what follows does the same without a request, as thousands of tests need it."""
        self.faulty = self.faulty or page == "faults"
        answer = self.http.post(f"/_lab/{page}", json=values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def load(self, **sample: Any) -> dict[str, str]:
        """Put one sample there, and give its hashes."""
        if not sample.keys() & {"md5", "sha1", "sha256", "sha512", "content_base64", "url"}:
            sample["sha1"] = f"{len(self.product.local) + len(self.product.cloud) + 1:040x}"
        return asdict(load(self.product, sample).hashes)

    def switch(self, **values: Any) -> None:
        self.product.switches = self.product.switches.changed(values)

    def state(self, **values: Any) -> None:
        self.product.resources = self.product.resources.changed(values)

    def fault(self, path: str = "/api/*", method: str = "*", **fault: Any) -> None:
        self.tell("faults", faults=[{"match": {"method": method, "path": path}, "nth": "every", **fault}])
        self.faulty = True

    def require_fired(self) -> None:
        """A planned fault that did not fire fails its test: what it was planned for was not tested."""
        if self.faulty:
            shown = self.http.get("/_lab/faults").json()
            assert shown["unfired"] == [], f"planned faults that did not fire: {shown['planned']}"

    @property
    def ledger(self) -> dict[str, Any]:
        found = self.product.ledger.shown()
        assert found["failures"] == []
        return found

    @property
    def requests(self) -> list[str]:
        """Every request so far, as "METHOD /path status"."""
        return [f"{r['method']} {r['path']} {r['status']}" for r in self.ledger["requests"]]

    @property
    def paths(self) -> list[str]:
        return [line.split()[1] for line in self.requests]

    def settings(self, **more: Any) -> Settings:
        """Settings for this appliance; its crawler reaches loopback only, so internal URLs are allowed."""
        return Settings(**{"url": self.url, "token": self.token, "allow_internal_urls": True} | more)

    def connector(self, **more: Any) -> Connector:
        """A connector whose pauses move the clocks instead of passing."""
        return hurried(Connector(self.settings(**more)), self.time)

    def async_connector(self, **more: Any) -> AsyncConnector:
        return hurried(AsyncConnector(self.settings(**more)), self.time)

    def run(self, action: str, params: Any = None, *, lane: str = "sync", **settings: Any) -> Outcome:
        """One action on a connector of its own."""
        return run(self.settings(**settings), action, params, lane=lane, time=self.time)


def run(settings: Settings, action: str, params: Any = None, *, lane: str, time: Time | None = None) -> Outcome:
    """One action on a connector of its own; without a time of the test's, pauses and deadlines are real."""
    if lane == "sync":
        with hurried(Connector(settings), time) as connector:
            return connector.run(action, params)

    async def once() -> Outcome:
        async with hurried(AsyncConnector(settings), time) as connector:
            return await connector.run(action, params)

    return asyncio.run(once())


def hurried(connector: C, time: Time | None) -> C:
    """The same connector, whose pauses move the clocks of a test instead of passing."""
    if time is not None:
        connector._session.wire.clock = time.clock
        connector._session.wire.random = lambda: 0.5
        connector._driver._sleep = time.sleep if isinstance(connector, Connector) else time.async_sleep
    return connector


class RawServer:
    """Answers each connection with prepared bytes, for what no web server would send; keeps what it was asked."""

    def __init__(self, answer: Callable[[socket.socket, bytes], None] | bytes) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "RawServer":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(5)
                    self._one(connection)

    def _one(self, connection: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            chunk = connection.recv(65536)
            if not chunk:
                return
            asked += chunk
        self.asked.append(asked)
        if callable(self.answer):
            self.answer(connection, asked)
        else:
            connection.sendall(self.answer)


def http_answer(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    """The bytes of one complete answer that closes its connection."""
    named = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body
