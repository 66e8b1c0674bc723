"""The client's end of a connection: ways to end it that a web server does not have."""

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import time
from typing import Final

_UNSENT: Final = 0x894B  # SIOCOUTQNSD of Linux: bytes in the queue that were not sent yet
_LINGER_NONE: Final = struct.pack("ii", 1, 0)
_SETTLE_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 5.0


def shut(connection: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """Shut a socket, TLS or not, from any thread: it leaves the TLS state alone, which another thread may be using."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, how)


def reset(connection: socket.socket) -> None:
    """End with an RST, after all that was written has left: an RST drops what is still queued."""
    ends = time.monotonic() + _SETTLE_SECONDS
    with contextlib.suppress(OSError):
        while _unsent(connection) and time.monotonic() < ends:
            time.sleep(0.001)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    connection.close()


def _unsent(connection: socket.socket) -> int:
    """Bytes that have not left yet; 0 where the system does not tell."""
    try:
        packed: bytes = fcntl.ioctl(connection.fileno(), _UNSENT, struct.pack("i", 0))
    except OSError:
        return 0
    return int(struct.unpack("i", packed)[0])


def finish(connection: socket.socket) -> None:
    """End with a FIN and no RST behind it: what still comes is read and thrown away, for a few seconds."""
    if isinstance(connection, ssl.SSLSocket):
        with contextlib.suppress(OSError, ValueError):
            connection.settimeout(0)
            connection.unwrap()  # sends close_notify, and does not wait for the other one
    shut(connection, socket.SHUT_WR)
    ends = time.monotonic() + _DRAIN_SECONDS
    with contextlib.suppress(OSError):
        while (left := ends - time.monotonic()) > 0:
            connection.settimeout(left)
            if not socket.socket.recv(connection, 65536):
                break
    connection.close()


def gone_within(connection: socket.socket, seconds: float) -> bool:
    """Wait; True as soon as the other side has ended. What it sends meanwhile is thrown away."""
    ends = time.monotonic() + seconds
    before = connection.gettimeout()
    try:
        while (left := ends - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(65536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            connection.settimeout(before)
    return False


def readable(connection: socket.socket, seconds: float = 0) -> bool:
    """Whether something has come, or the other side has ended, within so many seconds; nothing is read."""
    look = select.poll()  # select takes no more than 1024 descriptors
    look.register(connection, select.POLLIN)
    return bool(look.poll(seconds * 1000))
