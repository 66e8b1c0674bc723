"""The tree that a search query becomes."""

from dataclasses import dataclass

MAX_DEPTH = 60


class QueryError(Exception):
    """The query is not in the language; pages answer 400."""


@dataclass(frozen=True, slots=True)
class Is:
    """`field:value`, the value perhaps with wildcards."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class In:
    """`field:[a, b]`: any of them."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """`field:[low TO high]`, both ends included; `*` leaves an end open."""

    field: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Word:
    """A word without a field: a hash, or a piece of a name."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    part: "Node"
    depth: int


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple["Node", ...]
    depth: int


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple["Node", ...]
    depth: int


Node = Is | In | Between | Word | Not | All | Some


def depth_of(node: Node) -> int:
    return node.depth if isinstance(node, (Not, All, Some)) else 1


def negated(node: Node) -> Node:
    """Turn around; twice is not at all, so that a row of NOTs stays flat."""
    return node.part if isinstance(node, Not) else Not(node, _deeper((node,)))


def joined(kind: type[All] | type[Some], parts: tuple[Node, ...]) -> Node:
    return parts[0] if len(parts) == 1 else kind(parts, _deeper(parts))


def _deeper(parts: tuple[Node, ...]) -> int:
    depth = max(map(depth_of, parts)) + 1
    if depth > MAX_DEPTH:
        raise QueryError("Search query too long, please shorten and/or simplify your query.")
    return depth
