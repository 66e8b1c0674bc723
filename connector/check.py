"""Raw parameters to a typed params model, or a refusal that names every violation by JSON pointer.

The model is the gate; when it refuses, the published schema is asked as well, so that violations that the model did
not reach are told too. A test holds that both give the same verdict. No value of an input is ever repeated.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import ValidationError

from connector.action import Action, P
from connector.errors import InputRefused, Violation
from connector.vocabulary import Message, pointer

_WORDS: Final = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "union_tag_not_found": "must have a type",
}


def checked(action: Action[P], raw: Mapping[str, Any] | Message) -> P:
    """The params model of raw parameters; a model of the right class passes as it is.

    Raises:
        InputRefused: with one violation for each thing wrong; nothing was sent.
    """
    if isinstance(raw, Message):
        if isinstance(raw, action.params):
            return raw
        raise InputRefused.of([Violation("", f"must be the params of {action.name}")], _subject(action))
    try:
        return action.params.model_validate(raw)
    except ValidationError as error:
        takes = ", ".join(action.params.model_fields) or "nothing"
        found = told(raw, error, f"; {action.name} takes {takes}")
    for place, sentence in _from_schema(action, raw).items():
        if not any(known == place or known.startswith(f"{place}/") for known in found):
            found[place] = sentence
    raise InputRefused.of([Violation(*item) for item in sorted(found.items())], _subject(action))


def _subject(action: Action[Any]) -> str:
    return f"the input of {action.name}"


def told(raw: object, error: ValidationError, known: str = "") -> dict[str, str]:
    """What a model says of a document, by JSON pointer; where it has several alternatives, all of them are told.

    ``known`` is appended to what is said of an unknown name at the top: which names there are.
    """
    found: dict[str, list[str]] = {}
    for e in error.errors(include_input=False, include_url=False):
        path = _path(raw, e["loc"], missing=e["type"] == "missing")
        sentence = _sentence(known if len(path) == 1 else "", e["type"], e["msg"], e.get("ctx", {}))
        found.setdefault(pointer(path), []).append(sentence)
    return {place: " or ".join(dict.fromkeys(sentences)) for place, sentences in found.items()}


def refusal(raw: object, error: ValidationError, subject: str, known: str = "") -> InputRefused:
    """What a model says of a document, as the one refusal of it; as ``told``."""
    return InputRefused.of([Violation(*item) for item in sorted(told(raw, error, known).items())], subject)


def _path(raw: object, location: tuple[int | str, ...], *, missing: bool) -> list[int | str]:
    """The part of a pydantic location that exists in the document; of what is missing from it, its name as well."""
    path: list[int | str] = []
    here = raw
    for position, part in enumerate(location):
        if isinstance(here, Mapping) and part in here:
            here = here[part]
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[int(part)]
        elif not (missing and isinstance(here, Mapping) and position == len(location) - 1):
            continue
        path.append(part)
    return path


def _sentence(known: str, kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if kind == "extra_forbidden":
        return f"is not known here{known}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind in {"too_long", "too_short", "string_too_long", "string_too_short"}:
        bound = "at most" if "long" in kind else "at least"
        size = context.get("max_length", context.get("min_length"))
        thing = "character" if kind.startswith("string") else "item"
        return f"must have {bound} {size} {thing}{'' if size == 1 else 's'}"
    if kind.startswith(("greater_than", "less_than")):
        return f"must be {message.removeprefix('Input should be ')}"
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}"
    if kind == "union_tag_invalid":
        return f"must have a type that is one of {context['expected_tags']}"
    return message.removeprefix("Value error, ")


@cache
def _validator(action_name: str) -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # 0.1 s that only a refused input pays

    from connector.actions import find  # noqa: PLC0415  # with the line above

    return Draft202012Validator(find(action_name).params.model_json_schema())


def _from_schema(action: Action[Any], raw: object) -> dict[str, str]:
    """What the published schema says, by place; by rule and never by value."""
    found: dict[str, str] = {}
    for error in _validator(action.name).iter_errors(raw):
        path = list(error.absolute_path)
        if error.validator in {"additionalProperties", "required", "oneOf"} and not path:
            continue  # the model tells these with the name of the field
        found.setdefault(pointer(path), f"does not satisfy the rule {error.validator} of its schema")
    return found
