"""A playbook as a Mermaid flowchart, for pages that draw Mermaid themselves, such as those of a code host.

Labels are quoted, and every character that is more than a letter, a digit or plain punctuation is written as a Mermaid
entity (``#35;``): so no name can end its quotes, become HTML, a comment, or a directive (``%%{init}%%``).
"""

from typing import Final

from connector.playbooks.cacao import AnyStep, Playbook
from connector.playbooks.drawing.markup import shorter
from connector.playbooks.drawing.words import asks_a_person, kind_of, name_of, steps_in_order, way_of
from connector.playbooks.graph import edges

_PLAIN: Final = frozenset(" .,?!()'/=+-_")
_LONGEST: Final = 80
_SHAPES: Final = {
    "start": ("([", "])"),
    "end": ("([", "])"),
    "action": ("[", "]"),
    "playbook-action": ("[[", "]]"),
    "parallel": ("[/", "\\]"),
    "if-condition": ("{{", "}}"),
    "while-condition": ("{{", "}}"),
    "switch-condition": ("{{", "}}"),
}
_PERSON: Final = ("[/", "/]")


def mermaid(playbook: Playbook) -> str:
    """The flowchart, a line for each step and each edge, ending with a line break; the same for the same playbook."""
    names = {step: f"s{number}" for number, step in enumerate(steps_in_order(playbook), 1)}
    steps = [f"    {names[key]}{_shape(playbook.workflow[key])}" for key in names]
    ways = []
    for edge in sorted(edges(playbook), key=lambda edge: list(names).index(edge.source)):
        if edge.target in names:
            said = way_of(edge, playbook.workflow[edge.source])
            arrow = "-.->" if edge.label == "on_failure" else "-->"
            label = f'|"{escaped(said)}"|' if said else ""
            ways.append(f"    {names[edge.source]} {arrow}{label} {names[edge.target]}")
    return "\n".join(["flowchart TD", *steps, *ways]) + "\n"


def _shape(step: AnyStep) -> str:
    opened, closed = _PERSON if asks_a_person(step) else _SHAPES[step.type]
    name, kind = escaped(name_of(step)), "" if step.type in {"start", "end"} else escaped(kind_of(step))
    return f'{opened}"{name}{f"<br/>{kind}" if kind else ""}"{closed}'


def escaped(text: str) -> str:
    """A text as it stands within quotes of Mermaid."""
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in shorter(text, _LONGEST))
