"""A CACAO 2.0 playbook as typed values: what the specification says of its shape, and nothing of how it is run.

Facts: CACAO Security Playbooks 2.0 and its JSON Schemas (oasis-open/cacao-json-schemas). The schemas are draft-07 and
leave unknown keys unnoticed; here they are refused, as the specification has it. Vocabularies that the specification
calls open take any word.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector.vocabulary import Message

_UUID: Final = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
VARIABLE: Final = r"__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__"
Identifier = Annotated[str, Field(pattern=rf"^[a-z][a-z0-9-]+[a-z0-9]--{_UUID}$", max_length=250)]
ExtensionId = Annotated[str, Field(pattern=rf"^extension-definition--{_UUID}$")]
VariableName = Annotated[str, Field(pattern=rf"^{VARIABLE}$", max_length=250)]
Timestamp = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(\.[0-9]+)?Z$"
    ),
]
Milliseconds = Annotated[int, Field(ge=0)]
Some = Field(min_length=1)
Extensions = dict[ExtensionId, dict[str, Any]]


class Reference(Message):
    """external-reference, section 10.9."""

    name: str
    description: str | None = None
    source: str | None = None
    url: str | None = None
    external_id: str | None = None
    reference_id: str | None = None


class Variable(Message):
    """variable, section 10.18.3: its value is always text, or null where it is not known."""

    type: str
    description: str | None = None
    value: str | None = None
    constant: bool = False
    external: bool = False


class Command(BaseModel):
    """A command of any type; http-api and manual are the ones that are run here (sections 5.5 and 5.10)."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    type: str
    description: str | None = None
    version: str | None = None
    playbook_activity: str | None = None
    external_references: list[Reference] | None = None


class HttpCommand(Message):
    """http-api, section 5.5: the start line of an HTTP request, its headers and its content."""

    type: Literal["http-api"]
    command: str
    headers: dict[str, list[str]] = Field(default_factory=dict)
    content: str | None = None
    content_b64: str | None = None
    description: str | None = None
    version: str | None = None
    playbook_activity: str | None = None
    external_references: list[Reference] | None = None

    @model_validator(mode="after")
    def _one_content(self) -> "HttpCommand":
        if self.content is not None and self.content_b64 is not None:
            raise ValueError("has content or content_b64, not both")
        return self


class ManualCommand(Message):
    """manual, section 5.10: what a person is asked to do or to allow."""

    type: Literal["manual"]
    command: str | None = None
    command_b64: str | None = None
    description: str | None = None
    version: str | None = None
    playbook_activity: str | None = None
    external_references: list[Reference] | None = None

    @model_validator(mode="after")
    def _one_text(self) -> "ManualCommand":
        if (self.command is None) == (self.command_b64 is None):
            raise ValueError("has command or command_b64, exactly one of them")
        return self


class Step(Message):
    """What every step of a workflow has, section 4.1; delay and timeout are milliseconds."""

    name: str | None = None
    description: str | None = None
    external_references: Annotated[list[Reference], Some] | None = None
    delay: Annotated[int, Field(ge=1)] | None = None
    timeout: Milliseconds | None = None
    step_variables: dict[VariableName, Variable] = Field(default_factory=dict)
    owner: Identifier | None = None
    on_completion: Identifier | None = None
    on_success: Identifier | None = None
    on_failure: Identifier | None = None
    step_extensions: Annotated[Extensions, Some] | None = None

    @model_validator(mode="after")
    def _one_way_on(self) -> "Step":
        if self.on_completion is not None and (self.on_success is not None or self.on_failure is not None):
            raise ValueError("has on_completion, or on_success and on_failure, not both")
        return self


class Start(Step):
    type: Literal["start"]

    @model_validator(mode="after")
    def _one_way(self) -> "Start":
        if self.on_completion is None or self.on_success is not None or self.on_failure is not None:
            raise ValueError("has on_completion, and neither on_success nor on_failure")
        return self


class End(Step):
    type: Literal["end"]

    @model_validator(mode="after")
    def _no_way_on(self) -> "End":
        if self.on_completion or self.on_success or self.on_failure:
            raise ValueError("leads nowhere: it has no on_completion, on_success or on_failure")
        return self


class _Leading(Step):
    """A step that is not an end leads somewhere."""

    @model_validator(mode="after")
    def _some_way_on(self) -> "_Leading":
        if self.on_completion is None and self.on_success is None:
            raise ValueError("must say what comes next: on_completion, or on_success")
        return self


class Action(_Leading):
    """Commands run by an agent, on targets, section 4.4."""

    type: Literal["action"]
    commands: Annotated[list[Command], Some]
    agent: Identifier
    targets: Annotated[list[Identifier], Some] | None = None
    in_args: Annotated[list[str], Some] | None = None
    out_args: Annotated[list[str], Some] | None = None


class PlaybookAction(_Leading):
    """Another playbook, run as a step, section 4.5."""

    type: Literal["playbook-action"]
    playbook_id: Identifier
    playbook_version: Timestamp | None = None
    in_args: Annotated[list[str], Some] | None = None
    out_args: Annotated[list[str], Some] | None = None


