"""One branch of a parallel step: a walk of its own from a step to its end, and what it brings back."""

from collections.abc import Mapping
from typing import Any

from connector.playbooks.asking import Branch
from connector.playbooks.cacao import Playbook, Variable
from connector.playbooks.ending import StepFailed
from connector.playbooks.scope import Scope
from connector.playbooks.target import credentials
from connector.playbooks.visit import Visit
from connector.playbooks.walk import Walk, Walker


def branch_walker(branch: Branch, run: str, shelf: Mapping[str, Playbook]) -> Walker:
    """A walker that begins where the branch does, with a copy of the variables."""
    playbook = shelf[branch.playbook]
    secret = credentials(playbook)
    declared = {name: variable for name, variable in playbook.playbook_variables.items() if name not in secret}
    own = {name: Variable.model_validate(variable) for name, variable in branch.own.items()}
    scope = Scope(declared | own, dict(branch.values))
    around = Visit(branch.where, branch.first, "parallel", "what the branch is part of", branch.at)
    until = [] if branch.until is None else [(branch.until, around)]
    return Walker(playbook, run, branch.at, scope, shelf, branch.where, branch.depth, until=until)


def walk_branch(walker: Walker, first: str) -> Walk[dict[str, Any]]:
    """Walk a branch; what it found, and why and where it failed if it did, as JSON values."""
    sentence = again = None
    try:
        yield from walker.sequence(first)
    except StepFailed as failure:
        place = failure.owner or failure.visit
        sentence, again = failure.sentence, place.where if place else None
    visits = [visit.as_dict() for visit in walker.visits]
    held = dict(walker.scope.held)
    return {
        "where": walker.prefix,
        "at": walker.now,
        "values": held,
        "sentence": sentence,
        "again": again,
        "visits": visits,
    }
