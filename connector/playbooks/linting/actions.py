"""Whether each call to the action server is one that it takes: its route, its method, its parameters, its scope."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from connector.actions import NAMES, find
from connector.contract import params_schema
from connector.playbooks.cacao import ManualCommand
from connector.playbooks.extension import NEEDS, Scope
from connector.playbooks.filling import JSON, media_type
from connector.playbooks.linting.calls import ROUTES, Called, Content, calls, content
from connector.playbooks.linting.finding import Finding, Path, found
from connector.playbooks.linting.flow import APPROVED, Flow
from connector.playbooks.linting.view import View
from connector.playbooks.target import ACTIONS
from connector.vocabulary import pointer

_TYPES: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def action_findings(view: View, flow: Flow) -> Iterator[Finding]:
    made = calls(view)
    for called in made:
        yield from _route(called)
        if called.action is not None:
            yield from _params(view, called)
            yield from _approval(view, flow, called)
    yield from _scopes(view, made)


def _route(called: Called) -> Iterator[Finding]:
    path: Path = (*called.done.path, "command")
    if called.action is not None:
        if called.method != "POST":
            yield found("wrong-method", path, f"an action is called by POST, not by {called.method}")
    elif called.route in ROUTES:
        method, _ = ROUTES[called.route]
        if called.method != method:
            yield found("wrong-method", path, f"{called.route} is called by {method}, not by {called.method}")
    elif called.route.startswith(ACTIONS):
        told = f"call one of {', '.join(NAMES)}, by its name"
        yield found("unknown-action", path, "the action server has no action of this name", told)
    else:
        told = f"call {ACTIONS}NAME, {', '.join(ROUTES)}"
        yield found("unknown-action", path, "the action server has no such route for playbooks", told)


@cache
def _validator(action: str) -> Draft202012Validator:
    return Draft202012Validator(params_schema(find(action)))


def _params(view: View, called: Called) -> Iterator[Finding]:
    """Content that the action's schema refuses, whatever the variables hold."""
    path: Path = (*called.done.path, "content")
    action = called.action or ""
    if called.command.content is not None and media_type(called.command) != JSON:
        if action != "submit_file":
            yield found("bad-params", path, f"{action} takes {JSON}, and this content is called something else")
        return
    given = content(view, called)
    if given is None:
        return
    for error in _validator(action).iter_errors(given.value):
        for place, sentence in _told(error, given):
            yield found("bad-params", path, f"{pointer(list(place)) or action} {sentence}", _mend(action))


def _mend(action: str) -> str:
    takes = ", ".join(find(action).params.model_fields) or "nothing"
    return f"{action} takes {takes}; schemas/{action}.params.json says what each of them is"


def _told(error: ValidationError, given: Content) -> Iterator[tuple[Path, str]]:
    """What an error of the schema says, by place; nothing where another value of a variable would be accepted."""
    place: Path = tuple(error.absolute_path)
    if given.is_open(place) and not (place in given.open and _of_type(error)):
        return
    rule, wanted = str(error.validator), cast("Any", error.validator_value)
    there = cast("Any", error.instance)
    if rule == "additionalProperties":
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        yield from (((*place, name), "is not known") for name in there if name not in known)
    elif rule == "required":
        yield from (((*place, name), "is required") for name in wanted if name not in there)
    elif rule == "type":
        yield place, f"must be {_TYPES.get(str(wanted), str(wanted))}"
    elif rule in {"oneOf", "anyOf"}:
        yield place, _alternatives([option for option in wanted if isinstance(option, dict)]) or _misfit(error)
    else:
        yield place, _misfit(error)


def _of_type(error: ValidationError) -> bool:
    """Whether no value of the variable's type can be accepted: a text where there must be a list."""
    if error.validator in {"anyOf", "oneOf"} and error.context:
        branches: dict[Any, bool] = {}
        for inner in error.context:
            branch = inner.schema_path[0]
            wrong = inner.validator == "type" and not inner.path
            branches[branch] = branches.get(branch, False) or wrong
        return all(branches.values())
    return error.validator == "type"


def _alternatives(options: list[dict[str, Any]]) -> str:
    """What one of several alternatives wants: one of some fields, or one of some types; empty where neither tells."""
    names = [str(name) for option in options for name in option.get("required", ())]
    if names:
        return f"must have exactly one of {', '.join(dict.fromkeys(names))}"
    types = [_TYPES.get(str(option.get("type")), "") for option in options]
    told = " or ".join(dict.fromkeys(kind for kind in types if kind and kind != "null"))
    return f"must be {told}, as its schema has it" if told else ""


def _misfit(error: ValidationError) -> str:
    """That something is not what its schema describes, with that description."""
    inner = isinstance(error.schema, dict) and error.absolute_path
    about = str(cast("Any", error.schema).get("description", "")) if inner else ""
    return f"is not what it should be: {about.rstrip('.')}" if about else "does not fit its schema"


def _approval(view: View, flow: Flow, called: Called) -> Iterator[Finding]:
    """A call that deletes, where a person has not approved before on every path, nor in the same step before it."""
    action = find(called.action or "")
    if action.effect != "destroy" or _only_plans(view, called):
        return
    for done in view.commands[called.step]:
        if done.path == called.done.path:
            break
        if isinstance(done.command, ManualCommand):
            return
    known = flow.before(called.step)
    if known is not None and not known.always & flow.bit(APPROVED):
        told = f"{action.name} deletes, and a path leads here on which nobody has approved it"
        yield found("unapproved-destroy", (*called.done.path, "command"), told)


def _only_plans(view: View, called: Called) -> bool:
    """Whether the call says ``plan: true`` itself, and no confirmation."""
    given = content(view, called, truth="false")
    value = given.value if given is not None else None
    return isinstance(value, dict) and value.get("plan") is True and value.get("confirm") is None


def _scopes(view: View, made: list[Called]) -> Iterator[Finding]:
    if view.needs is None:
        return
    needed: dict[Scope, Called] = {}
    for called in made:
        scope = find(called.action).effect if called.action else ROUTES.get(called.route, ("", None))[1]
        if scope is not None:
            needed.setdefault(scope, called)
    path: Path = ("playbook_extensions", NEEDS, "scopes")
    for scope, called in needed.items():
        if scope not in view.needs.scopes:
            yield found("missing-scope", path, f"{called.route} needs the scope {scope}")
    asks = any(isinstance(done.command, ManualCommand) for given in view.commands.values() for done in given)
    for number, scope in enumerate(view.needs.scopes):
        if scope not in needed and not (scope == "approve" and asks):
            yield found("needless-scope", (*path, number), f"no call needs the scope {scope}")
