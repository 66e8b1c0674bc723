"""Values into a command: each escaped for where it lands, so that no value can become syntax.

CACAO 2.0 says how a variable is written (``__name__:value``), not how its value is escaped. Here: in the path and the
query percent-encoded (RFC 3986), within a JSON text escaped (RFC 8259), outside of one as the JSON value of its type,
in a form percent-encoded, in XML and HTML escaped, in plain text as it is, in a header as it is where HTTP allows it.
A value is refused where it cannot stand, and any is in content of another media type.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus, unquote
from xml.sax.saxutils import escape as xml_escape

from connector.playbooks.cacao import HttpCommand, ManualCommand
from connector.playbooks.variables import BadValue, is_unicode, no_constant, typed

REFERENCE: Final = re.compile(r"(__[a-zA-Z_][a-zA-Z0-9_-]{0,199}?__):value")
_STRING_OR_REFERENCE: Final = re.compile(rf'"(?:[^"\\]|\\.)*+(?:"|\Z)|{REFERENCE.pattern}', re.DOTALL)
# Of the target no fragment, and nothing beyond visible ASCII (RFC 9112, section 3.2.1).
_START_LINE: Final = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[!$-~]*)(?: HTTP/(?:1\.[01]|2))?")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})  # of whoever sends it


@dataclass(frozen=True, slots=True)
class Value:
    """What a variable holds: the type that it is declared with, and its text; None is null."""

    kind: str
    text: str | None


Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, complete but for where it goes and who asks."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class BadCommand(ValueError):
    """A command that is no HTTP request; the message says what it should be."""


def references(text: str) -> list[str]:
    """The variables that a text refers to, in order of appearance."""
    return REFERENCE.findall(text)


def start_line(command: HttpCommand) -> tuple[str, str]:
    """Method and target of a command, as they are written.

    Raises:
        BadCommand: when it is no start line of a request (RFC 9112, section 3).
    """
    found = _START_LINE.fullmatch(command.command)
    if found is None:
        raise BadCommand("must be METHOD /path HTTP/1.1, such as POST /actions/get_classification HTTP/1.1")
    return found[1], found[2]


def media_type(command: HttpCommand) -> str:
    """What its headers call its content; JSON where they call it nothing."""
    given = [values for name, values in command.headers.items() if name.lower() == "content-type"]
    return given[0][0].partition(";")[0].strip().lower() if given and given[0] else JSON


def fill(command: HttpCommand, values: Values) -> Request:
    """The request of a command, its variables filled in.

    Raises:
        BadCommand: when it is no HTTP request.
        BadValue: when a variable is null, or its value cannot stand where it is used; which one is said.
    """
    method, target = start_line(command)
    headers = [(name, _header(name, value, values)) for name, given in command.headers.items() for value in given]
    body = _body(command, values)
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", JSON))
    return Request(method, fill_target(target, values), tuple(headers), body)


def fill_target(target: str, values: Values) -> str:
    """Path and query with every value percent-encoded."""
    path, mark, query = target.partition("?")
    made = "/".join(_segment(part, values) for part in path.split("/"))
    return made + mark + _replaced(query, values, lambda value: quote(value, safe=""))


def fill_json(content: str, values: Values) -> str:
    """JSON text with every value escaped: in a text as text, elsewhere as the JSON value of its type."""

    def one(match: re.Match[str]) -> str:
        if match[1] is not None:
            return json.dumps(_typed(match[1], values))
        _check_json(*(f'"{piece}"' for piece in REFERENCE.sub("\0", match[0][1:-1]).split("\0")))
        return _replaced(match[0], values, lambda text: json.dumps(text, ensure_ascii=False)[1:-1])

    made = _STRING_OR_REFERENCE.sub(one, content)
    _check_json(made)
    return made


def _check_json(*texts: str) -> None:
    try:
        for text in texts:
            json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise BadCommand("has content that is no JSON; say what it is with the header Content-Type") from None


def fill_text(text: str, values: Values) -> str:
    """Text for a person, with every value as it is."""
    return _replaced(text, values, lambda value: value)


def manual_text(command: ManualCommand, values: Values) -> str:
    """What a person is asked; a value that is null is shown as (none)."""
    text = (
        command.command
        if command.command is not None
        else _decoded(command.command_b64 or "").decode("utf-8", "replace")
    )
    return REFERENCE.sub(lambda found: _shown(found[1], values), text)


def _shown(name: str, values: Values) -> str:
    return values[name].text or "(none)" if name in values else f"{name}:value"


def _body(command: HttpCommand, values: Values) -> bytes:
    if command.content_b64 is not None:
        return _decoded(command.content_b64)
    if command.content is None:
        return b""
    kind = media_type(command)
    if kind == JSON or kind.endswith("+json"):
        return fill_json(command.content, values).encode()
    if kind == FORM:
        return _replaced(command.content, values, quote_plus).encode()
    if kind.endswith(("/xml", "+xml", "/html")):
        return _replaced(command.content, values, _marked_up).encode()
    if not kind.startswith("text/") and references(command.content):
        raise BadCommand(f"has content of the media type {kind[:80]}, which no variable can be written into safely")
    return fill_text(command.content, values).encode()


def _marked_up(value: str) -> str:
    return xml_escape(value, {'"': "&quot;", "'": "&#39;"})


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise BadCommand("has base64 that is not valid") from None


def _segment(part: str, values: Values) -> str:
    made = _replaced(part, values, lambda value: quote(value, safe=""))
    if REFERENCE.search(part) and unquote(made) in {"", ".", ".."}:
        raise BadValue(f"{REFERENCE.findall(part)[0]} stands in a path and must not be empty, a dot or two dots")
    return made


def _header(name: str, value: str, values: Values) -> str:
    if not _TOKEN.fullmatch(name):
        raise BadCommand(f"has a header of no valid name ({name[:40]!r})")
    if name.lower() in _FRAMING:
        raise BadCommand(f"has the header {name}, which is made when it is sent")
    made = fill_text(value, values)
    if re.fullmatch(r"(?! )[\x20-\x7e\xa0-\xff]*(?<! )", made):
        return made
    told = "must not hold line breaks, control characters, characters beyond Latin-1, or blanks at its ends"
    used = references(value)
    if not used:
        raise BadCommand(f"has the header {name}, which {told}")
    raise BadValue(f"{', '.join(used)} stands in the header {name}, which {told}")


def _replaced(text: str, values: Values, escape: Callable[[str], str]) -> str:
    return REFERENCE.sub(lambda found: escape(_text(found[1], values)), text)


def _text(name: str, values: Values) -> str:
    if name not in values:
        raise BadValue(f"{name} is declared nowhere")
    text = values[name].text
    if text is None:
        raise BadValue(f"{name} has no value yet")
    if not is_unicode(text):
        raise BadValue(f"{name} must be Unicode text; half of a surrogate pair is none")
    return text


def _typed(name: str, values: Values) -> object:
    text = _text(name, values)
    try:
        return typed(values[name].kind, text)
    except BadValue as error:
        raise BadValue(f"{name} {error}") from None
