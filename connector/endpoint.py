"""An endpoint of the appliance, and what each answer means there.

The same status means different things on different endpoints (a 405 is maintenance on uploads, a missing endpoint
elsewhere), because the vendor's pages say so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Final, Literal
from urllib.parse import quote, quote_plus

from connector.errors import (
    AuthError,
    BadRequest,
    CapacityError,
    EndpointMissing,
    Happened,
    MaintenanceError,
    MalformedResponse,
    QuotaError,
    ServerError,
    SpectraError,
    UnexpectedResponse,
)
from connector.plan import Call, Reply
from connector.reader import check_code
from connector.retry import read_retry_after
from connector.vocabulary import Effect

Meanings = Mapping[int, type[SpectraError]]


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


def judge(endpoint: Endpoint, reply: Reply, *, cloud: bool = False) -> SpectraError | None:
    """None for an answer; else the error that this reply means on this endpoint."""
    status = reply.status
    if status in endpoint.success:
        return _unreadable(endpoint, reply)
    if status == 404 and endpoint.missing_is_answer and not is_page(reply):
        return None
    kind = endpoint.meanings.get(status) or _COMMON.get(status)
    if status == 503 and (reply.problem or is_page(reply)):
        kind = ServerError  # something before the appliance: its own answers are JSON
    if kind is None:
        return _unmapped(endpoint, reply)
    if status == 429:
        kind, reason = _used_up(kind, server_words(reply), cloud=cloud)
        return kind(
            f"the appliance answered 429 to {endpoint.name}: {reason}, and nothing was done",
            status=status,
            retry_after=read_retry_after(reply),
        )
    words = server_words(reply) if kind is BadRequest else ""
    return kind(
        f"the appliance answered {status} to {endpoint.name}: {_GIST.get(status, 'refused')}"
        + (words and f": {words}"),
        status=status,
        retry_after=MAINTENANCE_SECONDS if kind is MaintenanceError else read_retry_after(reply),
        outcome=_ambiguous(endpoint) if kind is ServerError else "rejected",
    )


MAINTENANCE_SECONDS: Final = 300.0  # a hint: no source says how long maintenance lasts
_REASONS: Final = (
    (
        r"\bquotas?\b|\bdaily\b|\blimit of (queries|requests)\b",
        QuotaError,
        "the quota of Spectra Intelligence is used up",
    ),
    (r"\bqueue\b", CapacityError, "its processing queue is full"),
    (r"\bmemory\b", CapacityError, "its memory is used up"),
)


def _used_up(kind: type[SpectraError], words: str, *, cloud: bool) -> tuple[type[SpectraError], str]:
    """What a 429 says is used up: by its words where they name it, else by what was asked for.

    The vendor's page gives one status for memory, queue and cloud quota, and no words for any of them.
    """
    for pattern, named, reason in _REASONS:
        if re.search(pattern, words, re.IGNORECASE):
            return named, reason
    return (QuotaError if cloud else kind), "its limits are used up (it gives no reason that is known)"


def _ambiguous(endpoint: Endpoint) -> Happened:
    """What an answer that cannot be trusted says of the effect: a read has none."""
    return "rejected" if endpoint.effect == "read" else "unknown"


_COMMON: Final[Meanings] = {
    400: BadRequest,
    401: AuthError,
    403: AuthError,
    404: EndpointMissing,
    405: EndpointMissing,
    429: CapacityError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
}
_GIST: Final = {
    400: "correct the parameter that was not accepted; nothing was done",
    401: "the credentials are missing or invalid, and nothing was done",
    403: "the credentials are invalid or lack the right, and nothing was done",
    404: "nothing of that name is there, and nothing was done",
    405: "this is not possible there now, and nothing was done",
    413: "the file is too large, and was not taken",
    500: "it failed inside",
    502: "something before the appliance failed",
    503: "it cannot take this now",
    504: "something before the appliance gave up waiting",
}


def _unreadable(endpoint: Endpoint, reply: Reply) -> SpectraError | None:
    """What is wrong with the body of a success, or None."""
    status, happened = reply.status, _ambiguous(endpoint)
    if not reply.problem and isinstance(reply.json, (dict, list) if endpoint.or_list else dict):
        other = check_code(reply.json, status)
        if not other or (endpoint.missing_is_answer and isinstance(reply.json, dict) and reply.json["code"] == 404):
            return None  # "not found" was met inside a 200
        return MalformedResponse(f"{endpoint.name} {other}", outcome=happened, status=status)
    if endpoint.lenient and not is_page(reply):
        return None
    if is_page(reply):
        text = f"{endpoint.name} answered {status} with a page ({reply.size} bytes) where JSON was expected"
        return UnexpectedResponse(text, outcome=happened, status=status)
    what = f"a body ({reply.size} bytes) that {reply.problem}" if reply.problem else "JSON that is not an object"
    return MalformedResponse(f"{endpoint.name} answered {status} with {what}", outcome=happened, status=status)


def _unmapped(endpoint: Endpoint, reply: Reply) -> SpectraError:
    what = (
        "a redirect, which is never followed" if 300 <= reply.status < 400 else "a status that its page does not list"
    )
    happened = _ambiguous(endpoint) if reply.status >= 500 else "rejected"
    return UnexpectedResponse(f"{endpoint.name} answered {reply.status}, {what}", outcome=happened, status=reply.status)


def is_page(reply: Reply) -> bool:
    """Whether it is a page for people, from the appliance's login or something before it."""
    return "html" in reply.content_type.lower() or reply.problem.startswith("is a page")


def server_words(reply: Reply) -> str:
    """The appliance's own reason, where it gives one in a known place: one clean line of at most 300 characters.

    Secrets that it repeats are left out, also as a page or a form would hold them.
    """
    body = reply.json
    if not isinstance(body, dict):
        return ""
    found = next(
        (body[key] for key in ("message", "error", "detail", "description") if isinstance(body.get(key), str)), ""
    )
    for secret in reply.hidden:
        for form in (secret, escape(secret), quote(secret), quote(secret, safe=""), quote_plus(secret)):
            found = found.replace(form, "***")
    return " ".join("".join(char if char.isprintable() else " " for char in found).split())[:300]
