"""Just enough of HTTP/1.1 to know where a message ends (RFC 9112, section 6.3), with its bytes kept as they came."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

PIECE: Final = 65536
MOST_HEAD: Final = 1 << 20
NO_BODY: Final = {204, 304}
Framing = int | Literal["chunked", "close"]


class Ended(Exception):
    """The other side ended in the middle of a message."""


@dataclass(frozen=True, slots=True)
class Head:
    """The bytes of a head with its empty line, and what they say; header names are in lower case."""

    raw: bytes
    start: tuple[str, str, str]
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def says_close(self) -> bool:
        """Whether the connection ends after this message."""
        option = self.get("connection").lower()
        old = "HTTP/1.0" in (self.start[0], self.start[2])
        return "close" in option or (old and "keep-alive" not in option)

    def framing(self, otherwise: Framing) -> Framing:
        if "chunked" in self.get("transfer-encoding").lower():
            return "chunked"
        length = self.get("content-length")
        return int(length) if length else otherwise


def read_head(raw: bytes) -> Head:
    """Take a head apart; it was made by a client or an appliance of this project, so that it is well-formed."""
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    start = [*first.split(" ", 2), "", ""]
    pairs = (line.partition(":") for line in lines)
    return Head(raw, (start[0], start[1], start[2]), tuple((name.lower(), value.strip()) for name, _, value in pairs))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as its bytes came; ``whole`` is False where the upstream broke off."""

    head: Head
    body: bytes
    framing: Framing
    whole: bool

    @property
    def status(self) -> str:
        return f"{self.head.start[1]} {self.head.start[2]}"

    def content(self) -> bytes:
        """The body without the framing of chunks."""
        if self.framing != "chunked":
            return self.body
        found, rest = bytearray(), self.body
        while rest:
            line, _, rest = rest.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            found += rest[:size]
            rest = rest[size + 2 :]
        return bytes(found)

    def described(self) -> list[tuple[str, str]]:
        """The headers without those that say how the body is framed, encoded, or whether the connection stays."""
        about_body = {"content-length", "transfer-encoding", "content-encoding", "connection"}
        return [(name, value) for name, value in self.head.headers if name not in about_body]


class Stream:
    """A socket that is read by messages."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = bytearray()

    def _more(self) -> None:
        piece = self.connection.recv(PIECE)
        if not piece:
            raise Ended
        self.buffer += piece

    def _until(self, mark: bytes, most: int = MOST_HEAD) -> bytes:
        while (found := self.buffer.find(mark)) < 0:
            if len(self.buffer) > most:
                raise Ended
            self._more()
        return self._cut(found + len(mark))

    def _cut(self, size: int) -> bytes:
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def head(self) -> Head | None:
        """The next head, or None where the other side has ended politely, between two messages."""
        try:
            return read_head(self._until(b"\r\n\r\n"))
        except Ended:
            if self.buffer:
                raise
            return None

    def pieces(self, framing: Framing) -> Iterator[bytes]:
        """The bytes of a body as they come, with the framing of chunks."""
        if framing == "chunked":
            yield from self._chunks()
        elif framing == "close":
            yield from self._to_end()
        else:
            yield from self.exactly(framing)

    def exactly(self, size: int) -> Iterator[bytes]:
        while size:
            if not self.buffer:
                self._more()
            taken = self._cut(min(size, PIECE))
            size -= len(taken)
            yield taken

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._until(b"\r\n")
            yield line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            yield from self.exactly(size + 2)
        while (line := self._until(b"\r\n")) != b"\r\n":
            yield line  # a trailer
        yield line

    def _to_end(self) -> Iterator[bytes]:
        while True:
            try:
                if not self.buffer:
                    self._more()
            except Ended:
                return
            yield self._cut(PIECE)


def read_answer(stream: Stream, method: str) -> Answer | None:
    """The next answer that is not an interim one (1xx), in whole or as far as it came; None where nothing came."""
    head = stream.head()
    while head is not None and head.start[1].startswith("1"):
        head = stream.head()
    if head is None:
        return None
    bodiless = method == "HEAD" or int(head.start[1]) in NO_BODY
    framing: Framing = 0 if bodiless else head.framing("close")
    body, whole = bytearray(), True
    try:
        for piece in stream.pieces(framing):
            body += piece
    except (Ended, OSError):
        body += stream.buffer
        whole = False
    return Answer(head, bytes(body), framing, whole)
