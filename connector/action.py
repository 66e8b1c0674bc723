"""What an action is: an intent with its params, result, endpoints and plan; what it answers; how an endpoint is chosen.

Which generation of endpoints is used is decided once for each client.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from connector.endpoint import Endpoint, is_page, judge
from connector.errors import (
    ConfigError,
    InputRefused,
    SpectraError,
    UnexpectedResponse,
    Violation,
)
from connector.outcome import Next, Used
from connector.plan import Call, Plan, Reply, Upload
from connector.retry import persist
from connector.verdict import File, Url, Verdict
from connector.vocabulary import SEVERITY, Branch, Effect, Generation, Message, Status

P = TypeVar("P", bound=Message)
DOCS: Final = "https://docs.reversinglabs.com/SpectraAnalyze/9.6.1/API%20Documentation/"


@dataclass(slots=True)
class Memory:
    """What one client learned about its appliance: which current endpoints exist there."""

    has: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An operation taken up: what it is about, and what an earlier run of it left in the journal.

    ``receipt`` is what the appliance said when it took it; ``in_doubt`` says that it may have been sent before.
    """

    subject: Mapping[str, Any] = field(repr=False)
    receipt: Mapping[str, Any] | None = field(default=None, repr=False)
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What a plan may know beside its params."""

    generation: Generation = "auto"
    origin: str = "https://appliance.example.com"
    allow_cloud: bool = False
    allow_delete: bool = False
    allow_internal_urls: bool = False
    private_zones: tuple[str, ...] = ()
    max_delete: int = 100
    memory: Memory = field(default_factory=Memory)
    key: bytes = field(default=b"", repr=False)
    under_way: UnderWay | None = None


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
    """One intent. ``egress`` says what can leave the appliance for the vendor's cloud when the action runs.

    subject: of an action that changes something: what these params are about, after every guard that needs no network;
    None where these params change nothing.
    """

    name: str
    title: str
    description: str
    effect: Effect
    params: type[P]
    result: type[Message]
    endpoints: tuple[Endpoint, ...]
    plan: Callable[[P, Context], Plan[Answer]]
    subject: Callable[[P, Context], Plan[Mapping[str, Any] | None]] | None = None
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
    cloud: bool = False,
    secrets: tuple[str, ...] = (),
) -> Plan[Reply]:
    """Ask one endpoint under the retry policy; whatever its page calls a failure is raised.

    ``cloud`` marks what uses Spectra Intelligence; ``secrets`` are kept out of messages that the appliance words.
    """
    path = endpoint.path
    for name, value in (values or {}).items():
        path = path.replace("{" + name + "}", quote(value, safe=""))
    effect = endpoint.effect
    call = Call(endpoint.method, path, query, json, form, upload, effect=effect, cloud=cloud, secrets=secrets)
    return persist(call, lambda reply: judge(endpoint, reply, cloud=cloud))


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
    if reply.status == 404 or (reply.status in {200, 202, 400, 405} and not is_page(reply)):
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
