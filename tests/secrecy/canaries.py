"""Secrets that stand nowhere else, and a search that finds them in whatever form they hide in."""

import base64
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, quote_plus

TOKEN: Final = "cnry+Token/4f9Qd2=Zx8mW0kVb7"
USERNAME: Final = "cnry.analyst+soc@corp&7"
PASSWORD: Final = "cnry pass/word+login&9%q"
ARCHIVE_PASSWORD: Final = "cnry zip/pass+archive&8%z"
PROXY_PASSWORD: Final = "cnryProxy7hN3wTq5"
BODY: Final = "cnry-of-a-body-51c0ffee"
HEADER: Final = "cnry-of-a-header-77ab10"
CANARIES: Final[Mapping[str, str]] = {
    "token": TOKEN,
    "user name": USERNAME,
    "password": PASSWORD,
    "archive password": ARCHIVE_PASSWORD,
    "proxy password": PROXY_PASSWORD,
    "body": BODY,
    "header": HEADER,
}
_GZIP: Final = re.compile(b"\x1f\x8b\x08")
_ZLIB: Final = re.compile(b"\x78[\x01\x5e\x9c\xda]")
_LARGEST: Final = 8 << 20


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it may hide: raw, base64 at each of three offsets, hexadecimal, percent-encoded, reversed, escaped."""
    raw = secret.encode()
    yield raw
    yield raw[::-1]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # the first and the last character of the base64 also hold bits of what stands beside the secret
            yield encode(b"\0" * offset + raw)[(0, 2, 3)[offset] :].rstrip(b"=")[:-1]
    yield from (raw.hex().encode(), raw.hex().upper().encode(), raw.hex(":").encode(), raw.hex(" ").encode())
    quoted = {quote(secret, safe=safe) for safe in ("", "/", "/+")} | {quote_plus(secret)}
    for text in quoted:
        yield from (text.encode(), re.sub("%..", lambda found: found[0].lower(), text).encode())
    yield "".join(f"%{byte:02x}" for byte in raw).encode()
    yield "".join(f"\\x{byte:02x}" for byte in raw).encode()
    yield secret.replace("/", "\\/").encode()
    yield secret.replace("&", "&amp;").encode()
    yield secret.replace("&", "\\u0026").encode()
    yield from (secret.encode("utf-16-le"), secret.encode("utf-16-be"))


@dataclass(frozen=True, slots=True)
class Hit:
    """One secret that was found: which, where, and what stands around it."""

    canary: str
    sink: str
    around: str


@dataclass(slots=True)
class Search:
    """Looks through whatever is fed to it; ``sinks`` are the places that were fed, ``allowed`` says where what may be."""

    canaries: Mapping[str, str] = field(default_factory=lambda: CANARIES)
    hits: list[Hit] = field(default_factory=list)
    sinks: set[str] = field(default_factory=set)
    searched_bytes: int = 0
    _forms: list[tuple[str, bytes]] = field(init=False)
    _known: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        found = {form: name for name, secret in self.canaries.items() for form in forms(secret)}
        self._forms = [(name, form) for form, name in found.items()]

    def feed(self, sink: str, content: str | bytes, *, but: tuple[str, ...] = ()) -> None:
        """Search one piece; ``but`` names the canaries that may be there."""
        data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
        self.sinks.add(sink)
        self.searched_bytes += len(data)
        mark = hash((sink, data, but))
        if mark in self._known:
            return
        self._known.add(mark)
        for layer in (data, *unpacked(data)):
            self._look(sink, layer, but)

    def _look(self, sink: str, data: bytes, but: tuple[str, ...]) -> None:
        for name, form in self._forms:
            at = -1 if name in but else data.find(form)
            if at >= 0:
                around = data[max(0, at - 120) : at + len(form) + 40].decode("utf-8", "backslashreplace")
                self.hits.append(Hit(name, sink, around))


def unpacked(data: bytes, depth: int = 2) -> Iterator[bytes]:
    """Every compressed stream in the bytes, decompressed as far as it goes, and those within."""
    for pattern, bits in ((_GZIP, 31), (_ZLIB, 15)):
        for start in pattern.finditer(data):
            try:
                found = zlib.decompressobj(bits).decompress(data[start.start() :], _LARGEST)
            except zlib.error:
                continue
            if found:
                yield found
                if depth:
                    yield from unpacked(found, depth - 1)


def packed(secret: str) -> bytes:
    """A secret within two layers of compression, to test the search with."""
    return b"before" + gzip.compress(b"x" + zlib.compress(secret.encode() * 3))
