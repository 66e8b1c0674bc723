"""Whether variables are declared, set when they are used, and of fitting values; and who looks at credentials."""

from collections.abc import Iterator, Mapping
from typing import Final

from connector.playbooks.cacao import Action, If, PlaybookAction, Variable, While
from connector.playbooks.conditions import BadCondition, read_condition
from connector.playbooks.extension import NEEDS
from connector.playbooks.linting.compared import Compared, comparisons
from connector.playbooks.linting.finding import Finding, Path, found
from connector.playbooks.linting.flow import Flow
from connector.playbooks.linting.view import Use, View, answer_path
from connector.playbooks.mapping import BadPath, read_path
from connector.playbooks.variables import TYPES, BadValue, typed

_NUMBERS: Final = frozenset({"integer", "long", "float"})
_ON_TEXT: Final = frozenset({"LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"})


def variable_findings(view: View, flow: Flow) -> Iterator[Finding]:
    yield from _declarations(view)
    for name in view.steps:
        for use in uses_of(view, name):
            yield from _use(view, flow, name, use)
        yield from _arguments(view, name)
        yield from _answers(view, name)
        yield from _condition(view, name)
    yield from _needs(view)
    yield from _unused(view)


def uses_of(view: View, name: str) -> Iterator[Use]:
    """The variables that a step looks at, those in the addresses of its targets as well."""
    yield from view.uses[name]
    step = view.steps[name]
    if isinstance(step, Action):
        for target in step.targets or ():
            yield from view.address_uses(target)


def _declarations(view: View) -> Iterator[Finding]:
    yield from _values(view.playbook.playbook_variables, ("playbook_variables",))
    for name, step in view.steps.items():
        path: Path = ("workflow", name, "step_variables")
        yield from _values(step.step_variables, path)
        for variable in step.step_variables:
            if variable in view.playbook.playbook_variables:
                yield found(
                    "shadowed-variable", (*path, variable), "the playbook declares a variable of this name as well"
                )


def _values(declared: Mapping[str, Variable], path: Path) -> Iterator[Finding]:
    for name, variable in declared.items():
        if variable.type not in TYPES:
            told = f"{name} is of a type that is not known here; known are {', '.join(TYPES)}"
            yield found("bad-value", (*path, name, "type"), told)
        elif variable.value:
            problem = _misfit(variable.type, variable.value)
            if problem:
                yield found("bad-value", (*path, name, "value"), f"the value of {name} {problem}")


def _misfit(kind: str, text: str) -> str:
    try:
        typed(kind, text)
    except BadValue as error:
        return str(error)
    return ""


def _use(view: View, flow: Flow, name: str, use: Use) -> Iterator[Finding]:
    if use.name in view.credentials:
        yield found("credential-used", use.path, f"{use.name} is a credential, and has no value here")
        return
    owner, variable = view.scope(name).get(use.name, (None, None))
    if owner is None or variable is None:
        yield found("undeclared-variable", use.path, f"{use.name} is declared nowhere that is seen from here")
        return
    if not use.needs_value:
        return
    if owner == name:
        if variable.value is None:
            yield found("unset-variable", use.path, f"{use.name} has no value: the step declares it without one")
        return
    known = flow.before(name)
    fact = flow.bit((owner, use.name))
    if known is None or known.always & fact:
        return
    if known.ever & fact:
        yield found("perhaps-unset-variable", use.path, f"{use.name} has no value on some of the paths that lead here")
    else:
        yield found("unset-variable", use.path, f"{use.name} has no value on any path that leads here")


def _arguments(view: View, name: str) -> Iterator[Finding]:
    """The variables that a step names in in_args and out_args."""
    step = view.steps[name]
    if not isinstance(step, Action | PlaybookAction):
        return
    declared = view.declared(name)
    for key in ("in_args", "out_args"):
        for number, variable in enumerate(getattr(step, key) or ()):
            path: Path = ("workflow", name, key, number)
            if variable in view.credentials:
                yield found("credential-used", path, f"{variable} is a credential, and is passed nowhere")
            elif variable not in declared:
                yield found("undeclared-variable", path, f"{variable} is declared nowhere")
            elif key == "out_args" and isinstance(step, PlaybookAction) and declared[variable].constant:
                yield found("constant-assigned", path, f"{variable} is a constant")
            elif key == "out_args" and isinstance(step, Action) and variable not in view.answers[name]:
                yield found("unfilled-output", path, f"{variable} is taken from no answer of this step")


