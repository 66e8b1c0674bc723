"""Every way to fail, as one tree; each error says what happened, whether anything changed, and what to do next.

SpectraError
├── InputRefused        the caller's parameters; nothing was sent
├── ConfigError         the settings, or an endpoint this release does not have; nothing was sent
├── StateError          the local state (manifest, journal) cannot be read or written
├── CircuitOpen         what is asked for failed again and again a moment ago; nothing was sent
├── ApplianceRefused    a complete answer that says no
│   ├── BadRequest      400: the appliance did not accept a parameter
│   ├── AuthError       401, 403: credentials missing, invalid, or without the right
│   ├── EndpointMissing 404, 405: this release does not have the endpoint
│   ├── MaintenanceError 405 on a submission: maintenance mode
│   ├── InUse           405 on a delete: the sample is in use
│   ├── FileTooLarge    413
│   ├── CapacityError   429 on a submission: memory, queue or cloud quota used up
│   ├── QuotaError      429 on a look-up: cloud quota used up
│   ├── StorageFull     503 on a submission: disk nearly full
│   └── JobFailed       the appliance accepted the work and reports that it failed
├── Unreachable         no complete answer came
│   ├── ConnectFailed   no connection; nothing was sent
│   ├── TlsError        the appliance could not prove who it is; nothing was sent
│   ├── DeadlineExceeded
│   └── Truncated       the connection or the body ended early
├── ServerError         500, 502, 503, 504: the appliance or something before it failed
├── BadAnswer           an answer that cannot be trusted
│   ├── UnexpectedResponse  a redirect, an HTML page, a status that no page documents
│   ├── MalformedResponse   not the JSON that the endpoint documents
│   ├── ResponseTooLarge
│   └── ResponseMismatch    an answer to another question
└── OutcomeUnknown      something was sent and may have been done

An error holds plain values only: never a token, a header, a body or a query string.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Happened = Literal["not_sent", "rejected", "applied", "unknown"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with an input: where (JSON pointer, RFC 6901) and what would be accepted."""

    pointer: str
    message: str


class SpectraError(Exception):
    """The root of every error of this package."""

    code: ClassVar[str] = "error"
    outcome: Happened = "rejected"
    retryable: bool = False
    hint: str | None = None

    def __init__(
        self,
        message: str,
        *,
        outcome: Happened | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        status: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.status = status
        self.operation_id: str | None = None
        self.outcome = outcome if outcome is not None else type(self).outcome
        self.retryable = retryable if retryable is not None else type(self).retryable
        self.hint = hint if hint is not None else type(self).hint

    def as_dict(self) -> dict[str, Any]:
        """The error as the command line and the hosts print it."""
        return {
            "code": self.code,
            "message": self.message,
            "outcome": self.outcome,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "status": self.status,
            "hint": self.hint,
            "operation_id": self.operation_id,
        }


class InputRefused(SpectraError):
    code = "input_refused"
    outcome: Happened = "not_sent"

    def __init__(self, message: str, violations: tuple[Violation, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.violations = violations

    @classmethod
    def of(cls, violations: list[Violation], subject: str = "the input") -> "InputRefused":
        """One error for every violation found, in the order of the document."""
        told = "; ".join(f"{v.pointer or '/'}: {v.message}" for v in violations)
        return cls(f"{subject} was refused and nothing was sent: {told}", tuple(violations))

    def as_dict(self) -> dict[str, Any]:
        found = [{"pointer": v.pointer, "message": v.message} for v in self.violations]
        return super().as_dict() | {"violations": found}


class ConfigError(SpectraError):
    code = "config"
    outcome: Happened = "not_sent"


class StateError(SpectraError):
    code = "state"
    outcome: Happened = "not_sent"


class CircuitOpen(SpectraError):
    code = "circuit_open"
    outcome: Happened = "not_sent"
    retryable = True
    hint = "wait for retry_after seconds, and mend what the last failure names; then try again"


class ApplianceRefused(SpectraError):
    code = "refused"


class BadRequest(ApplianceRefused):
    code = "bad_request"


class AuthError(ApplianceRefused):
    code = "auth"
    hint = "check the token, and that its user has the right to do this; then run `spectra doctor`"


class EndpointMissing(ApplianceRefused):
    code = "endpoint_missing"
    hint = "this release does not have it: set api_generation to auto, or to the other of current and legacy"


class MaintenanceError(ApplianceRefused):
    code = "maintenance"
    retryable = True
    hint = "the appliance is in maintenance mode; submit again when its administrator has ended it"


class InUse(ApplianceRefused):
    code = "in_use"
    retryable = True
    hint = "the sample is being processed, or exists only as an extracted file; try again later"


class FileTooLarge(ApplianceRefused):
    code = "file_too_large"
    hint = "the file is above the size configured on the appliance; its administrator can raise it"


class CapacityError(ApplianceRefused):
    code = "capacity"
    retryable = True
    hint = "memory, the processing queue or the cloud quota of the appliance is used up; submit later"


class QuotaError(ApplianceRefused):
    code = "quota"
    retryable = True
    hint = "the daily number of cloud look-ups is used up; it is reset at 00:01 UTC"


class StorageFull(ApplianceRefused):
    code = "storage_full"
    hint = "the appliance has less than 25 % of its disk free; an administrator must free space first"


class JobFailed(ApplianceRefused):
    code = "job_failed"
    outcome: Happened = "applied"
    hint = "look at the task on the appliance before you submit it again"


class Unreachable(SpectraError):
    code = "unreachable"
    outcome: Happened = "not_sent"
    retryable = True


class ConnectFailed(Unreachable):
    code = "connect_failed"
    hint = "check the address and the network, then run `spectra doctor`"


class TlsError(Unreachable):
    code = "tls"
    retryable = False
    hint = "run `spectra trust URL` to see the certificate and to write it for ca_file"


class DeadlineExceeded(Unreachable):
    code = "deadline"
    hint = "raise deadline_seconds, or look at the network and at the load of the appliance"


class Truncated(Unreachable):
    code = "truncated"
    hint = "ask again; if it comes again, look at what stands between here and the appliance"


class ServerError(SpectraError):
    code = "server"
    retryable = True
    hint = "look at the state of the appliance and of what stands before it, and try again later"


class BadAnswer(SpectraError):
    code = "bad_answer"


class UnexpectedResponse(BadAnswer):
    code = "unexpected_response"
    hint = "is this the address of a Spectra Analyze appliance, reached without a login or proxy page?"


class MalformedResponse(BadAnswer):
    code = "malformed_response"
    hint = "run `spectra doctor`; this release may answer in a way that is not known here"


class ResponseTooLarge(BadAnswer):
    code = "response_too_large"
    hint = "look at what stands before the appliance: its own answers are smaller"


class ResponseMismatch(BadAnswer):
    code = "response_mismatch"
    hint = "look at what stands between here and the appliance; do not trust a verdict on it"


class OutcomeUnknown(SpectraError):
    code = "outcome_unknown"
    outcome: Happened = "unknown"
    hint = "look on the appliance what became of it before you send it again"
