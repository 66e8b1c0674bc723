"""Values to bytes and back, without any I/O: targets, bodies, multipart framing, dates, the reply of an answer."""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlencode

from connector.errors import InputRefused, Violation
from connector.plan import Call, Reply, Sent, Upload
from connector.reader import read_json

CHUNK: Final = 1 << 20


def encoded(call: Call) -> tuple[bytes, str | None]:
    """The body of a call that uploads nothing, and its content type."""
    if call.json is not None:
        text = json.dumps(call.json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode(), "application/json"
    if call.form is not None:
        return urlencode(call.form).encode("ascii"), "application/x-www-form-urlencoded"
    return b"", None


def read_date(value: str | None) -> datetime | None:
    """An HTTP date (RFC 9110 5.6.7) in UTC, or None where it is missing or not one."""
    if not value or len(value) > 64 or not value.isascii():
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def target(call: Call) -> str:
    """The path of a call with its query."""
    return f"{call.path}?{_query(call.query)}" if call.query else call.path


@lru_cache(maxsize=64)
def _query(pairs: tuple[tuple[str, str], ...]) -> str:
    return urlencode(pairs)


def reply_of(
    status: int,
    body: bytes,
    content_type: str,
    retry_after: str | None,
    date: str | None,
    sent: Sent | None = None,
    hidden: tuple[str, ...] = (),
) -> Reply:
    """The reply of a complete answer; where it has no Date, the clock here says when it came."""
    value, problem = read_json(body)
    answered_at = read_answered_at(date) or rfc3339(datetime.now(UTC))
    return Reply(status, value, problem, content_type, len(body), retry_after, answered_at, sent, hidden)


@lru_cache(maxsize=16)
def read_answered_at(date_header: str | None) -> str | None:
    """The Date header of an answer as RFC 3339; the same second is asked for again and again."""
    moment = read_date(date_header)
    return rfc3339(moment) if moment is not None else None


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def safe_filename(name: str) -> str:
    """A file name for a Content-Disposition: the last component, without controls, in valid Unicode."""
    last = re.split(r"[/\\]", name)[-1]
    clean = last.encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "_", clean)[:255] or "file"


def _quoted(value: str) -> str:
    """A value inside quotes in a Content-Disposition, escaped as browsers do (WHATWG HTML, multipart form data)."""
    return value.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


class UploadBody:
    """The bytes of one multipart upload, a mebibyte at a time, compared on the way with what was seen of the file.

    A file that is another than it was, or whose size or time of change moves while it is sent, is refused before the
    last boundary leaves, so that the appliance never holds a complete request with anything else in it. ``go_on`` is
    called for each mebibyte and raises to break the transfer off. ``sent`` says what left, once all of it has.
    """

    def __init__(
        self,
        upload: Upload,
        stream: BinaryIO,
        unchanged: Callable[[], bool] = lambda: True,
        go_on: Callable[[], None] = lambda: None,
    ) -> None:
        self._stream, self._content, self._unchanged, self._go_on = stream, upload.content, unchanged, go_on
        boundary = secrets.token_hex(16)
        self._head = b"".join(_field(boundary, name, value) for name, value in upload.fields)
        disposition = f'form-data; name="file"; filename="{_quoted(upload.filename)}"'
        self._head += f"--{boundary}\r\nContent-Disposition: {disposition}\r\n".encode()
        self._head += b"Content-Type: application/octet-stream\r\n\r\n"
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.length = len(self._head) + upload.content.size + len(self._tail)
        self.sent: Sent | None = None

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        left, digest = self._content.size, hashlib.sha1(usedforsecurity=False)
        while left:
            self._go_on()
            chunk = self._stream.read(min(CHUNK, left))
            if not chunk:
                raise changed_file()
            digest.update(chunk)
            left -= len(chunk)
            yield chunk
        if digest.hexdigest() != self._content.sha1 or not self._unchanged():
            raise changed_file()
        self.sent = self._content
        yield self._tail


def changed_file() -> InputRefused:
    found = Violation("/file", "must not change while it is sent; copy it elsewhere and submit the copy")
    return InputRefused(
        "the file changed while it was being sent, and the transfer was broken off before its end; "
        "the appliance kept nothing",
        (found,),
    )


def _field(boundary: str, name: str, value: str) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n'
    return head.encode() + value.encode("utf-8", "replace") + b"\r\n"


def source_of(file: str | None, content_base64: str | None) -> Path | bytes:
    """A file by its path, or the bytes of base64 (RFC 4648, section 4).

    Raises:
        InputRefused: naming ``/content_base64``.
    """
    if file is not None:
        return Path(file)
    try:
        return base64.b64decode(content_base64 or "", validate=True)
    except ValueError:  # binascii.Error is one
        raise InputRefused.of([Violation("/content_base64", "must be base64 (RFC 4648, with padding)")]) from None
