"""What may become of an entry of the journal, from value to value, and what it means when that cannot be written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from connector.errors import Happened, InputRefused, StateError, Violation
from connector.operation import Entry, Operation, State

AGAIN_SECONDS: Final = 2.0  # after which to ask again for an operation that another one is running
LONGEST_NOTE: Final = 1000
LONGEST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Failing:
    """What it means for an operation when the journal fails at this point of it."""

    means: str
    outcome: Happened

    def error(self, what: str, hint: str | None, *, retry_after: float | None = None) -> StateError:
        again = retry_after is not None
        told = f"{what}; {self.means}"
        return StateError(told, outcome=self.outcome, hint=hint, retryable=again, retry_after=retry_after)

    def under_way(self, entry: Entry, who: str) -> StateError:
        """An operation that is being run by someone else at this moment."""
        what = f"operation {plain(entry.id)} is being run by {who}"
        hint = "wait for it to end, then run the same operation again for its outcome"
        return self.error(what, hint, retry_after=AGAIN_SECONDS)


UNSENT: Final = Failing("nothing was sent", "not_sent")
TAKEN: Final = Failing("the appliance took the operation, and the record of that is missing", "applied")
ENDED: Final = Failing("the operation went on and ended, and the record of that is missing", "applied")
UNDONE: Final = Failing("nothing was done on the appliance, and the record of that is missing", "rejected")
DOUBTED: Final = Failing("the operation may have been done, and the record of that is missing", "unknown")
LEFT: Final = Failing("the operation stands as it is, and the record that nobody runs it is missing", "unknown")


def intended(operation: Operation, kept: Entry | None, owner: str, now: str) -> Entry:
    """The entry of an operation that this owner is about to send.

    ``began`` is the time of the first intent that may have been sent, so one that was refused begins anew.
    """
    known = (operation.id, operation.action, operation.appliance, operation.fingerprint)
    fresh = Entry(
        *known,
        state="intent",
        subject=dict(operation.subject),
        receipt=None,
        outcome=None,
        error=None,
        attempts=1,
        began=now,
        changed=now,
        owner=owner,
    )
    if kept is None:
        return fresh
    began = now if kept.state == "refused" else kept.began
    return replace(fresh, subject=kept.subject, error=kept.error, attempts=kept.attempts + 1, began=began)


def require_same(kept: Entry, operation: Operation) -> None:
    """Refuse an id that another operation has.

    Raises:
        InputRefused: naming ``/operation_id``.
    """
    if kept.fingerprint != operation.fingerprint:
        wanted = "belongs to another operation; give each its own id, and the same id only to repeat the same one"
        raise InputRefused.of([Violation("/operation_id", wanted)])


def require_sendable(kept: Entry) -> None:
    """Refuse to send what was taken, what ended, and what may have been done.

    Raises:
        StateError: saying which.
    """
    shown = plain(kept.id)
    if kept.state == "unknown":
        raise UNSENT.error(
            f"operation {shown} may have been done already, and nobody could tell",
            f"run spectra journal show {shown}, look, then spectra journal resolve {shown} --happened yes|no",
        )
    if kept.state in {"accepted", "done"}:
        raise wrong(kept, f"is {kept.state} already", UNSENT)


def accepted(entry: Entry, receipt: Mapping[str, Any], now: str) -> Entry:
    return replace(entry, state="accepted", receipt=dict(receipt), error=None, changed=now)


def refused(entry: Entry, error_code: str, now: str) -> Entry:
    return replace(entry, state="refused", error=error_code, owner=None, changed=now)


def doubted(entry: Entry, error_code: str, now: str) -> Entry:
    return replace(entry, state="unknown", error=error_code, owner=None, changed=now)


def finished(entry: Entry, outcome: str, now: str) -> Entry:
    return replace(entry, state="done", outcome=outcome, error=None, owner=None, changed=now)


def resolved(entry: Entry, happened: bool, note: str, now: str) -> Entry:
    """What somebody found out about an operation; it stands under ``resolved`` of the receipt.

    Raises:
        StateError: when there is nothing to find out.
    """
    if entry.state in {"done", "refused"}:
        raise wrong(entry, f"is {entry.state} already, and there is nothing to resolve", UNSENT)
    receipt = (entry.receipt or {}) | {"resolved": {"happened": happened, "note": note, "at": now}}
    state: State = "done" if happened else "refused"
    return replace(entry, state=state, receipt=receipt, owner=None, changed=now)


def require_short(note: str) -> None:
    """Refuse a note that is longer than 1000 characters.

    Raises:
        InputRefused: naming ``/note``.
    """
    if len(note) > LONGEST_NOTE:
        raise InputRefused.of([Violation("/note", f"must be at most {LONGEST_NOTE} characters")])


def wrong(entry: Entry, what: str, failing: Failing) -> StateError:
    """An operation that is in another state than is needed."""
    shown = plain(entry.id)
    return failing.error(f"operation {shown} {what}", f"run: spectra journal show {shown}")


def plain(operation_id: str) -> str:
    """An id as it may stand in a sentence; it came from outside."""
    fit = operation_id.isprintable() and len(operation_id) <= LONGEST_SHOWN
    return operation_id if fit else "of an unprintable id"


def told(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds; such texts sort as the times do."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    return told(datetime.now(UTC))
