"""What is kept of a line that is too long: its bytes in a side file beside the dead letters, named by their SHA-256.

The same line gives the same file again, so a run that is repeated after a crash leaves nothing twice.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from connector.enrichment.files.durable import write_all
from connector.enrichment.files.failing import unusable
from connector.enrichment.files.lines import Overlong
from connector.enrichment.values import Failure
from connector.journal_place import sync_folder

_HINT: Final = "free space there, or raise max_line above the longest event; the same command goes on from there"


@dataclass(frozen=True, slots=True)
class TooLong(Failure):
    """A line of which only the beginning is at hand; ``file`` holds all of it, beside the dead letters."""

    file: str | None = None


def too_long(overlong: Overlong, longest: int) -> TooLong:
    """An event of a file that is longer than ``longest`` bytes."""
    told = f"the event at byte {overlong.start:,} is {overlong.length:,} bytes long"
    return TooLong("too_long", f"{told}; at most {longest:,} are taken, which max_line can raise", overlong.kept)


class SideFiles:
    """The side files of one dead-letter file."""

    def __init__(self, letters: Path) -> None:
        self._letters = letters
        self._part = letters.with_name(letters.name + ".part")
        self._descriptor: int | None = None
        self._digest = sha256()

    def take(self, piece: bytes) -> None:
        """Write on.

        Raises:
            StateError: when the disk does not take it.
        """
        try:
            if self._descriptor is None:
                self._digest = sha256()
                self._descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            write_all(self._descriptor, piece)
        except OSError as problem:
            self.close()
            raise unusable("a line that is too long", None, problem, "kept beside the dead letters", _HINT) from None
        self._digest.update(piece)

    def end(self) -> str:
        """Make the file durable and give it its name."""
        named = self._letters.with_name(f"{self._letters.name}.{self._digest.hexdigest()[:32]}")
        try:
            if self._descriptor is not None:
                os.fsync(self._descriptor)
            self._part.replace(named)
            sync_folder(named.absolute().parent)
        except OSError as problem:
            raise unusable("a line that is too long", None, problem, "kept beside the dead letters", _HINT) from None
        finally:
            self.close()
        return named.name

    def close(self) -> None:
        """Leave nothing unfinished behind."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            with suppress(OSError):
                self._part.unlink()
