"""Conditions of a playbook: STIX comparison expressions over variables, read by the STIX patterning grammar itself.

CACAO 2.0 (section 4.7) says that a condition is a comparison expression of the STIX patterning language, and
``__name__:value`` happens to be a well-formed object path of it. The grammar is that of ``stix2-patterns``; what each
operator means is STIX 2.1, section 9.6: text is compared as text and numbers as numbers, values of unlike kinds are
unequal and in no order, and a variable that is null satisfies nothing but NOT and !=.
"""

import ipaddress
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from stix2patterns.exceptions import ParseException
from stix2patterns.v21.grammars.STIXPatternVisitor import STIXPatternVisitor
from stix2patterns.v21.pattern import Pattern

from connector.playbooks.cacao import VARIABLE

Test = Callable[[Mapping[str, Any]], bool]
LONGEST: Final = 2000
_ORDER: Final = {"<": lt, ">": gt, "<=": le, ">=": ge}


class BadCondition(ValueError):
    """A text that is no comparison expression over variables; the message says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read: the variables it looks at, and whether it holds for typed values of them."""

    text: str
    variables: frozenset[str]
    holds: Test


@lru_cache(maxsize=1024)
def read_condition(text: str) -> Condition:
    """Read one condition.

    Raises:
        BadCondition: saying what is wrong; nothing of it was evaluated.
    """
    if len(text) > LONGEST:
        raise BadCondition(f"must not be longer than {LONGEST} characters")
    reader = _Reader()
    try:
        test: Test = Pattern(f"[{text}]").visit(reader)
    except ParseException as error:
        problem = re.sub(r"^\d+:(\d+): ", "", str(error))
        raise BadCondition(f"must be a STIX comparison expression: {problem}") from None
    except RecursionError:
        raise BadCondition("is nested too deeply") from None
    return Condition(text, frozenset(reader.variables), test)


class _Reader(STIXPatternVisitor):  # type: ignore[misc]  # ships no types
    """Turns the grammar's tree into a test, from the leaves up."""

    def __init__(self) -> None:
        self.variables: set[str] = set()

    def visitPattern(self, node: Any) -> Test:  # noqa: N802  # as the grammar names it, so below
        expressions = node.observationExpressions()
        simple = _only(_only(_only(expressions)))
        if type(simple).__name__ != "ObservationExpressionSimpleContext":
            raise BadCondition("must be one comparison expression, without observations, brackets or qualifiers")
        return self._test(simple.comparisonExpression())

    def visitComparisonExpression(self, node: Any) -> Test:  # noqa: N802
        return _joined([self._test(part) for part in _operands(node)], any)

    def visitComparisonExpressionAnd(self, node: Any) -> Test:  # noqa: N802
        return _joined([self._test(part) for part in _operands(node)], all)

    def visitPropTestParen(self, node: Any) -> Test:  # noqa: N802
        return self._test(node.comparisonExpression())

    def visitPropTestEqual(self, node: Any) -> Test:  # noqa: N802
        wanted = _literal(node.primitiveLiteral())
        return self._on(node, lambda value: _alike(value, wanted) and eq(value, wanted), negated=node.NEQ() is not None)

    def visitPropTestOrder(self, node: Any) -> Test:  # noqa: N802
        wanted, order = _literal(node.orderableLiteral()), _ORDER[node.getChild(node.getChildCount() - 2).getText()]
        return self._on(node, lambda value: _alike(value, wanted) and bool(order(value, wanted)))

    def visitPropTestSet(self, node: Any) -> Test:  # noqa: N802
        members = [_literal(item) for item in node.setLiteral().primitiveLiteral()]
        return self._on(node, lambda value: any(_alike(value, one) and value == one for one in members))

    def visitPropTestLike(self, node: Any) -> Test:  # noqa: N802
        return self._matching(node, _like(_quoted(node.StringLiteral().getText())).fullmatch)

    def visitPropTestRegex(self, node: Any) -> Test:  # noqa: N802
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of what Python may mean one day
                wanted = re.compile(_quoted(node.StringLiteral().getText()), re.DOTALL)
        except (re.error, OverflowError, RecursionError) as error:
            raise BadCondition(f"MATCHES must be followed by a regular expression: {error}") from None
        return self._matching(node, wanted.search)

    def visitPropTestIsSubset(self, node: Any) -> Test:  # noqa: N802
        outer = _network(_quoted(node.StringLiteral().getText()))
        return self._on(node, lambda value: _contains(outer, _network_of(value)))

    def visitPropTestIsSuperset(self, node: Any) -> Test:  # noqa: N802
        inner = _network(_quoted(node.StringLiteral().getText()))
        return self._on(node, lambda value: _contains(_network_of(value), inner))

    def visitPropTestExists(self, node: Any) -> Test:  # noqa: N802
        return self._on(node, lambda _value: True)

    def _test(self, node: Any) -> Test:
        made: Test = self.visit(node)
        return made

    def _matching(self, node: Any, match: Callable[[str], object]) -> Test:
        return self._on(node, lambda value: isinstance(value, str) and match(value) is not None)

    def _on(self, node: Any, holds: Callable[[Any], bool], *, negated: bool = False) -> Test:
        """The test of one comparison: of the value of its variable, the other way round after NOT."""
        name = _variable(node.objectPath().getText())
        self.variables.add(name)
        turned = negated != (node.NOT() is not None)

        def test(values: Mapping[str, Any]) -> bool:
            value = values.get(name)
            return (value is not None and holds(value)) != turned

        return test


