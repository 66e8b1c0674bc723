"""Whether a secret stands in the file, in any of its texts, in base64 as well; a reference to a variable is none."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from connector.playbooks.linting.finding import Finding, Path, found
from connector.playbooks.linting.secret_texts import is_secret_name, looks, says_something

_LETTING_IN: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "apikey", "x-auth-token", "x-auth-key"}
    | {"x-access-token", "x-token", "private-token", "x-vault-token", "x-amz-security-token", "x-csrftoken"}
)
_PUBLIC: Final = frozenset({"signatures"})  # keys and values of signatures are random, and made to be shown
_BASE64: Final = "_b64"
_VARIABLES: Final = frozenset({"playbook_variables", "step_variables"})


def secret_findings(value: Any) -> Iterator[Finding]:
    """Every text of a JSON value that looks like a secret, by its place."""
    left: list[tuple[Path, Any]] = [((), value)]
    while left:
        path, here = left.pop()
        if isinstance(here, str):
            what = _what(path, here)
            if what:
                yield found("secret", path, f"{what} stands here")
        elif isinstance(here, Mapping):
            left += [((*path, key), item) for key, item in here.items()]
        elif isinstance(here, list):
            left += [((*path, number), item) for number, item in enumerate(here)]


def _what(path: Path, text: str) -> str:
    if not path or path[0] in _PUBLIC:
        return ""
    if str(path[-1]).endswith(_BASE64):
        path, text = (*path[:-1], str(path[-1]).removesuffix(_BASE64)), _decoded(text)
    by_place = _by_place(path) if says_something(text) else ""
    if by_place:
        return by_place
    if path[-1] == "command" and "commands" in path:
        text = _as_url(text)
    return looks(text, structured=path[-1] == "content")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""


def _by_place(path: Path) -> str:
    """What a text is that stands where only a secret can stand, beside references to variables."""
    if len(path) < 3:
        return ""
    if path[-3] == "headers" and (str(path[-2]).lower() in _LETTING_IN or is_secret_name(str(path[-2]))):
        return "a credential in a header"
    if path[0] == "authentication_info_definitions" and path[-1] in {"password", "token"}:
        return f"a {path[-1]} that is no reference to a variable"
    if path[-1] == "value" and path[-3] in _VARIABLES and is_secret_name(str(path[-2])):
        return "a value of a variable that is named like a secret"
    return ""


def _as_url(command: str) -> str:
    """The start line of a request with its target as a URL, so that its parameters are looked at as those of one."""
    method, space, rest = command.partition(" ")
    return f"{method}{space}https://target.example{rest}" if rest.startswith("/") else command
