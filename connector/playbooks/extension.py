"""The two extensions that these playbooks use, as CACAO has no way to read an answer or to say what it needs.

``docs/playbooks/extensions.md`` describes them for other engines. An engine that does not know them still sees valid
CACAO: it runs the same commands, and keeps whole answers as it always does.
"""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, WithJsonSchema

from connector.playbooks.cacao import Identifier, Playbook, Step, VariableName
from connector.vocabulary import Message

NAMESPACE: Final = uuid.UUID("5f0e4c1c-93a0-4f8e-9d7c-6a1f4f2f3f10")  # of this product; its ids are v5 in it
ANSWER: Final = f"extension-definition--{uuid.uuid5(NAMESPACE, 'cacao:answer')}"
NEEDS: Final = f"extension-definition--{uuid.uuid5(NAMESPACE, 'cacao:needs')}"
AUTHOR: Final = f"identity--{uuid.uuid5(NAMESPACE, 'cacao:author')}"
Scope = Literal["read", "submit", "destroy", "approve"]

JsonPath = Annotated[
    str, Field(pattern=r"^\$", max_length=1000, description="JSONPath (RFC 9535) into the answer's body.")
]


class Taken(Message):
    """One value taken from an answer, with what to take where the path finds nothing."""

    path: JsonPath
    default: str | None = Field(None, description="The value where the path finds nothing; without it the step fails.")


_OUT_MAP: Final[dict[str, Any]] = {  # without patternProperties, which would be one more word of the dialect
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "anyOf": [
            TypeAdapter(JsonPath).json_schema(),
            {key: value for key, value in Taken.model_json_schema().items() if key != "title"},
        ]
    },
    "description": "Variable to JSONPath (RFC 9535), or to a path with a default. $ is the whole body.",
}
OutMap = Annotated[dict[VariableName, JsonPath | Taken], Field(min_length=1), WithJsonSchema(_OUT_MAP)]


class Answer(Message):
    """Of a step: which variables get which part of the answer."""

    out_map: OutMap


class Needs(Message):
    """Of a playbook: what it needs to run, and what it gives."""

    scopes: list[Scope] = Field(description="Scopes of the action server's key that its commands need.")
    action_server: Identifier = Field(description="The target that is the action server, wherever it runs.")
    files: list[VariableName] = Field(default_factory=list, description="Variables that name a local file.")
    outputs: list[VariableName] = Field(default_factory=list, description="Variables that are its result.")


def answer_of(step: Step) -> Mapping[str, Taken]:
    """What the step takes from its answer, by variable; empty where it takes nothing."""
    given = (step.step_extensions or {}).get(ANSWER)
    if given is None:
        return {}
    taken = Answer.model_validate(given).out_map
    return {name: Taken(path=item) if isinstance(item, str) else item for name, item in taken.items()}


def needs_of(playbook: Playbook) -> Needs | None:
    """What the playbook says that it needs, or None where it does not use this extension."""
    given = (playbook.playbook_extensions or {}).get(NEEDS)
    return None if given is None else Needs.model_validate(given)


def definitions() -> dict[str, dict[str, Any]]:
    """Both extensions as a playbook defines them (CACAO 2.0, section 8)."""
    made = {}
    for key, name, about in (
        (ANSWER, "answer", "Puts parts of an HTTP answer into variables, by JSONPath."),
        (NEEDS, "needs", "Says which scopes, files and action server a playbook needs, and what it gives."),
    ):
        made[key] = {
            "type": "extension-definition",
            "name": f"spectra-{name}",
            "description": about,
            "created_by": AUTHOR,
            "schema": f"urn:spectra-analyze-connector:schema:1:playbook.{name}",
            "version": "1.0.0",
        }
    return made
