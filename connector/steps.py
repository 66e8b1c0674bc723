"""Plans that several actions share: classify a hash, ask for statuses, wait for work, and tell it briefly."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import ConfigDict, Field, SecretStr, WithJsonSchema

from connector.action import Context, choose, request
from connector.endpoint import Endpoint, server_words
from connector.endpoints import CLASSIFICATION_V1, CLASSIFICATION_V3, DELETE_STATUS, FILE_STATUS, URL_STATUS
from connector.errors import (
    DeadlineExceeded,
    InputRefused,
    JobFailed,
    MalformedResponse,
    ResponseMismatch,
    StateError,
    Violation,
)
from connector.plan import Plan, Reply, nap, note
from connector.privacy import cloud_refusal
from connector.verdict import Url, Verdict, read_classification, read_verdict
from connector.vocabulary import SANDBOX_PLATFORMS, Branch, Classification, Message, Status, Tlp, hash_type

T = TypeVar("T")
BATCH: Final = 100  # hashes in one request; the limit is unknown, other integrations send 100
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 15.0
TASK_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "minLength": 1, "maxLength": 64, "not": {"pattern": "[^A-Za-z0-9-]"}},
    ]
}


TaskId = Annotated[
    Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], WithJsonSchema(TASK_SCHEMA)
]

_PASSWORD: Final = {"type": "string", "minLength": 1, "maxLength": 1024, "format": "password", "writeOnly": True}
Password = Annotated[SecretStr, Field(min_length=1, max_length=1024), WithJsonSchema(_PASSWORD)]
_PLATFORM: Final[dict[str, Any]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    "not": {"pattern": "[^A-Za-z0-9_.-]"},
    "description": "Runs it in the ReversingLabs Cloud Sandbox on this platform; needs the setting allow_cloud. The "
    "list is open: documentation and appliances disagree.",
    "examples": list(SANDBOX_PLATFORMS),
}
Platform = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$"), WithJsonSchema(_PLATFORM)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One subject in a line: what was asked, whether it is known, and the verdict in flat fields."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    hash_value: str
    found: bool
    classification: Classification | None = None
    riskscore: int | None = None
    threat_name: str | None = None
    file_type: str | None = None
    size: int | None = None
    name: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None


def summary(verdict: Verdict, asked: str | None = None) -> Summary:
    subject = verdict.subject
    if isinstance(subject, Url):
        raise TypeError("a URL has no hash to be summed up by")
    return Summary(
        hash_value=asked or subject.strongest[1],
        found=True,
        classification=verdict.classification,
        riskscore=verdict.riskscore,
        threat_name=verdict.threat_name,
        file_type=subject.file_type,
        size=subject.size,
        name=subject.name,
        first_seen=verdict.first_seen,
        last_seen=verdict.last_seen,
    )


@dataclass(frozen=True, slots=True)
class Classified:
    """What one classification endpoint said of one hash; no verdict means not found."""

    verdict: Verdict | None
    answered_at: str


def classify(
    endpoint: Endpoint,
    hash_value: str,
    query: tuple[tuple[str, str], ...],
    source: Literal["local", "cloud"] | None = None,
) -> Plan[Classified]:
    """Ask one endpoint about one hash.

    Not found is a 404, an empty object, or "Hash not found." inside a 200.
    """
    cloud = source == "cloud" or ("localonly", "0") in query
    reply = yield from request(endpoint, values={"hash": hash_value}, query=query, cloud=cloud)
    body = _unwrapped(reply.json)
    if reply.status == 404 or not body or _says_not_found(body):
        return Classified(None, reply.answered_at)
    kind = hash_type(hash_value)
    answered = body.get(kind or "")
    if isinstance(answered, str) and answered.lower() != hash_value:
        raise ResponseMismatch(f"{endpoint.name} answered for another hash than was asked; its verdict was discarded")
    verdict = read_verdict(body, {str(kind): hash_value}, source)
    if verdict is None:
        raise MalformedResponse(f"{endpoint.name} answered without a classification (/classification)")
    return Classified(verdict, reply.answered_at)


def _unwrapped(body: Any) -> dict[str, Any]:
    """The object of an answer, flat as in captures or inside ``rl``, which another client met."""
    inner = body.get("rl", body) if isinstance(body, dict) else {}
    return inner if isinstance(inner, dict) else {}


def local_query(endpoint: Endpoint, *, localonly: bool, av_scanners: bool = False) -> tuple[tuple[str, str], ...]:
    """The query of a classification; only the current endpoint knows av_scanners."""
    query = (("localonly", str(int(localonly))),)
    return (*query, ("av_scanners", str(int(av_scanners)))) if endpoint is CLASSIFICATION_V3 else query


def classify_locally(context: Context, hash_value: str) -> Plan[Classified]:
    """The appliance's own verdict on a sample that it has."""
    endpoint = yield from choose(context, None, CLASSIFICATION_V3, CLASSIFICATION_V1)
    return (yield from classify(endpoint, hash_value, local_query(endpoint, localonly=True)))


