"""Submit a URL: the appliance downloads it, one level deep, and analyses what it finds."""

import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from connector.action import DOCS, Action, Answer, Context, Example, UnderWay, choose, request, worst
from connector.endpoint import Endpoint
from connector.endpoints import SUBMIT_URL, UPLOADS
from connector.errors import InputRefused, JobFailed, SpectraError, Violation
from connector.outcome import Next
from connector.plan import Plan
from connector.retry import interrupted
from connector.steps import (
    Password,
    Platform,
    UrlJob,
    accepted,
    detail_of,
    look_at_url,
    refuse_cloud,
    revealed,
    text_of,
    until,
)
from connector.verdict import Url
from connector.vocabulary import Marking, Message
from connector.vocabulary import Url as UrlText
from connector.zones import inner_reason, malformed_reason


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
    tlp: Marking | None = None


class Result(Message):
    """The receipt of a URL."""

    task_id: int | str = Field(description="Id to ask get_url_status for.")
    url: str
    crawler: Literal["local", "cloud"]
    created: str | None = Field(None, description="When the appliance created the task.")
    visibility: Literal["private", "public"] = Field(description="public where cloud services were asked for.")
    sha1: str | None = Field(None, description="SHA-1 of what was found at the URL, once it is known.")


def subject(params: Params, context: Context) -> Plan[Mapping[str, Any] | None]:
    """The URL: refused where it leads inside, or would become public without leave."""
    refuse_cloud(
        context,
        params.tlp,
        params.url,
        crawler="makes the URL and what it holds public" if params.crawler == "cloud" else None,
        rl_cloud_sandbox_platform="runs the URL in the cloud sandbox" if params.rl_cloud_sandbox_platform else None,
    )
    refuse_address(params, context)
    yield from ()  # a plan, though it asks nothing
    return {"url": params.url}


def refuse_address(params: Params, context: Context) -> None:
    """Refuse a URL whose host cannot be told surely, or lies inside: the appliance itself would go there (SSRF)."""
    wrong = malformed_reason(params.url)
    if wrong:
        raise InputRefused.of([Violation("/url", wrong)])
    inside = inner_reason(params.url, context.private_zones)
    if inside and not context.allow_internal_urls:
        wanted = f"leads inside, where the appliance must not be sent: {inside}; to allow it, set allow_internal_urls"
        raise InputRefused.of([Violation("/url", wanted)])


def plan(params: Params, context: Context) -> Plan[Answer]:
    """Check, choose the endpoint, submit; with ``wait``, poll to the verdict."""
    under_way = context.under_way or UnderWay((yield from subject(params, context)) or {})
    endpoint = yield from choose(context, params, SUBMIT_URL, UPLOADS)
    if under_way.receipt is not None:
        result, answered_at = Result.model_validate(under_way.receipt["result"]), str(under_way.receipt["at"])
        notices: tuple[str, ...] = ()
    elif under_way.in_doubt:
        raise interrupted("submit")
    else:
        result, answered_at, notices = yield from _sent(params, endpoint)
    if not params.wait:
        return _pending(result, endpoint, answered_at, "submitted", *notices)
    return (yield from _wait(result, endpoint, answered_at, notices))


def _sent(params: Params, endpoint: Endpoint) -> Plan[tuple[Result, str, tuple[str, ...]]]:
    """Submit the URL, and have its receipt in the journal. What the appliance words never repeats its query."""
    reply = yield from request(
        endpoint, form=_fields(params, endpoint), cloud=_public(params), secrets=_secrets(params)
    )
    detail = detail_of(endpoint, reply)
    result = Result(
        task_id=detail["id"],
        url=params.url,
        crawler=params.crawler,
        created=text_of(detail, "created"),
        visibility="public" if _public(params) else "private",
    )
    return result, reply.answered_at, (yield from accepted(result, reply.answered_at))


def _secrets(params: Params) -> tuple[str, ...]:
    query = urlsplit(params.url).query
    return (*revealed(params.archive_password), *((query,) if query else ()))


def _public(params: Params) -> bool:
    return params.crawler == "cloud" or params.rl_cloud_sandbox_platform is not None


def _fields(params: Params, endpoint: Endpoint) -> tuple[tuple[str, str], ...]:
    fields = [("url", params.url), ("crawler", params.crawler)]
    fields += [("archive_password", secret) for secret in revealed(params.archive_password)]
    platform = params.rl_cloud_sandbox_platform
    if platform and endpoint is SUBMIT_URL:
        fields.append(("analysis", json.dumps({"rl_dynamic_analysis": {"platform": platform}})))
    elif platform:
        fields.append(("rl_cloud_sandbox_platform", platform))
    return tuple(fields)


def _wait(result: Result, endpoint: Endpoint, answered_at: str, notices: tuple[str, ...]) -> Plan[Answer]:
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
        return _pending(result, endpoint, answered_at, "pending", *notices, notice)
    if job is None:
        return _pending(result, endpoint, answered_at, "pending", *notices)
    return Answer(
        result=result.model_copy(update={"sha1": job.sha1}),
        endpoint=endpoint,
        answered_at=job.answered_at,
        branch=worst(job.verdicts) if job.verdicts else "unknown",
        verdicts=job.verdicts,
        notices=notices,
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
    subject=subject,
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
