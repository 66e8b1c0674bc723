"""The comparisons that a condition is made of: what is compared with what, and what that tells of its variables."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from stix2patterns.exceptions import ParseException
from stix2patterns.v21.pattern import Pattern

from connector.playbooks.cacao import VARIABLE
from connector.playbooks.conditions import BadCondition, read_condition

_TEXT: Final = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_LITERAL: Final = re.compile(rf"{_TEXT.pattern}|[^\s(),']+", re.DOTALL)
_EXISTS: Final = re.compile(rf"(NOT\s+)?EXISTS\s+({VARIABLE}):")


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison of a condition: ``operator`` without NOT, and the literals as they are written."""

    variable: str
    operator: str
    negated: bool
    literals: tuple[str, ...]


@lru_cache(maxsize=1024)
def comparisons(condition: str) -> tuple[Compared, ...]:
    """The comparisons of a condition; none where it is no condition."""
    try:
        read_condition(condition)
        inspected: Any = Pattern(f"[{condition}]").inspect().comparisons
    except (BadCondition, ParseException):
        return ()
    made = []
    for variable, tests in inspected.items():
        for _path, operator, literal in tests:
            words = operator.removeprefix("NOT ")
            negated = (words != operator) != (words == "!=")
            made.append(Compared(variable, words, negated, tuple(_LITERAL.findall(literal))))
    for negation, variable in _EXISTS.findall(_without_texts(condition)):
        made.append(Compared(variable, "EXISTS", bool(negation), ()))
    return tuple(made)


def set_if(condition: str, *, holds: bool) -> frozenset[str]:
    """The variables that must have a value where this condition holds, or where it does not.

    A variable without a value satisfies a comparison only if it is negated. So, where comparisons joined by AND all
    hold, those that are not negated tell that theirs has one; where all joined by OR fail, those that are negated do.
    """
    if re.search(r"\bOR\b" if holds else r"\bAND\b", _without_texts(condition)):
        return frozenset()
    return frozenset(one.variable for one in comparisons(condition) if one.negated != holds)


def _without_texts(condition: str) -> str:
    return _TEXT.sub("''", condition)
