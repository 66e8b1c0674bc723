"""When to ask again, and after how long: the whole policy as a plan, with no clock and no randomness in it.

By action, never by HTTP method: reads are asked again; a submission or a deletion only when it provably did not begin
or was refused for lack of capacity. What is left after a request was sent and no trustworthy answer came is
OutcomeUnknown, never a retry. Numbers from reference practice: three attempts, full jitter, Retry-After on 413, 429
and 503 only.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from connector.errors import (
    BadAnswer,
    CapacityError,
    CircuitOpen,
    DeadlineExceeded,
    OutcomeUnknown,
    QuotaError,
    SpectraError,
    Unreachable,
)
from connector.health import cost_of
from connector.plan import Call, Plan, Reply, ask, nap, tell
from connector.wire import read_date

RETRY_AFTER_STATUSES: Final = frozenset({413, 429, 503})
Judge = Callable[[Reply], SpectraError | None]


@dataclass(frozen=True, slots=True)
class Policy:
    """Seconds and counts of the retry policy.

    ``capacity_base`` is the least wait before a submission that an appliance without room refused is sent again.
    """

    attempts: int = 3
    base: float = 0.25
    throttle_base: float = 2.0
    capacity_base: float = 15.0
    cap: float = 20.0
    longest_wait: float = 120.0


DEFAULT: Final = Policy()


def persist(call: Call, judge: Judge, policy: Policy = DEFAULT) -> Plan[Reply]:
    """Ask until an answer is accepted by ``judge`` (which returns None for it) or asking again is not right.

    Raises:
        SpectraError: the last failure; OutcomeUnknown where a submission or deletion may have happened.
    """
    spent = 0
    for attempt in range(policy.attempts):
        try:
            reply = yield from ask(call)
        except (Unreachable, BadAnswer) as failure:
            error: SpectraError = failure
        else:
            verdict = judge(reply)
            if verdict is None:
                yield from tell(call, None, spent)
                return reply
            error = verdict
        yield from tell(call, error)
        wait = seconds_before_retry(error, call, attempt, policy)
        if wait is None:
            raise settle(error, call)
        cost = cost_of(error)
        try:
            yield from nap(*wait, cost)
        except (DeadlineExceeded, CircuitOpen):
            raise settle(error, call) from None
        spent += cost
    raise AssertionError("the last attempt either returns or raises")


def seconds_before_retry(error: SpectraError, call: Call, attempt: int, policy: Policy) -> tuple[float, float] | None:
    """Seconds to wait and jitter on top before the next attempt, or None when there is none."""
    if not _may_retry(error, call, attempt, policy):
        return None
    after = error.retry_after
    if after is not None:
        return (after, min(0.1 * after, policy.longest_wait - after)) if after <= policy.longest_wait else None
    doubled = 2.0**attempt
    if isinstance(error, CapacityError) and call.effect == "submit":
        return policy.capacity_base * doubled, 0.1 * policy.capacity_base * doubled
    throttled = isinstance(error, CapacityError | QuotaError)
    return 0.0, min(policy.cap, (policy.throttle_base if throttled else policy.base) * doubled)


def _may_retry(error: SpectraError, call: Call, attempt: int, policy: Policy) -> bool:
    if not error.retryable or attempt + 1 >= policy.attempts or isinstance(error, DeadlineExceeded):
        return False
    if isinstance(error, QuotaError) and attempt > 0:
        return False  # the daily quota does not come back within a call
    throttled = isinstance(error, CapacityError | QuotaError)
    return call.effect == "read" or error.outcome == "not_sent" or throttled


def settle(error: SpectraError, call: Call) -> SpectraError:
    """The error to raise: a submission or deletion that may have happened becomes OutcomeUnknown."""
    if call.effect == "read" or error.outcome != "unknown":
        return error
    what, hint = _ADVICE["upload" if call.upload else call.effect]
    return OutcomeUnknown(
        f"{error.message}; the {what} was sent and may have been done, and was not sent again",
        status=error.status,
        retry_after=error.retry_after,
        hint=hint,
    )


_ADVICE: Final = {
    "upload": ("file", "ask get_file_status for the file's SHA-1 before you submit it again"),
    "submit": (
        "submission",
        "look for the URL in the appliance's list of submissions before you submit it again",
    ),
    "destroy": (
        "deletion",
        "ask get_file_status which of the hashes are still there before you delete again",
    ),
}


def interrupted(kind: Literal["upload", "submit", "destroy"]) -> OutcomeUnknown:
    """The doubt about what an earlier run of the same operation may have done before it was broken off."""
    what, hint = _ADVICE[kind]
    return OutcomeUnknown(
        f"an earlier run of this operation was interrupted; the {what} may have been done then, and was not sent again",
        hint=f"{hint}; then say what you found with `spectra journal resolve`",
    )


def read_retry_after(reply: Reply) -> float | None:
    """Seconds from a Retry-After header (RFC 9110 10.2.3), or None where it is not one or not to be read.

    A date is measured against the reply's own Date, so a wrong clock on either side has no effect.
    """
    value = reply.retry_after
    if value is None or reply.status not in RETRY_AFTER_STATUSES:
        return None
    text = value.strip(" \t")
    if re.fullmatch(r"[0-9]{1,10}", text):
        return float(text)
    until = read_date(text)
    if until is None or not reply.answered_at:
        return None
    answered = datetime.fromisoformat(reply.answered_at)
    return max(0.0, (until - answered).total_seconds())
