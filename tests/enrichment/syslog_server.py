"""A real syslog-ng on loopback, that writes what it received as lines of JSON, for the length of a block."""

import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = shutil.which("syslog-ng") or shutil.which("syslog-ng", path="/usr/sbin:/usr/local/sbin")

CONFIG = """@version: 3.35
options {{ log-msg-size(65536); keep-hostname(yes); use-dns(no); dns-cache(no); stats-freq(0); flush-lines(1); }};
source s {{ syslog(ip("127.0.0.1") port({port}) {transport}); }};
destination d {{ file("{out}" template("$(format-json --scope none pri=$PRI host=$HOST app=$PROGRAM pid=$PID msgid=$MSGID
  sd=$SDATA at=$S_UNIXTIME msg=$MSG)\\n")); }};
log {{ source(s); destination(d); }};
"""
TLS = 'transport("tls") tls(cert-file("{cert}") key-file("{key}") {peer})'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Syslog:
    """Where it listens, and what it wrote; ``start`` and ``stop`` as often as is wanted."""

    def __init__(self, folder: Path, transport: str) -> None:
        self.folder, self.port, self.out = folder, free_port(), folder / "out.ndjson"
        (folder / "syslog-ng.conf").write_text(CONFIG.format(port=self.port, out=self.out, transport=transport))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        files = {"-f": "syslog-ng.conf", "-R": "persist", "-p": "pid", "-c": "control"}
        options = [word for option, name in files.items() for word in (option, str(self.folder / name))]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(PROGRAM), "-F", "--no-caps", *options], stdout=log, stderr=log)
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, "syslog-ng did not come up"
                time.sleep(0.02)
            else:
                return

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def received(self, count: int) -> list[dict[str, str]]:
        """Wait until so many messages are written, and give all that are."""
        until = time.monotonic() + 10
        while True:
            lines = self.out.read_bytes().splitlines() if self.out.exists() else []
            if len(lines) >= count or time.monotonic() > until:
                return [json.loads(line) for line in lines]
            time.sleep(0.02)


@contextmanager
def syslog_server(transport: str = 'transport("tcp")') -> Iterator[Syslog]:
    with tempfile.TemporaryDirectory() as folder:
        server = Syslog(Path(folder), transport)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGKILL)
