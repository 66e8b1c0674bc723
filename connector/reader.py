"""The bytes of an answer to a value: how much is read, how it is unpacked, and which JSON is believed.

The reader takes the raw chunks of a body and decodes gzip itself, so that a compressed body can neither grow past a
limit nor end early unnoticed (httpx 0.28 does both). JSON that two readers could read in two ways is not believed: of a
name that comes twice, one says malicious and the other goodware (RFC 8259, section 4).
"""

import io
import json
import math
import zlib
from dataclasses import dataclass
from typing import Any, Final

from connector.errors import MalformedResponse, ResponseTooLarge, Truncated

try:
    import orjson
except ImportError:  # the extra [fast] is not installed
    orjson = None  # type: ignore[assignment]

LARGEST_WIRE: Final = 16_000_000
LARGEST_DECODED: Final = 64 << 20
LARGEST_RATIO: Final = 200
RATIO_FROM: Final = 1 << 20  # a small answer may be all spaces
DEEPEST: Final = 64
LONGEST_INTEGER: Final = 20  # digits; the largest number of 64 bits has as many
MOST_VALUES: Final = 2_000_000  # of two bytes each as text, and of fifty and more in memory
PIECE: Final = 1 << 20
GZIP: Final = ("gzip", "x-gzip")  # the same (RFC 9110, section 8.4.1.3)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one answer may take: bytes as sent, bytes when decoded, decoded bytes for one as sent, levels of JSON."""

    wire: int = LARGEST_WIRE
    decoded: int = LARGEST_DECODED
    ratio: int = LARGEST_RATIO
    depth: int = DEEPEST


DEFAULT: Final = Limits()


class Reader:
    """Collects one body within its limits; ``encoding`` is every Content-Encoding of the answer, joined by commas.

    Raises:
        MalformedResponse: for an encoding that was not asked for, or bytes after the end of the compressed ones.
        ResponseTooLarge: naming the limit that was passed; what was read until then is at most that limit.
        Truncated: where the compressed bytes are damaged or end early.
    """

    def __init__(self, encoding: str = "", limits: Limits = DEFAULT) -> None:
        self._gzip = zlib.decompressobj(31) if _is_gzip(encoding) else None
        self._limits = limits
        self._kept = io.BytesIO()
        self._wire = self._decoded = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes as they were sent."""
        self._wire += len(chunk)
        if self._wire > self._limits.wire:
            raise _too_large(f"longer than {_size(self._limits.wire)} as sent, the limit on the wire")
        if self._gzip is None:
            self._keep(chunk)
        else:
            self._inflate(self._gzip, chunk)

    def _inflate(self, gzip: "zlib._Decompress", chunk: bytes) -> None:
        """Unpack a piece at a time, so that a bomb is noticed before it is in memory."""
        while chunk and not gzip.eof:
            try:
                piece = gzip.decompress(chunk, PIECE)
            except zlib.error:
                raise damaged("the compressed answer is damaged") from None
            chunk = gzip.unconsumed_tail
            self._keep(piece)
            self._hold_ratio(self._wire - len(chunk))
        if chunk or gzip.unused_data:
            raise MalformedResponse("the answer holds more after its compressed end; nothing of it was used")

    def _keep(self, piece: bytes) -> None:
        self._decoded += len(piece)
        if self._decoded > self._limits.decoded:
            raise _too_large(f"longer than {_size(self._limits.decoded)} when decoded, the limit after decoding")
        self._kept.write(piece)

    def _hold_ratio(self, unpacked: int) -> None:
        ratio = self._limits.ratio
        if self._decoded > RATIO_FROM and self._decoded > ratio * unpacked:
            what = f"more than {ratio} times longer when decoded than as sent, the limit of the ratio"
            raise _too_large(what, "look at what stands before the appliance: its own answers do not grow like this")

    def body(self) -> bytes:
        """The whole body; raises Truncated where the compressed content ended early."""
        if self._gzip is not None and not self._gzip.eof:
            raise damaged("the compressed answer ended early")
        return self._kept.getvalue()


def _is_gzip(encoding: str) -> bool:
    named = [coding for part in encoding.split(",") if (coding := part.strip().lower()) not in {"", "identity"}]
    if len(named) > 1:
        raise ResponseTooLarge(f"the answer is encoded {len(named)} times, the limit is once; nothing was read")
    if named and named[0] not in GZIP:
        raise MalformedResponse("the answer is encoded in a way that was not asked for; nothing was read")
    return bool(named)


_LESS: Final = "ask for less at once: a smaller limit, fewer hashes or fewer fields"


def _too_large(what: str, hint: str = _LESS) -> ResponseTooLarge:
    return ResponseTooLarge(f"the answer is {what}; it was not read to its end", hint=hint)


def _size(count: int) -> str:
    return f"{count // 1_000_000} MB" if count >= 1_000_000 else f"{count} bytes"


def damaged(message: str) -> Truncated:
    """An answer came, so its request was sent: only a read may be asked again."""
    return Truncated(message, outcome="rejected", retryable=True)


def read_json(body: bytes, depth: int = DEEPEST) -> tuple[Any, str]:
    """The value of a body and an empty text, or None and what is wrong with it, which repeats nothing of it.

    With the extra [fast] or without, the same bytes are the same value or the same problem.
    """
    if len(body) > MOST_VALUES and sum(body.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        return None, f"holds more than {MOST_VALUES:,} values"
    value, sure = _read_quickly(body, depth)
    return (value, "") if sure else _read_strictly(body, depth)


class _Untrusted(ValueError):
    """JSON that is well-formed, and still not believed; its message is the problem."""


def _read_strictly(body: bytes, depth: int) -> tuple[Any, str]:
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in b"<":
        return None, "is a page, not JSON" if start else "is empty"
    try:
        value = _DECODER.decode(body.decode())
        if _is_deeper(value, depth):
            raise RecursionError
        if b"\\ud" in body or b"\\uD" in body:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        return None, "is not valid UTF-8"
    except UnicodeEncodeError:
        return None, "holds half of a surrogate pair"
    except RecursionError:
        return None, f"is nested deeper than {depth}"
    except _Untrusted as problem:
        return None, str(problem)
    except ValueError:
        return None, "is not JSON"
    return value, ""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Untrusted("holds a name twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > LONGEST_INTEGER:
        raise _Untrusted("holds a number out of range")
    return int(digits)


def _float(digits: str) -> float:
    found = float(digits)
    if math.isinf(found):
        raise _Untrusted("holds a number out of range")
    return found


def _constant(_: str) -> Any:
    raise _Untrusted("holds NaN or Infinity")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether lists and objects lie in each other on more levels than this; walks a level at a time."""
    level, levels = [value] if type(value) in _CONTAINERS else [], 0
    while level:
        levels += 1
        if levels > depth:
            return True
        inner = (one.values() if type(one) is dict else one for one in level)
        level = [item for items in inner for item in items if type(item) in _CONTAINERS]
    return False


