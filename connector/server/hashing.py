"""The hashes of a file that an alert brings, so that it can be looked up before it is sent anywhere."""

import asyncio
import hashlib
import threading
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from connector.action import exactly_one, require_one
from connector.check import refusal
from connector.errors import InputRefused, Violation
from connector.files import CHANGED, EMPTY, chunks, opened
from connector.vocabulary import Message
from connector.wire import source_of

KINDS: Final = ("md5", "sha1", "sha256", "sha512")


class Given(Message):
    """The file: by its path on the server, or as its bytes."""

    model_config = ConfigDict(json_schema_extra=exactly_one("file", "content_base64"))

    file: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        None, description="Path of the file on the server, below one of its file_roots."
    )
    content_base64: Annotated[str, Field(min_length=4, max_length=140_000_000)] | None = Field(
        None, description="The content itself in base64."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        require_one(self, "file", "content_base64")
        return self


class Hashes(Message):
    """The hashes of one file; nothing left the machine."""

    md5: str = Field(description="MD5, lower case.")
    sha1: str = Field(description="SHA-1, lower case.")
    sha256: str = Field(description="SHA-256, lower case.")
    sha512: str = Field(description="SHA-512, lower case.")
    size: int = Field(ge=1, description="Size in bytes.")
    filename: str | None = Field(description="Name of the file, where it has one.")


class Hasher:
    """Takes bytes and gives all hashes of them."""

    def __init__(self) -> None:
        self._digests = [hashlib.new(kind, usedforsecurity=False) for kind in KINDS]
        self.size = 0

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        for digest in self._digests:
            digest.update(piece)

    def hashes(self, filename: str | None, place: str) -> Hashes:
        """What was taken; InputRefused at ``place`` where it was nothing."""
        if not self.size:
            raise InputRefused.of([Violation(place, EMPTY)])
        md5, sha1, sha256, sha512 = (digest.hexdigest() for digest in self._digests)
        return Hashes(md5=md5, sha1=sha1, sha256=sha256, sha512=sha512, size=self.size, filename=filename)


def given(raw: dict[str, Any]) -> Given:
    """The file that a JSON object names.

    Raises:
        InputRefused: with every violation.
    """
    try:
        return Given.model_validate(raw)
    except ValidationError as error:
        raise refusal(raw, error, "the input", "; /hashes takes file or content_base64") from None


async def hashed(source: Given, roots: tuple[Path, ...]) -> Hashes:
    """The hashes of a file, read in a thread that ends with the request.

    Raises:
        InputRefused: naming /file or /content_base64.
    """
    ended = threading.Event()
    try:
        return await asyncio.to_thread(_hashed, source, roots, ended)
    finally:
        ended.set()


def _hashed(source: Given, roots: tuple[Path, ...], ended: threading.Event) -> Hashes:
    hasher = Hasher()
    found = source_of(source.file, source.content_base64)
    if isinstance(found, bytes):
        hasher.write(found)
        return hasher.hashes(None, "/content_base64")
    file = opened(found, roots)
    with file.stream:
        for chunk in chunks(file):
            if ended.is_set():
                break
            hasher.write(chunk)
        if hasher.size != file.size or not file.unchanged():
            raise InputRefused.of([Violation("/file", CHANGED)])
    return hasher.hashes(found.name, "/file")
