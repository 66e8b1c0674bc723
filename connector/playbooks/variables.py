"""Variables of a playbook: which text is a value of which type, and what that value is in a condition or in JSON.

CACAO 2.0 (section 10.18) keeps every value as text. Its vocabulary of types is open; ``list`` is added here, as the
text of a JSON list, because a hunt works on many hashes.
"""

import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from connector.playbooks.cacao import Variable

_NUMBER: Final = r"-?(0|[1-9][0-9]*)"


class BadValue(ValueError):
    """A text that is no value of its variable's type; the message says what would be."""


def _whole(text: str) -> int:
    if not re.fullmatch(_NUMBER, text) or len(text) > 20:
        raise BadValue("must be a whole number")
    return int(text)


def _decimal(text: str) -> float:
    if not re.fullmatch(_NUMBER + r"(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", text) or math.isinf(float(text)):
        raise BadValue("must be a number such as 7 or 0.5")
    return float(text)


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        raise BadValue("must be true or false")
    return text == "true"


def _object(text: str) -> Any:
    found = _json(text)
    if not isinstance(found, dict):
        raise BadValue("must be a JSON object")
    return found


def _list(text: str) -> Any:
    found = _json(text)
    if not isinstance(found, list):
        raise BadValue('must be a JSON list, such as ["a", "b"]')
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise BadValue("must be JSON") from None


def no_constant(_name: str) -> Any:
    """For json.loads, which would take NaN and Infinity."""
    raise ValueError


def _finite(digits: str) -> float:
    if math.isinf(float(digits)):
        raise ValueError
    return float(digits)


def _hexadecimal(*lengths: int) -> Callable[[str], str]:
    told = (
        f"must be {' or '.join(str(n) for n in lengths)} hexadecimal characters" if lengths else "must be hexadecimal"
    )

    def read(text: str) -> str:
        if not re.fullmatch(r"[0-9a-fA-F]+", text) or (lengths and len(text) not in lengths):
            raise BadValue(told)
        return text

    return read


def _matching(pattern: str, told: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise BadValue(told)
        return text

    return read


def _parsed(parse: Callable[[str], object], told: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        try:
            parse(text)
        except ValueError:
            raise BadValue(told) from None
        return text

    return read


# variable-type-ov, section 10.18.4, and list.
TYPES: Final[Mapping[str, Callable[[str], Any]]] = {
    "string": str,
    "integer": _whole,
    "long": _whole,
    "float": _decimal,
    "bool": _truth,
    "dictionary": _object,
    "list": _list,
    "hexstring": _hexadecimal(),
    "hash": _hexadecimal(32, 40, 64, 128),
    "md5-hash": _hexadecimal(32),
    "sha256-hash": _hexadecimal(64),
    "uri": _matching(
        r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"\\^`{|}]+", "must be an absolute URI, such as https://example.com/"
    ),
    "uuid": _matching(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", "must be a UUID"),
    "ipv4-addr": _parsed(ipaddress.IPv4Network, "must be an IPv4 address"),
    "ipv6-addr": _parsed(ipaddress.IPv6Network, "must be an IPv6 address"),
    "mac-addr": _matching(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", "must be a MAC address, such as 00:1b:44:11:3a:b7"),
}


def is_unicode(text: str) -> bool:
    """Whether a text can be sent and kept at all: one with half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def typed(kind: str, text: str) -> Any:
    """The value that this text is, as JSON has it: a number, a truth value, an object, a list, or a text.

    Raises:
        BadValue: when it is no value of this type, or the type is not known here.
    """
    reader = TYPES.get(kind)
    if reader is None:
        raise BadValue(f"is of type {kind}, which is not known here; known are {', '.join(TYPES)}")
    if not is_unicode(text):
        raise BadValue("must be Unicode text; half of a surrogate pair is none")
    return reader(text)


def plain(kind: str, value: Any) -> str:
    """Text of a JSON value for a variable of this type.

    Raises:
        BadValue: when the value does not fit the type; what it was is not told.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if value is None:
        raise BadValue("is null in the answer")
    typed(kind, text)
    return text


def given(kind: str, text: str) -> str:
    """Text of a value that a person gave: a list may be written with commas, and case of true and false is free.

    Raises:
        BadValue: when it is no value of this type.
    """
    if kind == "list" and not text.lstrip().startswith("["):
        text = json.dumps([part.strip() for part in text.split(",") if part.strip()])
    if kind == "bool":
        text = text.lower()
    typed(kind, text)
    return text


def initial(declared: Mapping[str, Variable]) -> dict[str, str | None]:
    """Every declared variable with the value that its declaration gives."""
    return {name: variable.value for name, variable in declared.items()}