def _says_not_found(body: Mapping[str, Any]) -> bool:
    message = body.get("message")
    return read_classification(body) is None and isinstance(message, str) and "not found" in message.lower()


@dataclass(frozen=True, slots=True)
class Statuses:
    """Which of the hashes the appliance has processed."""

    processed: tuple[str, ...]
    not_found: tuple[str, ...]
    answered_at: str


def file_statuses(hash_values: Iterable[str]) -> Plan[Statuses]:
    """Ask for the processing status of hashes of one type; a hash that is left out of the answer is not found."""
    hashes = tuple(hash_values)
    done: set[str] = set()
    answered_at = ""
    for batch in batches(hashes, BATCH):
        form = tuple(("hash_values", value) for value in batch)
        reply = yield from request(FILE_STATUS, form=form)
        answered_at = reply.answered_at
        done |= _processed(reply)
    return Statuses(
        tuple(value for value in hashes if value in done),
        tuple(value for value in hashes if value not in done),
        answered_at,
    )


def _processed(reply: Reply) -> set[str]:
    results = reply.json.get("results") if isinstance(reply.json, dict) else reply.json
    if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
        raise MalformedResponse("file_status answered without a list of results (/results)")
    return {str(item.get("hash_value", "")).lower() for item in results if item.get("status") == "processed"}


