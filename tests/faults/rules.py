"""The fault matrix: every cell with its rule, the numbers of it, and the table for people."""

from collections import Counter
from typing import Final

from tests.faults.expect import (
    COLUMNS,
    LANES,
    WHENS,
    Again,
    AtOnce,
    Column,
    Elsewhere,
    Exactly,
    Must,
    NotApplicable,
    Rule,
    Spot,
    When,
)
from tests.faults.scene import Cell
from tests.faults.table import RULES

FAULTS: Final = 52
TITLES: Final[dict[Column, str]] = {
    "REP": "get_ticloud_reputation",
    "SRCH": "advanced_search",
    "POLL": "get_url_status",
    "UPF": "submit_file",
    "UPU": "submit_url",
    "DEL": "bulk_delete",
    "TAG": "add_tags, remove_tags",
}
LEGEND: Final = (
    "R: asked again with backoff. N: fails at once. V: looked for, and sent at most once more (a deletion never). "
    "U: outcome unknown, never sent again. ok: as if nothing had been. -: not applicable. E: proven by other tests."
)


def numbers() -> list[str]:
    return [f"F{number:02d}" for number in range(1, FAULTS + 1)]


def musts(number: str, column: Column, when: When) -> list[Must]:
    """What each case of a fault says of a cell; KeyError where the table has no rule."""
    return [case.of(column, when) for case in RULES[number].cases]


def played(group: str) -> list[tuple[Cell, Rule]]:
    """Every cell of a group that is played, in each way to bring it about, with its rule."""
    return [
        (Cell(number, cause, column, when, lane), must.rule(Spot(column, when, lane, cause.done, cause.reaches)))
        for number, row in RULES.items()
        if row.group == group
        for case in row.cases
        for cause in case.causes
        for column in COLUMNS
        for when in WHENS
        for lane in LANES
        if cause.only is None or column in cause.only
        if not isinstance(must := case.of(column, when), NotApplicable | Elsewhere)
    ]


def groups() -> list[str]:
    return sorted({row.group for row in RULES.values()})


def kind_of(number: str, column: Column, when: When) -> str:
    """Whether a cell is played here, proven elsewhere, or not applicable."""
    found = musts(number, column, when)
    if any(not isinstance(must, NotApplicable | Elsewhere) for must in found):
        return "played"
    return "elsewhere" if any(isinstance(must, Elsewhere) for must in found) else "not applicable"


def counts() -> dict[str, int]:
    """Faults, cells (of faults, actions, attempts and lanes) by what becomes of them, and the runs that play them."""
    kinds = Counter(kind_of(n, column, when) for n in numbers() for column in COLUMNS for when in WHENS for _ in LANES)
    return {
        "faults": len(RULES),
        "cells": kinds.total(),
        "played": kinds["played"],
        "not_applicable": kinds["not applicable"],
        "elsewhere": kinds["elsewhere"],
        "runs": sum(len(played(group)) for group in groups()),
    }


def proofs() -> set[str]:
    """Every test elsewhere that the table names."""
    found = [must for number in numbers() for c in COLUMNS for w in WHENS for must in musts(number, c, w)]
    return {name for must in found if isinstance(must, Elsewhere) for name in must.tests}


def as_markdown() -> str:
    """The matrix as a table: a row for each fault, a column for each action."""
    head = ["", "fault", *(TITLES[column] for column in COLUMNS)]
    lines = [head, ["---"] * len(head)]
    lines += [[number, RULES[number].fault, *(_told(number, column) for column in COLUMNS)] for number in numbers()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{LEGEND}\n"


def _told(number: str, column: Column) -> str:
    """What becomes of a fault in a column, each way once."""
    found = [_word(must) for when in WHENS for must in musts(number, column, when)]
    return "; ".join(dict.fromkeys(word for word in found if word)) or "-"


def _word(must: Must) -> str:
    if isinstance(must, NotApplicable):
        return ""
    if isinstance(must, Elsewhere):
        return "E"
    if isinstance(must, Again | AtOnce):
        return f"{must.letter} {must.error.name}"
    return must.given.ends if isinstance(must, Exactly) else must.letter
