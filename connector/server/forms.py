"""A multipart form read as it comes: one file that goes to a sink at once, and small fields that are kept."""

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from connector.errors import InputRefused, Violation
from connector.server.bodies import chunks, parsed
from connector.server.problems import refused
from connector.vocabulary import pointer

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE: Final = "file"
PARAMS: Final = "params"
MOST_PARTS: Final = 64
MOST_FIELD_BYTES: Final = 1 << 20  # of all fields together
_TRUTH: Final = {"true": True, "false": False}
_SILENT: Final = logging.Logger("silent", logging.CRITICAL + 1)  # the parser logs bytes of what it is given


class Sink(Protocol):
    """Where the bytes of the file go."""

    def write(self, piece: bytes) -> None: ...


@dataclass(slots=True)
class Form:
    """What a form held: the name of its file, as the sender calls it, and its fields."""

    filename: str | None = None
    has_file: bool = False
    fields: dict[str, list[str]] = field(default_factory=dict)


class _Reader:
    """The callbacks of the parser."""

    def __init__(self, sink: Sink) -> None:
        self.form = Form()
        self.ended = False
        self._sink = sink
        self._parts = self._bytes = 0
        self._name, self._into_file = "", False
        self._value = bytearray()
        self._header, self._header_value, self._disposition = bytearray(), bytearray(), ""

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._end_of_part,
            "on_header_field": self._header_name,
            "on_header_value": self._header_text,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise refused("malformed_request", f"a form may have at most {MOST_PARTS} parts; nothing was done")
        self._name, self._disposition = "", ""
        self._value.clear()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._header_value.decode("latin-1")
        self._header.clear()
        self._header_value.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = _text(options.get(b"name", b""))
        self._into_file = self._name == FILE
        if self._into_file:
            if self.form.has_file:
                raise InputRefused.of([Violation("/file", "must be one part; send one request for each file")])
            self.form.has_file = True
            self.form.filename = _last(_text(options.get(b"filename", b"")))
        elif b"filename" in options and self._name != PARAMS:
            raise InputRefused.of([Violation(pointer([self._name]), "must not hold a file; only the part file may")])

    def _data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if self._into_file:
            self._sink.write(piece)
            return
        self._bytes += len(piece)
        if self._bytes > MOST_FIELD_BYTES:
            raise refused("body_too_large", f"the fields may have at most {MOST_FIELD_BYTES:,} bytes; nothing was done")
        self._value += piece

    def _end_of_part(self) -> None:
        if not self._into_file:
            self.form.fields.setdefault(self._name, []).append(_text(bytes(self._value)))

    def _end(self) -> None:
        self.ended = True


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise refused("malformed_request", "the form is not valid UTF-8; nothing was done") from None


def _last(name: str) -> str | None:
    """The last part of a name that may be a path of the sender's machine; None where there is none."""
    return re.split(r"[/\\]", name)[-1] or None


async def read_form(request: Request, sink: Sink) -> Form:
    """Read a multipart form to its end, its file into ``sink``.

    Raises:
        Refused: 400 for what is not a complete form; else as ``bodies.chunks``.
        InputRefused: for a part that may not be.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    reader = _Reader(sink)
    try:
        parser = MultipartParser(options.get(b"boundary", b""), reader.callbacks())
        parser.logger = _SILENT
        async with aclosing(chunks(request)) as stream:
            async for chunk in stream:
                parser.write(chunk)
    except FormParserError:
        raise _malformed() from None
    if not reader.ended or b"boundary" not in options:
        raise _malformed()
    return reader.form


def _malformed() -> Exception:
    return refused("malformed_request", "the body is not a complete multipart form; nothing was done")


async def params_of(form: Form, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a form: the JSON of its part ``params``, or its fields in the types of the params' schema.

    Raises:
        InputRefused: for both at once, or without a file.
    """
    if not form.has_file:
        raise InputRefused.of([Violation("/file", "must be a part with the bytes of the file")])
    if PARAMS not in form.fields:
        return {name: _typed(texts, schema.get("properties", {}).get(name, {})) for name, texts in form.fields.items()}
    if len(form.fields) > 1 or len(form.fields[PARAMS]) > 1:
        raise InputRefused.of([Violation("/params", "must be the only part beside the file, as it holds everything")])
    made = await parsed(form.fields[PARAMS][0].encode(), "the part params")
    if FILE in made:
        raise InputRefused.of([Violation("/file", "must come as a part, not as a path, in a form")])
    return made


def _typed(texts: list[str], schema: Mapping[str, Any]) -> Any:
    """The texts of a field as what its schema takes; what does not fit stays text, and is refused as such later."""
    kinds = _kinds(schema)
    if len(texts) > 1 or ("array" in kinds and "string" not in kinds):
        return list(texts)
    text = texts[0]
    readers: Mapping[str, Callable[[str], Any]] = {"boolean": _TRUTH.get, "integer": _integer}
    for kind in ("boolean", "integer"):
        if kind in kinds and (value := readers[kind](text.strip().lower())) is not None:
            return value
    return text


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else None


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    own = schema.get("type")
    return ({own} if isinstance(own, str) else set()).union(*(_kinds(option) for option in schema.get("anyOf", ())))
