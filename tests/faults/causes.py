"""The ways to bring a fault about, as values: what is staged, and whether the appliance does the work all the same."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.faults.expect import Column

SHA1: Final = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
OTHER: Final = "3395856ce81f2b7382dee72602f798b642f14140"
JSON: Final = ("content-type", "application/json")
HTML: Final = ("content-type", "text/html")
PAGE: Final = b"<!DOCTYPE html><html><title>Sign in</title></html>"
QUEUE: Final = b'{"message": "There are too many items in the processing queue."}'
# What each column's endpoint answers when all is well.
SUCCESS: Final[Mapping[Column, int]] = {
    "REP": 200,
    "SRCH": 200,
    "POLL": 200,
    "UPF": 201,
    "UPU": 201,
    "DEL": 202,
    "TAG": 200,
}
Target = tuple[str, str]
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One way to bring a fault about.

    ``stage`` names what is built around the appliance, and ``numbers`` are for it: the fields of a planned fault for
    the stages with a proxy. ``bodies`` are the struck answers by column. ``target`` is struck instead of the column's
    own endpoint, after ``skip`` exchanges. ``params`` and ``settings`` are added to the run's. ``after`` names a check on the same client.
    """

    name: str
    stage: str = "struck"
    done: bool = True
    reaches: bool = True
    numbers: Mapping[str, Any] = field(default_factory=dict)
    bodies: Mapping[Column, bytes] = field(default_factory=dict)
    target: Mapping[Column, Target] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    size: int = 4096
    skip: int = 0
    only: tuple[Column, ...] | None = None
    after: str = ""

    def fault(self, column: Column) -> dict[str, Any]:
        """The fields of the planned fault in a column."""
        made = dict(self.numbers)
        if made.get("kind") == "replace":
            made["status"] = made.get("status") or SUCCESS[column]
            made["body"] = self.bodies.get(column, made.get("body", b""))
        return made


def struck(kind: str, *, done: bool = True, **more: Any) -> Cause:
    """A fault of the proxy on the wire."""
    held = {name: more.pop(name) for name in ("size", "only", "stage", "settings") if name in more}
    return Cause(
        name=" ".join(map(str, (kind, *more.values(), *([held["stage"]] if held.get("stage") == "warm" else [])))),
        done=done,
        numbers={"kind": kind, **more},
        **held,
    )


