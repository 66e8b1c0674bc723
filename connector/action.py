"""What an action is: an intent with its params, result, endpoints and plan; what it answers; how an endpoint is chosen.

An endpoint says what each status code means *there* (a 405 is maintenance on uploads and a missing endpoint elsewhere),
because the vendor's pages do. Which generation of endpoints is used is decided once for each client.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import quote

from connector.errors import (
    AuthError,
    BadRequest,
    ConfigError,
    EndpointMissing,
    Happened,
    InputRefused,
    MalformedResponse,
    ServerError,
    SpectraError,
    UnexpectedResponse,
    Violation,
)
from connector.outcome import Next, Used
from connector.plan import Call, Plan, Reply, Upload
from connector.retry import persist, read_retry_after
from connector.verdict import File, Url, Verdict
from connector.vocabulary import SEVERITY, Branch, Effect, Generation, Message, Status

P = TypeVar("P", bound=Message)
Meanings = Mapping[int, type[SpectraError]]
DOCS: Final = "https://docs.reversinglabs.com/SpectraAnalyze/9.6.1/API%20Documentation/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A route of the appliance. ``path`` may hold ``{hash}`` or ``{id}``.

    missing_is_answer: a 404 with a body of the appliance says "not found", which is an answer.
    or_list: the body may be a bare list instead of an object.
    lenient: no source documents the body, so any body of a success is accepted.
    cannot: parameters that this endpoint cannot honour, with the reason and the way out.
    """

    name: str
    generation: Literal["current", "legacy", "both"]
    method: str
    path: str
    success: frozenset[int] = frozenset({200})
    meanings: Meanings = field(default_factory=dict)
    successor: str | None = None
    missing_is_answer: bool = False
    or_list: bool = False
    lenient: bool = False
    cannot: Mapping[str, str] = field(default_factory=dict)
    probe: Call | None = None
    effect: Effect = "read"

    @property
    def deprecated(self) -> bool:
        return self.generation == "legacy"


@dataclass(slots=True)
class Memory:
    """What one client learned about its appliance: which current endpoints exist there."""

    has: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """What a plan may know beside its params."""

    generation: Generation = "auto"
    origin: str = "https://appliance.example.com"
    allow_cloud: bool = False
    allow_delete: bool = False
    file_roots: tuple[Path, ...] | None = None
    memory: Memory = field(default_factory=Memory)
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a plan returns: the result and what is needed to tell the caller about it."""

    result: Message
    endpoint: Endpoint
    answered_at: str
    status: Status = "success"
    branch: Branch = "ok"
    verdicts: tuple[Verdict, ...] = ()
    observed: tuple[File | Url, ...] = ()
    next: Next | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence and the params that it describes; seeds schemas, documentation and tests."""

    title: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Generic[P]):
    """One intent. ``egress`` says what can leave the appliance for the vendor's cloud when the action runs."""

    name: str
    title: str
    description: str
    effect: Effect
    params: type[P]
    result: type[Message]
    endpoints: tuple[Endpoint, ...]
    plan: Callable[[P, Context], Plan[Answer]]
    branches: tuple[Branch, ...]
    stix: tuple[str, ...]
    egress: str
    idempotent: bool
    doc_url: str
    examples: tuple[Example, ...]


def request(
    endpoint: Endpoint,
    *,
    values: Mapping[str, str] | None = None,
    query: tuple[tuple[str, str], ...] = (),
    json: Mapping[str, Any] | None = None,
    form: tuple[tuple[str, str], ...] | None = None,
    upload: Upload | None = None,
) -> Plan[Reply]:
    """Ask one endpoint under the retry policy; whatever its page calls a failure is raised."""
    path = endpoint.path
    for name, value in (values or {}).items():
        path = path.replace("{" + name + "}", quote(value, safe=""))
    call = Call(endpoint.method, path, query, json, form, upload, effect=endpoint.effect)
    return persist(call, lambda reply: judge(endpoint, reply))


def judge(endpoint: Endpoint, reply: Reply) -> SpectraError | None:
    """None for an answer; else the error that this reply means on this endpoint."""
    status = reply.status
    if status in endpoint.success:
        return _unreadable(endpoint, reply)
    if status == 404 and endpoint.missing_is_answer and not _is_html(reply):
        return None
    kind = endpoint.meanings.get(status) or _COMMON.get(status)
    if status == 503 and _is_html(reply):
        kind = ServerError
    if kind is None:
        return _unmapped(endpoint, reply)
    words = server_words(reply.json) if kind is BadRequest else ""
    return kind(
        f"the appliance answered {status} to {endpoint.name}: {_GIST.get(status, 'refused')}"
        + (words and f": {words}"),
        status=status,
        retry_after=read_retry_after(reply),
        outcome=_ambiguous(endpoint) if kind is ServerError else "rejected",
    )


def _ambiguous(endpoint: Endpoint) -> Happened:
    """What an answer that cannot be trusted says of the effect: a read has none."""
    return "rejected" if endpoint.effect == "read" else "unknown"


