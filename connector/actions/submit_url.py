"""Submit a URL: the appliance downloads it, one level deep, and analyses what it finds."""

import json
from typing import Literal

from pydantic import Field, SecretStr

from connector.action import DOCS, Action, Answer, Context, Endpoint, Example, choose, request, worst
from connector.endpoints import SUBMIT_URL, UPLOADS
from connector.errors import JobFailed, SpectraError
from connector.outcome import Next
from connector.plan import Plan
from connector.steps import Password, Platform, UrlJob, detail_of, look_at_url, refuse_cloud, text_of, until
from connector.verdict import Url
from connector.vocabulary import Message
from connector.vocabulary import Url as UrlText


class Params(Message):
    url: UrlText
    crawler: Literal["local", "cloud"] = Field(
        "local",
        description="local keeps the URL and what is found private; cloud makes both public to every user of "
        "Spectra Intelligence and needs the setting allow_cloud. Always sent, as the appliance's default is cloud.",
    )
    archive_password: Password | None = Field(None, description="Password of a ZIP at the URL that holds one file.")
    rl_cloud_sandbox_platform: Platform | None = None
    wait: bool = Field(
        False, description="Wait for the verdict, up to deadline_seconds; otherwise the answer is pending with next."
    )


class Result(Message):
    """The receipt of a URL."""

    task_id: int | str = Field(description="Id to ask get_url_status for.")
    url: str
    crawler: Literal["local", "cloud"]
    created: str | None = Field(None, description="When the appliance created the task.")
    visibility: Literal["private", "public"] = Field(description="public where cloud services were asked for.")
    sha1: str | None = Field(None, description="SHA-1 of what was found at the URL, once it is known.")


def plan(params: Params, context: Context) -> Plan[Answer]:
    """Check, choose the endpoint, submit; with ``wait``, poll to the verdict."""
    platform = params.rl_cloud_sandbox_platform
    refuse_cloud(
        context,
        crawler="makes the URL and what it holds public" if params.crawler == "cloud" else None,
        rl_cloud_sandbox_platform="runs the URL in the cloud sandbox" if platform else None,
    )
    endpoint = yield from choose(context, params, SUBMIT_URL, UPLOADS)
    reply = yield from request(endpoint, form=_fields(params, endpoint))
    detail = detail_of(endpoint, reply)
    result = Result(
        task_id=detail["id"],
        url=params.url,
        crawler=params.crawler,
        created=text_of(detail, "created"),
        visibility="public" if params.crawler == "cloud" or platform else "private",
    )
    if not params.wait:
        return _pending(result, endpoint, reply.answered_at, "submitted")
    return (yield from _wait(result, endpoint, reply.answered_at))


def _fields(params: Params, endpoint: Endpoint) -> tuple[tuple[str, str], ...]:
    fields = [("url", params.url), ("crawler", params.crawler)]
    if isinstance(params.archive_password, SecretStr):
        fields.append(("archive_password", params.archive_password.get_secret_value()))
    platform = params.rl_cloud_sandbox_platform
    if platform and endpoint is SUBMIT_URL:
        fields.append(("analysis", json.dumps({"rl_dynamic_analysis": {"platform": platform}})))
    elif platform:
        fields.append(("rl_cloud_sandbox_platform", platform))
    return tuple(fields)


def _wait(result: Result, endpoint: Endpoint, answered_at: str) -> Plan[Answer]:
    """Poll until the URL is analysed. A poll that fails never loses the receipt: it becomes a notice."""

    def complete() -> Plan[UrlJob | None]:
        job = yield from look_at_url(result.task_id, result.url)
        return job if job.state == "complete" else None

    try:
        job = yield from until(complete)
    except JobFailed:
        raise
    except SpectraError as error:
        notice = f"the URL was submitted, but waiting for its verdict failed ({error.code}): {error.message}"
        return _pending(result, endpoint, answered_at, "pending", notice)
    if job is None:
        return _pending(result, endpoint, answered_at, "pending")
    return Answer(
        result=result.model_copy(update={"sha1": job.sha1}),
        endpoint=endpoint,
        answered_at=job.answered_at,
        branch=worst(job.verdicts) if job.verdicts else "unknown",
        verdicts=job.verdicts,
    )


def _pending(
    result: Result, endpoint: Endpoint, answered_at: str, branch: Literal["submitted", "pending"], *notices: str
) -> Answer:
    return Answer(
        result=result,
        endpoint=endpoint,
        answered_at=answered_at,
        status="pending",
        branch=branch,
        observed=(Url(value=result.url),),
        next=Next("get_url_status", {"task_id": result.task_id, "url": result.url}, 30.0),
        notices=notices,
    )


ACTION = Action(
    name="submit_url",
    title="Submit a URL",
    description="Submits one URL to be downloaded and analysed; returns its task, or its verdict with wait.",
    effect="submit",
    params=Params,
    result=Result,
    endpoints=(SUBMIT_URL, UPLOADS),
    plan=plan,
    branches=("submitted", "pending", "malicious", "suspicious", "goodware", "unknown"),
    stix=("url", "file", "malware-analysis", "indicator", "malware", "relationship"),
    egress="the URL and what it holds become public with crawler=cloud, or reach the cloud sandbox with "
    "rl_cloud_sandbox_platform; both need the setting allow_cloud. The appliance itself contacts the URL's host",
    idempotent=False,
    doc_url=DOCS + "deprecated-endpoints#submit-samples-for-analysis",
    examples=(
        Example("a private crawl", {"url": "https://www.example.com/download"}),
        Example("a private crawl, waiting for the verdict", {"url": "https://www.example.com/download", "wait": True}),
    ),
)
