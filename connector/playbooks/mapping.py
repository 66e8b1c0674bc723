"""From an answer into variables: JSONPath (RFC 9535) over its body, by the answer extension."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jsonpath import JSONPathEnvironment
from jsonpath.exceptions import JSONPathError

from connector.playbooks.cacao import Variable
from connector.playbooks.extension import Taken
from connector.playbooks.variables import BadValue, plain

_RFC_9535: Final = JSONPathEnvironment(strict=True)


class BadPath(ValueError):
    """A text that is no JSONPath; the message says why."""


class NotThere(ValueError):
    """The answer does not hold what a variable should get; the message says which and where."""


@lru_cache(maxsize=1024)
def read_path(text: str) -> Any:
    """Compile one path.

    Raises:
        BadPath: saying what is wrong.
    """
    try:
        return _RFC_9535.compile(text)
    except JSONPathError as error:
        raise BadPath(f"must be a JSONPath of RFC 9535: {str(error).splitlines()[0]}") from None


def take(body: Any, wanted: Mapping[str, Taken], declared: Mapping[str, Variable]) -> dict[str, str]:
    """The new text of each variable, from the body of an answer.

    Raises:
        NotThere: when a path finds nothing (or null) and has no default, or finds what is not of the variable's type;
            and when there is no such variable.
    """
    for name in wanted:
        if name not in declared:
            raise NotThere(f"{name} is declared nowhere, so nothing of the answer can be put there")
    return {name: _one(body, name, taken, declared[name].type) for name, taken in wanted.items()}


def _one(body: Any, name: str, taken: Taken, kind: str) -> str:
    try:
        path = read_path(taken.path)
        found = _found(path, body)
    except BadPath as error:
        raise NotThere(f"what {name} is taken by {error}") from None
    except JSONPathError:  # too deep, most of all
        raise NotThere(f"{taken.path}, by which {name} is taken, cannot be looked for in this answer") from None
    value = (found[0] if found else None) if path.singular_query() else found
    if value is None or (found == [] and taken.default is not None):
        if taken.default is None:
            raise NotThere(f"the answer has nothing at {taken.path}, which {name} should get")
        return taken.default
    try:
        return plain(kind, value)
    except BadValue as error:
        raise NotThere(f"what the answer has at {taken.path} is not for {name}: it {error}") from None


def _found(path: Any, body: Any) -> list[Any]:
    """What the path finds. A body of text is itself at the root; the library would read JSON out of it."""
    if isinstance(body, str):
        return [] if path.segments else [body]
    return list(path.findall(body))
