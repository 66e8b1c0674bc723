"""An operation: one intent to change something, by its id, and what the journal knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["intent", "accepted", "done", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Operation:
    """What is about to be done. The same id with the same fingerprint is the same operation, for ever.

    The fingerprint is a SHA-256 over action, appliance and parameters without secrets; the subject says in plain JSON
    what it is about: hashes and size of a file, a URL, or the hashes to delete.
    """

    id: str
    action: str
    appliance: str
    fingerprint: str
    subject: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation in the journal.

    States: ``intent`` is on disk before the first byte, and whether it was sent is not known while it stands;
    ``accepted``: the appliance took it, and ``receipt`` holds what it said; ``done``: ``outcome`` holds the whole
    outcome as JSON; ``refused``: provably nothing was done, and the same id may run again; ``unknown``: it may have
    been done, nobody could tell, and it stands until it is resolved. Times are RFC 3339 in UTC.
    """

    id: str
    action: str
    appliance: str
    fingerprint: str
    state: State
    subject: dict[str, Any] = field(repr=False)
    receipt: dict[str, Any] | None = field(repr=False)
    outcome: str | None = field(repr=False)
    error: str | None
    attempts: int
    began: str
    changed: str
    owner: str | None
