"""Whether the steps hang together: ids that exist, a start and an end, steps reached, branches and loops that end."""

from collections.abc import Iterator, Mapping
from typing import Final

from connector.playbooks.cacao import Action, AgentTarget, End, Parallel, Playbook, Start, Switch, While
from connector.playbooks.conditions import BadCondition, read_condition
from connector.playbooks.extension import NEEDS
from connector.playbooks.graph import Edge, Graph, edges, starts
from connector.playbooks.linting.finding import Finding, Path, found
from connector.playbooks.linting.view import View

_ELSEWHERE: Final = "SOARCA and others skip steps of type {} without a word"


def step_findings(view: View) -> Iterator[Finding]:
    yield from _dangling(view)
    yield from _extents(view)
    yield from _branches(view)
    yield from _cycles(view.graph)
    yield from _loops(view)


def _dangling(view: View) -> Iterator[Finding]:
    for edge in edges(view.playbook):
        if edge.target not in view.steps:
            yield found("dangling-step", ("workflow", edge.source, *edge.path), "there is no step of this id")
    for key in ("workflow_start", "workflow_exception"):
        name = getattr(view.playbook, key)
        if name is not None and name not in view.steps:
            yield found("dangling-step", (key,), "there is no step of this id")
    for path, key, group, code in _references(view):
        if key not in getattr(view.playbook, group):
            yield found(code, path, f"{group} has nothing of this id")


def _references(view: View) -> Iterator[tuple[Path, str, str, str]]:
    """Every id that something outside of the workflow must have: its place, it, where it is looked for, the code."""
    for name, step in view.steps.items():
        if isinstance(step, Action):
            yield ("workflow", name, "agent"), step.agent, "agent_definitions", "dangling-agent"
            for number, target in enumerate(step.targets or ()):
                yield ("workflow", name, "targets", number), target, "target_definitions", "dangling-target"
        for key in step.step_extensions or ():
            yield ("workflow", name, "step_extensions", key), key, "extension_definitions", "dangling-extension"
    yield from _references_outside(view)


def _references_outside(view: View) -> Iterator[tuple[Path, str, str, str]]:
    playbook = view.playbook
    for key in playbook.playbook_extensions or ():
        yield ("playbook_extensions", key), key, "extension_definitions", "dangling-extension"
    for number, marking in enumerate(playbook.markings or ()):
        yield ("markings", number), marking, "data_marking_definitions", "dangling-marking"
    for group, definitions in _agents_and_targets(playbook):
        for key, definition in definitions.items():
            known = definition.authentication_info
            if known is not None:
                path: Path = (group, key, "authentication_info")
                yield path, known, "authentication_info_definitions", "dangling-authentication"
    if view.needs is not None:
        path = ("playbook_extensions", NEEDS, "action_server")
        yield path, view.needs.action_server, "target_definitions", "dangling-target"


def _agents_and_targets(playbook: Playbook) -> tuple[tuple[str, Mapping[str, AgentTarget]], ...]:
    return ("agent_definitions", playbook.agent_definitions), ("target_definitions", playbook.target_definitions)


def _extents(view: View) -> Iterator[Finding]:
    """The start, the ends, what is reached, and what other engines pass over."""
    first = view.playbook.workflow_start
    if not isinstance(view.steps.get(first, None), Start) and first in view.steps:
        yield found("bad-start", ("workflow_start",), "workflow_start names a step that is no start step")
    if not any(isinstance(step, End) for step in view.steps.values()):
        yield found("no-end", ("workflow",), "the workflow has no end step")
    reached = view.graph.reachable(starts(view.playbook))
    for name, step in view.steps.items():
        if isinstance(step, Start) and name != first:
            yield found("bad-start", ("workflow", name), "this start step is not the one that workflow_start names")
        elif name not in reached:
            yield found("unreachable-step", ("workflow", name), "no path leads to this step")
        if isinstance(step, Parallel | Switch):
            yield found("skipped-elsewhere", ("workflow", name, "type"), _ELSEWHERE.format(step.type))


def _branches(view: View) -> Iterator[Finding]:
    """Every edge by which a sequence runs into one around it, which is an error, or into a sibling, a warning."""
    sequences = view.sequences
    head_of, tops = sequences.head_of, set(starts(view.playbook))
    around = {head: {head_of[step] for step in sequences.around(head)} | {head} for head in sequences.heads}
    for name, head in head_of.items():
        for edge in view.graph.out[name]:
            at = head_of[edge.target]
            into, on = at != edge.target or at in around[head], at != head and head not in tops
            if into if edge.into_branch else on:
                yield _into(edge) if at in around[head] else _shares(edge)


def _into(edge: Edge) -> Finding:
    path: Path = ("workflow", edge.source, *edge.path)
    return found("into-branch", path, f"{edge.label} leads out of its branch, into steps that are done outside of it")


def _shares(edge: Edge) -> Finding:
    path: Path = ("workflow", edge.source, *edge.path)
    return found("shared-end", path, f"{edge.label} leads to a step of another branch")


def _cycles(graph: Graph) -> Iterator[Finding]:
    """Every edge that closes a circle of on_completion, on_success and on_failure, found by walking in depth."""
    state: dict[str, bool] = {}  # True while a step lies on the way, False when all after it is known
    for first in graph.steps:
        way: list[tuple[str, Iterator[Edge]]] = []
        if first not in state:
            state[first] = True
            way.append((first, iter(graph.out[first])))
        while way:
            name, leaving = way[-1]
            edge = next(leaving, None)
            if edge is None:
                state[name] = False
                way.pop()
            elif not edge.into_branch and edge.target not in state:
                state[edge.target] = True
                way.append((edge.target, iter(graph.out[edge.target])))
            elif not edge.into_branch and state[edge.target]:
                path: Path = ("workflow", edge.source, *edge.path)
                yield found("endless-cycle", path, f"{edge.label} leads back to a step before it, without an end")


def _loops(view: View) -> Iterator[Finding]:
    for name, step in view.steps.items():
        if not isinstance(step, While):
            continue
        if not step.timeout:
            yield found("no-timeout", ("workflow", name), "the loop has no timeout")
        try:
            looked_at = read_condition(step.condition).variables
        except BadCondition:
            continue
        scope = view.scope(name)
        wanted = {(scope[variable][0], variable) for variable in looked_at if variable in scope}
        changed = {variable for inner in view.graph.body(step.on_true) for variable in view.assigned(inner)}
        if not wanted & changed:
            told = ", ".join(sorted(looked_at))
            yield found("endless-loop", ("workflow", name, "condition"), f"no step of the loop assigns {told}")
