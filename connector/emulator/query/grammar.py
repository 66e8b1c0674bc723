"""Parses a search query: `key:value` terms, AND, OR, NOT, parentheses, lists, ranges, wildcards, quotes.

The language is that of the vendor's published queries: no space around the colon, terms side by side mean AND,
brackets with commas mean any of, brackets with TO mean a range, special characters go into double quotes.
"""

from functools import cache

from lark import Lark, Token, Transformer
from lark.exceptions import LarkError, VisitError

from connector.emulator.query.tree import All, Between, In, Is, Node, QueryError, Some, Word, joined, negated

_GRAMMAR = r"""
?start: either
?either: both (_OR both)*
?both: term (_AND? term)*
?term: _NOT term -> negated
     | "(" either ")"
     | KEY (VALUE | QUOTED) -> is_
     | KEY "[" _item ("," _item)* "]" -> in_
     | KEY "[" _bound _TO _bound "]" -> between
     | (BARE | QUOTED) -> word
_item: ITEM | QUOTED
_bound: ITEM | QUOTED
_AND.4: /AND(?=[\s()]|$)/
_OR.4: /OR(?=[\s()]|$)/
_NOT.4: /NOT(?=[\s()]|$)/
_TO.4: /TO(?=\s)/
KEY.3: /[A-Za-z][A-Za-z0-9_-]*:(?=[^\s])/
QUOTED.3: /"[^"]*"/
BARE: /(?!(AND|OR|NOT)([\s()]|$))[^\s()\[\]",:]+/
VALUE: /[^\s()\[\]",]+/
ITEM: /[^\s()\[\]",]+/
%ignore /\s+/
"""


class _Builder(Transformer[Token, Node]):
    """Builds the tree bottom-up while the text is read, so that depth never becomes recursion."""

    def either(self, parts: list[Node]) -> Node:
        return joined(Some, tuple(parts))

    def both(self, parts: list[Node]) -> Node:
        return joined(All, tuple(parts))

    def negated(self, parts: list[Node]) -> Node:
        return negated(parts[0])

    def is_(self, parts: list[Token]) -> Node:
        return Is(_key(parts[0]), _plain(parts[1]))

    def in_(self, parts: list[Token]) -> Node:
        return In(_key(parts[0]), tuple(map(_plain, parts[1:])))

    def between(self, parts: list[Token]) -> Node:
        return Between(_key(parts[0]), _plain(parts[1]), _plain(parts[2]))

    def word(self, parts: list[Token]) -> Node:
        return Word(_plain(parts[0]))


def parse(text: str) -> Node:
    try:
        tree = _parser().parse(text)
    except VisitError as error:
        raise error.orig_exc from error
    except LarkError as error:
        raise QueryError("Invalid search query syntax.") from error
    return tree  # type: ignore[return-value] # the builder has turned lark's tree into ours


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Builder())


def _key(token: Token) -> str:
    return token[:-1].lower()


def _plain(token: Token) -> str:
    return token[1:-1] if token.startswith('"') else str(token)
