"""Get the status of a bulk deletion, and what became of each hash once it is done."""

from typing import Literal

from pydantic import Field

from connector.action import DOCS, Action, Answer, Context, Example
from connector.endpoints import DELETE_STATUS
from connector.outcome import Next
from connector.plan import Plan
from connector.steps import DeletedEntry, TaskId, deletion_state, file_statuses, told_of_deletion
from connector.vocabulary import HashList, Message


class Params(Message):
    task_id: TaskId = Field(description="Id from bulk_delete.")
    hash_values: HashList | None = Field(
        None, description="The hashes that were to go: each is verified when the task is done, as done does not say so."
    )


class Result(Message):
    """The state of the task; ``entries`` where hashes were given."""

    task_id: int | str
    state: Literal["running", "done", "not_found"]
    entries: tuple[DeletedEntry, ...] = ()
    deleted: int | None = Field(None, ge=0)


def plan(params: Params, context: Context) -> Plan[Answer]:  # every plan has this shape
    """Look once; when the task is done, verify the hashes."""
    state, answered_at = yield from deletion_state(params.task_id)
    if state == "running":
        return _running(params, answered_at)
    result = Result(task_id=params.task_id, state=state)
    if state == "not_found":
        return Answer(
            result=result, endpoint=DELETE_STATUS, answered_at=answered_at, status="not_found", branch="not_found"
        )
    if params.hash_values is None:
        notice = "done does not say that every sample went; give hash_values to verify each"
        return Answer(result=result, endpoint=DELETE_STATUS, answered_at=answered_at, notices=(notice,))
    after = yield from file_statuses(params.hash_values)
    told = told_of_deletion(params.hash_values, set(params.hash_values), set(after.processed))
    return Answer(
        result=Result(task_id=params.task_id, state=state, entries=told.entries, deleted=told.deleted),
        endpoint=DELETE_STATUS,
        answered_at=after.answered_at,
        status=told.status,
        branch=told.branch,
    )


def _running(params: Params, answered_at: str) -> Answer:
    again: dict[str, object] = {"task_id": params.task_id}
    if params.hash_values is not None:
        again["hash_values"] = params.hash_values
    return Answer(
        result=Result(task_id=params.task_id, state="running"),
        endpoint=DELETE_STATUS,
        answered_at=answered_at,
        status="pending",
        branch="pending",
        next=Next("get_bulk_delete_status", again, 10.0),
    )


ACTION = Action(
    name="get_bulk_delete_status",
    title="Get the status of a bulk deletion",
    description="Tells whether a bulk deletion is done, and verifies each hash that is given.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(DELETE_STATUS,),
    plan=plan,
    branches=("ok", "deleted", "partial", "pending", "not_found"),
    stix=(),
    egress="none",
    idempotent=True,
    doc_url=DOCS + "samples#check-the-status-of-a-bulk-sample-removal",
    examples=(
        Example("a task", {"task_id": 17}),
        Example("a task and its hashes", {"task_id": 17, "hash_values": ["d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"]}),
    ),
)
