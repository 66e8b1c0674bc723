"""The id of an event: the same after any restart and in every worker, so that what comes twice is known again."""

from collections.abc import Sequence
from typing import Final

from connector.enrichment.values import Batch
from connector.stix_ids import uuid5

NAMESPACE: Final = bytes.fromhex("9b1d2c0fe54d4bb0a1f0b9c9e6a7d342")  # of enriched events alone


def event_id(batch: Batch, n: int) -> str:
    """A UUIDv5 (RFC 9562 section 5.5) over the origin and what names event ``n`` of the batch there."""
    name = batch.ids[n] if batch.ids is not None else str(batch.first + n)
    return uuid5(NAMESPACE, f"{batch.origin}\n{name}")


def line_ids(batch: Batch, origins: Sequence[int]) -> list[str]:
    """The id of each line of an output: its event's, and behind a colon its place where an event made several.

    The first line of an event has the event's own id. ``origins`` holds the lines of one event side by side.
    """
    ids: list[str] = []
    last, place, own = -1, 0, ""
    for n in origins:
        if n == last:
            place += 1
            ids.append(f"{own}:{place}")
        else:
            last, place, own = n, 0, event_id(batch, n)
            ids.append(own)
    return ids
