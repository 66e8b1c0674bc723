"""Delete samples: first a plan that says what would go, then the confirmation of exactly that plan."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from connector.action import DOCS, Action, Answer, Context, Example, UnderWay, choose, request
from connector.endpoint import Endpoint
from connector.endpoints import DELETE_V1, DELETE_V2
from connector.errors import InputRefused, OutcomeUnknown, SpectraError, Violation
from connector.outcome import Next
from connector.plan import Plan
from connector.retry import interrupted
from connector.steps import (
    DeletedEntry,
    Statuses,
    accepted,
    deletion_state,
    file_statuses,
    look_for,
    told_of_deletion,
    until,
)
from connector.vocabulary import HashList, Message

PLAN_SECONDS: Final = 900  # how long a plan may be confirmed
CLOCK_SECONDS: Final = 60  # how far the appliance's clock may step back between plan and confirmation
LOST: Final = (
    "the answer to the deletion was lost; what became of each hash was looked up, and nothing was sent again: "
    "what is still there may yet go, or can be planned again"
)
_DIGEST: Final[dict[str, Any]] = {
    "type": "string",
    "minLength": 34,
    "maxLength": 45,
    "not": {"pattern": "[^0-9a-f-]|^-|-[0-9a-f]*-|-[0-9a-f]{33}|-[0-9a-f]{0,31}$"},
    "pattern": "^[0-9a-f]{1,12}-[0-9a-f]{32}",
}
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{1,12}-[0-9a-f]{32}$"), WithJsonSchema(_DIGEST)]
PLAN_OR_CONFIRM: Final[dict[str, Any]] = {
    "oneOf": [
        {"required": ["plan"], "properties": {"plan": {"const": True}, "confirm": {"type": "null"}}},
        {
            "required": ["confirm"],
            "properties": {"confirm": {"not": {"type": "null"}}, "plan": {"enum": [False, None]}},
        },
    ]
}


class Params(Message):
    model_config = ConfigDict(json_schema_extra=PLAN_OR_CONFIRM)

    hash_values: HashList = Field(description="Hashes of one type, of the samples to delete.")
    plan: bool | None = Field(None, description="true answers what would be deleted and the digest to confirm it with.")
    confirm: Digest | None = Field(
        None, description="The digest from the plan of the same hashes, at most 15 minutes old; needs allow_delete."
    )
    wait: bool = Field(True, description="Wait until it is done, up to deadline_seconds, and verify every hash.")

    @model_validator(mode="after")
    def _plan_or_confirm(self) -> "Params":
        if bool(self.plan) == (self.confirm is not None):
            raise ValueError("give plan (true) to see what would be deleted, or confirm (its digest) to delete it")
        return self


class Result(Message):
    """One line for each hash, in the order asked."""

    digest: str | None = Field(None, description="Of a plan: what to give in confirm.")
    task_id: int | str | None = Field(None, description="Of a deletion under way: the id for get_bulk_delete_status.")
    entries: tuple[DeletedEntry, ...]
    deleted: int = Field(ge=0)


def plan(params: Params, context: Context) -> Plan[Answer]:
    """Plan, or confirm."""
    refuse_too_many(params, context)
    if params.confirm is None:
        return (yield from _plan(params, context))
    return (yield from _confirm(params, context, params.confirm))


def _plan(params: Params, context: Context) -> Plan[Answer]:
    found = yield from file_statuses(params.hash_values)
    endpoint = yield from choose(context, params, DELETE_V2, DELETE_V1)
    there = set(found.processed)
    issued = int(datetime.fromisoformat(found.answered_at).timestamp())
    digest = seal(context, params.hash_values, issued) if there else None
    entries = tuple(
        DeletedEntry(hash_value=value, state="would_delete" if value in there else "not_found")
        for value in params.hash_values
    )
    closed = () if context.allow_delete else ("deleting is off: set allow_delete before this plan can be confirmed",)
    return Answer(
        result=Result(digest=digest, entries=entries, deleted=0),
        endpoint=endpoint,
        answered_at=found.answered_at,
        status="success" if digest else "not_found",
        branch="planned" if digest else "not_found",
        notices=closed,
    )


def seal(context: Context, hash_values: list[str], issued: int) -> str:
    """The digest of a plan: its time, and a keyed hash over appliance, time and hashes.

    The key comes from the token, so a digest cannot be made up by whoever only supplies parameters.
    """
    text = "\n".join([context.origin, str(issued), *sorted(hash_values)])
    return f"{issued:x}-{hmac.new(context.key, text.encode(), 'sha256').hexdigest()[:32]}"


def _check(params: Params, context: Context, digest: str) -> int:
    """When the plan was made; refuses what this plan does not cover, before anything is sent."""
    if not context.allow_delete:
        raise InputRefused.of([Violation("/confirm", "deleting is off: set allow_delete in the settings")])
    issued = int(digest.split("-", maxsplit=1)[0], 16)
    if not hmac.compare_digest(seal(context, params.hash_values, issued), digest):
        wanted = "must be the digest of a plan of exactly these hashes on this appliance; plan again"
        raise InputRefused.of([Violation("/confirm", wanted)])
    return issued


def subject(params: Params, context: Context) -> Plan[Mapping[str, Any] | None]:
    """The hashes to delete, once the confirmation is seen to cover them; a plan changes nothing."""
    refuse_too_many(params, context)
    if params.confirm is None:
        return None
    _check(params, context, params.confirm)
    yield from ()  # a plan, though it asks nothing
    return {"hash_values": list(params.hash_values)}


def refuse_too_many(params: Params, context: Context) -> None:
    if len(params.hash_values) > context.max_delete:
        wanted = f"must be at most {context.max_delete} hashes (the setting max_delete); delete in several steps"
        raise InputRefused.of([Violation("/hash_values", wanted)])


def _confirm(params: Params, context: Context, digest: str) -> Plan[Answer]:
    under_way = context.under_way or UnderWay((yield from subject(params, context)) or {})
    if under_way.receipt is not None or under_way.in_doubt:
        return (yield from _taken_up(params, context, under_way))
    issued = _check(params, context, digest)
    before = yield from file_statuses(params.hash_values)
    age = datetime.fromisoformat(before.answered_at).timestamp() - issued
    if not -CLOCK_SECONDS <= age <= PLAN_SECONDS:
        raise InputRefused.of([Violation("/confirm", "the plan is older than 15 minutes; plan again")])
    endpoint = yield from choose(context, params, DELETE_V2, DELETE_V1)
    present = list(before.processed)
    if not present:
        return (yield from _verified(params, endpoint, present))
    try:
        if endpoint is DELETE_V1:
            yield from request(endpoint, json={"hash_value": present})
            return (yield from _verified(params, endpoint, present))
        return (yield from _delete_v2(params, endpoint, present))
    except OutcomeUnknown as doubt:
        return (yield from _looked_for(params, endpoint, present, doubt))


def _taken_up(params: Params, context: Context, under_way: UnderWay) -> Plan[Answer]:
    """Go on where an earlier run was interrupted: follow its task, or see what became of it. Nothing is sent again."""
    endpoint = yield from choose(context, params, DELETE_V2, DELETE_V1)
    receipt = under_way.receipt
    if receipt is None or receipt["task_id"] is None:
        present = params.hash_values if receipt is None else receipt["present"]
        return (yield from _looked_for(params, endpoint, present, interrupted("destroy")))
    return (yield from _followed(params, endpoint, receipt["present"], receipt["task_id"], receipt["at"], ()))


def _looked_for(params: Params, endpoint: Endpoint, present: list[str], doubt: OutcomeUnknown) -> Plan[Answer]:
    """See hash by hash what became of a deletion whose answer was lost; it is never sent again."""
    try:
        after = yield from look_for(params.hash_values, lambda statuses: not statuses.processed)
    except SpectraError:
        raise doubt from None
    return _gone(params, endpoint, present, after, (LOST,))


def _delete_v2(params: Params, endpoint: Endpoint, present: list[str]) -> Plan[Answer]:
    """Start the task and have its id in the journal; with ``wait`` follow it to its end."""
    reply = yield from request(endpoint, form=tuple(("hash_values", value) for value in present))
    task_id = _task_id(reply.json)
    task_id = task_id if isinstance(task_id, int | str) else None
    notices = yield from accepted(Result(entries=(), deleted=0), reply.answered_at, task_id=task_id, present=present)
    if task_id is None:
        return (yield from _verified(params, endpoint, present, notices))
    return (yield from _followed(params, endpoint, present, task_id, reply.answered_at, notices))


def _followed(
    params: Params,
    endpoint: Endpoint,
    present: list[str],
    task_id: int | str,
    answered_at: str,
    notices: tuple[str, ...],
) -> Plan[Answer]:
    """With ``wait``, to the end of the task. A failure here never loses the task id: it becomes a notice."""

    def done() -> Plan[Literal[True] | None]:
        state, _ = yield from deletion_state(task_id)
        return True if state == "done" else None

    try:
        if params.wait and (yield from until(done)):
            return (yield from _verified(params, endpoint, present, notices))
    except SpectraError as error:
        notices += (f"the deletion was accepted, but following it failed ({error.code}): {error.message}",)
    return _pending(params, endpoint, set(present), task_id, answered_at, notices)


def _task_id(body: dict[str, Any]) -> Any:
    """The id of the task, at the top or inside ``detail``: no source shows the body."""
    detail = body.get("detail")
    within = detail if isinstance(detail, dict) else body
    return body.get("id", body.get("task_id", within.get("id")))


def _verified(params: Params, endpoint: Endpoint, present: list[str], notices: tuple[str, ...] = ()) -> Plan[Answer]:
    """Ask for every hash what became of it; the appliance itself warns that "done" does not say that all went."""
    try:
        after = yield from file_statuses(params.hash_values)
    except SpectraError as error:
        if present:  # the deletion was accepted: only asking what became of it has failed
            error.outcome, error.hint = "applied", "ask get_file_status which of the hashes are still there"
        raise
    return _gone(params, endpoint, present, after, notices)


def _gone(params: Params, endpoint: Endpoint, present: list[str], after: Statuses, notices: tuple[str, ...]) -> Answer:
    told = told_of_deletion(params.hash_values, set(present), set(after.processed))
    return Answer(
        result=Result(entries=told.entries, deleted=told.deleted),
        endpoint=endpoint,
        answered_at=after.answered_at,
        status=told.status,
        branch=told.branch,
        notices=notices,
    )


def _pending(
    params: Params,
    endpoint: Endpoint,
    going: set[str],
    task_id: int | str,
    answered_at: str,
    notices: tuple[str, ...],
) -> Answer:
    entries = tuple(
        DeletedEntry(hash_value=value, state="deleting" if value in going else "already_absent")
        for value in params.hash_values
    )
    return Answer(
        result=Result(task_id=task_id, entries=entries, deleted=0),
        endpoint=endpoint,
        answered_at=answered_at,
        status="pending",
        branch="pending",
        next=Next("get_bulk_delete_status", {"task_id": task_id, "hash_values": params.hash_values}, 10.0),
        notices=notices,
    )


ACTION = Action(
    name="bulk_delete",
    title="Delete samples",
    description="Deletes samples from the appliance in two steps: plan, then confirm with the plan's digest.",
    effect="destroy",
    params=Params,
    result=Result,
    endpoints=(DELETE_V2, DELETE_V1),
    plan=plan,
    subject=subject,
    branches=("planned", "deleted", "partial", "pending", "not_found"),
    stix=(),
    egress="none",
    idempotent=True,
    doc_url=DOCS + "deprecated-endpoints#delete-a-set-of-samples",
    examples=(
        Example("what would go", {"hash_values": ["d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"], "plan": True}),
        Example(
            "delete what was planned",
            {
                "hash_values": ["d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"],
                "confirm": "6741f2c0-0123456789abcdef0123456789abcdef",
            },
        ),
    ),
)
