"""Bytes to JSON values and back, so that a fuzzer that changes bytes changes the shape of a value."""

from collections.abc import Sequence
from typing import Any, Final

NUMBERS: Final = (
    *(-1, 0, 1, 10, 100, 255, 1000, 10_000, 10_001, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**25, 10**400),
    *(0.0, -0.0, 0.5, 1.0, 1e16, 1e308, -1e308, 5e-324, float("inf"), float("nan")),
)
NULL, TRUE, FALSE, SMALL, NUMBER, WORD, TEXT, LIST, DICT = range(9)
DEEPEST: Final = 12


def text(data: bytes, rest: str = "surrogateescape") -> str:
    """Any bytes as text; ``rest`` is the error handler for what is not UTF-8, as a rule halves of surrogate pairs."""
    return data.decode("utf-8", rest)


class Growth:
    """Reads one value from bytes; where they end, what is missing is null. ``rest`` is as in ``text``."""

    def __init__(self, data: bytes, words: Sequence[str], rest: str = "surrogateescape") -> None:
        self._data, self._words, self._rest, self._at = data, words, rest, 0

    def byte(self) -> int:
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def _text(self) -> str:
        start, length = self._at, self.byte()
        self._at = start + 1 + length
        return text(self._data[start + 1 : self._at], self._rest)

    def _word(self) -> str:
        return self._words[self.byte() % len(self._words)]

    def value(self, depth: int = 0) -> Any:
        kind = self.byte() % 9
        if kind <= FALSE:
            return (None, True, False)[kind]
        if kind in {SMALL, NUMBER}:
            return self.byte() if kind == SMALL else NUMBERS[self.byte() % len(NUMBERS)]
        if kind in {WORD, TEXT}:
            return self._word() if kind == WORD else self._text()
        if depth > DEEPEST:
            return None
        return [self.value(depth + 1) for _ in range(self.byte() % 8)] if kind == LIST else self.object(depth + 1)

    def object(self, depth: int = 0) -> dict[str, Any]:
        """An object whose names are words."""
        return {self._word(): self.value(depth) for _ in range(self.byte() % 12)}


def sown(value: Any, words: Sequence[str]) -> bytes:
    """The bytes that grow into a value; what no byte stands for becomes null."""
    if isinstance(value, dict):
        pairs = [(key, each) for key, each in value.items() if key in words][:11]
        return bytes([DICT]) + sown_object(dict(pairs), words)
    if isinstance(value, list | tuple):
        return bytes([LIST, len(value[:7])]) + b"".join(sown(each, words) for each in value[:7])
    if isinstance(value, bool) or value is None:
        return bytes([{None: NULL, True: TRUE, False: FALSE}[value]])
    if isinstance(value, str):
        plain = value.encode("utf-8", "surrogateescape")[:255]
        return bytes([WORD, words.index(value)]) if value in words[:256] else bytes([TEXT, len(plain)]) + plain
    if value in NUMBERS:
        return bytes([NUMBER, NUMBERS.index(value)])
    return bytes([SMALL, value]) if isinstance(value, int) and 0 <= value < 256 else bytes([NULL])


def sown_object(value: dict[str, Any], words: Sequence[str]) -> bytes:
    """The bytes that ``Growth.object`` grows into an object."""
    pairs = [(key, each) for key, each in value.items() if key in words[:256]][:11]
    return bytes([len(pairs)]) + b"".join(bytes([words.index(key)]) + sown(each, words) for key, each in pairs)
