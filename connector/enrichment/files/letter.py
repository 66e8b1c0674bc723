"""One dead letter as a line of JSON: the event, why it is dead, and what names it; and back again.

An event stands in it as text (``event``), in base64 (``event_base64``) where it is no UTF-8, or in a side file
(``event_file``) where it was too long; ``event_start`` is all that is left of one whose bytes were not kept.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connector.enrichment.codec import dumps, loads
from connector.enrichment.files.spill import TooLong
from connector.enrichment.ids import event_id
from connector.enrichment.values import Batch, Failure

OPENING: Final = b'{"event'  # of every letter


class Name(str):
    """What names an event at its source, when it was dead before: after how many attempts."""

    __slots__ = ("attempts",)
    attempts: int

    def __new__(cls, name: str, attempts: int) -> "Name":
        made = super().__new__(cls, name)
        made.attempts = attempts
        return made


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it was read: the bytes of the event are in ``event``, or in the side file ``file``."""

    event: bytes
    origin: str
    name: Name
    file: str | None = None


def written(batch: Batch, n: int, failure: Failure, at: float, run: str) -> bytes:
    """The line for event ``n`` of a batch; ``at`` are seconds since 1970, ``run`` marks the run that wrote it."""
    name = batch.ids[n] if batch.ids is not None else str(batch.first + n)
    attempts = name.attempts if isinstance(name, Name) else 0
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return dumps(
        {
            **_event(batch.events[n], failure),
            "reason": failure.reason,
            "detail": failure.detail,
            "origin": batch.origin,
            "name": str(name),
            "id": event_id(batch, n),
            "at": when,
            "attempts": attempts + 1,
            "run": run,
        }
    )


def ending(run: str) -> bytes:
    """How every letter of a run ends."""
    return f'"run":"{run}"}}\n'.encode()


def _event(raw: bytes, failure: Failure) -> dict[str, str]:
    if isinstance(failure, TooLong):
        if failure.file is not None:
            return {"event_file": failure.file}
        return {"event_start": raw.decode("utf-8", "replace")}
    try:
        return {"event": raw.decode()}
    except UnicodeDecodeError:
        return {"event_base64": b64encode(raw).decode()}


def read(line: bytes) -> Letter | Failure:
    """A letter from its line, or why it is none."""
    try:
        told = loads(line)
    except ValueError:
        return Failure("not_a_letter", "a line of the dead-letter file is not JSON")
    if not isinstance(told, dict):
        return Failure("not_a_letter", "a line of the dead-letter file is no JSON object")
    origin, name, attempts = told.get("origin"), told.get("name"), told.get("attempts")
    if not isinstance(origin, str) or not isinstance(name, str) or type(attempts) is not int:
        return Failure("not_a_letter", "a letter needs origin and name, which are text, and attempts, a number")
    if "event_start" in told:
        return Failure("not_kept", "of this event only the beginning was kept; it must be sent again from its source")
    event, file = _bytes(told), told.get("event_file")
    named = Name(name, attempts)
    if event is not None:
        return Letter(event, origin, named)
    if isinstance(file, str) and file and "/" not in file and "\\" not in file and "\0" not in file:
        return Letter(b"", origin, named, file)
    return Failure("not_a_letter", "a letter needs one of event, event_base64 and event_file, a name without a folder")


def _bytes(told: dict[str, Any]) -> bytes | None:
    text, packed = told.get("event"), told.get("event_base64")
    try:
        if isinstance(text, str):
            return text.encode()
        if isinstance(packed, str):
            return b64decode(packed, validate=True)
    except ValueError:
        return None
    return None