_CONTAINERS: Final = frozenset({dict, list})


def _read_quickly(body: bytes, depth: int) -> tuple[Any, bool]:
    r"""What orjson reads, and whether the strict reader would read the same for sure; in doubt it would not.

    orjson refuses all that the strict reader refuses, except for three things, found without a walk through the value:

    - Of a name that comes twice it keeps the last. Written again, the value then has at least two quotation marks less
      than the body; a mark more could come only from ``\u0022``.
    - Integers above 64 bits become floats; they have at least 19 digits, and what ``_AS_LONG`` makes of those is found.
    - It reads 1024 levels, but writes 254: the value is written with so many lists around it that ``depth`` are left.
    """
    escape = body.find(b"\\")
    if not _USABLE or (escape >= 0 and body.find(b"\\u0022", escape) >= 0):
        return None, False
    numbers = body.translate(_AS_LONG)
    if _LONG in numbers or numbers.startswith(_LONG[1:]):
        return None, False
    try:
        value = nested = orjson.loads(body)
        flat = len(body) < 4096 and body.count(b"[") + body.count(b"{") <= depth  # the lists take time, too
        for _ in range(0 if flat else _LEVELS - depth):
            nested = [nested]
        return value, orjson.dumps(nested).count(b'"') == body.count(b'"')
    except (ValueError, TypeError):
        return None, False


_LONG: Final = b"," + b"0" * 19
_AS_LONG: Final = bytes.maketrans(b" \t\r\n:[-123456789", b",,,,,,,000000000")
_LEVELS: Final = 254


def _is_usable() -> bool:
    """Whether orjson is there and still refuses to write one level more than ``_LEVELS``."""
    nested: Any = {}
    for _ in range(_LEVELS):
        nested = [nested]
    try:
        return orjson is not None and not orjson.dumps(nested)
    except TypeError:
        return True


_USABLE: Final = _is_usable()


def check_code(body: Any, status: int) -> str:
    """What is wrong where the ``code`` inside a body is a status, and another than its own; else an empty text."""
    code = body.get("code") if isinstance(body, dict) else None
    if type(code) is not int or not 100 <= code <= 599 or code == status:
        return ""
    return f"answered {status} with the code {code} inside"
