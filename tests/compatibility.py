"""Whether one JSON Schema takes everything that another took; in doubt it says no, and where.

Only the keywords that the contract uses are understood: a keyword that is new and unknown counts as narrower.
"""

from typing import Any

Schema = dict[str, Any]
NOTES = {"$schema", "$id", "$defs", "title", "description", "examples", "default", "format", "writeOnly"}
UPPER = {"maxLength", "maxItems", "maximum", "exclusiveMaximum"}
LOWER = {"minLength", "minItems", "minimum", "exclusiveMinimum"}
NUMBERS = {"integer", "number"}


def narrowed(then: Schema, now: Schema, *, answers: bool) -> list[str]:
    """Where messages of ``then`` would be refused by ``now``.

    For answers, which others read, it is turned round: where ``now`` could say what ``then`` never said. New fields
    of an answer are allowed all the same, as readers pass over what they do not know.
    """
    if answers:
        return _compare(now, then, "", now, then, new_fields=True)
    return _compare(then, now, "", then, now, new_fields=False)


def _compare(a: Schema, b: Schema, at: str, root_a: Schema, root_b: Schema, *, new_fields: bool) -> list[str]:
    """Where a message that ``a`` takes is not taken by ``b``."""
    a, b = _opened(a, root_a), _opened(b, root_b)

    def inner(one: Schema, other: Schema, way: str) -> list[str]:
        return _compare(one, other, way, root_a, root_b, new_fields=new_fields)

    for key in ("anyOf", "oneOf"):
        if key in a and (key not in b or key == "anyOf") and set(a) - NOTES == {key}:
            return [line for n, option in enumerate(a[key]) for line in inner(option, b, f"{at}/{key}/{n}")]
    if "anyOf" in b and not _same_rules(a, b, "anyOf") and set(b) - NOTES == {"anyOf"}:
        tries = [inner(a, option, at) for option in b["anyOf"]]
        return [] if any(not found for found in tries) else [f"{at}: no alternative takes it"]
    found = _values(a, b, at)
    for key in (UPPER | LOWER) & b.keys():
        if key not in a or (a[key] > b[key] if key in UPPER else a[key] < b[key]):
            found.append(f"{at}: {key} is now {b[key]}")
    for key in ("pattern", "not", "oneOf", "anyOf", "allOf", "uniqueItems"):
        if key in b and a.get(key) != b[key]:
            found.append(f"{at}: {key} changed")
    known = {
        *NOTES,
        *UPPER,
        *LOWER,
        "pattern",
        "not",
        "oneOf",
        "anyOf",
        "allOf",
        "uniqueItems",
        "type",
        "enum",
        "const",
    }
    known |= {"properties", "required", "additionalProperties", "items"}
    found += [f"{at}: {key} is not understood" for key in b.keys() - known if a.get(key) != b[key]]
    found += _fields(a, b, at, inner, new_fields=new_fields)
    if "items" in b:
        found += inner(a.get("items", {}), b["items"], f"{at}/items")
    return found


def _opened(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _same_rules(a: Schema, b: Schema, key: str) -> bool:
    return key in a and a[key] == b[key]


def _values(a: Schema, b: Schema, at: str) -> list[str]:
    """Types and lists of values."""
    found = []
    allowed, given = _listed(b), _listed(a)
    if allowed is not None and (given is None or not all(value in allowed for value in given)):
        found.append(f"{at}: fewer values")
    if "type" in b and given is None:
        types = {"integer"} if a.get("type") == "integer" and b["type"] == "number" else {a.get("type")}
        if not types <= ({b["type"]} | (NUMBERS if b["type"] == "number" else set())):
            found.append(f"{at}: the type is now {b['type']}")
    return found


def _listed(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _fields(a: Schema, b: Schema, at: str, inner: Any, *, new_fields: bool) -> list[str]:
    found = [f"{at}: {name} is now required" for name in b.get("required", ()) if name not in a.get("required", ())]
    closed = b.get("additionalProperties") is False
    if closed and a.get("additionalProperties") is not False:
        found.append(f"{at}: it is now closed")
    ours = b.get("properties", {})
    for name, prop in a.get("properties", {}).items():
        if name in ours:
            found += inner(prop, ours[name], f"{at}/{name}")
        elif closed and not new_fields:
            found.append(f"{at}: {name} is gone")
    if new_fields:
        found += [f"{at}: {name} is gone" for name in ours.keys() - a.get("properties", {}).keys()]
    elif a.get("additionalProperties") is not False:
        found += [f"{at}: {name} has a rule now" for name in ours.keys() - a.get("properties", {}).keys() if ours[name]]
    return found
