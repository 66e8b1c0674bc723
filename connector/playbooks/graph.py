"""The steps of a playbook as a graph: which step leads where, by which of its fields, and what can be reached."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from connector.playbooks.cacao import AnyStep, If, Parallel, Playbook, Switch, While

ON: Final = ("on_completion", "on_success", "on_failure")


@dataclass(frozen=True, slots=True)
class Edge:
    """One way from a step to another. ``path`` is the place of the target's id within the source, as keys.

    ``label`` is the field (on_completion, on_success, on_failure, on_true, on_false), ``case NAME`` of a switch, or
    next_steps of a parallel step.
    """

    source: str
    label: str
    target: str
    path: tuple[str | int, ...] = ()

    @property
    def into_branch(self) -> bool:
        """Whether it begins a branch, which ends at an end step of its own and comes back to the source."""
        return self.label not in ON


def edges(playbook: Playbook) -> list[Edge]:
    """Every edge, in the order of the file; a target that no step has is among them."""
    return [edge for name, step in playbook.workflow.items() for edge in edges_of(name, step)]


def edges_of(name: str, step: AnyStep) -> list[Edge]:
    """The edges of one step: first into its branches, then on."""
    return [Edge(name, label, target, path) for label, target, path in (*_branches(step), *_on(step))]


def _on(step: AnyStep) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    for label in ON:
        target = getattr(step, label)
        if target is not None:
            yield label, target, (label,)


def _branches(step: AnyStep) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    match step:
        case If():
            yield "on_true", step.on_true, ("on_true",)
            if step.on_false is not None:
                yield "on_false", step.on_false, ("on_false",)
        case While():
            yield "on_true", step.on_true, ("on_true",)
        case Switch():
            for case, target in step.cases.items():
                yield f"case {case}", target, ("cases", case)
        case Parallel():
            for number, target in enumerate(step.next_steps):
                yield "next_steps", target, ("next_steps", number)
        case _:
            return


@dataclass(frozen=True, slots=True)
class Graph:
    """The steps with their edges, by the step that they leave; targets that no step has are left out."""

    steps: Mapping[str, AnyStep]
    out: Mapping[str, tuple[Edge, ...]]

    def reachable(self, first: Iterable[str]) -> frozenset[str]:
        """Every step that can be reached from these, and these, by all edges."""
        return self._spread(first, into_branches=True)

    def sequence(self, first: str) -> frozenset[str]:
        """The steps of one sequence: what on_completion, on_success and on_failure reach, without inner branches."""
        return self._spread([first], into_branches=False)

    def body(self, first: str) -> frozenset[str]:
        """The steps of a branch that begins here, with the branches inside of it."""
        return self.reachable([first])

    def branches(self) -> list[Edge]:
        """Every edge into a branch."""
        return [edge for leaving in self.out.values() for edge in leaving if edge.into_branch]

    def sequences(self, first: Iterable[str]) -> "Sequences":
        """The sequences that can be reached from these steps, which begin one each."""
        heads, head_of = list(dict.fromkeys(first)), dict[str, str]()
        openers: dict[str, list[str]] = {head: [] for head in heads}
        for head in heads:  # grows while it is walked
            left = [head]
            while left:
                name = left.pop()
                if name in head_of:
                    continue
                head_of[name] = head
                left += [edge.target for edge in self.out[name] if not edge.into_branch]
                for target in dict.fromkeys(edge.target for edge in self.out[name] if edge.into_branch):
                    if target not in openers:
                        heads.append(target)
                    openers.setdefault(target, []).append(name)
        return Sequences(tuple(heads), head_of, {head: tuple(by) for head, by in openers.items()})

    def _spread(self, first: Iterable[str], *, into_branches: bool) -> frozenset[str]:
        found: set[str] = set()
        left = [name for name in first if name in self.steps]
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += [edge.target for edge in self.out[name] if into_branches or not edge.into_branch]
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Sequences:
    """Every step by the sequence that it is part of: one from the start, one from the exception handler, each branch.

    heads: their first steps, those outside before those inside of them. head_of: by step, the first step of its
    sequence, of the outermost one where several lead there. openers: by the first step of a branch, the steps that
    open it.
    """

    heads: tuple[str, ...]
    head_of: Mapping[str, str]
    openers: Mapping[str, tuple[str, ...]]

    def opened_by(self, step: str) -> tuple[str, ...]:
        """The steps that opened the branch which a step is part of; none outside of branches."""
        head = self.head_of.get(step)
        return () if head is None else self.openers.get(head, ())

    def around(self, step: str) -> list[str]:
        """The steps around a step, from what opened its branch outwards; itself among them if it lies within itself."""
        found: dict[str, None] = {}
        left = deque(self.opened_by(step))
        while left:
            opener = left.popleft()
            if opener not in found:
                found[opener] = None
                left.extend(self.opened_by(opener))
        return list(found)


def graph_of(playbook: Playbook) -> Graph:
    """The graph of a playbook."""
    steps = playbook.workflow
    out = {name: tuple(edge for edge in edges_of(name, step) if edge.target in steps) for name, step in steps.items()}
    return Graph(steps, out)


def starts(playbook: Playbook) -> list[str]:
    """The steps that a walk may begin at: the start, and the exception handler."""
    wanted = (playbook.workflow_start, playbook.workflow_exception)
    return [name for name in wanted if name is not None and name in playbook.workflow]
