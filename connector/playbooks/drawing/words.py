"""What a reader is told of a playbook's steps: their names, kinds and commands, and what leads from one to another."""

from typing import Final

from connector.playbooks.cacao import (
    Action,
    AnyStep,
    HttpCommand,
    If,
    ManualCommand,
    Parallel,
    Playbook,
    Switch,
    While,
    read_command,
)
from connector.playbooks.drawing.markup import line
from connector.playbooks.filling import BadCommand, start_line
from connector.playbooks.graph import Edge, graph_of, starts
from connector.playbooks.target import action_of

KINDS: Final = {
    "start": "start",
    "end": "end",
    "action": "action",
    "playbook-action": "other playbook",
    "parallel": "in parallel",
    "if-condition": "if",
    "while-condition": "while",
    "switch-condition": "switch",
}


def name_of(step: AnyStep) -> str:
    """The name of a step on one line; its kind where it has none."""
    return line(step.name or "").strip() or KINDS[step.type].capitalize()


def kind_of(step: AnyStep) -> str:
    """What a step is, in a word or two; of an action what it calls."""
    if not isinstance(step, Action):
        return KINDS[step.type]
    return "; ".join(dict.fromkeys(command_words(step)))


def command_words(step: Action) -> list[str]:
    """Each command of a step in words: the action that it calls, the request, or that a person is asked."""
    return [_command(read_command(command), command.type) for command in step.commands]


def asks_a_person(step: AnyStep) -> bool:
    return isinstance(step, Action) and any(command.type == "manual" for command in step.commands)


def _command(ready: HttpCommand | ManualCommand | None, kind: str) -> str:
    if isinstance(ready, ManualCommand):
        return "asks a person"
    if ready is None:
        return line(kind)
    try:
        method, target = start_line(ready)
    except BadCommand:
        return line(ready.command)
    action = action_of(target) if method == "POST" else ""
    return line(action or f"{method} {target}")


def way_of(edge: Edge, step: AnyStep) -> str:
    """What an edge says; nothing where only one way leads on."""
    match edge.label:
        case "on_true":
            return "while it holds" if isinstance(step, While) else "yes"
        case "on_false":
            return "no"
        case "on_failure":
            return "on failure"
        case "next_steps":
            return ""
        case "on_completion" | "on_success":
            return "then" if isinstance(step, If | While | Switch | Parallel) else ""
        case case:
            value = line(case.removeprefix("case "))
            return "otherwise" if value == "default" else value


def steps_in_order(playbook: Playbook) -> list[str]:
    """Every step, each after those that lead to it where no cycle forbids it; what nothing reaches comes last."""
    leaving = graph_of(playbook).out
    done: list[str] = []
    met: set[str] = set()
    for root in reversed([*starts(playbook), *playbook.workflow]):
        left = [(root, iter(leaving[root][::-1]))] if root not in met else []
        met.add(root)
        while left:
            name, ways = left[-1]
            way = next((way for way in ways if way.target not in met), None)
            if way is None:
                done.append(name)
                left.pop()
            else:
                met.add(way.target)
                left.append((way.target, iter(leaving[way.target][::-1])))
    return done[::-1]
