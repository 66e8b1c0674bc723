"""The linter: everything wrong with a playbook that can be known before it is run, and the playbook if it is one.

It never raises, whatever it is given, and repeats nothing that looks like a secret.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from connector.playbooks.cacao import Playbook
from connector.playbooks.linting.actions import action_findings
from connector.playbooks.linting.commands import command_findings
from connector.playbooks.linting.finding import Finding, found
from connector.playbooks.linting.flow import Flow
from connector.playbooks.linting.secrets import secret_findings
from connector.playbooks.linting.shape import read_shape
from connector.playbooks.linting.steps import step_findings
from connector.playbooks.linting.summary import summary_findings
from connector.playbooks.linting.variables import variable_findings
from connector.playbooks.linting.view import View
from connector.reader import DEEPEST, read_json

LARGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Linted:
    """What a file is: the playbook, or None where it has not the shape of one, and what was found, by place."""

    playbook: Playbook | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def ok(self) -> bool:
        """Whether it may be run: warnings do not forbid it."""
        return self.playbook is not None and not self.errors


def lint(text: str | bytes) -> Linted:
    """Everything wrong with the text of a file."""
    if len(text) > LARGEST:
        return Linted(None, (found("too-large", (), f"the file is larger than {LARGEST:,} bytes"),))
    body = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    value, problem = read_json(body)
    if problem:
        return Linted(None, (found("not-json", (), f"the file {problem}"),))
    return lint_value(value)


def lint_value(value: Any) -> Linted:
    """Everything wrong with a playbook as JSON values."""
    if _is_deep(value):
        return Linted(None, (found("not-json", (), f"the file is nested deeper than {DEEPEST}"),))
    playbook, findings = read_shape(value)
    secrets = list(secret_findings(value))
    findings += [] if playbook is None else _of_playbook(playbook)
    hidden = {finding.pointer for finding in secrets}
    kept = [finding for finding in findings if finding.pointer not in hidden]
    first = {(finding.pointer, finding.code, finding.message): finding for finding in sorted([*kept, *secrets])}
    return Linted(playbook, tuple(first.values()))


def _of_playbook(playbook: Playbook) -> list[Finding]:
    view = View(playbook)
    flow = Flow(view)
    return [
        *step_findings(view),
        *command_findings(view),
        *variable_findings(view, flow),
        *action_findings(view, flow),
        *summary_findings(playbook),
    ]


def _is_deep(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(DEEPEST + 1):
        level = [item for one in level for item in _items(one)]
        if not level:
            return False
    return True


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
