"""A playbook walked step by step: a generator that asks (call, person, sleep, fork), is told, and does nothing itself.

The walk is pure: the same playbook, variables and replies give the same questions in the same order. So a run is
continued after a restart by walking it again over the replies that were kept, and its timeline is drawn the same way.
Rules: CACAO 2.0, section 4. A step that fails goes its on_failure; without one its enclosing steps are asked, then
workflow_exception, then the run has failed there.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from connector.playbooks.asking import Ask, Branch, Call, Fork, Now, Question, Reply, Sleep
from connector.playbooks.cacao import (
    Action,
    AnyStep,
    End,
    HttpCommand,
    If,
    ManualCommand,
    Parallel,
    Playbook,
    PlaybookAction,
    Start,
    Switch,
    While,
    read_command,
)
from connector.playbooks.conditions import BadCondition, read_condition
from connector.playbooks.ending import Ending, StepFailed
from connector.playbooks.extension import answer_of, needs_of
from connector.playbooks.filling import BadCommand, fill, fill_text, manual_text
from connector.playbooks.mapping import NotThere, take
from connector.playbooks.scope import Scope
from connector.playbooks.target import BadTarget, where_to
from connector.playbooks.variables import BadValue
from connector.playbooks.visit import Visit, shown

T = TypeVar("T")
Walk = Generator[Question, Reply, T]
CALL_SECONDS: Final = 600.0  # where neither the step nor what encloses it says how long
ASK_SECONDS: Final = 7 * 24 * 3600.0
MOST_VISITS: Final = 100_000
DEEPEST: Final = 8


@dataclass(slots=True)
class Walker:
    """One walk through one playbook. ``shelf`` holds the playbooks that it may call, by id."""

    playbook: Playbook
    run: str
    now: float
    scope: Scope
    shelf: Mapping[str, Playbook] = field(default_factory=dict)
    prefix: str = ""
    depth: int = 0
    count: int = 0
    visits: list[Visit] = field(default_factory=list)
    until: list[tuple[float, Visit]] = field(default_factory=list)

    def walk(self) -> Walk[Ending]:
        """Walk from the start to an end."""
        around = tuple(owner for _, owner in self.until)
        try:
            yield from self.sequence(self.playbook.workflow_start)
        except StepFailed as failure:
            if any(failure.owner is owner for owner in around):
                raise  # the time of what called this playbook is over
            yield from self._excepted()
            return self._ending(failure)
        return self._ending(None)

    def sequence(self, first: str) -> Walk[None]:
        """Walk from a step until an end step."""
        here: str | None = first
        while here is not None:
            here = yield from self._visit(here)

    def _excepted(self) -> Walk[None]:
        """The playbook's exception handler; what fails there changes nothing any more."""
        if self.playbook.workflow_exception is not None:
            try:
                yield from self.sequence(self.playbook.workflow_exception)
            except StepFailed:
                return

    def _ending(self, failure: StepFailed | None) -> Ending:
        needs = needs_of(self.playbook)
        outputs = self.scope.texts(needs.outputs if needs else ())
        if failure is None:
            return Ending(at=self.now, outputs=outputs)
        visit, owner = failure.visit, failure.owner or failure.visit
        return Ending(
            at=self.now,
            outputs=outputs,
            sentence=failure.sentence,
            step=visit.step if visit else None,
            again=owner.where if owner else None,
        )

    # --- one step

    def _visit(self, name: str) -> Walk[str | None]:
        """Do one step, and say which is next."""
        step = self.playbook.workflow[name]
        visit = self._enter(name, step)
        with self.scope.within(step.step_variables):
            try:
                yield from self._wait(step, visit)
                yield from self._limit(step, visit)
                yield from self._do(step, visit)
            except StepFailed as failure:
                return self._failed(step, visit, failure)
            finally:
                self._unlimit(visit)
        visit.leave(self.now, "done")
        return step.on_success or step.on_completion

    def _enter(self, name: str, step: AnyStep) -> Visit:
        if len(self.visits) >= MOST_VISITS:
            failure = StepFailed(f"the run has made {MOST_VISITS} steps, which no playbook needs; it was stopped")
            failure.visit = self.visits[-1]
            raise failure
        self.count += 1
        where = f"{self.prefix}{self.count}"
        visit = Visit(where, name, step.type, step.name or step.type, self.now, playbook=self.playbook.id)
        self.visits.append(visit)
        return visit

    def _failed(self, step: AnyStep, visit: Visit, failure: StepFailed) -> str:
        failure.visit = failure.visit or visit
        visit.leave(self.now, "failed", failure.sentence)
        mine = failure.owner is None or failure.owner is visit
        if mine and step.on_failure is not None:
            return step.on_failure
        raise failure

    def _wait(self, step: AnyStep, visit: Visit) -> Walk[None]:
        if step.delay is not None:
            visit.state = "waiting"
            yield from self._sleep(step.delay / 1000, visit)
            visit.state = "running"

    def _sleep(self, seconds: float, visit: Visit) -> Walk[None]:
        """Sleep, but not past what encloses the step."""
        limit = self._deadline()
        left = seconds if limit is None else min(seconds, max(0.0, limit[0] - self.now))
        reply = yield Sleep(visit.key(), visit.step, left, self.now + left)
        self.now = max(self.now, reply.at)
        if limit is not None and left < seconds:
            raise _timed_out(limit[1])

    def _limit(self, step: AnyStep, visit: Visit) -> Walk[None]:
        """Begin the time of a step. What holds other steps asks for the time, so that it is new when walked again."""
        if step.timeout:
            if not isinstance(step, Action):
                reply = yield Now(visit.key(), visit.step)
                self.now = max(self.now, reply.at)
            self.until.append((self.now + step.timeout / 1000, visit))

    def _unlimit(self, visit: Visit) -> None:
        if self.until and self.until[-1][1] is visit:
            self.until.pop()

    def _deadline(self) -> tuple[float, Visit] | None:
        """When the time of this step or of one around it is over, and whose time that is."""
        return min(self.until, key=lambda limit: limit[0], default=None)

    def _over(self) -> StepFailed | None:
        """The failure of whose time is over by now, if any is."""
        limit = self._deadline()
        return _timed_out(limit[1]) if limit is not None and self.now >= limit[0] else None

    def _time_left(self, otherwise: float) -> float:
        """Seconds that a call or a question may take; a deadline in the past fails at once."""
        over, limit = self._over(), self._deadline()
        if over is not None:
            raise over
        return otherwise if limit is None else limit[0] - self.now

    def _do(self, step: AnyStep, visit: Visit) -> Walk[None]:
        match step:
            case Start() | End():
                return
            case Action():
                yield from self._act(step, visit)
            case PlaybookAction():
                yield from self._call_playbook(step, visit)
            case Parallel():
                yield from self._fork(step, visit)
            case If():
                yield from self._if(step, visit)
            case While():
                yield from self._while(step, visit)
            case Switch():
                yield from self._switch(step, visit)

    # --- commands

    def _act(self, step: Action, visit: Visit) -> Walk[None]:
        body: Any = None
        for command in step.commands:
            ready = read_command(command)
            match ready:
                case HttpCommand():
                    body = yield from self._call(step, ready, visit)
                case ManualCommand():
                    body = yield from self._ask(ready, visit)
                case None:
                    raise StepFailed(f"commands of type {command.type} are not run here; http-api and manual are")
        try:
            taken = take(body, answer_of(step), self.scope.declared)
        except NotThere as error:
            raise StepFailed(str(error)) from None
        visit.assigned = {name: shown(text) for name, text in taken.items()}
        self.scope.assign(taken)

    def _call(self, step: Action, command: HttpCommand, visit: Visit) -> Walk[Any]:
        """Call each target in turn; the last answer counts."""
        body = None
        values = self.scope.values()
        try:
            request = fill(command, values)
            places = [where_to(self.playbook, name, values) for name in step.targets or [""]]
        except (BadValue, BadCommand, BadTarget) as error:
            raise StepFailed(str(error)) from None
        for place in places:
            key, seconds = visit.key(), self._time_left(CALL_SECONDS)
            visit.calls.append(f"{request.method} {request.target}")
            call = Call(key, visit.step, request, place.base, place.credentials, f"{self.run}:{key}", seconds)
            body = self._answered((yield call), visit)
        return body

    def _answered(self, reply: Reply, visit: Visit) -> Any:
        self.now = max(self.now, reply.at)
        visit.answered(reply)
        if reply.problem is not None:
            raise self._over() or StepFailed(reply.problem)
        return reply.body

    def _ask(self, command: ManualCommand, visit: Visit) -> Walk[Any]:
        """Ask a person; no is a failure of the step, and so is no answer."""
        seconds = self._time_left(ASK_SECONDS)
        try:
            text = manual_text(command, self.scope.values())
        except BadCommand as error:
            raise StepFailed(str(error)) from None
        visit.state, visit.asked = "waiting", text
        reply = yield Ask(visit.key(), visit.step, text, seconds, self.now + seconds)
        self.now = max(self.now, reply.at)
        visit.decided(reply)
        if reply.decision == "approved":
            visit.state = "running"
            return {"decision": "approved", "by": reply.by, "note": reply.note}
        if reply.decision == "rejected":
            raise StepFailed(f"{reply.by or 'somebody'} said no{': ' + reply.note if reply.note else ''}")
        raise self._over() or StepFailed("ACTION_TIMEOUT: nobody answered in time")

    # --- other playbooks, branches, conditions

    def _call_playbook(self, step: PlaybookAction, visit: Visit) -> Walk[None]:
        other = self.shelf.get(step.playbook_id)
        if other is None:
            raise StepFailed(f"the playbook {step.playbook_id} is not known here")
        if self.depth >= DEEPEST:
            raise StepFailed(f"playbooks call each other more than {DEEPEST} deep")
        passed = self.scope.texts(step.in_args or ())
        try:
            scope = Scope.start(other, {name: text for name, text in passed.items() if text is not None})
        except BadValue as error:
            raise StepFailed(f"{other.name}: {error}") from None
        where, until = f"{visit.where}.", list(self.until)
        inner = Walker(
            other, self.run, self.now, scope, self.shelf, where, self.depth + 1, visits=self.visits, until=until
        )
        try:
            ending = yield from inner.walk()
        finally:
            self.now = inner.now
        if ending.failed:
            raise StepFailed(f"{other.name}: {ending.sentence}")
        self.scope.assign({n: t for n, t in inner.scope.texts(step.out_args or ()).items() if t is not None})

    def _fork(self, step: Parallel, visit: Visit) -> Walk[None]:
        limit, values = self._deadline(), self.scope.texts(self.scope.declared)
        own = {name: v.model_dump() for name, v in self.scope.of_steps(self.playbook).items()}
        branches = tuple(
            Branch(
                first=first,
                where=f"{visit.where}.{number}.",
                playbook=self.playbook.id,
                values=values,
                at=self.now,
                until=None if limit is None else limit[0],
                own=own,
                depth=self.depth,
            )
            for number, first in enumerate(step.next_steps, 1)
        )
        reply = yield Fork(visit.key(), visit.step, branches)
        self.now = max(self.now, reply.at)
        failures = []
        for branch in reply.branches:
            self.visits.extend(Visit.read(one) for one in branch["visits"])
            self.scope.assign({n: t for n, t in branch["values"].items() if t != values.get(n) and t is not None})
            failures += [branch["sentence"]] if branch["sentence"] else []
        if failures:
            raise self._over() or StepFailed(failures[0])

    def _if(self, step: If, visit: Visit) -> Walk[None]:
        holds = self._holds(step.condition)
        visit.took = "on_true" if holds else "on_false"
        following = step.on_true if holds else step.on_false
        if following is not None:
            yield from self.sequence(following)

    def _while(self, step: While, visit: Visit) -> Walk[None]:
        rounds = 0
        while self._holds(step.condition):
            rounds += 1
            visit.took = f"round {rounds}"
            self._time_left(0.0)
            yield from self.sequence(step.on_true)

    def _switch(self, step: Switch, visit: Visit) -> Walk[None]:
        try:
            value = fill_text(step.switch, self.scope.values())
        except BadValue as error:
            raise StepFailed(str(error)) from None
        visit.took = value if value in step.cases else "default"
        following = step.cases.get(value, step.cases.get("default"))
        if following is None:
            raise StepFailed(f"no case for {shown(value)!r}, and there is no default")
        yield from self.sequence(following)

    def _holds(self, text: str) -> bool:
        try:
            condition = read_condition(text)
            return condition.holds(self.scope.typed(condition.variables))
        except BadCondition as error:
            raise StepFailed(f"the condition {error}") from None
        except BadValue as error:
            raise StepFailed(str(error)) from None


def _timed_out(owner: Visit) -> StepFailed:
    return StepFailed(f"ACTION_TIMEOUT: the time of {owner.name!r} is over", owner)
