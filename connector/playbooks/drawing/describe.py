"""A playbook as a page of Markdown: what it is for, what it needs and gives, its diagram, its steps, how to run it."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from connector.playbooks.cacao import Action, AnyStep, If, Playbook, PlaybookAction, Switch, While
from connector.playbooks.drawing.markup import line
from connector.playbooks.drawing.mermaid import mermaid
from connector.playbooks.drawing.words import command_words, kind_of, name_of, steps_in_order, way_of
from connector.playbooks.extension import answer_of, needs_of
from connector.playbooks.graph import Edge, edges_of
from connector.playbooks.target import credentials

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#~&])")


def page(playbook: Playbook, name: str) -> str:
    """The page ``docs/playbooks/NAME.md``; the same for the same playbook."""
    needs = needs_of(playbook)
    parts = [
        f"# {prose(playbook.name)}",
        prose(playbook.description or ""),
        _facts(playbook),
        "## Variables to give",
        _given(playbook),
        "## Outputs",
        _outputs(playbook, needs.outputs if needs else ()),
        "## Diagram",
        f"```mermaid\n{mermaid(playbook)}```",
        "## Steps",
        _steps(playbook),
        "## Run it",
        f"```sh\n{_command(playbook, name)}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def prose(text: str) -> str:
    """Text as Markdown that says just that: on one line, its special characters escaped."""
    return _SPECIAL.sub(r"\\\1", line(text).strip())


def code(text: str) -> str:
    """Text as a code span, with more backticks around it than there are in it."""
    plain = line(text).replace("|", "\\|")
    ticks = "`" * (max((len(run) for run in re.findall("`+", plain)), default=0) + 1)
    blank = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{ticks}{blank}{plain}{blank}{ticks}"


def _facts(playbook: Playbook) -> str:
    needs = needs_of(playbook)
    facts = {
        "Labels": ", ".join(map(code, playbook.labels or ())),
        "Scopes that its key needs": ", ".join(map(code, needs.scopes)) if needs else "",
        "Id": code(playbook.id),
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items() if value)


def _given(playbook: Playbook) -> str:
    """The external variables, but for those that hold credentials, which a run gets from its settings."""
    secret, needs = credentials(playbook), needs_of(playbook)
    files = needs.files if needs else ()
    rows = []
    for name, variable in playbook.playbook_variables.items():
        if variable.external and name not in secret:
            kind = "path of a file" if name in files else variable.type
            default = code(variable.value) if variable.value is not None else "must be given"
            rows.append([code(_short(name)), kind, default, prose(variable.description or "")])
    return _table(["name", "type", "default", "meaning"], rows) if rows else "None."


def _outputs(playbook: Playbook, names: Iterable[str]) -> str:
    rows = []
    for name in names:
        variable = playbook.playbook_variables.get(name)
        kind, about = (variable.type, variable.description or "") if variable else ("", "")
        rows.append([code(_short(name)), prose(kind), prose(about)])
    return _table(["name", "type", "meaning"], rows) if rows else "None."


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _steps(playbook: Playbook) -> str:
    order = steps_in_order(playbook)
    return "\n".join(f"{number}. {_step(playbook, key, playbook.workflow[key])}" for number, key in enumerate(order, 1))


def _step(playbook: Playbook, key: str, step: AnyStep) -> str:
    """One step: its name, what it does, what it keeps of the answer, and where it leads."""
    told = [f"**{prose(name_of(step))}**{_does(step)}"]
    told += [prose(step.description)] if step.description else []
    told += [f"Waits {step.delay / 1000:g} s before it."] if step.delay else []
    told += [f"Takes at most {step.timeout / 1000:g} s."] if step.timeout else []
    kept = [f"{code(_short(name))} from {code(taken.path)}" for name, taken in answer_of(step).items()]
    told += [f"Keeps {', '.join(kept)}."] if kept else []
    ways = [
        f"{_way(way, step)} \N{RIGHTWARDS ARROW} {prose(name_of(playbook.workflow[way.target]))}"
        for way in edges_of(key, step)
        if way.target in playbook.workflow
    ]
    told += [f"Leads on: {'; '.join(ways)}."] if ways else []
    return " ".join(told)


def _way(edge: Edge, step: AnyStep) -> str:
    return prose(way_of(edge, step)) or ("side by side" if edge.label == "next_steps" else "then")


def _does(step: AnyStep) -> str:
    match step:
        case Action():
            return f" ({'; '.join(w if w == 'asks a person' else code(w) for w in command_words(step))})."
        case PlaybookAction():
            return f" (runs the playbook {code(step.playbook_id)})."
        case If() | While():
            return f" ({kind_of(step)} {code(step.condition)})."
        case Switch():
            return f" (switch on {code(step.switch)})."
        case _:
            return f" ({kind_of(step)})."


def _command(playbook: Playbook, name: str) -> str:
    secret = credentials(playbook)
    wanted = [
        f" \\\n  --var {_short(key)}=..."
        for key, variable in playbook.playbook_variables.items()
        if variable.external and key not in secret and variable.value is None
    ]
    return f"spectra playbook run {name}{''.join(wanted)}"


def _short(name: str) -> str:
    """A variable's name as the command line takes it."""
    return name.removeprefix("__").removesuffix("__")
