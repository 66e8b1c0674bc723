"""What every action gives back, whatever it did: one shape, ``schemas/outcome.json``."""

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, SerializeAsAny, TypeAdapter, WithJsonSchema

from connector.verdict import Verdict
from connector.vocabulary import Branch, Message, Status


@dataclass(frozen=True, slots=True)
class Next:
    """What to run next, and how many seconds from now at the earliest."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    action: str
    params: dict[str, Any]
    after_seconds: float = Field(ge=0)


@dataclass(frozen=True, slots=True)
class Used:
    """The endpoint that answered."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
    name: str
    path: str
    deprecated: bool
    successor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an action gives back. ``branch`` is the one word a playbook forks on; "not found" is an answer, no error.

    ``operation_id`` names in the journal what changed something; the same id again gives this outcome, sends nothing.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, title="Outcome")
    action: str
    status: Status
    branch: Branch
    result: Annotated[SerializeAsAny[Message], WithJsonSchema({"type": "object"})]
    verdicts: tuple[Verdict, ...]
    stix: dict[str, Any] | None
    endpoint: Used
    next: Next | None
    notices: tuple[str, ...]
    operation_id: str | None = None

    def to_json(self) -> str:
        """The outcome as JSON, as ``schemas/outcome.json`` describes it."""
        return _adapter().dump_json(self).decode()

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values."""
        made: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return made


@cache
def _adapter() -> TypeAdapter[Outcome]:
    return TypeAdapter(Outcome)


def read_outcome(text: str, result: type[Message]) -> Outcome:
    """An outcome from its JSON; ``result`` is the model of its action's result."""
    body = json.loads(text)
    made = result.model_validate_json(json.dumps(body.pop("result")))
    outcome: Outcome = _adapter().validate_json(json.dumps(body | {"result": {}}))
    return replace(outcome, result=made)
