"""A running action server as a test sees it: its address, a key with every scope, and a client."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from connector.server.components import problem_schema
from connector.server.keys import SCOPES
from connector.server.options import Options
from connector.server.run import serving
from connector.settings import Settings
from tests.laboratory import ROOT, Lab

SHA1 = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
PROGRAM = [sys.executable, "-c", "from connector.cli import main; main()"]
_PROBLEM = Draft202012Validator(problem_schema())


@dataclass
class Served:
    """One server."""

    url: str
    key: str
    http: httpx.Client

    def run(self, action: str, params: Any = None, **headers: str) -> httpx.Response:
        """One action, its parameters as JSON; a header's name is written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(f"/actions/{action}", json={} if params is None else params, headers=named)

    def upload(self, content: bytes, filename: str | None = "sample.exe", path: str = "/actions/submit_file", **more):
        return self.http.post(path, files={"file": (filename, content)}, **more)


@contextmanager
def started(settings: Settings, routes=(), **options: Any) -> Iterator[Served]:
    """A server in this process, with a key that has every scope."""
    with (
        serving(settings, scopes=SCOPES, routes=routes, options=Options(**options)) as running,
        client(running.url, running.api_key) as http,
    ):
        yield Served(running.url, running.api_key, http)


def client(url: str, key: str | None = None, **more: Any) -> httpx.Client:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30, **more)


def settings_of(lab: Lab, **more: Any) -> Settings:
    """Settings of a server for this appliance; its journal ends with it."""
    known = {"state": "memory", "file_roots": (), "deadline_seconds": 5.0}
    return lab.settings(**known | more)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, which must be this one, and whole."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert [error.message for error in _PROBLEM.iter_errors(body)] == []
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"].endswith(f":{code}")
    assert body["instance"].startswith("urn:uuid:")
    return body


def pointers(body: dict[str, Any]) -> list[str]:
    return [violation["pointer"] for violation in body["violations"]]


def environment(lab: Lab | None = None, **more: str) -> dict[str, str]:
    """The environment of a process: nothing of the tester's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPECTRA_")}
    known = {"SPECTRA_URL": lab.url, "SPECTRA_TOKEN": lab.token, "SPECTRA_STATE": "memory"} if lab else {}
    return kept | known | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"} | more


def wait_for_late(lab: Lab, path: str) -> None:
    """Until the appliance is done with a request that nobody waited for; the next test must not find it."""
    for _ in range(500):
        if path in lab.paths:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} was not asked for")
