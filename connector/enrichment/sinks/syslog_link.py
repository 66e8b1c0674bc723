"""A connection to a syslog receiver, over TCP (RFC 6587) or TLS (RFC 5425), that knows what the other side has taken.

Syslog has no acknowledgement. The most that can be known is what the receiver's TCP has acknowledged: on Linux the
kernel says how much of what was sent is still without it (SIOCOUTQ, tcp(7)).
"""

import asyncio
import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from connector.errors import ConfigError, StateError, Unreachable
from connector.tls import context, readable

PORTS: Final = {"syslog+tcp": 601, "syslog+tls": 6514}  # IANA: syslog-conn, syslog-tls
LOOKS: Final = 3  # at the queues, in a row, that must find them empty: what TLS holds back goes in between
PAUSE: Final = 0.001
LONGEST_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Address:
    """Where a receiver listens."""

    host: str
    port: int
    tls: bool


def read_address(text: str, place: str = "output") -> Address:
    """Read syslog+tcp://HOST[:PORT] or syslog+tls://HOST[:PORT].

    Raises:
        ConfigError: saying what is wrong, without repeating it.
    """
    shape = "it is syslog+tcp://HOST[:PORT] or syslog+tls://HOST[:PORT]"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ConfigError(f"{place}: not the address of a syslog receiver; {shape}") from None
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise ConfigError(f"{place}: not the address of a syslog receiver; {shape}")
    if "@" in parts.netloc or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ConfigError(f"{place}: syslog takes a host and a port and nothing else; {shape}")
    return Address(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "syslog+tls")


def trusting(address: Address, ca: Path | None, client_cert: Path | None) -> ssl.SSLContext | None:
    """The TLS context for an address, or None where it is plain TCP. The receiver is always verified.

    Raises:
        ConfigError: for a certificate that cannot be read, or one that nothing is done with.
    """
    if not address.tls:
        if ca is not None or client_cert is not None:
            raise ConfigError("output: a CA or a client certificate needs syslog+tls://")
        return None
    return context(readable(ca), None, None, True, readable(client_cert))


@dataclass(slots=True)
class Link:
    """One connection; once it is lost it stays so."""

    address: Address
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seconds: float
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    _listening: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, address: Address, tls: ssl.SSLContext | None, seconds: float) -> "Link":
        """Connect within so many seconds.

        Raises:
            Unreachable: when nobody takes the connection.
            StateError: when the receiver cannot prove who it is.
        """
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=tls, ssl_shutdown_timeout=seconds if tls else None
                )
        except ssl.SSLCertVerificationError as problem:
            raise StateError(
                f"output: the syslog receiver could not prove who it is: {problem.verify_message}",
                hint="name the CA of its certificate with --ca, and the receiver by a name of its certificate",
            ) from None
        except (OSError, TimeoutError) as problem:
            raise away(address, type(problem).__name__) from None
        return cls(address, reader, writer, seconds)

    async def send(self, frames: bytes) -> None:
        """Write, and wait while the receiver is slower than we are.

        Raises:
            Unreachable: when the connection was lost, or nothing went for so many seconds.
        """
        self._require()
        self.writer.write(frames)
        try:
            async with asyncio.timeout(self.seconds):
                await self.writer.drain()
        except (OSError, TimeoutError) as problem:
            self.abort()
            raise away(self.address, type(problem).__name__) from None

    async def taken(self) -> None:
        """Wait until the receiver's TCP has acknowledged all that was sent; on Linux only, elsewhere until it is sent.

        Raises:
            Unreachable: when the connection was lost before, or nothing was taken for so many seconds.
        """
        clock = asyncio.get_running_loop().time
        looks, pause, least, until = 0, PAUSE, self._queued(), clock() + self.seconds
        while looks < LOOKS:
            self._require()
            queued = self._queued()
            looks = 0 if queued else looks + 1
            if queued < least:
                least, until = queued, clock() + self.seconds
            if queued and clock() > until:
                self.abort()
                raise away(self.address, "TimeoutError")
            await asyncio.sleep(pause if queued else 0)
            pause = min(LONGEST_PAUSE, pause * 2)
        self._require()

    def _queued(self) -> int:
        """Octets in our own buffer, or sent and not yet acknowledged."""
        return self.writer.transport.get_write_buffer_size() or _unacknowledged(self.writer)

    def _require(self) -> None:
        if self.lost.is_set() or self.writer.transport.is_closing():
            raise away(self.address, "closed")

    async def _listen(self) -> None:
        """Read what a receiver should not say, until it hangs up."""
        with suppress(OSError):
            while await self.reader.read(4096):
                pass
        self.lost.set()

    def abort(self) -> None:
        self.lost.set()
        self._listening.cancel()
        self.writer.transport.abort()

    async def close(self) -> None:
        """Close in order, so that nothing that is on its way is dropped; at once where the connection is lost."""
        if not self.lost.is_set():
            self.writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(self.seconds):
                    await self.writer.wait_closed()
        self.abort()
        await asyncio.wait({self._listening})


def away(address: Address, why: str) -> Unreachable:
    return Unreachable(
        f"the syslog receiver {address.host}:{address.port} is away ({why})",
        hint="look at the receiver and the network; what it did not take is sent again",
    )


def _unacknowledged(writer: asyncio.StreamWriter) -> int:
    if sys.platform != "linux":
        return 0
    import array  # noqa: PLC0415
    import fcntl  # noqa: PLC0415  # not on every system
    import termios  # noqa: PLC0415

    number = array.array("i", [0])
    fcntl.ioctl(writer.get_extra_info("socket").fileno(), termios.TIOCOUTQ, number)  # SIOCOUTQ has the same number
    return number[0]
