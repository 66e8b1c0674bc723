"""Entries of a stream as events: the field ``event`` as it is, or else all fields as one JSON object of strings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.enrichment.codec import dumps
from connector.enrichment.values import Batch, Failure

EVENT: Final = b"event"
Row = Sequence[Any]  # of a reply: the id, and names and values in turn; no names where the entry is deleted


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an event may be: at most ``event`` bytes, delivered at most ``deliveries`` times."""

    event: int = 1 << 20
    deliveries: int = 5


def batch_of(rows: Sequence[Row], origin: str, deliveries: Mapping[str, int], bounds: Bounds) -> Batch:
    """The entries of a reply as a batch; ``deliveries`` holds how often those came that came before."""
    events: list[bytes] = []
    ids: list[str] = []
    broken: dict[int, Failure] = {}
    for raw, fields in rows:
        name = raw.decode()
        event, failure = event_of(fields)
        if len(event) > bounds.event:
            failure = Failure("too_long", f"the event has {len(event)} bytes; {bounds.event} are read at most")
        if deliveries and (times := deliveries.get(name, 1)) > bounds.deliveries:
            failure = Failure("poison", f"the event was delivered {times} times and no worker finished it")
        if failure is not None:
            broken[len(events)] = failure
        events.append(event)
        ids.append(name)
    return Batch(events, None, origin, ids=ids, broken=broken or None)


def event_of(fields: Sequence[bytes]) -> tuple[bytes, Failure | None]:
    """The event in an entry's fields, and what is wrong with it."""
    for place in range(0, len(fields), 2):
        if fields[place] == EVENT:
            return fields[place + 1], None
    try:
        words = [part.decode() for part in fields]
    except UnicodeDecodeError:
        words = [part.decode("utf-8", "backslashreplace") for part in fields]
        return _object(words), Failure("not_utf8", "a field of the entry is no UTF-8; add the event as one field event")
    return _object(words), None


def _object(words: Sequence[str]) -> bytes:
    return dumps(dict(zip(words[::2], words[1::2], strict=True)))
