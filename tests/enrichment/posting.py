"""An action server that takes events, in this process or in one of its own, and what it wrote."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from connector.enrichment.serving import Posted, order_from
from connector.server.options import Options
from connector.server.run import serving
from tests.laboratory import ROOT, Lab

SERVE = [sys.executable, "-c", "from connector.cli import main; main()", "serve", "--port", "0"]
NDJSON = "application/x-ndjson"
JSON = "application/json"
LOOK_UP = "/api/samples/*"


def sha1(number: int) -> str:
    return f"{number:040x}"


def event(number: int, subject: int | None = None) -> bytes:
    """An ECS event that names the file of this number, or of another one."""
    return json.dumps({"n": number, "file": {"hash": {"sha1": sha1(number if subject is None else subject)}}}).encode()


@dataclass
class Taker:
    """One server: what is posted to it, and the folder where it writes."""

    folder: Path
    url: str
    key: str
    process: "subprocess.Popen[str] | None" = None

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30)

    def post(self, *events: bytes, media: str = NDJSON, body: bytes | None = None, **headers: str) -> httpx.Response:
        """Events as lines, or a body; a header's name is written with underscores."""
        content = b"".join(line + b"\n" for line in events) if body is None else body
        named = {"content-type": media, **{name.replace("_", "-"): value for name, value in headers.items()}}
        with self.client() as http:
            return http.post("/events", content=content, headers=named)

    def get(self, path: str) -> httpx.Response:
        with self.client() as http:
            return http.get(path)

    def lines(self, name: str = "out") -> list[Any]:
        return read(self.folder / name)

    @property
    def letters(self) -> list[Any]:
        return self.lines("out.dead-letter.ndjson")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Signal its process, and give its exit code and the rest of what it told."""
        assert self.process is not None
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=20)
        return self.process.returncode, err


def read(path: Path) -> list[Any]:
    """What a file of lines holds; nothing where there is none."""
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def order_file(folder: Path, **named: Any) -> Path:
    """The file of --enrich; ``output`` and ``cache`` are in the folder unless they are named."""
    known = {"output": str(folder / "out"), "cache": str(folder / "cache.sqlite3")} | named
    path = folder / "enrich.toml"
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in known.items() if value is not None))
    return path


@contextmanager
def taking(lab: Lab, folder: Path, options: Mapping[str, Any] | None = None, **named: Any) -> Iterator[Taker]:
    """A server in a thread of this process."""
    settings = lab.settings(state=str(folder / "state"), file_roots=())
    posted = Posted(settings, order_from(order_file(folder, **named)))
    chosen = Options(**options or {})
    with serving(settings, routes=[posted.route], alongside=posted.running, options=chosen) as running:
        assert running.api_key is not None
        yield Taker(folder, running.url, running.api_key)


@contextmanager
def process(lab: Lab, folder: Path, *words: str, environment: Mapping[str, str] = {}, **named: Any) -> Iterator[Taker]:
    """A server in a process of its own, killed at the end of the block if it is still there."""
    made = _started(lab, order_file(folder, **named), *words, environment=environment)
    try:
        assert made.stdout is not None
        assert made.stderr is not None
        line = made.stdout.readline()
        ready = json.loads(line) if line else {}
        assert "url" in ready, line or made.stderr.read()
        yield Taker(folder, ready["url"], ready.get("api_key", ""), made)
    finally:
        made.kill()
        made.communicate()


def refused(lab: Lab, path: Path, *words: str) -> tuple[int, Any]:
    """A server that does not start: its exit code and its error."""
    made = _started(lab, path, *words)
    try:
        out, err = made.communicate(timeout=20)
    finally:
        made.kill()
    assert "Traceback" not in err, err
    return made.returncode, json.loads(out)["error"]


def _started(lab: Lab, path: Path, *words: str, environment: Mapping[str, str] = {}) -> "subprocess.Popen[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPECTRA_")}
    own = {"SPECTRA_URL": lab.url, "SPECTRA_TOKEN": lab.token, "XDG_STATE_HOME": str(path.parent / "state")}
    return subprocess.Popen(
        [*SERVE, "--enrich", str(path), *words],
        env={**kept, **own, "PYTHONPATH": str(ROOT), **environment},
        cwd=path.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
