"""JSON to and from bytes, by orjson where the extra ``fast`` is installed, else by the standard library.

Both read UTF-8 alone, refuse NaN and Infinity, and write compact UTF-8 with null for a number that is not finite. They
differ at the edges: orjson makes a float of a whole number beyond 64 bits, refuses an escaped half of a surrogate pair
and numbers beyond a double, and gives up at 1,024 levels; the standard library takes these, up to its recursion limit.
"""

import json
import math
from collections.abc import Callable
from typing import Any, Final, NoReturn

try:
    import orjson
except ImportError:
    FAST = False
else:
    FAST = True
    _AS_PLAIN: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


class TooDeep(ValueError):
    """Lists and objects within each other to a depth that is not followed."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


_decoder: Final = json.JSONDecoder(parse_constant=_no_constant)
_encoder: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def plain_loads(data: bytes) -> Any:
    """The value of a JSON text, by the standard library.

    Raises:
        TooDeep: where it is JSON as far as it was read.
        ValueError: for all else that is no JSON in UTF-8.
    """
    try:
        return _decoder.decode(data.decode())
    except RecursionError:
        raise TooDeep("nested too deep") from None


def plain_dumps(value: Any) -> bytes:
    """The JSON text of a value, by the standard library; half a surrogate pair is written as a question mark.

    Raises:
        TypeError: for what JSON has no word for.
        TooDeep: for what is nested too deep, or within itself.
    """
    try:
        try:
            text = _encoder.encode(value)
        except ValueError:  # a number that is not finite, or a list within itself
            text = _encoder.encode(_finite(value))
    except RecursionError:
        raise TooDeep("nested too deep") from None
    return text.encode("utf-8", "replace")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fast_dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=_AS_PLAIN)
    except TypeError:  # half a surrogate pair, more than 64 bits, names that are no text, more than 254 levels
        return plain_dumps(value)


loads: Final[Callable[[bytes], Any]] = orjson.loads if FAST else plain_loads
dumps: Final[Callable[[Any], bytes]] = _fast_dumps if FAST else plain_dumps
