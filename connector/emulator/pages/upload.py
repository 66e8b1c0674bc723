"""A submission's body read as a stream: fields into memory, the file through the hashes, never whole anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from connector.emulator.pages.bodies import read_values
from connector.emulator.pages.exchange import Request
from connector.emulator.product.content import Content, Intake
from connector.emulator.product.refusals import Invalid, TooLarge
from connector.emulator.product.state import Product

_FIELD_LIMIT = 1 << 16
_PARTS_LIMIT = 100
_ENVELOPE = 1 << 20  # how much longer than the file a multipart body may announce itself


@dataclass(slots=True)
class Form:
    """What arrived: text fields, and at most one file."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    filename: str = ""
    content: Content | None = None

    def get(self, name: str) -> str | None:
        items = self.fields.get(name)
        return items[-1] if items else None


class _Sink(Protocol):
    def write(self, chunk: bytes | memoryview) -> None: ...


class _FieldSink:
    def __init__(self) -> None:
        self.value = bytearray()

    def write(self, chunk: bytes | memoryview) -> None:
        if len(self.value) + len(chunk) > _FIELD_LIMIT:
            raise Invalid("A form field is too long.")
        self.value += chunk


class _Reader:
    """The parser's callbacks: headers decide where a part's data goes."""

    def __init__(self, product: Product, name: str) -> None:
        self.form = Form()
        self.ended = False
        self._product = product
        self._intake_name = name
        self._parts = 0
        self._header = (bytearray(), bytearray())
        self._headers: dict[str, str] = {}
        self._name = ""
        self._sink: _Sink | None = None
        self._intake: Intake | None = None

    def callbacks(self) -> Mapping[str, object]:
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")
        return {f"on_{name}": getattr(self, name) for name in (*names, "headers_finished", "end")}

    def part_begin(self) -> None:
        self._parts += 1
        if self._parts > _PARTS_LIMIT:
            raise Invalid("The form has too many parts.")
        self._headers = {}

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def header_end(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._header = (bytearray(), bytearray())

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition"))
        self._name = _utf8(options.get(b"name", b""))
        if b"filename" not in options:
            self._sink = _FieldSink()
            return
        if self._name != "file":
            raise Invalid("Only the field 'file' may hold a file.", field=self._name)
        if self._intake is not None:
            raise Invalid("Only one file can be submitted in a single request.", field="file")
        self.form.filename = _utf8(options[b"filename"])
        limit = self._product.resources.max_upload_bytes
        self._sink = self._intake = Intake(self._product.workshop, self._intake_name, limit)

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._sink is not None:
            self._sink.write(memoryview(data)[start:end])

    def part_end(self) -> None:
        if isinstance(self._sink, _FieldSink):
            self.form.fields.setdefault(self._name, []).append(_utf8(self._sink.value))
        elif self._intake is not None:
            self.form.content = self._intake.done()
        self._sink = None

    def end(self) -> None:
        self.ended = True

    def abandon(self) -> None:
        if self._intake is not None:
            self._intake.abandon()
        if self.form.content is not None:
            self.form.content.discard()


async def read_form(product: Product, request: Request) -> Form:
    """Read a submission of any encoding that the appliance takes."""
    content_type, options = parse_options_header(request.headers.get("content-type"))
    if content_type != b"multipart/form-data":
        values = await read_values(request)
        return Form({name: [str(item) for item in items] for name, items in values.items()})
    if b"boundary" not in options:
        raise Invalid("The multipart body has no boundary.")
    _refuse_announced(product, request)
    reader = _Reader(product, f"upload-{next(product.ids.jobs)}")
    try:
        await _parse(request, reader, options[b"boundary"])
    except BaseException:
        reader.abandon()
        raise
    return reader.form


async def _parse(request: Request, reader: _Reader, boundary: bytes) -> None:
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type] # its TypedDict has no type for names made above
        async for chunk in request.chunks():
            parser.write(chunk)
    except FormParserError as error:
        raise Invalid("The multipart body is malformed.") from error
    if not reader.ended:
        raise Invalid("The multipart body ends too early.")


def _refuse_announced(product: Product, request: Request) -> None:
    """Answer 413 before the body has come, when its length says that it will be too long."""
    early = product.switches.too_large == "early"
    if early and request.announced_bytes > product.resources.max_upload_bytes + _ENVELOPE:
        raise TooLarge("The file exceeds the maximum configured file size.", field="file")


def _utf8(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "replace")
