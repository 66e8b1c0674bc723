"""Planned faults: what an appliance's own state cannot produce, declared beforehand and accounted for.

HTML where JSON is due, redirects, gateway errors, garbage, delays, answers cut short or never given.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from connector.emulator.pages.exchange import Answer, Request, as_html, as_json, as_text
from connector.emulator.product.refusals import Invalid

HTML = (
    "<!doctype html>\n<html><head><title>Gateway</title></head><body><h1>Something is in between</h1></body></html>\n"
)
_EFFECTS = frozenset({"status", "body", "delay_seconds", "cut"})
_KEYS = _EFFECTS | {"match", "nth", "times", "headers", "apply"}
_HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+: [\x20-\x7e]*", re.ASCII)
Cut = Literal["never", "before", "halfway"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault. `apply` carries the request out first, so that only its answer is lost or changed."""

    method: str
    path: str
    nth: int | None
    times: int | None
    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: object
    delay_seconds: float
    apply: bool
    cut: Cut

    def matches(self, request: Request) -> bool:
        return self.method in {"*", request.method} and fnmatchcase(request.path, self.path)

    def answer(self, real: Answer | None) -> Answer | None:
        """Make the faulty answer, or give the real one where only the delay or the cut is at fault."""
        if self.status is None and self.body is None:
            return real
        status = self.status or 200
        if self.body is None:
            return Answer(status, b"", self.headers)
        made = as_html(HTML) if self.body == "html" else _written(self.body)
        own = tuple(pair for pair in made.headers if pair[0] not in dict(self.headers))
        return Answer(status, made.body, (*own, *self.headers))


@dataclass(slots=True)
class _Account:
    fault: Fault
    source: Mapping[str, object]
    seen: int = 0
    fired: int = 0

    def due(self) -> bool:
        """Count a matching request, and say whether the fault strikes it."""
        self.seen += 1
        first = self.fault.nth or 1
        left = self.fault.times is None or self.fired < self.fault.times
        return self.seen >= first and left


class FaultPlan:
    """All planned faults, in order; the first one due strikes."""

    def __init__(self) -> None:
        self._accounts: list[_Account] = []

    def add(self, plan: Mapping[str, object]) -> int:
        faults = plan.get("faults")
        if set(plan) != {"faults"} or not isinstance(faults, list):
            raise Invalid('A fault plan is {"faults": [...]}.')
        read = [_Account(_read(item), item) for item in faults]
        self._accounts += read
        return len(read)

    def clear(self) -> None:
        self._accounts = []

    def strike(self, request: Request) -> Fault | None:
        due = [account for account in self._accounts if account.fault.matches(request) and account.due()]
        if not due:
            return None
        due[0].fired += 1
        return due[0].fault

    def shown(self) -> dict[str, object]:
        rows = [{"fault": a.source, "matched": a.seen, "fired": a.fired} for a in self._accounts]
        unfired = [index for index, account in enumerate(self._accounts) if not account.fired]
        return {"planned": rows, "fired": sum(a.fired for a in self._accounts), "unfired": unfired}

    def __bool__(self) -> bool:
        return bool(self._accounts)


def _written(body: object) -> Answer:
    return as_text(body) if isinstance(body, str) else as_json(body)


def _read(item: object) -> Fault:
    if not isinstance(item, dict) or not _KEYS.issuperset(item) or "match" not in item:
        raise Invalid(f"A fault has a 'match' and any of {', '.join(sorted(_KEYS - {'match'}))}.")
    match = item["match"]
    if not isinstance(match, dict) or "path" not in match or not {"method", "path"}.issuperset(match):
        raise Invalid("A fault's match has 'path', which may hold * for anything, and perhaps 'method'.")
    if not _EFFECTS.intersection(item):
        raise Invalid(f"A fault does something: {', '.join(sorted(_EFFECTS))}.")
    nth, times = _nth(item)
    return Fault(
        method=_text(match, "method").upper(),
        path=_text(match, "path"),
        nth=nth,
        times=times,
        status=_status(item),
        headers=_headers(item.get("headers", {})),
        body=item.get("body"),
        delay_seconds=_delay(item),
        apply=_flag(item, "apply"),
        cut=_cut(item),
    )


def _nth(item: Mapping[str, object]) -> tuple[int | None, int | None]:
    """Read which requests are struck: from the nth on, once unless `times` says more; `every` has no end."""
    nth, times = item.get("nth", 1), item.get("times")
    if times is not None and (type(times) is not int or times < 1):
        raise Invalid("A fault's times is a whole number from 1.")
    if nth == "every":
        return None, times if isinstance(times, int) else None
    if type(nth) is not int or nth < 1:
        raise Invalid("A fault's nth is a whole number from 1, or 'every'.")
    return nth, times if isinstance(times, int) else 1


def _status(item: Mapping[str, object]) -> int | None:
    status = item.get("status")
    if status is not None and (type(status) is not int or not 200 <= status <= 599):
        raise Invalid("A fault's status is 200 to 599.")
    return status if isinstance(status, int) else None


def _delay(item: Mapping[str, object]) -> float:
    delay = item.get("delay_seconds", 0)
    if isinstance(delay, bool) or not isinstance(delay, (int, float)) or not 0 <= delay <= 3600:
        raise Invalid("A fault's delay_seconds is a number from 0 to 3600.")
    return float(delay)


def _cut(item: Mapping[str, object]) -> Cut:
    match item.get("cut", "never"):
        case "never":
            return "never"
        case "before":
            return "before"
        case "halfway":
            return "halfway"
    raise Invalid("A fault's cut is 'before' (no answer at all) or 'halfway' (the connection ends within it).")


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise Invalid("A fault's headers are an object of texts.")
    if not all(_HEADER.fullmatch(f"{name}: {text}") for name, text in value.items()):
        raise Invalid("A fault's headers must be printable ASCII.")
    return tuple((name.lower(), text) for name, text in value.items())


def _text(match: Mapping[str, object], name: str) -> str:
    value = match.get(name, "*")
    if not isinstance(value, str):
        raise Invalid(f"A fault's {name} must be text.")
    return value


def _flag(item: Mapping[str, object], name: str) -> bool:
    value = item.get(name, False)
    if not isinstance(value, bool):
        raise Invalid(f"A fault's {name} must be true or false.")
    return value