def _answers(view: View, name: str) -> Iterator[Finding]:
    """What a step takes from its answer."""
    step = view.steps[name]
    if not isinstance(step, Action):
        return
    declared = view.declared(name)
    for variable, taken in view.answers[name].items():
        path = answer_path(name, variable)
        if variable in view.credentials:
            yield found("credential-used", path, f"{variable} is a credential, and is not taken from an answer")
        elif variable not in declared:
            yield found("undeclared-variable", path, f"{variable} is declared nowhere")
        else:
            yield from _taken(declared[variable], variable, taken.default, path)
        if variable not in (step.out_args or ()):
            yield found("unlisted-output", path, f"{variable} is not among the out_args of its step")
        try:
            read_path(taken.path)
        except (BadPath, RecursionError):
            yield found("bad-path", path, f"what {variable} is taken by is no JSONPath")


def _taken(variable: Variable, name: str, default: str | None, path: Path) -> Iterator[Finding]:
    if variable.constant:
        yield found("constant-assigned", path, f"{name} is a constant")
    problem = _misfit(variable.type, default) if default else ""
    if problem and variable.type in TYPES:
        yield found("bad-value", path, f"the default of {name} {problem}")


def _condition(view: View, name: str) -> Iterator[Finding]:
    step = view.steps[name]
    if not isinstance(step, If | While):
        return
    path: Path = ("workflow", name, "condition")
    try:
        read_condition(step.condition)
    except BadCondition as error:
        yield found("bad-condition", path, f"the condition {error}")
        return
    declared = view.declared(name)
    for compared in comparisons(step.condition):
        variable = declared.get(compared.variable)
        if variable is not None and variable.type in TYPES:
            problem = _unlike(variable.type, compared)
            if problem:
                yield found("unlike-types", path, f"{compared.variable} is of type {variable.type}, {problem}")


def _unlike(kind: str, compared: Compared) -> str:
    """Why a variable of this type never compares so; empty where it may."""
    wanted = "number" if kind in _NUMBERS else "truth value" if kind == "bool" else "text"
    if compared.operator in _ON_TEXT and wanted != "text":
        return f"and {compared.operator} looks at text only"
    other = {_kind(literal) for literal in compared.literals} - {wanted}
    return f"and is compared with a {min(other)}" if other else ""


def _kind(literal: str) -> str:
    if literal.startswith("'"):
        return "text"
    return "truth value" if literal in {"true", "false"} else "number"


def _needs(view: View) -> Iterator[Finding]:
    """The variables that the needs extension names."""
    for key in ("files", "outputs"):
        for number, variable in enumerate(getattr(view.needs, key, ())):
            path: Path = ("playbook_extensions", NEEDS, key, number)
            if variable not in view.playbook.playbook_variables:
                yield found("undeclared-variable", path, f"{variable} is no variable of the playbook")
            elif variable in view.credentials:
                yield found("credential-used", path, f"{variable} is a credential, and is neither a file nor a result")


def _unused(view: View) -> Iterator[Finding]:
    """Variables that nothing looks at: no command, condition, address, authentication, playbook or result."""
    outside = view.credentials | {*getattr(view.needs, "outputs", ()), *getattr(view.needs, "files", ())}
    outside |= {use.name for target in view.playbook.target_definitions for use in view.address_uses(target)}
    looked_at = {("", name) for name in outside}
    for name, step in view.steps.items():
        used = [use.name for use in uses_of(view, name)]
        used += (step.in_args or ()) if isinstance(step, PlaybookAction) else ()
        if used:
            scope = view.scope(name)
            looked_at |= {(scope[variable][0], variable) for variable in used if variable in scope}
    declared: list[tuple[str, str, Path]] = [
        ("", v, ("playbook_variables", v)) for v in view.playbook.playbook_variables
    ]
    for name, step in view.steps.items():
        declared += [(name, v, ("workflow", name, "step_variables", v)) for v in step.step_variables]
    for owner, variable, path in declared:
        if (owner, variable) not in looked_at:
            yield found("unused-variable", path, f"nothing looks at {variable}")
