"""Markup that cannot be broken out of: every text is escaped, and what a reader could not see is made visible.

File names, threat names and URLs are chosen by whoever made the file. What steers a terminal, turns the direction of
text around or has no width is shown as its code point, such as [U+202E], so that a report shows what was there.
"""

import unicodedata
from html import escape
from typing import Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_EMPTY: Final = frozenset({"meta", "br", "col", "path", "rect", "line", "circle", "polygon"})
Attribute = str | int | float | bool | None


class Markup(str):
    """Text that is markup already; any other text is escaped where it becomes part of markup."""

    __slots__ = ()


def visible(text: str, keep: str = "") -> str:
    """The text with every control, direction mark, zero-width or unassigned character as its code point."""
    if text.isprintable():
        return text
    return "".join(c if c in keep or unicodedata.category(c) not in _UNSEEN else f"[U+{ord(c):04X}]" for c in text)


def line(text: object) -> str:
    """A value on one line, unseen characters visible; line breaks and tabs become blanks."""
    return visible(" ".join(str(text).replace("\t", " ").replace("\r", " ").split("\n")))


def block(text: str) -> str:
    """A text of several lines, unseen characters visible; line breaks and tabs stay."""
    return visible(text.replace("\r\n", "\n"), keep="\n\t")


def shorter(text: str, most: int) -> str:
    """The text, cut where it is longer."""
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def join(*parts: str | None, by: str = "") -> Markup:
    """Parts one after the other; what is not markup is escaped."""
    return Markup(escape(by).join(_safe(part) for part in parts if part is not None))


def tag(element: str, *children: str | None, **attributes: Attribute) -> Markup:
    """An element of HTML or SVG. ``class_`` gives class, ``data_step`` data-step; None and False are left out."""
    given = "".join(_attribute(name, value) for name, value in attributes.items())
    if element in _EMPTY:
        return Markup(f"<{element}{given}/>")
    return Markup(f"<{element}{given}>{join(*children)}</{element}>")


def _safe(part: str) -> str:
    return part if isinstance(part, Markup) else escape(visible(part, keep="\n\t"))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    key = name.removesuffix("_").replace("_", "-")
    return f' {key}="{key if value is True else _safe(number(value) if isinstance(value, float) else str(value))}"'


def number(value: float) -> str:
    """A length, to a tenth, without a needless ``.0``."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
