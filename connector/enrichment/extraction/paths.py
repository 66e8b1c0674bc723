"""From dotted paths with rules to one rule for an event, which looks at the members on these paths and no others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from connector.enrichment.extraction.rules import Hits, Rule

REMEMBERED: Final = 512  # combinations of names
_Plan = tuple[tuple[tuple[str, Rule], ...], bool]  # the members to look at, and whether names with dots are there


@dataclass(slots=True)
class _Branch:
    """What is looked at in a value: rules for itself, of which ``known`` members are, and branches for members."""

    rules: list[Rule] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    members: dict[str, "_Branch"] = field(default_factory=dict)


class Row(NamedTuple):
    """A path and the rule for what is there; ``members`` are those that the rule looks at by itself."""

    path: str
    rule: Rule
    members: Sequence[str] = ()


def joined(rows: Iterable[Row]) -> Rule:
    """One rule that follows every path from the event; the path "" is the event itself.

    Lists on the way are walked. A name with dots (``{"file.hash": {"md5": ..}}``) is the same as objects within each
    other, as it is in Elasticsearch. What is found comes in the order of the rows, but for paths that share a start.
    """
    return _rule(_tree(rows))


def members_of(rows: Iterable[Row]) -> tuple[dict[str, Rule], frozenset[str]] | None:
    """The same, member by member, and the names with dots that ask for more; None if it looks at the event itself."""
    root = _tree(rows)
    if root.rules:
        return None
    return {name: _rule(below) for name, below in root.members.items()}, frozenset(_dotted(root))


def _tree(rows: Iterable[Row]) -> _Branch:
    root = _Branch()
    for row in rows:
        branch = root
        for name in row.path.split(".") if row.path else ():
            branch = branch.members.setdefault(name, _Branch())
        branch.rules.append(row.rule)
        branch.known.update(row.members)
    return root


def _rule(branch: _Branch) -> Rule:
    rules = [*branch.rules, *([_following(branch)] if branch.members else [])]
    if len(rules) == 1:
        return rules[0]
    return lambda value, hits: sum([rule(value, hits) for rule in rules])


def _following(branch: _Branch) -> Rule:
    """The rule for an object with members, or a list of such.

    Streams repeat themselves, so which members of an object are looked at is remembered by the names that it has.
    """
    members = {name: _rule(below) for name, below in branch.members.items()}
    if len(members) == 1:
        return _following_one(*next(iter(members.items())), frozenset(_dotted(branch)))
    dotted = frozenset(_dotted(branch))
    plans: dict[tuple[str, ...], _Plan] = {}

    def rule(node: Any, hits: Hits) -> int:
        if type(node) is not dict:
            return _each(rule, node, hits)
        plan = plans.get(tuple(node)) or _planned(plans, node, members, dotted)
        bad = 0
        for name, below in plan[0]:
            bad += below(node[name], hits)
        return bad + rule(_parted(node, dotted), hits) if plan[1] else bad

    return rule


def _planned(
    plans: dict[tuple[str, ...], _Plan], node: dict[str, Any], members: dict[str, Rule], dotted: frozenset[str]
) -> _Plan:
    """Remember what is looked at in an object with these names."""
    if len(plans) >= REMEMBERED:
        plans.clear()
    there = tuple([(name, below) for name, below in members.items() if name in node])
    plan = plans[tuple(node)] = there, not dotted.isdisjoint(node)
    return plan


def _following_one(name: str, below: Rule, dotted: frozenset[str]) -> Rule:
    """The same for one member, which is most often there: then dots are not looked for."""

    def rule(node: Any, hits: Hits) -> int:
        if type(node) is not dict:
            return _each(rule, node, hits)
        if name in node:
            return below(node[name], hits)
        return 0 if dotted.isdisjoint(node) else rule(_parted(node, dotted), hits)

    return rule


def _each(rule: Rule, node: Any, hits: Hits) -> int:
    return sum([rule(each, hits) for each in node if type(each) is dict]) if type(node) is list else 0


def _dotted(branch: _Branch, before: str = "") -> Iterator[str]:
    """Every name with dots in it that may stand for a start of a path below this branch."""
    for name, below in branch.members.items():
        if before:
            yield before + name
        yield from (f"{before}{name}.{known}" for known in below.known)
        yield from _dotted(below, f"{before}{name}.")


def _parted(node: dict[str, Any], dotted: frozenset[str]) -> dict[str, Any]:
    """The members with dotted names, as objects within each other; of two values for one place, the first."""
    made: dict[str, Any] = {}
    for name, value in node.items():
        if name not in dotted:
            continue
        *way, last = name.split(".")
        place = made
        for step in way:
            below = place.get(step, {})
            if type(below) is not dict:
                break
            place[step] = place = dict(below)  # a copy: it may be the event's own
        else:
            there = place.setdefault(last, value)
            if isinstance(there, dict) and isinstance(value, dict):
                place[last] = {**value, **there}
    return made
