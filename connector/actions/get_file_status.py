"""Get the processing status of files: which of these hashes has the appliance processed."""

from typing import Literal

from pydantic import Field

from connector.action import DOCS, Action, Answer, Context, Example
from connector.endpoints import FILE_STATUS
from connector.outcome import Next
from connector.plan import Plan
from connector.steps import Statuses, file_statuses
from connector.vocabulary import Branch, HashList, Marking, Message, Status


class Params(Message):
    hash_values: HashList = Field(description="Hashes of one type.")
    submitted: bool = Field(
        False,
        description="true: these were submitted a moment ago, so one that the appliance does not know yet is pending. "
        "submit_file sets it in next.",
    )
    tlp: Marking | None = None


class Entry(Message):
    hash_value: str
    status: Literal["processed", "not_found"]


class Result(Message):
    """One line for each hash, in the order asked. processed says that an analysis exists, perhaps an older one."""

    entries: tuple[Entry, ...]
    processed: int = Field(ge=0)
    not_found: int = Field(ge=0)


def plan(params: Params, context: Context) -> Plan[Answer]:  # every plan has this shape
    """Ask in batches; a hash that is left out of the answer is not found."""
    found = yield from file_statuses(params.hash_values)
    done = set(found.processed)
    entries = [Entry(hash_value=v, status="processed" if v in done else "not_found") for v in params.hash_values]
    status, branch = _meaning(found, params)
    return Answer(
        result=Result(entries=tuple(entries), processed=len(found.processed), not_found=len(found.not_found)),
        endpoint=FILE_STATUS,
        answered_at=found.answered_at,
        status=status,
        branch=branch,
        next=_next(found, params),
    )


def _meaning(found: Statuses, params: Params) -> tuple[Status, Branch]:
    if not found.not_found:
        return "success", "ok"
    if params.submitted:
        return "pending", "pending"
    return ("success", "partial") if found.processed else ("not_found", "not_found")


def _next(found: Statuses, params: Params) -> Next | None:
    """After a submission: look again, or look the verdict up."""
    if not params.submitted:
        return None
    if found.not_found:
        return Next("get_file_status", {"hash_values": params.hash_values, "submitted": True}, 15.0)
    if len(params.hash_values) == 1:
        return Next("get_classification", {"hash_value": params.hash_values[0]}, 0.0)
    return Next("get_report", {"hash_values": params.hash_values}, 0.0)


ACTION = Action(
    name="get_file_status",
    title="Get the processing status of files",
    description="Tells which hashes the appliance has processed.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(FILE_STATUS,),
    plan=plan,
    branches=("ok", "partial", "pending", "not_found"),
    stix=(),
    egress="none",
    idempotent=True,
    doc_url=DOCS + "samples#check-processing-status-of-samples",
    examples=(
        Example("one hash", {"hash_values": ["d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"]}),
        Example("after a submission", {"hash_values": ["d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"], "submitted": True}),
    ),
)
