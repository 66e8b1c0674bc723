"""Every refusal and failure as a problem document (RFC 9457), with the status that it has over HTTP."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connector.errors import (
    ApplianceRefused,
    AuthError,
    BadAnswer,
    BadRequest,
    CapacityError,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    EndpointMissing,
    FileTooLarge,
    Happened,
    InputRefused,
    InUse,
    MaintenanceError,
    OutcomeUnknown,
    QuotaError,
    ServerError,
    SpectraError,
    StateError,
    StorageFull,
    Unreachable,
    Violation,
)

TYPE: Final = "urn:spectra-analyze-connector:problem:"
MEDIA_TYPE: Final = "application/problem+json"

# The status of each branch of the tree of errors; a class without its own has that of the one above it.
STATUS: Final[Mapping[type[SpectraError], int]] = {
    SpectraError: 500,
    InputRefused: 422,
    ConfigError: 500,
    StateError: 500,
    CircuitOpen: 503,
    ApplianceRefused: 502,
    BadRequest: 422,
    AuthError: 502,
    EndpointMissing: 501,
    MaintenanceError: 503,
    InUse: 409,
    FileTooLarge: 413,
    CapacityError: 429,
    QuotaError: 429,
    StorageFull: 503,
    Unreachable: 502,
    DeadlineExceeded: 504,
    ServerError: 502,
    BadAnswer: 502,
    OutcomeUnknown: 502,
}
# What the server itself refuses, before or beside the action.
OWN: Final[Mapping[str, tuple[int, str]]] = {
    "malformed_request": (400, "The request cannot be read"),
    "no_key": (401, "No valid API key"),
    "missing_scope": (403, "The API key lacks a scope"),
    "unknown_action": (404, "There is no such action"),
    "no_route": (404, "There is nothing at this path"),
    "no_stix": (404, "This outcome has no STIX"),
    "method": (405, "This path does not take this method"),
    "not_acceptable": (406, "The answer does not exist in an accepted media type"),
    "slow_body": (408, "The body did not come in time"),
    "body_too_large": (413, "The body is too large"),
    "media_type": (415, "The body's media type is not taken here"),
    "defect": (500, "The server failed"),
    "overloaded": (503, "Too many requests are under way"),
    "not_ready": (503, "The server is not ready"),
    "stopping": (503, "The server is stopping"),
}
TITLES: Final[Mapping[str, str]] = {
    "input_refused": "The parameters were refused",
    "config": "The settings of the server do not allow this",
    "state": "The journal of operations does not allow this",
    "circuit_open": "The appliance failed again and again a moment ago",
    "bad_request": "The appliance did not accept a parameter",
    "auth": "The appliance refused the server's credentials",
    "endpoint_missing": "This release of the appliance does not have the endpoint",
    "maintenance": "The appliance is in maintenance mode",
    "in_use": "The sample is in use",
    "file_too_large": "The file is too large for the appliance",
    "capacity": "The capacity of the appliance is used up",
    "quota": "The quota of cloud look-ups is used up",
    "storage_full": "The disk of the appliance is nearly full",
    "job_failed": "The appliance reports that the work failed",
    "deadline": "The deadline passed",
    "outcome_unknown": "It is not known whether anything was done",
}
_FALLBACK: Final = "The appliance did not give a usable answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem document. ``outcome`` says whether anything was done; ``retry_after`` is in seconds."""

    status: int
    code: str
    title: str
    detail: str
    outcome: Happened = "not_sent"
    retryable: bool = False
    retry_after: float | None = None
    hint: str | None = None
    operation_id: str | None = None
    appliance_status: int | None = None
    violations: tuple[Violation, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self, instance: str) -> dict[str, Any]:
        """The members of the document; ``instance`` names this one occurrence, as the log does."""
        return {
            "type": TYPE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "outcome": self.outcome,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "hint": self.hint,
            "operation_id": self.operation_id,
            "appliance_status": self.appliance_status,
            "violations": [{"pointer": v.pointer, "message": v.message} for v in self.violations],
        }

    def body(self, instance: str) -> bytes:
        return json.dumps(self.document(instance), ensure_ascii=False).encode("utf-8", "replace")

    def all_headers(self) -> dict[str, str]:
        """The headers beside the media type: those of the refusal, and Retry-After in whole seconds, where known."""
        after = {} if self.retry_after is None else {"retry-after": str(max(1, math.ceil(self.retry_after)))}
        return {**after, **self.headers}


class Refused(Exception):
    """What the server refuses by itself; the answer is its problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def own(
    code: str,
    detail: str,
    *,
    hint: str | None = None,
    outcome: Happened = "not_sent",
    retry_after: float | None = None,
    operation_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Problem:
    """A problem of the server's own, by its code in ``OWN``."""
    status, title = OWN[code]
    return Problem(
        status=status,
        code=code,
        title=title,
        detail=detail,
        outcome=outcome,
        retryable=retry_after is not None,
        retry_after=retry_after,
        hint=hint,
        operation_id=operation_id,
        headers=headers or {},
    )


def refused(code: str, detail: str, **more: Any) -> Refused:
    """``own``, to be raised."""
    return Refused(own(code, detail, **more))


def problem_of(error: SpectraError) -> Problem:
    """The problem that an error of an action is."""
    return Problem(
        status=status_of(error),
        code=error.code,
        title=TITLES.get(error.code, _FALLBACK),
        detail=error.message,
        outcome=error.outcome,
        retryable=error.retryable,
        retry_after=error.retry_after,
        hint=error.hint,
        operation_id=error.operation_id,
        appliance_status=error.status,
        violations=error.violations if isinstance(error, InputRefused) else (),
    )


def status_of(error: SpectraError) -> int:
    """The status of an error; an operation id that is taken, or whose operation is not to be run now, is a conflict."""
    if _is_conflict(error):
        return 409
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _is_conflict(error: SpectraError) -> bool:
    if isinstance(error, InputRefused):
        return any(v.pointer == "/operation_id" and v.message.startswith("belongs to") for v in error.violations)
    return isinstance(error, StateError) and error.message.startswith("operation ")