def _like(text: str) -> re.Pattern[str]:
    """A pattern of LIKE: % is any characters, _ is one. What stands between two % is not looked for twice."""
    first, *others = ("".join("." if c == "_" else re.escape(c) for c in part) for part in text.split("%"))
    between = "".join(f"(?>.*?{part})" for part in others[:-1])
    last = f".*{others[-1]}" if others else ""
    return re.compile(first + between + last, re.DOTALL)


def _joined(tests: list[Test], how: Callable[[Any], bool]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda values: how(test(values) for test in tests)


def _operands(node: Any) -> list[Any]:
    """What AND or OR joins: every child but the word between them."""
    return [child for child in node.getChildren() if child.getChildCount()]


def _only(node: Any) -> Any:
    if node.getChildCount() != 1:
        raise BadCondition("must be one comparison expression; join several with AND and OR")
    return node.getChild(0)


def _variable(path: str) -> str:
    name, _, rest = path.partition(":")
    if not re.fullmatch(VARIABLE, name) or rest != "value":
        raise BadCondition(f"compares variables, as __name__:value; found {path[:80]}")
    return name


def _alike(value: Any, wanted: Any) -> bool:
    """Whether two values are of kinds that can be compared: texts, numbers, or truth values."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool)
    if isinstance(wanted, str):
        return isinstance(value, str)
    return isinstance(value, int | float)


def _literal(node: Any) -> Any:
    text = node.getText()
    if text[:1] == "'":
        return _quoted(text)
    if text in {"true", "false"}:
        return text == "true"
    if text[1:2] == "'":
        raise BadCondition(
            "compares with text, whole numbers, decimals, true or false; other literals have no variables"
        )
    return float(text) if "." in text else int(text)


def _quoted(text: str) -> str:
    """The text of a string literal: a backslash makes the next character itself (STIX 2.1, section 9.4)."""
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadCondition("ISSUBSET and ISSUPERSET compare IP addresses and networks, such as '10.0.0.0/8'") from None


def _network_of(value: Any) -> _Network | None:
    try:
        return ipaddress.ip_network(value, strict=False) if isinstance(value, str) else None
    except ValueError:
        return None


def _contains(outer: _Network | None, inner: _Network | None) -> bool:
    if isinstance(outer, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, ipaddress.IPv6Network) and isinstance(inner, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False
