"""How wide a text will be, and where it breaks into lines: a drawing is laid out before any browser measures it."""

import unicodedata
from collections.abc import Iterator
from typing import Final

_NARROW: Final = frozenset("iljtfrI.,:;'|!()[]{}/\\ `")
_WIDE: Final = frozenset("mwMW@%&")
_MARGIN: Final = 1.1  # fonts differ from one machine to the next
_BREAKS: Final = frozenset(".-_/:?&=@")
_LONGEST: Final = 600  # characters; no box of a drawing holds more
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


def width(text: str, size: float) -> float:
    """Pixels of a text in a sans-serif of this size; rather a little too many than too few."""
    return sum(map(_em, text)) * size * _MARGIN


def _em(character: str) -> float:
    if character in _NARROW:
        return 0.33
    if character in _WIDE:
        return 0.89
    if character.isascii():
        return 0.68 if character.isupper() else 0.56
    if unicodedata.combining(character):
        return 0.0
    return 1.0 if unicodedata.east_asian_width(character) in "WF" else 0.7


def cut(text: str, size: float, most: float) -> str:
    """The text, its end replaced where it is wider than that."""
    if _fitting(text, size, most) == len(text):
        return text
    return text[: _fitting(text, size, most - width(_ELLIPSIS, size))].rstrip() + _ELLIPSIS


def _fitting(text: str, size: float, most: float) -> int:
    """How many characters of the text are no wider than that."""
    left = most / (size * _MARGIN)
    for number, character in enumerate(text):
        left -= _em(character)
        if left < 0:
            return number
    return len(text)


def lines(text: str, size: float, most: float, count: int) -> list[str]:
    """The text on at most so many lines, broken at blanks where it has any; the last is cut where more is left."""
    found: list[str] = []
    left = list(_pieces(text, size, most))
    while left and len(found) < count - 1:
        line = left.pop(0)
        while left and width(line + left[0], size) <= most:
            line += left.pop(0)
        found.append(line.strip())
    if left:
        found.append(cut("".join(left).strip(), size, most))
    return found or [""]


def _pieces(text: str, size: float, most: float) -> Iterator[str]:
    """Words, each but the first with the blank before it, and the pieces of a word that is wider than a line."""
    for number, word in enumerate(text[:_LONGEST].split()):
        rest, blank = word, " " if number else ""
        while (fitting := max(1, _fitting(rest, size, most))) < len(rest):
            end = next((n for n in range(fitting, fitting // 2, -1) if rest[n - 1] in _BREAKS), fitting)
            yield blank + rest[:end]
            rest, blank = rest[end:], ""
        yield blank + rest
