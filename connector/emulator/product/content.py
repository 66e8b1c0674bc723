"""Content on its way in: hashed as it streams, its head kept for the rules, archives on disk, the rest let go."""

from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path

from connector.emulator.product.hashes import Hasher, Hashes
from connector.emulator.product.refusals import TooLarge
from connector.emulator.product.rules import HEAD_BYTES

_ARCHIVE = b"PK"


@dataclass(frozen=True, slots=True)
class Content:
    """What is left of received content; `path` is set for archives only, until they are looked into."""

    hashes: Hashes
    size: int
    head: bytes
    path: Path | None = None

    def discard(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class Intake:
    """Receives content chunk by chunk; memory stays the same whatever the size."""

    def __init__(self, workshop: Path, name: str, limit: int) -> None:
        self._path = workshop / name
        self._limit = limit
        self._hasher = Hasher()
        self._head = bytearray()
        self._file: BufferedWriter | None = None

    def write(self, chunk: bytes | memoryview) -> None:
        if self._hasher.size + len(chunk) > self._limit:
            self.abandon()
            raise TooLarge("The file exceeds the maximum configured file size.", field="file")
        self._hasher.update(chunk)
        if len(self._head) < HEAD_BYTES:
            started = len(self._head)
            self._head += chunk[: HEAD_BYTES - started]
            if self._head.startswith(_ARCHIVE) and self._file is None and started < len(_ARCHIVE):
                self._spool(self._head[:started])
        if self._file is not None:
            self._file.write(chunk)

    def done(self) -> Content:
        if self._file is not None:
            self._file.close()
        path = self._path if self._file is not None else None
        return Content(self._hasher.hashes(), self._hasher.size, bytes(self._head), path)

    def abandon(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)

    def _spool(self, before: bytes | bytearray) -> None:
        self._file = self._path.open("wb")
        self._file.write(before)
