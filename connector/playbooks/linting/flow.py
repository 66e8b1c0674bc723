"""What has a value, and what a person has allowed, before each step: on every path that leads there, and on some.

Paths are those that a run can take: through branches and back to the step that opened them, and out of a step that
failed to its on_failure, or to that of a step around it, or to the exception handler. Facts are bits of an integer, as
a playbook of hundreds of steps is looked at in a second.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from connector.playbooks.cacao import End, If, ManualCommand, Parallel, Start, Switch, While
from connector.playbooks.linting.compared import set_if
from connector.playbooks.linting.view import View

Fact = tuple[str, str]  # a variable, by the step that declares it (empty for the playbook) and its name
APPROVED: Final[Fact] = ("a person has approved", "")
_INSIDE: Final = "inside"
_AFTER: Final = "after"


@dataclass(frozen=True, slots=True)
class Known:
    """Facts as bits: what is so on every path, and what is so on some."""

    always: int
    ever: int

    def with_(self, facts: int) -> "Known":
        return Known(self.always | facts, self.ever | facts)

    def without(self, facts: int) -> "Known":
        return Known(self.always & ~facts, self.ever & ~facts)

    def joined(self, other: "Known") -> "Known":
        return Known(self.always & other.always, self.ever | other.ever)


class Flow:
    """The facts before each step that a run can reach."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._bits: dict[Fact, int] = {}
        self._before: dict[tuple[str, str], Known] = {}
        self._assigned_within: dict[str, int] = {}
        self._forks: dict[str, dict[str, Known]] = {}
        self._run()

    def before(self, step: str) -> Known | None:
        """What is known before a step; None where none of the paths leads there."""
        return self._before.get((step, ""))

    def bit(self, fact: Fact) -> int:
        """The fact that a variable has a value, or APPROVED."""
        return self._bits.setdefault(fact, 1 << len(self._bits))

    def _bits_of(self, facts: Iterable[Fact]) -> int:
        made = 0
        for fact in facts:
            made |= self.bit(fact)
        return made

    def _run(self) -> None:
        playbook = self.view.playbook
        given = [name for name, v in playbook.playbook_variables.items() if v.value is not None or v.external]
        first = Known(0, 0).with_(self._bits_of(("", name) for name in given))
        self._left: deque[tuple[str, str]] = deque()
        self._reach(playbook.workflow_start, first)
        while self._left:
            self._step(*self._left.popleft())

    def _reach(self, name: str | None, known: Known, where: str = "") -> None:
        """Facts that hold before, inside or after a step; where that tells something new, it is looked at again."""
        if name is None or name not in self.view.steps:
            return
        place = (name, where)
        old = self._before.get(place)
        new = known if old is None else old.joined(known)
        if new != old:
            self._before[place] = new
            self._left.append(place)

    def _step(self, name: str, where: str) -> None:
        step, known = self.view.steps[name], self._before[name, where]
        if where == _AFTER:
            self._reach(step.on_success or step.on_completion, known)
        elif where == _INSIDE:
            self._fail(name, known)
            self._open(name, known)
        elif isinstance(step, End):
            self._leave(name, known)
        elif isinstance(step, If | While | Switch | Parallel):
            self._enter(name, known)
        else:
            if not isinstance(step, Start):
                self._fail(name, known)
            self._reach(name, known.with_(self._bits_of(self._made(name))), _AFTER)

    def _enter(self, name: str, known: Known) -> None:
        """Into a step with branches: its own variables hold what it declares them with, once for all of its rounds."""
        own = self.view.steps[name].step_variables
        given = self._bits_of((name, variable) for variable, v in own.items() if v.value is not None)
        self._reach(name, known.without(self._bits_of((name, v) for v in own)).with_(given), _INSIDE)

    def _made(self, name: str) -> Iterator[Fact]:
        """The facts that a step brings about when it succeeds."""
        yield from self.view.assigned(name)
        if any(isinstance(done.command, ManualCommand) for done in self.view.commands[name]):
            yield APPROVED

    def _fail(self, name: str, known: Known) -> None:
        """Where a run goes on when this step has failed, or the time of one around it is over; nothing was assigned."""
        steps = self.view.steps
        self._propagate([name], known)
        self._propagate([opener for opener in self.view.sequences.around(name) if steps[opener].timeout], known)

    def _propagate(self, failed: list[str], known: Known) -> None:
        """To the on_failure of each step that failed; without one the step around it has failed as well.

        What the other branches of a parallel step have assigned until then stays assigned.
        """
        seen: set[str] = set()
        left = [(name, known) for name in failed]
        while left:
            here, facts = left.pop()
            if here in seen:
                continue
            seen.add(here)
            step = self.view.steps[here]
            if isinstance(step, Parallel):
                facts = Known(facts.always, facts.ever | self._within(here, step))
            if step.on_failure is not None:
                self._reach(step.on_failure, facts)
                continue
            openers = self.view.sequences.opened_by(here)
            left += [(opener, facts) for opener in openers]
            if not openers:
                self._reach(self.view.playbook.workflow_exception, facts)

    def _within(self, name: str, step: Parallel) -> int:
        """Everything that the branches of a parallel step may assign."""
        if name not in self._assigned_within:
            body = self.view.graph.reachable(step.next_steps)
            self._assigned_within[name] = self._bits_of(fact for inner in body for fact in self.view.assigned(inner))
        return self._assigned_within[name]

    def _open(self, name: str, known: Known) -> None:
        """Into the branches of a step, with what its condition lets be known in them."""
        step = self.view.steps[name]
        holds = fails = known
        if isinstance(step, If | While):
            holds = known.with_(self._told(name, step.condition, holds=True))
            fails = known.with_(self._told(name, step.condition, holds=False))
        for edge in self.view.graph.out[name]:
            if edge.into_branch:
                self._reach(edge.target, fails if edge.label == "on_false" else holds)
        if isinstance(step, While) or (isinstance(step, If) and step.on_false is None):
            self._reach(name, fails, _AFTER)

    def _told(self, name: str, condition: str, *, holds: bool) -> int:
        """The variables that have a value for sure where a condition holds, or where it does not."""
        scope = self.view.scope(name)
        told = set_if(condition, holds=holds)
        return self._bits_of((scope[variable][0], variable) for variable in told if variable in scope)

    def _leave(self, name: str, known: Known) -> None:
        """From an end step back to the steps that opened its branch."""
        for opener in self.view.sequences.opened_by(name):
            step = self.view.steps[opener]
            if isinstance(step, While):
                self._reach(opener, known, _INSIDE)
            elif isinstance(step, Parallel):
                self._joined_branches(opener, step, name, known)
            else:
                self._reach(opener, known, _AFTER)

    def _joined_branches(self, opener: str, step: Parallel, end: str, known: Known) -> None:
        """After a parallel step everything holds that holds after each of its branches."""
        ends = self._forks.setdefault(opener, {})
        ends[end] = known
        together = Known(0, 0)
        for head in dict.fromkeys(step.next_steps):
            done = [facts for name, facts in ends.items() if self.view.sequences.head_of[name] == head]
            if not done:
                return
            branch = done[0]
            for facts in done[1:]:
                branch = branch.joined(facts)
            together = Known(together.always | branch.always, together.ever | branch.ever)
        self._reach(opener, together, _AFTER)
