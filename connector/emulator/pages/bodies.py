"""Reading small request bodies: JSON, forms and lists of hashes, refused in the appliance's way when malformed."""

import json
from collections.abc import Mapping
from urllib.parse import parse_qs

from connector.emulator.pages.exchange import Request
from connector.emulator.product.hashes import kind_of
from connector.emulator.product.refusals import Invalid, TooLarge
from connector.emulator.switches import Switches

_LIMIT = 16 << 20
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no", ""})
Values = Mapping[str, list[object]]


async def read_body(request: Request, limit: int = _LIMIT) -> bytes:
    body = bytearray()
    async for chunk in request.chunks():
        body += chunk
        if len(body) > limit:
            raise TooLarge("The request body is too large.")
    return bytes(body)


async def read_object(request: Request, limit: int = _LIMIT, bare_list: str | None = None) -> dict[str, object]:
    """Read a JSON object, and nothing else; a bare list counts as an object with that one name, where one is given."""
    value = _parsed(await read_body(request, limit))
    if bare_list is not None and isinstance(value, list):
        return {bare_list: value}
    if not isinstance(value, dict):
        raise Invalid("Invalid data. Expected a JSON object.")
    return value


async def read_values(request: Request) -> Values:
    """Read a form with repeated keys, or a JSON object: list endpoints take both."""
    body = await read_body(request)
    if "json" in request.headers.get("content-type", ""):
        value = _parsed(body)
        if not isinstance(value, dict):
            raise Invalid("Invalid data. Expected a JSON object.")
        return {name: item if isinstance(item, list) else [item] for name, item in value.items()}
    form = parse_qs(_text(body), keep_blank_values=True)
    return {name: list(items) for name, items in form.items()}


def only(values: Values, name: str) -> str | None:
    """Give the last value of a field as text, as a form's dictionary does."""
    items = values.get(name)
    return str(items[-1]) if items else None


def flag(values: Values, name: str, *, default: bool) -> bool:
    """Read a boolean: JSON's own, or the lowercase word that list endpoints ask for."""
    items = values.get(name)
    if not items:
        return default
    word = str(items[-1]).lower()
    if word not in _TRUE | _FALSE:
        raise Invalid("Must be a valid boolean.", field=name)
    return word in _TRUE


def hashes_in(values: Values, name: str, switches: Switches) -> list[str]:
    """Read the hashes of a bulk request: present, well formed, of one type, and not too many."""
    hashes = [str(item).strip() for item in values.get(name, [])]
    if not hashes:
        raise Invalid("This field is required.", field=name)
    kinds = {kind_of(text) for text in hashes}
    if None in kinds:
        raise Invalid("Invalid hash value.", field=name)
    if len(kinds) > 1 and switches.mixed_hash_types == "refused":
        raise Invalid("All hashes must be of the same type.", field=name)
    limit = switches.max_hashes_per_request
    if limit is not None and len(hashes) > limit:
        raise Invalid(f"No more than {limit} hashes are allowed in one request.", field=name)
    return hashes if switches.duplicate_hashes == "repeated" else list(dict.fromkeys(hashes))


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid("JSON parse error.") from error


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Invalid("The form is not UTF-8.") from error
