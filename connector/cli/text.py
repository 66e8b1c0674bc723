"""Text that came from outside, on a terminal: as text, so that it neither steers the terminal nor looks like markup."""

import json

from connector.printable import printable


def plain(value: object) -> str:
    """A value without terminal controls and without markup, for rich."""
    from rich.markup import escape

    return escape(printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
