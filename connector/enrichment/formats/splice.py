"""More members for a JSON object without reading it anew: all bytes of an event stay as they came.

So its big whole numbers, its 1.0, its order and its spaces are the same afterwards. The text must be one that a JSON
parser took, and ``event`` what it gave: a member that is not in ``event`` is not in the text.

Where the place to add to is there already, only its own text is touched: a list is appended to, one object becomes
the first of a list (Elasticsearch takes both for the same), null makes room. A text or a number in that place is not
ours to destroy: what was to be added then goes to the member ``SPARE``, or the first free name made by adding ``_``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

SPARE: Final = "reversinglabs_enrichments"
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)
_SPACE: Final = b" \t\r\n"
_QUOTE, _OPEN, _CLOSE, _LIST, _END = b'"{}[]'


class Span(NamedTuple):
    """From where to where a text stands in another."""

    start: int
    end: int


def add(raw: bytes, event: Mapping[str, Any], members: bytes) -> bytes:
    """The event with members (``"name":value``, joined by commas) at its end; it must have none of them."""
    if raw[-1] != _CLOSE:
        raw = raw.rstrip(_SPACE)
    return raw[:-1] + (b"," if event else b"") + members + b"}"


def append(raw: bytes, event: Mapping[str, Any], path: Sequence[str], items: bytes) -> bytes:
    """The event with items (joined by commas) in the list at ``path``, which is made where it is missing.

    A path of several names is found nested (``{"a":{"b":[]}}``) and as one name (``{"a.b":[]}``), which goes first.
    """
    dotted = ".".join(path)
    if dotted in event:
        path = (dotted,)
    if path[0] in event:
        made = _into(raw, path, items)
        if made is not None:
            return made
        path = (_free(event),)
    return add(raw, event, nested(path, items))


def _free(event: Mapping[str, Any]) -> str:
    name = SPARE
    while name in event:
        name += "_"
    return name


def nested(path: Sequence[str], items: bytes) -> bytes:
    """The member that leads to a new list: ``"a":{"b":[items]}``."""
    return _name(path[0]) + _value(path[1:], items)


def _name(name: str) -> bytes:
    return json.dumps(name).encode("ascii") + b":"


def _value(path: Sequence[str], items: bytes) -> bytes:
    return b"{" + nested(path, items) + b"}" if path else b"[" + items + b"]"


def _into(text: bytes, path: Sequence[str], items: bytes) -> bytes | None:
    """The text with the items at a path whose first name is there; None where something else stands in the way."""
    at = Span(text.index(b"{"), len(text.rstrip(_SPACE)))
    for depth, name in enumerate(path, 1):
        found = _member(text, at.start, name)
        if found is None:
            return _grown(text, at, nested(path[depth - 1 :], items))
        at, rest = found, path[depth:]
        first = text[at.start]
        if first == _LIST:
            return _grown(text, at, _value(rest, items) if rest else items)
        if text[at.start : at.end] == b"null":
            return text[: at.start] + _value(rest, items) + text[at.end :]
        if first != _OPEN:
            return None
    return text[: at.start] + b"[" + text[at.start : at.end] + b"," + items + b"]" + text[at.end :]


def _grown(text: bytes, at: Span, more: bytes) -> bytes:
    """The text with more at the end of the object or list that stands there."""
    last = at.end - 1
    empty = not text[at.start + 1 : last].strip(_SPACE)
    return text[:last] + (b"" if empty else b",") + more + text[last:]


def _member(text: bytes, start: int, name: str) -> Span | None:
    """Where the value of a member of the object at ``start`` stands; of several, the last, as parsers do."""
    found, value, wanted, depth = None, 0, False, 0
    for token in _TOKEN.finditer(text, start):
        sign = text[token.start()]
        if sign in (_OPEN, _LIST):
            depth += 1
        elif depth == 1 and sign in (_CLOSE, ord(",")):
            if value and wanted:
                found = _stripped(text, value, token.start())
            value, wanted = 0, False
            depth -= sign == _CLOSE
        elif sign in (_CLOSE, _END):
            depth -= 1
        elif depth == 1 and sign == _QUOTE and not value:
            wanted = json.loads(token[0]) == name
        elif depth == 1 and not value:
            value = token.end()
        if not depth:
            break
    return found


def _stripped(text: bytes, start: int, end: int) -> Span:
    value = text[start:end]
    return Span(end - len(value.lstrip(_SPACE)), start + len(value.rstrip(_SPACE)))
