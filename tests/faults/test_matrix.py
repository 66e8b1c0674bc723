"""The fault matrix is whole: every cell has a rule or a reason, every rule is played, every proof exists."""

import ast
import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from connector import Settings
from connector.exchange import Wire
from connector.plan import Call
from tests.faults import rules
from tests.faults.expect import COLUMNS, LANES, WHENS, Elsewhere, NotApplicable
from tests.faults.table import RULES
from tests.laboratory import ROOT, Lab

FOLDER = Path(__file__).parent


def test_every_fault_has_its_row():
    assert list(RULES) == rules.numbers()


@pytest.mark.parametrize("number", rules.numbers())
def test_every_cell_has_a_rule_or_a_reason(number):
    for column in COLUMNS:
        for when in WHENS:
            for must in rules.musts(number, column, when):
                assert not isinstance(must, NotApplicable) or len(must.why) > 8, (number, column, when)


@pytest.mark.parametrize("number", rules.numbers())
def test_every_rule_is_played_in_both_lanes(number):
    """A cell whose table says what must come is brought about in at least one way, and its test collects it."""
    cells = {(c.column, c.when, c.lane) for c, _ in rules.played(RULES[number].group) if c.number == number}
    wanted = {
        (column, when, lane)
        for column in COLUMNS
        for when in WHENS
        for lane in LANES
        if rules.kind_of(number, column, when) == "played"
    }
    assert cells == wanted


def test_each_group_has_its_file_and_no_case_is_named_twice():
    assert {f"test_matrix_{group}.py" for group in rules.groups()} == {
        path.name for path in FOLDER.glob("test_matrix_*.py")
    }
    for group in rules.groups():
        assert f'plays("{group}")' in (FOLDER / f"test_matrix_{group}.py").read_text("utf-8")
        names = [str(cell) for cell, _ in rules.played(group)]
        assert len(set(names)) == len(names)


@cache
def names_in(file: str) -> set[str]:
    """The tests of a file, each with its class where it has one."""
    found = set()
    for node in ast.parse((ROOT / file).read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


@pytest.mark.parametrize("name", sorted(rules.proofs()))
def test_what_is_proven_elsewhere_is_proven_there(name):
    file, _, test = name.partition("::")
    assert test in names_in(file)


def test_a_cell_without_a_rule_is_found_out():
    with pytest.raises(KeyError), mock.patch.dict(RULES, {"F01": _without(RULES["F01"])}):
        test_every_cell_has_a_rule_or_a_reason("F01")


def _without(row):
    case = row.cases[0]
    short = type(case)(case.causes, {column: must for column, must in case.must.items() if column != "UPU"})
    return type(row)(row.fault, row.group, (short,))


def test_the_numbers_add_up():
    counts = rules.counts()

    assert counts["faults"] == rules.FAULTS
    assert counts["cells"] == rules.FAULTS * len(COLUMNS) * len(WHENS) * len(LANES)
    assert counts["played"] + counts["not_applicable"] + counts["elsewhere"] == counts["cells"]
    assert counts["runs"] >= counts["played"] > counts["cells"] / 2


def test_the_table_for_people_shows_every_fault_and_no_error_that_is_not_ours():
    lines = rules.as_markdown().splitlines()
    rows = [line for line in lines if line.startswith("| F")]

    assert [row.split()[1] for row in rows] == rules.numbers()
    assert {row.count("|") for row in rows} == {10}
    named = set(re.findall(r"\b[RN] (\w+)", " ".join(rows)))
    assert named <= {kind.__name__ for kind in _family()}


def _family():
    from connector.errors import SpectraError

    kinds = [SpectraError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return kinds


def test_what_is_proven_elsewhere_is_not_played():
    for number in ("F42", "F44", "F52"):
        kinds = {type(must) for column in COLUMNS for when in WHENS for must in rules.musts(number, column, when)}
        assert kinds <= {Elsewhere, NotApplicable}


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1)], ids=["forward", "back"])
@pytest.mark.parametrize("lane", LANES)
def test_a_clock_that_jumps_moves_no_wait(lab: Lab, lane, jump):
    """The time of day jumps with every look at it; deadline, pauses and breakers keep to the monotonic clock."""
    import time

    from tests.laboratory import run

    lab.load(sha1="1" * 40, classification="malicious")
    lab.fault(path="/api/samples/status/", nth=1, status=500, body={})
    looks = []

    def jumping():
        looks.append(1)
        return 1_700_000_000.0 + len(looks) * jump.total_seconds()

    began = time.monotonic()
    with mock.patch("time.time", jumping):
        outcome = run(lab.settings(deadline_seconds=20), "get_file_status", {"hash_values": ["1" * 40]}, lane=lane)

    assert outcome.branch == "ok"
    assert time.monotonic() - began < 5
    wire = Wire(Settings(url="http://127.0.0.1:1"))
    assert wire.clock is time.monotonic
    assert wire.health.clock() == pytest.approx(time.monotonic(), abs=1)
    wire.health.admit(Call("GET", "/"))