_COMMON: Final[Meanings] = {
    400: BadRequest,
    401: AuthError,
    403: AuthError,
    404: EndpointMissing,
    405: EndpointMissing,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
}
_GIST: Final = {
    400: "a parameter was not accepted, and nothing was done",
    401: "the credentials are missing or invalid, and nothing was done",
    403: "the credentials are invalid or lack the right, and nothing was done",
    404: "nothing of that name is there, and nothing was done",
    405: "this is not possible there now, and nothing was done",
    413: "the file is too large, and was not taken",
    429: "its limits are used up, and nothing was done",
    500: "it failed inside",
    502: "something before the appliance failed",
    503: "it cannot take this now",
    504: "something before the appliance gave up waiting",
}


def _unreadable(endpoint: Endpoint, reply: Reply) -> SpectraError | None:
    if reply.is_json and isinstance(reply.json, (dict, list) if endpoint.or_list else dict):
        return None
    if endpoint.lenient and not _is_html(reply):
        return None
    happened = _ambiguous(endpoint)
    if _is_html(reply) or not reply.is_json:
        text = f"{endpoint.name} answered {reply.status} with a page ({reply.size} bytes) where JSON was expected"
        return UnexpectedResponse(text, outcome=happened, status=reply.status)
    text = f"{endpoint.name} answered {reply.status} with JSON that is not an object"
    return MalformedResponse(text, outcome=happened, status=reply.status)


def _unmapped(endpoint: Endpoint, reply: Reply) -> SpectraError:
    what = (
        "a redirect, which is never followed" if 300 <= reply.status < 400 else "a status that its page does not list"
    )
    happened = _ambiguous(endpoint) if reply.status >= 500 else "rejected"
    return UnexpectedResponse(f"{endpoint.name} answered {reply.status}, {what}", outcome=happened, status=reply.status)


def _is_html(reply: Reply) -> bool:
    return "html" in reply.content_type.lower()


def server_words(body: Any) -> str:
    """The appliance's own reason, where it gives one in a known place: one clean line of at most 300 characters."""
    if not isinstance(body, dict):
        return ""
    found = next(
        (body[key] for key in ("message", "error", "detail", "description") if isinstance(body.get(key), str)), ""
    )
    return re.sub(r"[^\x20-\x7e\u00a0-\uffff]+", " ", found).strip()[:300]


def choose(context: Context, params: Message | None, current: Endpoint, legacy: Endpoint | None) -> Plan[Endpoint]:
    """The endpoint to use: as api_generation says, or as the release proves; one that honours every parameter given.

    Under ``auto`` a cheap request proves that the current endpoint exists before anything is sent to it.
    """
    if context.generation == "legacy":
        if legacy is None:
            raise ConfigError(
                f"{current.name} has no deprecated form, and nothing was sent: set api_generation to current or auto"
            )
        chosen = legacy
    elif context.generation == "current" or legacy is None:
        chosen = current
    else:
        chosen = current if (yield from exists(context, current)) else legacy
    if params is not None:
        refuse_what_it_cannot(chosen, params)
    return chosen


def exists(context: Context, endpoint: Endpoint) -> Plan[bool]:
    """Whether the appliance has this endpoint, asked once and remembered.

    The proof is a GET: an existing route answers it in JSON (405 where only POST is allowed), a missing one with 404.
    """
    known = context.memory.has.get(endpoint.name)
    if known is not None:
        return known
    probe = Endpoint(name=f"the probe for {endpoint.name}", generation="both", method="GET", path="", effect="read")
    call = endpoint.probe or Call("GET", endpoint.path)
    reply = yield from persist(call, lambda reply: _judge_probe(probe, reply))
    context.memory.has[endpoint.name] = reply.status != 404
    return reply.status != 404


def _judge_probe(probe: Endpoint, reply: Reply) -> SpectraError | None:
    if reply.status == 404 or (reply.status in {200, 202, 400, 405} and not _is_html(reply)):
        return None
    return judge(probe, reply) or UnexpectedResponse(f"{probe.name} answered with a page", status=reply.status)


def refuse_what_it_cannot(endpoint: Endpoint, params: Message) -> None:
    """Refuse parameters that the endpoint would drop; silence would be a wrong answer."""
    found = [
        Violation(f"/{name}", f"{endpoint.path} cannot honour this: {reason}")
        for name, reason in endpoint.cannot.items()
        if getattr(params, name) not in (None, False)
    ]
    if found:
        raise InputRefused.of(found)


def used(endpoint: Endpoint) -> Used:
    return Used(endpoint.name, endpoint.path, endpoint.deprecated, endpoint.successor)


def worst(verdicts: tuple[Verdict, ...]) -> Branch:
    """The branch for several verdicts: the most severe classification; not_found where there is none."""
    if not verdicts:
        return "not_found"
    return max((verdict.classification for verdict in verdicts), key=lambda word: SEVERITY[word])


def exactly_one(*names: str) -> dict[str, Any]:
    """The JSON Schema twin of "exactly one of these is given"; null counts as absent."""
    return {"oneOf": [{"required": [n], "properties": {n: {"not": {"type": "null"}}}} for n in names]}


def require_one(params: Message, *names: str) -> None:
    """Raise ValueError unless exactly one of these is given."""
    given = [name for name in names if getattr(params, name) is not None]
    if len(given) != 1:
        told = " and ".join(names) if len(names) == 2 else ", ".join(names)
        raise ValueError(f"give exactly one of {told}; {len(given) or 'none'} given")
