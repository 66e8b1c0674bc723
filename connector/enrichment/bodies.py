"""The body of a request as events, each on one line with its bytes as they came."""

import re
from dataclasses import dataclass
from hashlib import sha256
from json import JSONDecoder
from typing import Final

from connector.enrichment.codec import loads
from connector.errors import InputRefused, Violation

NAMED: Final = 10  # elements that are told of when they are refused
_as_text: Final = JSONDecoder(parse_int=str, parse_float=str)  # numbers are not looked at: a long one costs nothing
_between: Final = re.compile(r"[ \t\r\n,]*")


@dataclass(frozen=True, slots=True)
class Body:
    """Events, a digest of them all, and how many bytes they came in."""

    events: list[bytes]
    digest: str
    size: int


def body_of(data: bytes, *, lines: bool) -> Body:
    """The events of a body: one a line, or else a JSON array of objects, or one object. Empty lines are no events.

    Raises:
        InputRefused: for JSON that is neither; a line that is no JSON is an event of its own that cannot be read.
    """
    events = _lines(data) if lines else _values(data)
    return Body(events, sha256(b"\n".join(events)).hexdigest()[:32], len(data))


def _lines(data: bytes) -> list[bytes]:
    found = data.split(b"\n")
    return [line.removesuffix(b"\r") for line in found if line.strip()]


def _values(data: bytes) -> list[bytes]:
    try:
        value = loads(data)
        if isinstance(value, list):
            _require_objects(value)
            return _elements(data.decode())
    except (ValueError, RecursionError):
        raise _refused("must be JSON in UTF-8: an array of events, or one event") from None
    if not isinstance(value, dict):
        raise _refused("must be an array of events, or one event, each a JSON object")
    return [_on_one_line(data)]


def _require_objects(values: list[object]) -> None:
    wrong = [n for n, value in enumerate(values) if not isinstance(value, dict)]
    if wrong:
        raise InputRefused.of([Violation(f"/{n}", "must be a JSON object") for n in wrong[:NAMED]], "the body")


def _elements(text: str) -> list[bytes]:
    """The elements of an array that was read before, as they stand there: read and written anew, numbers change."""
    made: list[bytes] = []
    at = _end_of_blank(text, text.index("[") + 1)
    while text[at] != "]":
        _, end = _as_text.raw_decode(text, at)
        made.append(_on_one_line(text[at:end].encode()))
        at = _end_of_blank(text, end)
    return made


def _end_of_blank(text: str, at: int) -> int:
    found = _between.match(text, at)
    return found.end() if found else at


def _on_one_line(data: bytes) -> bytes:
    """Line ends stand between the parts of JSON only, never in a text."""
    return data.strip().replace(b"\n", b" ").replace(b"\r", b" ")


def _refused(message: str) -> InputRefused:
    return InputRefused.of([Violation("", message)], "the body")
