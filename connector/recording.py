"""An action that changes something, done at most once: recalled by its operation id, run, and noted in the journal."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from connector.action import Action, Answer, Context, UnderWay
from connector.errors import SpectraError, StateError
from connector.operation import Entry, Operation
from connector.outcome import Outcome, read_outcome
from connector.plan import Note, Plan, note, recall
from connector.vocabulary import Message

# What does not make it another operation: where the bytes lie (their hash counts), and what is done afterwards.
_ASIDE: Final = frozenset({"file", "content_base64", "wait"})
Dress = Callable[[Answer], Outcome]


def fingerprint(action: Action[Any], params: Message, context: Context, subject: Mapping[str, Any]) -> str:
    """SHA-256 over what makes an operation this one; of a secret it only says that there is one."""
    given = params.model_dump(mode="json", exclude=set(_ASIDE))
    parts = [action.name, context.origin, given, dict(subject)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def recorded(
    action: Action[Any], params: Message, context: Context, operation_id: str, dress: Dress, *, in_doubt: bool = False
) -> Plan[Outcome]:
    """Run an action; one that changes something at most once for each operation id.

    The same id again gives the stored outcome, and sends nothing. What an earlier run left open is taken up: a receipt
    is followed, and what may have been sent is looked for where that can be told, and else stays unknown; so is what
    the caller calls ``in_doubt`` and this journal does not know.
    """
    subject = None
    if action.subject is not None:
        subject = yield from action.subject(params, context)
    if subject is None:
        return dress((yield from action.plan(params, context)))
    mark = fingerprint(action, params, context, subject)
    kept = yield from recall(Operation(operation_id, action.name, context.origin, mark, subject))
    if kept is not None and kept.state == "done":
        return _stored(kept, action)
    context = replace(context, under_way=_under_way(subject, kept, in_doubt=in_doubt))
    try:
        outcome = dress((yield from action.plan(params, context)))
    except SpectraError as error:
        error.operation_id = operation_id
        yield from _note(Note(_state_after(error), text=error.code))
        raise
    outcome = replace(outcome, operation_id=operation_id)
    problem = yield from _note(Note("done", text=outcome.to_json()))
    return replace(outcome, notices=(*outcome.notices, problem)) if problem else outcome


def _under_way(subject: Mapping[str, Any], kept: Entry | None, *, in_doubt: bool) -> UnderWay:
    if kept is None:
        return UnderWay(subject, in_doubt=in_doubt)
    return UnderWay(subject, kept.receipt if kept.state == "accepted" else None, kept.state in {"intent", "unknown"})


def _stored(kept: Entry, action: Action[Any]) -> Outcome:
    if kept.outcome is not None:
        return read_outcome(kept.outcome, action.result)
    raise StateError(
        f"operation {kept.id} was resolved by hand as done, so it is not run again; its outcome is not known here",
        outcome="applied",
        hint="give the next operation another id",
    )


def _state_after(error: SpectraError) -> Literal["refused", "unknown"]:
    """What the journal keeps of a failed operation. What was applied without a readable receipt is in doubt, too."""
    return "refused" if error.outcome in {"not_sent", "rejected"} else "unknown"


def _note(step: Note) -> Plan[str]:
    """Write to the journal; what cannot be written is told, and takes nothing of the outcome away."""
    try:
        yield from note(step.state, receipt=step.receipt, text=step.text)
    except StateError as error:
        return f"the journal could not note how this ended: {error.message}"
    return ""
