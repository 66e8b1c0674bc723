"""Whether each command can be done as it is written, and whether there is somewhere to send it."""

from collections.abc import Iterator, Mapping
from typing import Final

from connector.playbooks.cacao import Action, HttpCommand, ManualCommand
from connector.playbooks.filling import BadCommand, Value, Values, fill, manual_text, references
from connector.playbooks.linting.finding import Finding, found
from connector.playbooks.linting.view import Done, View, texts_of
from connector.playbooks.target import BadTarget, address_of
from connector.playbooks.variables import BadValue

_SHA1: Final = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
# A value of each type that is accepted wherever one of the type is at all.
TYPICAL: Final[Mapping[str, str]] = {
    "string": "text",
    "integer": "1",
    "long": "1",
    "float": "1",
    "bool": "true",
    "dictionary": "{}",
    "list": f'["{_SHA1}"]',
    "hexstring": _SHA1,
    "hash": _SHA1,
    "md5-hash": _SHA1[:32],
    "sha256-hash": _SHA1 + _SHA1[:24],
    "uri": "https://www.example.com/",
    "uuid": "2f1c6a0e-5f0b-4c53-9d35-0a8a3a1f6a11",
    "ipv4-addr": "192.0.2.1",
    "ipv6-addr": "2001:db8::1",
    "mac-addr": "00:1b:44:11:3a:b7",
}


def typical(view: View, step: str) -> dict[str, Value]:
    """Every variable that a step sees, with a typical value of its type."""
    kinds = {name: variable.type for name, variable in view.declared(step).items()}
    return {
        name: Value(kind if kind in TYPICAL else "string", TYPICAL.get(kind, "text")) for name, kind in kinds.items()
    }


def command_findings(view: View) -> Iterator[Finding]:
    for name, step in view.steps.items():
        if isinstance(step, Action):
            values = typical(view, name)
            for done in view.commands[name]:
                yield from _command(done, values)
            if any(isinstance(done.command, HttpCommand) for done in view.commands[name]):
                yield from _targets(view, name, step)


def _command(done: Done, values: Values) -> Iterator[Finding]:
    if isinstance(done.command, ManualCommand):
        try:
            manual_text(done.command, values)
        except BadCommand as error:
            yield found("bad-command", (*done.path, "command_b64"), f"command_b64 {error}")
        return
    used = {name: Value("string", "text") for _, text in texts_of(done) for name in references(text)}
    problem = _problem(done.command, {**used, **values})
    if problem:
        yield found("bad-command", (*done.path, _field(done.command, used)), f"the command {problem}")


def _problem(command: HttpCommand, values: Values) -> str:
    """Why a command cannot be sent, whatever its variables hold; empty where it can."""
    try:
        fill(command, values)
    except BadCommand as error:
        return str(error)
    except BadValue:  # another value may do, and this one is only typical
        return ""
    return ""


def _field(command: HttpCommand, values: Values) -> str:
    """Which field of a command is wrong, by asking for one after the other."""
    bare = command.model_copy(update={"headers": {}, "content": None, "content_b64": None})
    if _problem(bare, values):
        return "command"
    if _problem(bare.model_copy(update={"headers": command.headers}), values):
        return "headers"
    return "content_b64" if command.content_b64 is not None else "content"


def _targets(view: View, name: str, step: Action) -> Iterator[Finding]:
    if step.targets is None:
        yield found(
            "bad-target", ("workflow", name, "targets"), "the step has an HTTP command and no target to send it to"
        )
    for number, key in enumerate(step.targets or ()):
        target = view.playbook.target_definitions.get(key)
        if target is None or key in view.servers:
            continue
        try:
            address_of(target)
        except BadTarget:
            path = ("workflow", name, "targets", number)
            yield found(
                "bad-target", path, "the target has no address for HTTP: url with http or https, dname, ipv4 or ipv6"
            )
