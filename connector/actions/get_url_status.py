"""Get the status of a submitted URL, and the verdict on what was found there once it is complete."""

from typing import Literal

from pydantic import Field

from connector.action import DOCS, Action, Answer, Context, Example, worst
from connector.endpoints import URL_STATUS
from connector.outcome import Next
from connector.plan import Plan
from connector.steps import Summary, TaskId, look_at_url, summary
from connector.verdict import File
from connector.vocabulary import Branch, Marking, Message, Status, Url


class Params(Message):
    task_id: TaskId = Field(description="Id from submit_url.")
    url: Url | None = None
    tlp: Marking | None = None


class Result(Message):
    """The state of the task; ``entry`` is what was found at the URL."""

    task_id: int | str
    state: Literal["pending", "complete", "not_found"]
    entry: Summary | None = None


def plan(params: Params, context: Context) -> Plan[Answer]:  # every plan has this shape
    """Look once; a failed submission is raised as JobFailed."""
    job = yield from look_at_url(params.task_id, params.url)
    of_file = next((verdict for verdict in job.verdicts if isinstance(verdict.subject, File)), None)
    entry = summary(of_file) if of_file else None
    again: dict[str, object] = {"task_id": params.task_id}
    if params.url is not None:
        again["url"] = params.url
    status: Status = "success" if job.state == "complete" else job.state
    branch: Branch = (worst(job.verdicts) if job.verdicts else "unknown") if job.state == "complete" else job.state
    return Answer(
        result=Result(task_id=params.task_id, state=job.state, entry=entry),
        endpoint=URL_STATUS,
        answered_at=job.answered_at,
        status=status,
        branch=branch,
        verdicts=job.verdicts,
        next=Next("get_url_status", again, 30.0) if job.state == "pending" else None,
    )


ACTION = Action(
    name="get_url_status",
    title="Get the status of a submitted URL",
    description="Tells how far a submitted URL is, and its verdict when it is complete.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(URL_STATUS,),
    plan=plan,
    branches=("malicious", "suspicious", "goodware", "unknown", "pending", "not_found"),
    stix=("url", "file", "malware-analysis", "indicator", "malware", "relationship"),
    egress="none",
    idempotent=True,
    doc_url=DOCS + "submissions#check-status-of-submitted-urls",
    examples=(
        Example("a task", {"task_id": 421}),
        Example("a task, with the URL for its STIX", {"task_id": 421, "url": "https://www.example.com/download"}),
    ),
)