def replaced(
    name: str, status: int | None, body: Any, headers: Pairs = (JSON,), *, done: bool = False, **more: Any
) -> Cause:
    """Another answer in place of the real one; ``done``: after the appliance did the work. No status: the success."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    numbers = {"kind": "replace", "status": status, "body": content, "headers": headers, "forward": done}
    return Cause(name=name, done=done, numbers=numbers, **more)


def bodies(
    name: str, found: Mapping[Column, Any], *, done: bool = False, status: int | None = None, **more: Any
) -> Cause:
    """An answer of its own for each column, with the status of its success or the one given."""
    numbers = {"kind": "replace", "status": status, "headers": (JSON,), "forward": done}
    made = {column: json.dumps(body).encode() for column, body in found.items()}
    return Cause(name=name, done=done, numbers=numbers, bodies=made, only=tuple(made), **more)


def refused(status: int, body: Any, **more: Any) -> Cause:
    """The appliance says no in JSON; nothing is done."""
    return replaced(str(status), status, body, **more)


def both(kind: str, **more: Any) -> tuple[Cause, Cause]:
    """The answer lost after the work was done, and the request lost before it."""
    end = "rst" if kind.endswith("rst") else "fin"
    return struck(kind, **more), struck(f"request_{end}", done=False, at=0.0, **more)


def waiting(name: str, retry_after: str, **headers: str) -> Cause:
    """429 with a Retry-After."""
    given = (JSON, ("retry-after", retry_after), *headers.items())
    return replaced(name, 429, QUEUE, given)


# JSON that two readers could read in two ways, or that takes one down.
UNTRUSTED: Final[Mapping[str, bytes]] = {
    "a hundred thousand brackets": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "NaN": b'{"detail": {"id": NaN}}',
    "Infinity": b'{"detail": {"id": -Infinity}}',
    "an integer of 5,000 digits": b'{"detail": {"id": ' + b"7" * 5000 + b"}}",
    "a name twice": b'{"classification": "malicious", "classification": "goodware"}',
    "bytes that are no UTF-8": b'{"detail": "\xff\xfe"}',
    "half of a surrogate pair": b'{"detail": "\\ud800"}',
    "an empty body": b"",
    "a scalar": b"7",
}


def untrusted() -> tuple[Cause, ...]:
    """Each of them, in turn after the work was done and without it."""
    return tuple(
        replaced(name, None, body, done=number % 2 == 0) for number, (name, body) in enumerate(UNTRUSTED.items())
    )


_SEARCH: Final = {"rl": {"web_search_api": {}}}


def page(number: int, *, more: bool, total: int = 6) -> dict[str, Any]:
    """One page of a search with two entries of its own."""
    entries = [{"sha1": f"{2 * number + k:040x}", "classification": "malicious", "riskscore": 9} for k in (0, 1)]
    return {"rl": {"web_search_api": {"entries": entries, "more_pages": more, "total_count": total}}}


STRANGERS: Final[Mapping[Column, Any]] = {
    "REP": {"sha1": SHA1, "riskscore": 5},
    "SRCH": _SEARCH | {"rl": {}},
    "POLL": {"processing_status": "complete"},
    "UPF": {"code": 201, "detail": {}},
    "UPU": {"code": 201, "detail": {}},
    "DEL": {"detail": {}},
    "TAG": {"detail": {}},
}
WRONG_TYPES: Final[Mapping[Column, Any]] = {
    "REP": {"sha1": SHA1, "classification": 7},
    "SRCH": {"rl": {"web_search_api": {"entries": 7}}},
    "POLL": {"processing_status": "complete", "report": []},
    "UPF": {"code": 201, "detail": {"id": None}},
    "UPU": {"code": 201, "detail": [7]},
    "DEL": {"id": [7]},
    "TAG": {"tags": [7]},
}
NOWHERE: Final = "NOWHERE"  # the stage puts the address of a peer there that must never be asked
URL_STATUS: Final = ("GET", "/api/uploads/v2/url-samples/*")
FILE_STATUS: Final = ("POST", "/api/samples/status/")
TAGS: Final = ("GET", "/api/tag/*/")
DELETE_STATUS: Final = ("GET", "/api/samples/v2/delete_bulk/status/")
FILE: Final = b"MZ SPECTRA-LAB-MALICIOUS" + b"." * 4072


def receipts(headers: Pairs) -> Cause:
    """The receipt of a submission with other headers, after the work was done."""
    sha1 = hashlib.sha1(FILE, usedforsecurity=False).hexdigest()
    found = {"UPF": {"code": 201, "detail": {"id": 7, "sha1": sha1}}, "UPU": {"code": 201, "detail": {"id": 7}}}
    cause = bodies("a receipt", found, done=True)
    return replace(cause, numbers={**cause.numbers, "headers": headers})


def statuses(processed: list[str], *, times: int, skip: int = 0) -> Cause:
    """What file_status says in place of the truth, to a deletion; after so many true answers."""
    results = [{"hash_value": value, "status": "processed"} for value in processed]
    cause = bodies("file_status", {"DEL": {"results": results}}, status=200)
    numbers = {**cause.numbers, "times": times}
    return replace(cause, numbers=numbers, target={"DEL": FILE_STATUS}, skip=skip)


def polled(cause: Cause, *columns: Column) -> Cause:
    """The same fault on the endpoint that is asked again and again while waiting."""
    targets: dict[Column, Target] = {"POLL": URL_STATUS, "UPF": FILE_STATUS, "UPU": URL_STATUS, "DEL": DELETE_STATUS}
    return replace(cause, target=targets, params={"wait": True}, only=columns, done=True)


def looked_at(cause: Cause, skip: int, **more: int) -> Cause:
    """The same fault on a look at what tags there are: the first is before the change, the second sees what it did."""
    numbers = {**cause.numbers, **more}
    name = f"{cause.name} at look {skip + 1}"
    return replace(cause, name=name, numbers=numbers, target={"TAG": TAGS}, only=("TAG",), skip=skip)


def poll_answer(name: str, body: Any, status: int = 200) -> Cause:
    """What is said of a submitted URL, to a look and to a submission that waits."""
    return polled(replaced(name, status, body), "POLL", "UPU")
