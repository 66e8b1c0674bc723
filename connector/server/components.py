"""The parts of the OpenAPI document that operations share: schemas under one roof, with references that resolve."""

from copy import deepcopy
from typing import Any, Final, get_args

from connector.errors import Happened
from connector.reader import LONGEST_INTEGER

ROOF: Final = "#/components/schemas/"
LARGEST: Final = 10**LONGEST_INTEGER - 1  # no larger whole number is believed
_DEFS: Final = "#/$defs/"


class Components:
    """Collects schemas by name. What a schema defines for itself moves up beside it."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def add(self, name: str, schema: dict[str, Any]) -> dict[str, str]:
        """Take a schema in; the reference to it.

        ``$id`` is left out, as references would be resolved against it, and the examples, which operations have.
        """
        inner: dict[str, Any] = schema.get("$defs", {})
        names = {part: self._free(part, name, inner[part]) for part in inner}
        for part, body in inner.items():
            self.schemas[names[part]] = _moved(body, names)
        kept = {key: value for key, value in schema.items() if key not in {"$defs", "$schema", "$id", "examples"}}
        self.schemas[name] = _moved(kept, names)
        return {"$ref": ROOF + name}

    def _free(self, part: str, owner: str, body: Any) -> str:
        """The name of a part: its own, unless another part has that already."""
        there = self.schemas.get(part)
        return part if there is None or there == _moved(body, {}) else f"{owner}.{part}"


def _moved(schema: Any, names: dict[str, str]) -> Any:
    """A schema whose references lead under the roof, and whose whole numbers have the bounds of what is read."""
    if isinstance(schema, list):
        return [_moved(item, names) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _moved(value, names) for key, value in schema.items()}
    if schema.get("type") == "integer":
        made = {"minimum": -LARGEST, "maximum": LARGEST} | made
    target = schema.get("$ref")
    if isinstance(target, str) and target.startswith(_DEFS):
        part = target.removeprefix(_DEFS)
        made["$ref"] = ROOF + names.get(part, part)
    return made


def without_paths(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of parameters with ``file`` or ``content_base64``, of a server that takes no path."""
    made = deepcopy(schema)
    del made["oneOf"], made["properties"]["file"]
    made["properties"]["content_base64"] = _not_null(made["properties"]["content_base64"])
    return made | {"required": ["content_base64"]}


def form_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The multipart form of an upload: the file beside fields, or beside all of them as JSON in ``params``."""
    aside = {"file", "content_base64"}
    fields = {name: _not_null(prop) for name, prop in schema["properties"].items() if name not in aside}
    plain = {"type": "object", "properties": schema_without(schema, aside), "additionalProperties": False}
    return {
        "oneOf": [_form("Fields", {"file": binary(), **fields}), _form("JSON", {"file": binary(), "params": plain})],
    }


def schema_without(schema: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: prop for name, prop in schema["properties"].items() if name not in names}


def _form(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    required = ["file", "params"] if "params" in properties else ["file"]
    return {
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def binary() -> dict[str, Any]:
    """A file in a form, as both OpenAPI 3.0 and 3.1 tools know it."""
    return {
        "type": "string",
        "format": "binary",
        "contentMediaType": "application/octet-stream",
        "minLength": 1,
        "description": "The bytes of the file; its name is taken from the part.",
    }


def _not_null(prop: dict[str, Any]) -> dict[str, Any]:
    """A property that is left out instead of null."""
    options = [option for option in prop.get("anyOf", ()) if option != {"type": "null"}]
    if not options:
        return prop
    kept = {key: value for key, value in prop.items() if key not in {"anyOf", "default"}}
    return kept | (options[0] if len(options) == 1 else {"anyOf": options})


def problem_schema() -> dict[str, Any]:
    """The schema of a problem document (RFC 9457) with the members of this product."""
    text, texts = {"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]}
    violation = {
        "type": "object",
        "required": ["pointer", "message"],
        "properties": {
            "pointer": text | {"description": "JSON pointer (RFC 6901) into the parameters."},
            "message": text | {"description": "What would be accepted."},
        },
    }
    properties = {
        "type": text | {"description": "Names the kind of problem; ends with the code."},
        "title": text | {"description": "The kind of problem in a few words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
        "detail": text | {"description": "What happened, whether anything changed, and what to do next."},
        "instance": text | {"description": "Names this one request, as the server's log does."},
        "code": text | {"description": "The code of the error, for programs."},
        "outcome": {"enum": list(get_args(Happened)), "description": "Whether anything was done."},
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
        "retry_after": {"anyOf": [{"type": "number"}, {"type": "null"}], "description": "Seconds until then."},
        "hint": texts | {"description": "What to do next."},
        "operation_id": texts | {"description": "Id of the operation in the journal."},
        "appliance_status": {
            "anyOf": [{"type": "integer"}, {"type": "null"}],
            "description": "The status that the appliance answered with.",
        },
        "violations": {"type": "array", "items": violation, "description": "Each thing wrong with the parameters."},
    }
    return {"type": "object", "required": list(properties), "properties": properties}
