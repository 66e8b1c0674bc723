"""The submission endpoints of both generations, and the status of a submitted URL."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from connector.emulator.pages.exchange import Answer, Request, as_json
from connector.emulator.pages.reports import url_report
from connector.emulator.pages.upload import Form, read_form
from connector.emulator.product.analysis import examine
from connector.emulator.product.archive import unpack_only_file
from connector.emulator.product.clock import fine_stamp
from connector.emulator.product.content import Content, Intake
from connector.emulator.product.ledger import without_secrets
from connector.emulator.product.refusals import Invalid, NotHere, Refusal
from connector.emulator.product.state import Product
from connector.emulator.product.submitting import Order, Submission, admit, submit_file, submit_url

_OLD_PLATFORMS = ("windows7", "windows10", "windows11", "macos_11", "ubuntu_20")
_NEW_PLATFORMS = ("windows7", "windows10", "windows11", "macos_11", "linux", "android12")
_ANALYSES = frozenset(
    {"rl_dynamic_analysis", "rl_auxiliary_analysis", "cloud", "cape", "cuckoo", "vmray_tcbase"}
    | {"cisco_secure_malware_analytics", "fireeye", "joe", "local_only"}
)
_TAG = re.compile(r"[a-z0-9][a-z0-9 /._-]*\Z")
_TAG_ANY_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 /._-]*\Z")
_TAGS_LENGTH = 42


async def uploads(product: Product, request: Request) -> Answer:
    """Deprecated: a file or a URL through one endpoint."""
    admit(product, request.user)
    form = await read_form(product, request)
    with _recorded(product, request, form):
        if (form.content is None) == (form.get("url") is None):
            raise Invalid("Exactly one of 'file' and 'url' must be provided.", field="file")
        sandbox = _one_of(form, "rl_cloud_sandbox_platform", _OLD_PLATFORMS)
        if form.content is None:
            order = _order(product, request, form, cloud=False, sandbox=sandbox)
            return _submit_url(product, form, order, product.switches.crawler_default_uploads)
        order = _order(product, request, form, cloud=_asks_cloud(form), sandbox=sandbox)
        return await _submit_file(product, form, order)


async def submit_file_page(product: Product, request: Request) -> Answer:
    """Current: a file, with `analysis` as a JSON object in a string."""
    admit(product, request.user)
    form = await read_form(product, request)
    with _recorded(product, request, form):
        if form.content is None:
            raise Invalid("No file was submitted.", field="file")
        _json_object(form, "metadata")
        cloud, sandbox = _analyses(form)
        order = _order(product, request, form, cloud=cloud, sandbox=sandbox)
        return await _submit_file(product, form, order)


async def submit_url_page(product: Product, request: Request) -> Answer:
    """Current: a URL; the crawler is local unless the request or the administrator says otherwise."""
    admit(product, request.user)
    form = await read_form(product, request)
    with _recorded(product, request, form):
        if form.get("url") is None:
            raise Invalid("This field is required.", field="url")
        _, sandbox = _analyses(form)
        order = _order(product, request, form, cloud=False, sandbox=sandbox)
        return _submit_url(product, form, order, product.switches.crawler_default_submit)


async def url_status(product: Product, request: Request) -> Answer:
    """Status of a submitted URL, with the report when it is done."""
    switches = product.switches
    number = request.arguments["id"]
    task = product.url_tasks.get(int(number)) if number.isascii() and number.isdigit() else None
    if task is None:
        text = "Submission not found."
        if switches.url_unknown_status == 200:
            return as_json({"processing_status": "error", "message": text, "report": None})
        raise NotHere(text) if switches.url_unknown_status == 404 else Invalid(text)
    body: dict[str, object] = {"processing_status": task.state, "message": task.message}
    if task.state == "pending":
        body["processing_status"] = switches.pending_word
    sample = product.local.find(task.sha1) if task.sha1 else None
    if sample is not None:
        body["report"] = url_report(product, sample)
    elif switches.url_report_pending != "absent":
        body["report"] = None if switches.url_report_pending == "null" else {}
    return as_json(body)


async def _submit_file(product: Product, form: Form, order: Order) -> Answer:
    if form.content is None:
        raise Invalid("No file was submitted.", field="file")
    name, content = await _unpacked(product, form.filename, form.content, form.get("archive_password"))
    try:
        findings = await asyncio.to_thread(examine, content) if content.path else examine(content)
    finally:
        content.discard()
    return _accepted(product, submit_file(product, findings, name, order))


async def _unpacked(product: Product, name: str, content: Content, password: str | None) -> tuple[str, Content]:
    """Take the file out of its archive if a password came along; in a thread, as decryption is slow."""
    if not password:
        return name, content
    limit = product.resources.max_upload_bytes
    intake = Intake(product.workshop, f"unpacked-{next(product.ids.jobs)}", limit)
    return await asyncio.to_thread(unpack_only_file, content, password, intake)


def _submit_url(product: Product, form: Form, order: Order, default: Literal["local", "cloud"]) -> Answer:
    url = form.get("url") or ""
    if not re.match(r"https?://[^\s/?#]+", url, re.IGNORECASE):
        raise Invalid("Enter a valid URL.", field="url")
    crawler = _one_of(form, "crawler", ("local", "cloud")) or default
    return _accepted(product, submit_url(product, url, "cloud" if crawler == "cloud" else "local", order))


def _accepted(product: Product, submission: Submission) -> Answer:
    code = product.switches.upload_success_code
    detail: dict[str, object] = {"id": submission.id}
    if submission.sha1:
        detail["sha1"] = submission.sha1
    detail |= {"user": submission.user.id, "created": fine_stamp(submission.created), "filename": submission.filename}
    if submission.sha1:
        detail["href"] = ("/?q=" if product.switches.href == "query" else "/") + submission.sha1
    return as_json({"code": code, "message": "Done.", "detail": detail}, code)


def _order(product: Product, request: Request, form: Form, *, cloud: bool, sandbox: str | None) -> Order:
    return Order(
        user=request.user,
        endpoint=request.path,
        filename=form.get("filename") or None,
        cloud=cloud,
        sandbox=sandbox,
        tags=_tags(product, form),
        comment=form.get("comment") or None,
        received=form.fields,
        bytes_received=request.bytes_received,
    )


def _asks_cloud(form: Form) -> bool:
    asked = [item.strip() for item in (form.get("analysis") or "").split(",") if item.strip()]
    if any(item != "cloud" for item in asked):
        raise Invalid("Unsupported analysis. Supported values: cloud.", field="analysis")
    return bool(asked)


def _analyses(form: Form) -> tuple[bool, str | None]:
    """Read the analysis object: is the cloud asked, and which cloud sandbox."""
    asked = _json_object(form, "analysis")
    if unknown := sorted(set(asked) - _ANALYSES):
        raise Invalid(f"Unsupported analysis: {', '.join(unknown)}.", field="analysis")
    sandbox = asked.get("rl_dynamic_analysis")
    if sandbox is None:
        return asked.get("cloud") is True, None
    platform = sandbox.get("platform") if isinstance(sandbox, dict) else None
    if platform not in _NEW_PLATFORMS:
        raise Invalid("rl_dynamic_analysis needs a supported platform.", field="analysis")
    return asked.get("cloud") is True, str(platform)


def _json_object(form: Form, name: str) -> Mapping[str, object]:
    text = form.get(name)
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("Value must be valid JSON.", field=name) from error
    if not isinstance(value, dict):
        raise Invalid("Value must be a JSON object.", field=name)
    return value


def _one_of(form: Form, name: str, allowed: tuple[str, ...]) -> str | None:
    value = form.get(name)
    if value and value not in allowed:
        raise Invalid(f"Supported values: {', '.join(allowed)}.", field=name)
    return value or None


def _tags(product: Product, form: Form) -> tuple[str, ...]:
    text = form.get("tags") or ""
    if len(text) > _TAGS_LENGTH:
        raise Invalid(f"Ensure this field has no more than {_TAGS_LENGTH} characters.", field="tags")
    tags = tuple(item.strip() for item in text.split(",") if item.strip())
    allowed = _TAG if product.switches.uppercase_tags == "refused" else _TAG_ANY_CASE
    if any(not allowed.match(tag) for tag in tags):
        raise Invalid("Supported characters for tags are [a-z0-9][a-z0-9 /._-].", field="tags")
    return tags


@contextmanager
def _recorded(product: Product, request: Request, form: Form) -> Iterator[None]:
    """Let nothing of a submission's content behind, and note in the ledger when it was refused."""
    try:
        yield
    except Refusal as refusal:
        product.ledger.refused_submissions.append(
            {
                "endpoint": request.path,
                "reason": refusal.text,
                "bytes": request.bytes_received,
                "fields": without_secrets(form.fields),
            }
        )
        raise
    finally:
        if form.content is not None:
            form.content.discard()
