"""docs/proof.md from what the gates printed: figures asked beside figures measured, the matrix, the ledger, the doubts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from tests.faults.rules import as_markdown, counts
from tests.prove.gates import Gate

ROOT: Final = Path(__file__).parents[2]
HONESTY: Final = """\
## What these figures support, and what they do not

"0 of N" is a bound and no certainty: with 0 failures in N independent trials the true rate lies below 3/N with 95 %
confidence (the rule of three), so 0 of 10,000 faults supports a rate below 0.03 %, 0 of 200 kills a rate below 1.5 %,
and 0 of 1,000,000 inputs a rate below 0.0003 % *for inputs like those that were drawn*. Enumerated gates (the matrix,
the crash points, the corpora) are complete for what they enumerate and say nothing of the rest.

Everything was run against the embedded appliance on loopback. It was written from the vendor's pages; a real appliance
may do what no page says, and no figure here is evidence about one. What is unknown about it is a switch of the emulator,
and the suite runs under each setting.

A submission of a file whose answer was lost is looked for by its SHA-1 for 15 seconds and then sent once more. An
appliance whose queue is longer than that can be sent the same content twice; it keeps it once.

The interpreter's memory holds the token while it is used, so a core dump of the process does too; nothing of the
product makes one.
"""


class Ran(Protocol):
    """What is read of a gate that ran."""

    @property
    def gate(self) -> Gate: ...
    @property
    def holds(self) -> bool: ...
    @property
    def seconds(self) -> float: ...
    @property
    def lines(self) -> tuple[dict[str, Any], ...]: ...
    @property
    def problem(self) -> str: ...


def report(done: Sequence[Ran], versions: Mapping[str, str], seed: str) -> str:
    """The whole page."""
    told = [f"{name} {number}" for name, number in versions.items()]
    minutes = sum(one.seconds for one in done) / 60
    parts = [
        "# Proof\n\nWritten by `make prove`; do not edit. What it is measured against: `docs/decisions/0020-the-proof.md`.\n",
        f"Versions: {', '.join(told)}. Seed: {seed}. The gates took {minutes:.0f} minutes, most of them two at a time.\n",
        "## Figures\n",
        table(("claim", "measured", "holds"), (figure(one) for one in done)),
        "## The fault matrix\n",
        f"{sentence(counts())} Part of `make check`; a cell without a rule fails it.\n",
        as_markdown(),
        *(section(one) for one in done if one.gate.name in SECTIONS),
        HONESTY,
    ]
    return "\n".join(parts)


def figure(one: Ran) -> tuple[str, str, str]:
    measured = one.problem or "; ".join(summary(line, one.gate) for line in one.lines)
    if one.gate.name == "mutation":
        measured = f"{reasons()}; {measured}"
    return f"**{one.gate.name}**: {one.gate.asked}", measured, "yes" if one.holds else "**no**"


def summary(line: Mapping[str, Any], gate: Gate) -> str:
    if gate.each:
        return f"{line.get(gate.each)}: {line.get('score', line.get('uncaught', '?'))}"
    return ", ".join(f"{name} {shown(line[name])}" for name in gate.shown if name in line)


def shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"


def sentence(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{shown(value)} {name.replace('_', ' ')}" for name, value in values.items()) + "."


def planted(one: Ran) -> str:
    rows = [(row["gate"], row["defect"], f"`{row['by']}`") for line in one.lines for row in line.get("rows", ())]
    return "## Planted defects\n\n" + table(("gate", "defect", "caught by"), rows)


def reasons() -> str:
    """How many of the survivors have their reason."""
    file = ROOT / "docs" / "mutants.jsonl"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    return f"{sum(bool(row['why']) for row in rows)} of {len(rows)} survivors have their reason"


def by_line(title: str, intro: str = "") -> Any:
    def made(one: Ran) -> str:
        names = (one.gate.each, *one.gate.shown)
        rows = [tuple(shown(line[name]) if name in line else "" for name in names) for line in one.lines]
        return f"## {title}\n\n{intro}{table(names, rows)}"

    return made


def ledger(one: Ran) -> str:
    rows = [(name.replace("_", " "), shown(value)) for line in one.lines for name, value in line.items()]
    return "## The ledger of the campaign\n\n" + table(("", ""), rows)


SURVIVORS: Final = (
    "Survivors are listed in [mutants.jsonl](mutants.jsonl). `why` is the reason why one may stay; where it is empty, a test "
    "that would notice the change is still to be written. Changes to the wording of a sentence are counted apart.\n\n"
)
SECTIONS: Final = {
    "planted defects": planted,
    "mutation": by_line("Mutation score", SURVIVORS),
    "campaign": ledger,
    "fuzzing": by_line("Fuzzed inputs"),
}


def section(one: Ran) -> str:
    return str(SECTIONS[one.gate.name](one))


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in ([*titles], ["---"] * len(titles), *map(list, rows))]
    return "\n".join(lines) + "\n"
