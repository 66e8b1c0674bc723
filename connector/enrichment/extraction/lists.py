"""Reads plain lists: a hash or a URL a line."""

from connector.enrichment.codec import dumps
from connector.enrichment.extraction.reading import BOM, Read, not_utf8, untouched
from connector.enrichment.extraction.subjects import is_address, is_hash
from connector.enrichment.values import Failure, Found


class ListReader:
    """Each line becomes an event of one member, ``{"hash": ..}`` or ``{"url": ..}``.

    Blank lines and lines that start with ``#`` are events that name nothing, and pass as they came. Without ``urls``,
    so does a URL, as the event that it is.
    """

    __slots__ = ("_urls", "header")

    def __init__(self, *, urls: bool) -> None:
        self._urls = urls
        self.header: bytes | None = None

    def read(self, raw: bytes) -> Read | Failure | None:
        line = raw.removeprefix(BOM)
        read = self.listed(line)
        if read is not None:
            return read
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return not_utf8(error)
        return Failure(
            "not_a_hash",
            "the line must be an MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal, or a URL that starts with http:// or "
            "https:// and is percent-encoded where it needs to be",
        )

    def listed(self, line: bytes) -> Read | None:
        """What a line of a list says; None for what is none."""
        text = line.strip()
        if not text or text.startswith(b"#"):
            return untouched(line)
        if text[:1] in b'{["':
            return None
        try:
            value = text.decode()
        except UnicodeDecodeError:
            return None
        if is_hash(value):
            return _of("hash", value, value.lower())
        if is_address(value):
            return _of("url", value, value if self._urls else None)
        return None


def _of(field: str, value: str, subject: str | None) -> Read:
    event = {field: value}
    return Read(dumps(event), event, (Found(field, subject),) if subject else ())
