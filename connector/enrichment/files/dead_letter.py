"""The dead-letter file: events that could not be enriched, each with its reason; and their replay.

Letters are never lost: on going on after a crash, only those are cut off that the same run wrote after its checkpoint,
as it writes them again.
"""

import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from connector.enrichment.files import lock
from connector.enrichment.files.appended import Appended
from connector.enrichment.files.failing import shown
from connector.enrichment.files.letter import OPENING, Name, ending, read, written
from connector.enrichment.files.lines import HEAD, LONGEST, NoSpill, Overlong, Spill
from connector.enrichment.files.source import FileSource
from connector.enrichment.files.spill import too_long
from connector.enrichment.values import Batch, Failure
from connector.errors import StateError
from connector.printable import printable

MOST: Final = 1_000_000
_ESCAPED: Final = 6  # bytes of JSON that one byte of an event may need
_AROUND: Final = 1 << 16  # bytes of a letter beside its event
_PIECE: Final = 1 << 18


class DeadLetters:
    """The file at ``path``, made when the first letter comes; a run stops when it would hold more than ``most``."""

    def __init__(
        self, path: Path, *, most: int = MOST, durable: bool = True, clock: Callable[[], float] = time.time
    ) -> None:
        self._file = Appended(path, "the dead-letter file", durable=durable)
        self._most, self._clock = most, clock
        self._letters = 0
        self._run = secrets.token_hex(6)

    async def open(self, place: Any) -> None:
        """Begin behind the letters that are there, or go on at ``place``.

        Raises:
            StateError: when it cannot be written, another run writes it, or it is no file of letters.
        """
        place = place if isinstance(place, dict) else {}
        if isinstance(place.get("run"), str):
            self._run = place["run"]
        if self._file.path.exists():
            self._open()
            if self._file.regular:
                self._tidy(place)

    def _open(self) -> None:
        self._file.open()
        if self._file.length and not OPENING.startswith(self._file.head(len(OPENING))):
            self._file.close()
            raise StateError(
                f"{shown(self._file.path)} holds something else than dead letters; it was left as it is",
                hint="name another file with the option dead_letter",
            )

    def _tidy(self, place: dict[str, Any]) -> None:
        """Cut off a torn letter, and those that this run wrote after ``place``."""
        self._file.cut(self._file.last_line())
        if (place.get("length") == 0 or self._file.holds(place)) and self._all_ours(place["length"]):
            self._file.cut(place["length"])
        with self._file.path.open("rb") as stream:
            self._letters = sum(block.count(b"\n") for block in iter(lambda: stream.read(_PIECE), b""))

    def _all_ours(self, start: int) -> bool:
        mark = ending(self._run)
        with self._file.path.open("rb") as stream:
            stream.seek(start)
            return all(line.endswith(mark) for line in stream)

    async def write(self, batch: Batch, dead: dict[int, Failure]) -> None:
        """Add a letter for each of these events of a batch.

        Raises:
            StateError: when the file is full, or the disk; no letter was added then.
        """
        if self._letters + len(dead) > self._most:
            raise StateError(
                f"the dead-letter file {shown(self._file.path)} is full: it holds {self._letters:,} letters; "
                "nothing was dropped",
                hint="see why events fail, replay or move the file away, and run the same command again",
            )
        if not self._file.is_open:
            self._open()
        now = self._clock()
        lines = [written(batch, n, failure, now, self._run) for n, failure in sorted(dead.items())]
        self._file.write(b"\n".join([*lines, b""]))
        self._letters += len(dead)

    async def sync(self) -> Any:
        """Make durable what was written; the place to go on from."""
        place = await self._file.sync() if self._file.is_open else {"length": 0}
        return {**place, "run": self._run}

    async def close(self) -> None:
        self._file.close()


class ReplaySource:
    """The events of a dead-letter file as they came, under their own names, so that their ids are what they were.

    A letter that brings none is a broken event itself. ``longest`` is the most bytes of an event; a longer one, from a
    side file, goes to ``spill``.
    """

    def __init__(self, path: Path, *, longest: int = LONGEST, spill: Spill | None = None) -> None:
        self._path = path
        self._file = FileSource(path, longest=longest * _ESCAPED + _AROUND)
        self._longest, self._spill = longest, spill or NoSpill()
        self._skip = 0
        self._before: Any = None
        self._lock: int | None = None

    @property
    def origin(self) -> str:
        return f"replay:{self._path.absolute()}"

    async def open(self, position: Any) -> None:
        """Begin, or go on after ``position``.

        Raises:
            StateError: when it cannot be read, or letters are written to it just now.
        """
        if isinstance(position, dict) and type(position.get("letters")) is int:
            self._before, self._skip = position.get("file"), position["letters"]
        elif position is not None:
            raise StateError("the checkpoint is not of a replay", hint="remove the checkpoint to begin anew")
        await self._file.open(self._before)
        self._lock = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        if not lock.take(self._lock, shared=True):
            raise StateError(
                f"dead letters are written to {shown(self._path)}, by this run or another, while it would be replayed",
                hint="name another file with the option dead_letter, or wait until the other run ended",
            )

    def stop(self) -> None:
        self._file.stop()

    async def done(self, batches: Sequence[Batch]) -> None:
        """Nothing to tell anybody."""

    async def close(self) -> None:
        await self._file.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def batches(self) -> AsyncIterator[Batch | None]:
        async for letters in self._file.batches():
            if letters is None:
                yield None
                continue
            revived = [self._revived(letters, n) for n in range(self._skip, len(letters.events))]
            done, self._skip = self._skip, 0
            for origin, group in groupby(revived, key=attrgetter("origin")):
                batch = _batch(origin, list(group))
                done += len(batch.events)
                batch.position = {"file": self._before, "letters": done}
                if done == len(letters.events):
                    batch.position = {"file": letters.position, "letters": 0}
                yield batch
            self._before = letters.position

    def _revived(self, letters: Batch, n: int) -> "_Revived":
        line = letters.events[n]
        letter = letters.broken[n] if letters.broken and n in letters.broken else read(line)
        if isinstance(letter, Failure):
            return _Revived(line, self.origin, Name(str(letters.first + n), 0), letter)
        if letter.file is None:
            return _Revived(letter.event, letter.origin, letter.name)
        try:
            event, failure = self._fetched(self._path.with_name(letter.file))
        except OSError:
            gone = f"the side file {printable(letter.file)} cannot be read; put it back beside the dead letters"
            event, failure = line, Failure("not_kept", gone)
        return _Revived(event, letter.origin, letter.name, failure)

    def _fetched(self, path: Path) -> tuple[bytes, Failure | None]:
        """An event from its side file; what is still too long goes through the spill in pieces."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            size = os.fstat(descriptor).st_size
            if size <= self._longest:
                return stream.read(self._longest), None
            head = piece = stream.read(HEAD)
            while piece:
                self._spill.take(piece)
                piece = stream.read(_PIECE)
        return head, too_long(Overlong(0, size, self._spill.end()), self._longest)


class _Revived(NamedTuple):
    """An event out of its letter, or a letter that brought none."""

    event: bytes
    origin: str
    name: Name
    failure: Failure | None = None


def _batch(origin: str, revived: Sequence[_Revived]) -> Batch:
    broken = {n: one.failure for n, one in enumerate(revived) if one.failure is not None}
    return Batch([one.event for one in revived], None, origin, ids=[one.name for one in revived], broken=broken or None)
