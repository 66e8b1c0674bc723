"""The hot map: what was made of the subjects met most lately, bounded by two generations.

What is put goes to the young generation. When that is full it becomes the old one, and what was old and has not been
asked for since is forgotten: nearly what least-recently-used keeps, at the price of a plain dict.
"""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
MOST: Final = 4096


class Recent(Generic[K, V]):
    """A map of at most ``2 * most`` keys. Values are never None; whether one is still to be used, the caller says.

    ``young`` is the same dict for the life of the map, so that a hot loop may keep ``recent.young.get`` and come to
    ``get`` only where that finds nothing.
    """

    __slots__ = ("most", "old", "young")

    def __init__(self, most: int = MOST) -> None:
        if most < 1:
            raise ValueError("a map needs room for one key at least")
        self.most: Final = most
        self.young: Final[dict[K, V]] = {}
        self.old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The value of a key, which is young again thereby; None where there is none."""
        value = self.young.get(key)
        if value is None:
            value = self.old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        young = self.young
        if len(young) >= self.most and key not in young:
            self.old = young.copy()
            young.clear()
        young[key] = value

    def __len__(self) -> int:
        return len(self.young.keys() | self.old.keys())
