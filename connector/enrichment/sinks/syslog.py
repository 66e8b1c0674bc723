"""A syslog receiver as a sink, over TCP or TLS: each line is the text of one message, its event id in structured data.

What was not acknowledged when a connection broke is sent again on the next one, so it may come twice, with the same id.
What is lost: what a receiver's system acknowledged and the receiver itself had not read or stored when it died, as
syslog has no way to say so. Disk queues of the receiver's own are the answer to that.
"""

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from connector.enrichment.ids import line_ids
from connector.enrichment.sinks.syslog_link import Link, read_address, trusting
from connector.enrichment.sinks.syslog_message import SD_ID, framed, heading, message, timestamp
from connector.enrichment.values import Failure, Output, Refusal

APP_NAME: Final = "spectra-enrich"
MAX_BYTES: Final = 65536  # of a message; syslog-ng takes no more unless log-msg-size() says so, and hangs up
SECONDS: Final = 5.0
PIECE: Final = 65536  # octets sent before looking whether the receiver follows
KEPT: Final = 4 << 20  # octets kept to be sent again, after which a write waits for the receiver to take them


@dataclass(slots=True)
class Unsettled:
    """Frames that the receiver may not have: those before ``sent`` are on the connection that is open now."""

    pieces: list[bytearray] = field(default_factory=list)
    size: int = 0
    sent: int = 0

    def add(self, frame: bytes) -> None:
        """Add a frame; small ones are joined to pieces, but never to one that is already on its way."""
        if len(self.pieces) > self.sent and len(self.pieces[-1]) < PIECE:
            self.pieces[-1] += frame
        else:
            self.pieces.append(bytearray(frame))
        self.size += len(frame)


class SyslogSink:
    """Sends to syslog+tcp://HOST[:PORT] or syslog+tls://HOST[:PORT].

    ``msgid`` is the MSGID of all messages, such as the name of the format. ``max_bytes`` is the longest message that
    the receiver takes; a longer one is refused here, as receivers cut it or hang up. ``bom`` False leaves out the BOM
    before text that is not ASCII. ``seconds`` is how long to wait for a connection, and for a receiver that takes
    nothing. ``client_cert`` is a PEM file with a certificate and its key.

    Raises:
        ConfigError: for an address or an option that is none.
    """

    def __init__(
        self,
        address: str,
        *,
        ca: Path | None = None,
        client_cert: Path | None = None,
        msgid: str = "-",
        facility: str = "local0",
        severity: str = "info",
        host: str | None = None,
        sd_id: str = SD_ID,
        max_bytes: int = MAX_BYTES,
        bom: bool = True,
        seconds: float = SECONDS,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._address = read_address(address)
        self._tls = trusting(self._address, ca, client_cert)
        names = (host or socket.gethostname(), str(os.getpid()), msgid)
        self._heading = heading(*names, app_name=APP_NAME, facility=facility, severity=severity, sd_id=sd_id)
        self._max_bytes, self._bom, self._seconds, self._wall = max_bytes, bom, seconds, wall
        self._link: Link | None = None
        self._unsettled = Unsettled()
        self._last: Output | None = None
        self._refused: list[Refusal] = []

    async def open(self, place: Any) -> None:
        """Nothing to do: a receiver that is away is waited for by the first write."""

    async def write(self, output: Output) -> Sequence[Refusal]:
        """Send lines as messages. Called again with the same output after Unreachable, it adds nothing twice.

        Raises:
            Unreachable: when the receiver is away, or takes nothing.
            StateError: when it cannot prove who it is.
        """
        if output is not self._last:
            self._refused = self._frame(output)
            self._last = output
        await self._push()
        if self._unsettled.size > KEPT:
            await self.sync()
        return self._refused

    async def sync(self) -> None:
        """Wait until the receiver's system has acknowledged everything; what it has not is sent again.

        Raises:
            Unreachable: when the receiver is away, or takes nothing.
            StateError: when it cannot prove who it is.
        """
        if self._unsettled.pieces:
            link = await self._push()
            await link.taken()
            self._unsettled = Unsettled()

    async def close(self) -> None:
        if self._link is not None:
            link, self._link = self._link, None
            await link.close()

    def _frame(self, output: Output) -> list[Refusal]:
        refused, moment = [], timestamp(self._wall())
        for line, (name, text) in enumerate(zip(line_ids(output.batch, output.origins), output.lines, strict=True)):
            made = message(self._heading, moment, name, text, bom=self._bom)
            if len(made) > self._max_bytes:
                why = f"a syslog message of {len(made)} bytes; the receiver is said to take {self._max_bytes}"
                refused.append(Refusal(line, Failure("too_long", why)))
            else:
                self._unsettled.add(framed(made))
        return refused

    async def _push(self) -> Link:
        """Send what this connection has not seen yet; a new one sees all that is unsettled."""
        if self._link is None or self._link.lost.is_set():
            await self.close()
            self._unsettled.sent = 0
            self._link = await Link.connect(self._address, self._tls, self._seconds)
        left = self._unsettled
        while left.sent < len(left.pieces):
            left.sent += 1
            await self._link.send(bytes(left.pieces[left.sent - 1]))
        return self._link
