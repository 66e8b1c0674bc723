"""Text that came from outside, on a terminal: as text, so that it neither steers the terminal nor looks like markup."""

import json

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """Text without terminal controls."""
    return "".join(char if char.isprintable() else REPLACEMENT for char in text)


def plain(value: object) -> str:
    """A value without terminal controls and without markup, for rich."""
    from rich.markup import escape

    return escape(printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
