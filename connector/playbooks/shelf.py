"""Playbooks that may be run: found by file or by name, checked by the linter, with the playbooks that they call."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from connector.errors import InputRefused, Violation
from connector.playbooks.cacao import Playbook, PlaybookAction
from connector.playbooks.library import read, shipped
from connector.playbooks.linting.finding import Finding
from connector.playbooks.linting.lint import lint


def find(name: str) -> dict[str, Any]:
    """A playbook that may be run, as JSON.

    Raises:
        InputRefused: when there is none, or with every error that the linter finds in it.
    """
    text = read(name)
    errors = [finding for finding in lint(text).findings if finding.severity == "error"]
    if errors:
        raise InputRefused.of([_violation(finding) for finding in errors], f"the playbook {name}")
    found: dict[str, Any] = json.loads(text)
    return found


def called(playbook: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The playbooks that this one calls, and those that they call, by id: from those that come with the package.

    Raises:
        InputRefused: naming the one that is not known here.
    """
    found: dict[str, dict[str, Any]] = {}
    left = list(_calls(playbook))
    while left:
        name = left.pop()
        if name in found or name == playbook["id"]:
            continue
        if name not in _by_id():
            raise InputRefused.of([Violation("/workflow", f"calls the playbook {name}, which is not known here")])
        found[name] = find(_by_id()[name])
        left += _calls(found[name])
    return found


@cache
def _by_id() -> dict[str, str]:
    return {json.loads(path.read_bytes())["id"]: name for name, path in shipped().items()}


def _calls(playbook: dict[str, Any]) -> Iterator[str]:
    steps = Playbook.model_validate(playbook).workflow.values()
    return (step.playbook_id for step in steps if isinstance(step, PlaybookAction))


def _violation(finding: Finding) -> Violation:
    return Violation(finding.pointer, f"{finding.message} ({finding.code}); {finding.mend}")