class Parallel(_Leading):
    type: Literal["parallel"]
    next_steps: Annotated[list[Identifier], Field(min_length=2)]


class If(_Leading):
    type: Literal["if-condition"]
    condition: str
    on_true: Identifier
    on_false: Identifier | None = None


class While(_Leading):
    type: Literal["while-condition"]
    condition: str
    on_true: Identifier


class Switch(_Leading):
    type: Literal["switch-condition"]
    switch: str
    cases: dict[str, Identifier]


AnyStep = Start | End | Action | PlaybookAction | Parallel | If | While | Switch
TypedStep = Annotated[AnyStep, Field(discriminator="type")]


class AgentTarget(BaseModel):
    """Who runs commands, or on what, section 7; fields of types that are not called over HTTP are kept, not read."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    type: str
    name: str
    description: str | None = None
    address: dict[Literal["url", "dname", "ipv4", "ipv6", "l2mac", "vlan"], list[str | int]] | None = None
    port: str | None = None
    authentication_info: Identifier | None = None

    @model_validator(mode="after")
    def _an_address(self) -> "AgentTarget":
        if self.type == "http-api" and not self.address:
            raise ValueError("must have an address: an http-api is called there")
        return self


class Authentication(Message):
    """authentication-info, section 6: how an HTTP call is let in."""

    type: Literal["http-basic", "oauth2", "user-auth"]
    name: str | None = None
    description: str | None = None
    user_id: str | None = None
    username: str | None = None
    password: str | None = None
    oauth_header: str | None = None
    token: str | None = None
    kms: bool | None = None
    kms_key_identifier: str | None = None
    authentication_info_extensions: Annotated[Extensions, Some] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Authentication":
        if self.type == "oauth2" and (self.oauth_header is None or self.token is None):
            raise ValueError("must have oauth_header and token")
        return self


class ExtensionDefinition(Message):
    """extension-definition, section 8."""

    type: Literal["extension-definition"]
    name: str
    description: str | None = None
    created_by: Identifier
    schema_: str = Field(alias="schema")
    version: str
    external_references: list[Reference] | None = None


class ProcessingSummary(Message):
    """playbook-processing-summary, section 10.14: the features that a reader needs to know."""

    manual_playbook: bool = False
    external_playbooks: bool = False
    parallel_processing: bool = False
    if_logic: bool = False
    while_logic: bool = False
    switch_logic: bool = False
    temporal_logic: bool = False
    data_markings: bool = False
    digital_signatures: bool = False
    countersigned_signatures: bool = False
    extensions: bool = False


class Playbook(Message):
    """A playbook, section 3.1. Its steps are in ``workflow`` by their ids."""

    type: Literal["playbook"]
    spec_version: Literal["cacao-2.0"]
    id: Identifier
    name: str
    description: str | None = None
    playbook_types: list[str] | None = None
    playbook_activities: Annotated[list[str], Some] | None = None
    playbook_processing_summary: ProcessingSummary | None = None
    created_by: Identifier
    created: Timestamp
    modified: Timestamp
    revoked: bool = False
    valid_from: Timestamp | None = None
    valid_until: Timestamp | None = None
    derived_from: Annotated[list[Identifier], Some] | None = None
    related_to: Annotated[list[Identifier], Some] | None = None
    priority: Annotated[int, Field(ge=0, le=100)] | None = None
    severity: Annotated[int, Field(ge=0, le=100)] | None = None
    impact: Annotated[int, Field(ge=0, le=100)] | None = None
    industry_sectors: Annotated[list[str], Some] | None = None
    labels: Annotated[list[str], Some] | None = None
    external_references: Annotated[list[Reference], Some] | None = None
    markings: Annotated[list[Identifier], Some] | None = None
    playbook_variables: dict[VariableName, Variable] = Field(default_factory=dict)
    workflow_start: Identifier
    workflow_exception: Identifier | None = None
    workflow: dict[Identifier, TypedStep]
    playbook_extensions: Annotated[Extensions, Some] | None = None
    authentication_info_definitions: dict[Identifier, Authentication] = Field(default_factory=dict)
    agent_definitions: dict[Identifier, AgentTarget] = Field(default_factory=dict)
    target_definitions: dict[Identifier, AgentTarget] = Field(default_factory=dict)
    extension_definitions: dict[ExtensionId, ExtensionDefinition] = Field(default_factory=dict)
    data_marking_definitions: dict[Identifier, dict[str, Any]] = Field(default_factory=dict)
    signatures: Annotated[list[dict[str, Any]], Some] | None = None


def read_command(command: Command) -> HttpCommand | ManualCommand | None:
    """The command as what is run here; None for the other types.

    Raises:
        ValidationError: when it has not the shape of its type.
    """
    model: Mapping[str, type[HttpCommand | ManualCommand]] = {"http-api": HttpCommand, "manual": ManualCommand}
    found = model.get(command.type)
    return None if found is None else found.model_validate(command.model_dump(exclude_unset=True))
