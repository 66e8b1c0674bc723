"""The four hashes that name a sample, and how to tell one from another."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

KINDS = ("md5", "sha1", "sha256", "sha512")
_NEW = (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512)
_BY_LENGTH = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_HEX = re.compile(r"[0-9a-fA-F]+\Z")


@dataclass(frozen=True, slots=True)
class Hashes:
    md5: str
    sha1: str
    sha256: str
    sha512: str

    def all(self) -> tuple[str, str, str, str]:
        return self.md5, self.sha1, self.sha256, self.sha512


class Hasher:
    """Takes all four hashes of a stream in one pass, and its size."""

    def __init__(self) -> None:
        self.size = 0
        self._digests = tuple(new(usedforsecurity=False) for new in _NEW)

    def update(self, chunk: bytes | memoryview) -> None:
        self.size += len(chunk)
        for digest in self._digests:
            digest.update(chunk)

    def hashes(self) -> Hashes:
        return Hashes(*(digest.hexdigest() for digest in self._digests))


def kind_of(text: str) -> str | None:
    """Name the kind by length, as the appliance does; None when it is no hash at all."""
    return _BY_LENGTH.get(len(text)) if _HEX.match(text) else None


def hashes_of(content: bytes) -> Hashes:
    return Hashes(*[new(content, usedforsecurity=False).hexdigest() for new in _NEW])


def completed(known: Mapping[str, str]) -> Hashes:
    """Fill in the missing hashes from those given: always the same ones, and never of any real file."""
    basis = next(known[kind].lower() for kind in ("sha256", "sha1", "sha512", "md5") if known.get(kind))
    return Hashes(*((known.get(kind) or _invented(kind, basis)).lower() for kind in KINDS))


def _invented(kind: str, basis: str) -> str:
    return hashlib.new(kind, f"{kind} beside {basis}".encode(), usedforsecurity=False).hexdigest()
