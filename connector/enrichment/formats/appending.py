"""What formats of events share that keep their findings in one list: where it is, and how it is added to."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from connector.enrichment.formats.splice import append, nested


class Appending:
    """Findings go to the list at ``path`` of an event; all else in it is untouched."""

    __slots__ = ()
    path: ClassVar[tuple[str, ...]]

    @property
    def members(self) -> tuple[str, ...]:
        """The members that an event must be without to be closed; a path is found as one name, too."""
        return tuple(".".join(self.path[: n + 1]) for n in range(len(self.path)))

    def dress(self, raw: bytes, event: Mapping[str, Any], rendered: Sequence[bytes]) -> Sequence[bytes]:
        return (append(raw, event, self.path, b",".join(rendered)),)

    def closing(self, piece: bytes) -> bytes:
        return b"," + nested(self.path, piece) + b"}"