def batches(values: tuple[T, ...], size: int) -> Iterator[tuple[T, ...]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def until(look: Callable[[], Plan[T | None]]) -> Plan[T | None]:
    """Look again and again, ever more slowly, until there is something; None when the deadline comes first."""
    wait = FIRST_WAIT
    try:
        while True:
            yield from nap(wait, wait / 4)
            found = yield from look()
            if found is not None:
                return found
            wait = min(LONGEST_WAIT, wait * 1.6)
    except DeadlineExceeded:
        return None


def refuse_cloud(context: Context, tlp: Tlp | None, url: str | None = None, **reasons: str | None) -> None:
    """Refuse what would make a file or URL public; named by parameter.

    It needs the setting as well as the argument, and is refused whatever the settings say for input that is marked,
    internal, or seems to hold a secret.
    """
    asked = {name: why for name, why in reasons.items() if why}
    if not asked:
        return
    private = cloud_refusal(tlp=tlp, url=url, private_zones=context.private_zones)
    if not context.allow_cloud:
        wanted = "which the settings do not allow: set allow_cloud, or leave it out"
    elif private:
        wanted = f"which this input must not: {private}"
    else:
        return
    raise InputRefused.of([Violation(f"/{name}", f"{why}, {wanted}") for name, why in asked.items()])


SETTLING: Final = (1.0, 4.0, 10.0)  # seconds before each look for what may have been done


def look_for(hash_values: Iterable[str], done: Callable[[Statuses], bool]) -> Plan[Statuses]:
    """Look up to three times what the appliance has, until ``done``: for a change whose answer was lost.

    Raises:
        SpectraError: when the appliance cannot be asked, or not in time; then nobody can tell.
    """
    for wait in SETTLING:
        yield from nap(wait)
        found = yield from file_statuses(hash_values)
        if done(found):
            break
    return found


def accepted(result: Message, answered_at: str, **more: Any) -> Plan[tuple[str, ...]]:
    """Keep a receipt in the journal; one that cannot be kept there is still given to the caller, with a notice."""
    try:
        yield from note("accepted", receipt={"result": result.model_dump(mode="json"), "at": answered_at, **more})
    except StateError as error:
        return (f"accepted, but the journal could not note it: {error.message}",)
    return ()


class DeletedEntry(Message):
    """What became of one hash in a deletion."""

    hash_value: str
    state: Literal["would_delete", "deleting", "deleted", "already_absent", "still_there", "not_found"]


@dataclass(frozen=True, slots=True)
class Told:
    """The end of a deletion, hash by hash."""

    entries: tuple[DeletedEntry, ...]
    deleted: int
    status: Status
    branch: Branch


def told_of_deletion(asked: Iterable[str], present: set[str], left: set[str]) -> Told:
    """From what was asked for, what was there before and what is there after: the state of each hash."""
    states: dict[str, Literal["deleted", "already_absent", "still_there"]] = {}
    for value in asked:
        states[value] = "still_there" if value in left else "deleted" if value in present else "already_absent"
    entries = tuple(DeletedEntry(hash_value=value, state=state) for value, state in states.items())
    deleted = sum(state == "deleted" for state in states.values())
    if left & states.keys():
        return Told(entries, deleted, "success", "partial")
    return Told(entries, deleted, "success", "deleted") if deleted else Told(entries, 0, "not_found", "not_found")


def deletion_state(task_id: int | str) -> Plan[tuple[Literal["running", "done", "not_found"], str]]:
    """Look once at a bulk deletion: 202 while it runs, 200 when it is done."""
    reply = yield from request(DELETE_STATUS, query=(("id", str(task_id)),))
    if reply.status == 404:
        return "not_found", reply.answered_at
    return ("running" if reply.status == 202 else "done"), reply.answered_at


@dataclass(frozen=True, slots=True)
class UrlJob:
    """How far the appliance is with a submitted URL, and what it found there."""

    state: Literal["pending", "complete", "not_found"]
    verdicts: tuple[Verdict, ...]
    sha1: str | None
    answered_at: str


def look_at_url(task_id: int | str, url: str | None) -> Plan[UrlJob]:
    """Look once at a submitted URL; with ``url`` the verdict is given for the URL as well as for the file found.

    Raises:
        JobFailed: when the appliance says that the submission failed; there is no more to wait for.
    """
    reply = yield from request(URL_STATUS, values={"id": str(task_id)})
    if reply.status == 404:
        return UrlJob("not_found", (), None, reply.answered_at)
    word = str(reply.json.get("processing_status", "")).lower()
    if word == "error":
        raise JobFailed(
            f"the appliance could not analyse the URL: {server_words(reply) or 'it gives no reason'}",
            hint="check that the URL can be reached from the appliance, then submit it again",
        )
    if word != "complete":
        return UrlJob("pending", (), None, reply.answered_at)
    report = reply.json.get("report")
    if not isinstance(report, dict):
        raise MalformedResponse("url_status says complete but holds no report (/report)")
    nested = report.get("sample_summary")
    verdict = read_verdict(nested if isinstance(nested, dict) else report)
    if verdict is None or isinstance(verdict.subject, Url):
        return UrlJob("complete", (), None, reply.answered_at)
    of_url = (replace(verdict, subject=Url(value=url, served=verdict.subject)),) if url else ()
    return UrlJob("complete", (*of_url, verdict), verdict.subject.sha1, reply.answered_at)


def revealed(secret: SecretStr | None) -> tuple[str, ...]:
    """The one secret, for a form field or to keep it out of messages; nothing where there is none."""
    return () if secret is None else (secret.get_secret_value(),)


def text_of(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    return value if isinstance(value, str) and value else None


def detail_of(endpoint: Endpoint, reply: Reply) -> dict[str, Any]:
    """The receipt inside the answer to a submission."""
    detail = reply.json.get("detail")
    if not isinstance(detail, dict) or not isinstance(detail.get("id"), int | str):
        raise MalformedResponse(
            f"{endpoint.name} accepted the submission but its receipt is unreadable (/detail/id)",
            outcome="applied",
            status=reply.status,
        )
    return detail
