"""What reading an event gives, and what a reader is, whatever it reads."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from connector.enrichment.values import Failure, Found

BOM: Final = b"\xef\xbb\xbf"


class Read(NamedTuple):
    """An event: its JSON text, the object in it, and what it names, each subject once.

    ``malformed`` counts values in the fields for hashes that are no hash; a weaker hash of a file that has a stronger
    one is not looked at.
    """

    raw: bytes
    event: Mapping[str, Any]
    found: tuple[Found, ...]
    malformed: int = 0


class Reader(Protocol):
    """Reads one line at a time; ``header`` is the line that named the columns of a CSV file, else None.

    To go on in the middle of a CSV file, set ``header`` to what it was.
    """

    header: bytes | None

    def read(self, raw: bytes) -> Read | Failure | None:
        """What a line without its end says; None for the header of a CSV file, which is no event. Never raises.

        A blank line passes as an event that names nothing, and so does a comment (``#``) in a list.
        """
        ...


def untouched(raw: bytes) -> Read:
    """A line that says nothing and is to go out as it came."""
    return Read(raw, {}, ())


def not_utf8(error: UnicodeDecodeError) -> Failure:
    return Failure("not_utf8", f"the line must be UTF-8, and byte {error.start + 1} of it is not; convert the input")
