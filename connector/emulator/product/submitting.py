"""Taking in a file or a URL: what may come in, what becomes of it, who will be able to see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.emulator.product.analysis import Findings, children_of, sample_from
from connector.emulator.product.clock import fine_stamp
from connector.emulator.product.ledger import Record, hidden_userinfo, without_secrets
from connector.emulator.product.processing import enqueue_file, enqueue_task
from connector.emulator.product.refusals import Forbidden
from connector.emulator.product.state import Crawler, Product, UrlTask
from connector.emulator.product.users import User


@dataclass(frozen=True, slots=True)
class Order:
    """What a submission asks for, whichever endpoint it came through."""

    user: User
    endpoint: str
    filename: str | None = None
    cloud: bool = False
    sandbox: str | None = None
    tags: tuple[str, ...] = ()
    comment: str | None = None
    received: Mapping[str, Sequence[str]] = field(default_factory=dict)
    bytes_received: int = 0

    def why_public(self) -> list[str]:
        """Everything that makes a file visible to all users of Spectra Intelligence."""
        reasons = ["analysis includes cloud"] if self.cloud else []
        return [*reasons, f"cloud sandbox {self.sandbox}"] if self.sandbox else reasons


@dataclass(frozen=True, slots=True)
class Submission:
    id: int
    user: User
    created: datetime
    filename: str
    sha1: str | None = None


def admit(product: Product, user: User) -> None:
    """Refuse at the door what the appliance's state does not allow, before any of the body is read."""
    if "upload" not in user.rights:
        raise Forbidden("You do not have permission to perform this action.")
    product.resources.admit(len(product.queue))


def submit_file(product: Product, findings: Findings, upload_name: str, order: Order) -> Submission:
    public = order.why_public()
    if public and not product.quota.left(product.resources.cloud_quota):
        raise product.quota.refusal()
    sha1 = findings.content.hashes.sha1
    name = order.filename or upload_name or sha1
    submission = Submission(next(product.ids.submissions), order.user, product.clock.now(), name, sha1)
    sample = replace(
        sample_from(product, findings, (name,)),
        user_tags=order.tags,
        comments=(order.comment,) if order.comment else (),
    )
    enqueue_file(product, sample, to_cloud=bool(public), children=children_of(product, findings))
    product.ledger.submissions.append(_entry(product, submission, order, "file", public) | {"sha1": sha1})
    return submission


def submit_url(product: Product, url: str, crawler: Crawler, order: Order) -> Submission:
    """Accept a URL. Crawled by the cloud it is public, and so is everything it brings."""
    public = ["crawler is cloud"] if crawler == "cloud" else []
    public += order.why_public()
    if public and not product.quota.left(product.resources.cloud_quota):
        raise product.quota.refusal()
    submission = Submission(next(product.ids.submissions), order.user, product.clock.now(), url)
    product.url_tasks[submission.id] = UrlTask(submission.id, url, crawler, order.user, submission.created)
    enqueue_task(product, submission.id)
    record = _entry(product, submission, order, "url", public)
    record |= {"filename": hidden_userinfo(url), "url": hidden_userinfo(url), "crawler": crawler}
    product.ledger.submissions.append(record)
    return submission


def _entry(product: Product, submission: Submission, order: Order, kind: str, public: list[str]) -> Record:
    private = ["the sample stays on the appliance"] if kind == "file" else ["crawler is local"]
    return {
        "id": submission.id,
        "kind": kind,
        "endpoint": order.endpoint,
        "user": submission.user.id,
        "created": fine_stamp(submission.created),
        "filename": submission.filename,
        "visibility": "public" if public else "private",
        "why": public or private,
        "bytes": order.bytes_received,
        "fields": without_secrets(order.received),
    }
