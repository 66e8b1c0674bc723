"""A server on loopback with a thread for each connection, all of which end when it is closed."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Final, Self

from tests.faults.peer import shut

HOST: Final = "127.0.0.1"


class Listener:
    """Accepts connections and has ``serve`` talk on each, in a thread of its own."""

    def __init__(self, scheme: str) -> None:
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._change = threading.Condition()
        self._closing = False
        self._listener = socket.create_server((HOST, 0), backlog=1024)
        self.url = f"{scheme}://{HOST}:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, name="fault-listener", daemon=True)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection and thread; whatever waits ends at once."""
        shut(self._listener)
        self._listener.close()
        with self._change:
            self._closing = True
            for connection in self._open:
                shut(connection)
            threads = list(self._threads)
        for thread in (self._acceptor, *threads):
            thread.join(5)

    def idle(self, seconds: float = 5.0) -> bool:
        """Wait until no connection is open on either side; False when it takes longer."""
        with self._change:
            return self._change.wait_for(lambda: not self._threads, seconds)

    def serve(self, connection: socket.socket) -> None:
        """Talk until the end; an OSError ends it too. The connection is closed afterwards."""
        raise NotImplementedError

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        thread = threading.Thread(target=self._serve, args=(connection,), name="fault-connection", daemon=True)
        with self._change:
            if self._closing:
                connection.close()
                return
            self._threads.add(thread)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError), self.tracked(connection):
                self.serve(connection)
        finally:
            with self._change:
                self._threads.discard(threading.current_thread())
                self._change.notify_all()

    @contextlib.contextmanager
    def tracked(self, connection: socket.socket) -> Iterator[socket.socket]:
        """A socket that ``close`` may end from another thread."""
        self.track(connection)
        try:
            yield connection
        finally:
            self.forget(connection)

    def track(self, connection: socket.socket) -> None:
        with self._change:
            self._open.add(connection)
            if self._closing:
                shut(connection)

    def forget(self, connection: socket.socket) -> None:
        """Close a socket, under the lock: its number may be another's right after."""
        with self._change:
            self._open.discard(connection)
            connection.close()


@contextlib.contextmanager
def refused_url(scheme: str = "http") -> Iterator[str]:
    """The address of a port that is taken and does not listen: connecting there is refused."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield f"{scheme}://{HOST}:{taken.getsockname()[1]}"
