"""Submit a file for analysis: by path, streamed from disk, or as base64."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from connector.action import (
    DOCS,
    Action,
    Answer,
    Context,
    Example,
    UnderWay,
    choose,
    exactly_one,
    request,
    require_one,
    worst,
)
from connector.endpoint import Endpoint
from connector.endpoints import SUBMIT_FILE, UPLOADS
from connector.errors import OutcomeUnknown, ResponseMismatch, SpectraError
from connector.outcome import Next
from connector.plan import Plan, Sent, Upload, look
from connector.retry import interrupted
from connector.steps import (
    Password,
    Platform,
    accepted,
    classify_locally,
    detail_of,
    file_statuses,
    look_for,
    refuse_cloud,
    revealed,
    text_of,
    until,
)
from connector.verdict import File, completed
from connector.vocabulary import Comment, Marking, Message, Tags
from connector.wire import safe_filename, source_of

RECOVERED: Final = (
    "the answer to the upload was lost; the appliance was found to have the file, from this submission or an earlier "
    "one, so tags and comment may be missing"
)


class Params(Message):
    model_config = ConfigDict(json_schema_extra=exactly_one("file", "content_base64"))

    file: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        None, description="Path of the file to submit; it is streamed. One of file and content_base64."
    )
    content_base64: Annotated[str, Field(min_length=4, max_length=140_000_000)] | None = Field(
        None, description="The content itself in base64, up to 100 MB. One of file and content_base64."
    )
    analysis: Literal["cloud"] | None = Field(
        None, description="cloud sends the sample to Spectra Intelligence as well; needs the setting allow_cloud."
    )
    archive_password: Password | None = Field(
        None, description="Password of a ZIP that holds exactly one file; only that file is kept by the appliance."
    )
    rl_cloud_sandbox_platform: Platform | None = None
    comment: Comment | None = Field(
        None, description="Comment on the sample; HTML tags p, br, a, strong, b, em, i only.", examples=["case 4711"]
    )
    filename: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, description="Name to show on the appliance instead of the file's own.", examples=["invoice.exe"]
    )
    tags: Tags | None = None
    wait: bool = Field(
        False, description="Wait for the verdict, up to deadline_seconds; otherwise the answer is pending with next."
    )
    tlp: Marking | None = None

    @model_validator(mode="after")
    def _one(self) -> "Params":
        require_one(self, "file", "content_base64")
        return self


class Result(Message):
    """The receipt: what was sent, and under which ids the appliance keeps it."""

    task_id: int | str | None = Field(
        description="Id of the processing task on the appliance; null where the answer that named it was lost."
    )
    sha1: str | None = Field(description="SHA-1 that the appliance reports; of the extracted file with a password.")
    sent_sha1: str = Field(description="SHA-1 of the bytes that were sent.")
    sent_sha256: str = Field(description="SHA-256 of the bytes that were sent.")
    sent_bytes: int = Field(ge=0, description="Bytes of the file that were sent.")
    filename: str | None = None
    created: str | None = Field(None, description="When the appliance created the task.")
    report_url: str | None = Field(None, description="Page of the sample on the appliance.")
    visibility: Literal["private", "public"] = Field(description="public where cloud services were asked for.")
    recovered: bool = Field(False, description="true where the answer was lost and the file was found to be there.")


def subject(params: Params, context: Context) -> Plan[Mapping[str, Any] | None]:
    """The file: refused where it would become public without leave, then read to its end."""
    refuse_cloud(
        context,
        params.tlp,
        analysis="sends the file to Spectra Intelligence" if params.analysis else None,
        rl_cloud_sandbox_platform="runs the file in the cloud sandbox" if params.rl_cloud_sandbox_platform else None,
    )
    return asdict((yield from look(source_of(params.file, params.content_base64))))


def plan(params: Params, context: Context) -> Plan[Answer]:
    """Check, choose the endpoint, upload, compare hashes; with ``wait``, poll and look the verdict up."""
    under_way = context.under_way or UnderWay((yield from subject(params, context)) or {})
    endpoint = yield from choose(context, params, SUBMIT_FILE, UPLOADS)
    result, answered_at, notices = yield from _taken(params, context, endpoint, under_way)
    file = _stored(params, result)
    if not params.wait or result.sha1 is None:
        return _pending(result, endpoint, answered_at, file, *notices, branch="submitted")
    return (yield from _wait(result, context, endpoint, answered_at, file, notices))


Taken = tuple[Result, str, tuple[str, ...]]


def _taken(params: Params, context: Context, endpoint: Endpoint, under_way: UnderWay) -> Plan[Taken]:
    """The receipt: kept from an earlier run, or got by sending the file, at most twice and only where that is safe."""
    if under_way.receipt is not None:
        return Result.model_validate(under_way.receipt["result"]), under_way.receipt["at"], ()
    file, doubt = Sent(**under_way.subject), interrupted("upload")
    if not under_way.in_doubt:
        try:
            return (yield from _sent(params, context, endpoint, file))
        except OutcomeUnknown as error:
            doubt = error
    seen_at = yield from _seen(params, file, doubt)
    if seen_at is not None:
        result = _recovered(params, file)
        return result, seen_at, (*(yield from accepted(result, seen_at)), RECOVERED)
    if params.analysis or params.rl_cloud_sandbox_platform:
        raise doubt  # once more could detonate it twice, or spend the quota twice
    try:
        return (yield from _sent(params, context, endpoint, file))
    except SpectraError as error:
        raise error if error.outcome in {"unknown", "applied"} else doubt from None


def _seen(params: Params, file: Sent, doubt: OutcomeUnknown) -> Plan[str | None]:
    """When the appliance was seen to have the file, None where it has not; raises the doubt where nobody can tell."""
    if params.archive_password is not None:
        raise doubt  # the appliance keeps the extracted file, whose hashes are not known here
    try:
        found = yield from look_for([file.sha1], lambda statuses: bool(statuses.processed))
    except SpectraError:
        raise doubt from None
    return found.answered_at if found.processed else None


def _sent(params: Params, context: Context, endpoint: Endpoint, file: Sent) -> Plan[Taken]:
    """Upload the file, and have its receipt in the journal."""
    source = source_of(params.file, params.content_base64)
    upload = Upload(source, file, _name(params, source), tuple(_fields(params, endpoint)))
    reply = yield from request(
        endpoint, upload=upload, cloud=_public(params), secrets=revealed(params.archive_password)
    )
    if reply.sent is None:
        raise OutcomeUnknown(
            "the appliance answered before it had the whole file, and what it keeps is not known",
            status=reply.status,
            hint="ask get_file_status for the file's SHA-1 before you submit it again",
        )
    result = _receipt(params, context, detail_of(endpoint, reply), reply.sent)
    return result, reply.answered_at, (yield from accepted(result, reply.answered_at))


def _public(params: Params) -> bool:
    return params.analysis is not None or params.rl_cloud_sandbox_platform is not None


def _name(params: Params, source: Path | bytes) -> str:
    if params.filename is not None:
        return safe_filename(params.filename)
    if isinstance(source, Path):
        return safe_filename(source.name)
    return hashlib.sha1(source, usedforsecurity=False).hexdigest()


def _fields(params: Params, endpoint: Endpoint) -> list[tuple[str, str]]:
    """The form fields; on the current endpoint ``analysis`` is a JSON object that also names the sandbox platform."""
    fields = []
    if params.filename is not None:
        fields.append(("filename", params.filename))
    if params.tags is not None:
        fields.append(("tags", ",".join(params.tags)))
    if params.comment is not None:
        fields.append(("comment", params.comment))
    fields += [("archive_password", secret) for secret in revealed(params.archive_password)]
    platform = params.rl_cloud_sandbox_platform
    if endpoint is SUBMIT_FILE:
        analysis: dict[str, Any] = {}
        if params.analysis:
            analysis["cloud"] = True
        if platform:
            analysis["rl_dynamic_analysis"] = {"platform": platform}
        return fields + ([("analysis", json.dumps(analysis))] if analysis else [])
    fields += [("analysis", params.analysis)] if params.analysis else []
    return fields + ([("rl_cloud_sandbox_platform", platform)] if platform else [])


def _receipt(params: Params, context: Context, detail: dict[str, Any], sent: Sent) -> Result:
    sha1 = detail.get("sha1")
    sha1 = sha1.lower() if isinstance(sha1, str) else None
    if sha1 is not None and params.archive_password is None and sha1 != sent.sha1:
        raise ResponseMismatch(
            f"the appliance stored a file with SHA-1 {sha1} where {sent.sha1} was sent",
            outcome="applied",
            hint="something between here and the appliance changed the file; do not trust a verdict on it",
        )
    href = detail.get("href")
    return Result(
        task_id=detail["id"],
        sha1=sha1,
        sent_sha1=sent.sha1,
        sent_sha256=sent.sha256,
        sent_bytes=sent.size,
        filename=text_of(detail, "filename"),
        created=text_of(detail, "created"),
        report_url=context.origin + href if isinstance(href, str) and href.startswith("/") else None,
        visibility="public" if _public(params) else "private",
    )


def _recovered(params: Params, file: Sent) -> Result:
    """What is known of a file that the appliance has, where its receipt was lost."""
    return Result(
        task_id=None,
        sha1=file.sha1,
        sent_sha1=file.sha1,
        sent_sha256=file.sha256,
        sent_bytes=file.size,
        filename=params.filename,
        visibility="public" if _public(params) else "private",
        recovered=True,
    )


def _stored(params: Params, result: Result) -> File:
    """The file as the appliance holds it; with a password only the SHA-1 of the extracted file is known."""
    if params.archive_password is not None and result.sha1 is not None:
        return File(sha1=result.sha1)
    return File(sha1=result.sent_sha1, sha256=result.sent_sha256, size=result.sent_bytes)


def _pending(
    result: Result,
    endpoint: Endpoint,
    answered_at: str,
    file: File,
    *notices: str,
    branch: Literal["submitted", "pending"] = "pending",
) -> Answer:
    params = {"hash_values": [result.sha1 or result.sent_sha1], "submitted": True}
    return Answer(
        result=result,
        endpoint=endpoint,
        answered_at=answered_at,
        status="pending",
        branch=branch,
        observed=(file,),
        next=Next("get_file_status", params, 15.0),
        notices=notices,
    )


def _wait(
    result: Result, context: Context, endpoint: Endpoint, answered_at: str, file: File, notices: tuple[str, ...]
) -> Plan[Answer]:
    """Poll until the sample is processed. A failure here never loses the receipt: it becomes a notice."""
    sha1 = result.sha1 or result.sent_sha1

    def processed() -> Plan[str | None]:
        statuses = yield from file_statuses([sha1])
        return statuses.answered_at if statuses.processed else None

    try:
        if (yield from until(processed)) is None:
            return _pending(result, endpoint, answered_at, file, *notices)
        found = yield from classify_locally(context, sha1)
    except SpectraError as error:
        notice = f"the file was submitted, but waiting for its verdict failed ({error.code}): {error.message}"
        return _pending(result, endpoint, answered_at, file, *notices, notice)
    verdicts = (completed(found.verdict, file),) if found.verdict else ()
    return Answer(
        result=result,
        endpoint=endpoint,
        answered_at=found.answered_at,
        branch=worst(verdicts) if verdicts else "unknown",
        verdicts=verdicts,
        observed=() if verdicts else (file,),
        notices=notices,
    )


ACTION = Action(
    name="submit_file",
    title="Submit a file",
    description="Uploads one file for analysis and returns its receipt, or its verdict with wait.",
    effect="submit",
    params=Params,
    result=Result,
    endpoints=(SUBMIT_FILE, UPLOADS),
    plan=plan,
    subject=subject,
    branches=("submitted", "pending", "malicious", "suspicious", "goodware", "unknown"),
    stix=("file", "malware-analysis", "indicator", "malware", "relationship"),
    egress="the file leaves the appliance only with analysis or rl_cloud_sandbox_platform and the setting allow_cloud",
    idempotent=False,
    doc_url=DOCS + "deprecated-endpoints#submit-samples-for-analysis",
    examples=(
        Example("a file, without waiting", {"file": "sample.exe"}),
        Example(
            "a file with a name, tags and a comment, waiting for the verdict",
            {
                "file": "sample.exe",
                "filename": "invoice.exe",
                "tags": ["phishing"],
                "comment": "case 4711",
                "wait": True,
            },
        ),
        Example("a few bytes in base64", {"content_base64": "aGVsbG8gc3BlY3RyYQ==", "filename": "hello.txt"}),
    ),
)
