"""What a reader is told of a playbook before it is run: its processing summary, description, labels and names."""

from collections.abc import Iterator

from connector.playbooks.cacao import (
    Action,
    End,
    If,
    Parallel,
    Playbook,
    PlaybookAction,
    ProcessingSummary,
    Start,
    Switch,
    While,
)
from connector.playbooks.linting.finding import Finding, found


def summary_findings(playbook: Playbook) -> Iterator[Finding]:
    yield from _summary(playbook)
    yield from _described(playbook)


def _summary(playbook: Playbook) -> Iterator[Finding]:
    said = (playbook.playbook_processing_summary or ProcessingSummary()).model_dump()
    for name, used in uses(playbook).items():
        if said[name] != used:
            told = (
                f"{name} is not said to be true, and is used" if used else f"{name} is said to be true, and is not used"
            )
            yield found("summary-mismatch", ("playbook_processing_summary", name), told)


def uses(playbook: Playbook) -> dict[str, bool]:
    """What playbook_processing_summary should say (CACAO 2.0, section 10.14), by its fields."""
    steps = list(playbook.workflow.values())
    commands = [command.type for step in steps if isinstance(step, Action) for command in step.commands]
    signatures = playbook.signatures or []
    extended = [playbook.playbook_extensions, *(step.step_extensions for step in steps)]
    return {
        "manual_playbook": bool(commands) and set(commands) == {"manual"},
        "external_playbooks": any(isinstance(step, PlaybookAction) for step in steps),
        "parallel_processing": any(isinstance(step, Parallel) for step in steps),
        "if_logic": any(isinstance(step, If) for step in steps),
        "while_logic": any(isinstance(step, While) for step in steps),
        "switch_logic": any(isinstance(step, Switch) for step in steps),
        "temporal_logic": any(step.delay or step.timeout for step in steps),
        "data_markings": bool(playbook.markings),
        "digital_signatures": bool(signatures),
        "countersigned_signatures": any("signature" in signature for signature in signatures),
        "extensions": any(extended),
    }


def _described(playbook: Playbook) -> Iterator[Finding]:
    if not playbook.name.strip():
        yield found("undescribed", ("name",), "the playbook has an empty name")
    if not (playbook.description or "").strip():
        yield found("undescribed", ("description",), "the playbook has no description")
    if not playbook.labels:
        yield found("undescribed", ("labels",), "the playbook has no labels")
    for key, step in playbook.workflow.items():
        if not isinstance(step, Start | End) and not (step.name or "").strip():
            yield found("undescribed", ("workflow", key, "name"), "the step has no name")
