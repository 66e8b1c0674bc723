"""A checkpoint: where a run goes on, in one small JSON file that is replaced whole or not at all.

The new text is written beside it, made durable and renamed into its place, so that a reader finds the old one or the
new one; an operator can read it. While a run has it, ``NAME.lock`` beside it keeps other runs out.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from connector.enrichment.codec import dumps, loads
from connector.enrichment.files import lock
from connector.enrichment.files.durable import write_all
from connector.enrichment.files.failing import shown, unusable
from connector.errors import StateError
from connector.journal_place import sync_folder

FORMAT: Final = 1
_ANEW: Final = "remove it to begin anew, or name another file with the option checkpoint"


@dataclass(slots=True)
class Checkpoint:
    """The state of one run; ``durable`` False leaves it to the system when it reaches the disk."""

    path: Path
    durable: bool = True
    _lock: int | None = field(default=None, init=False)

    def load(self) -> dict[str, Any] | None:
        """What was saved last, or None.

        Raises:
            StateError: when another run has it, or it cannot be read, or is damaged.
        """
        self._own()
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise unusable("the checkpoint", self.path, problem, "read", _ANEW) from None
        return self._read(text)

    def _read(self, text: bytes) -> dict[str, Any]:
        try:
            kept = loads(text)
        except ValueError:
            kept = None
        if not isinstance(kept, dict) or "format" not in kept or not isinstance(kept.get("state"), dict):
            raise StateError(f"the checkpoint {shown(self.path)} is damaged, or is none", hint=_ANEW)
        if kept["format"] != FORMAT:
            raise StateError(f"the checkpoint {shown(self.path)} was made by another release", hint=_ANEW)
        state: dict[str, Any] = kept["state"]
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Put ``state``, plain JSON data, in the place of what was saved before.

        Raises:
            StateError: when that cannot be done; what was saved before is still there.
        """
        self._own()
        beside = self.path.with_name(self.path.name + ".next")
        try:
            self._write(beside, dumps({"format": FORMAT, "state": state}))
            beside.replace(self.path)
            if self.durable:
                sync_folder(self.path.absolute().parent)
        except OSError as problem:
            with suppress(OSError):
                beside.unlink()
            hint = "see to the disk and the rights of its folder; the same command goes on from the checkpoint before"
            raise unusable("the checkpoint", self.path, problem, "written", hint) from None

    def _write(self, path: Path, text: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(descriptor, text)
            if self.durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """The run is at its end: the next one begins anew."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another run have it."""
        if self._lock is not None:
            held, self._lock = self._lock, None
            lock.drop_file(self._beside, held)

    @property
    def _beside(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def _own(self) -> None:
        if self._lock is not None:
            return
        try:
            self._lock = lock.take_file(self._beside)
        except OSError as problem:
            raise unusable("the checkpoint", self.path, problem, "used", "name one in a folder of yours") from None
        if self._lock is None:
            raise StateError(
                f"the checkpoint {shown(self.path)} is in use by another run",
                hint="wait until that run ended, or name another file with the option checkpoint",
            )
