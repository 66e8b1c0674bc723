"""Mermaid: every step and edge is there, in shapes by type, and no name can be more than a label."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.playbooks.cacao import Playbook
from connector.playbooks.drawing.mermaid import escaped, mermaid
from connector.playbooks.drawing.words import steps_in_order
from connector.playbooks.graph import edges
from tests.playbooks.timelines import playbook, triage

GOLDEN = r"""flowchart TD
    s1(["Start"])
    s2["Look the file up by its hash<br/>get_classification"]
    s3{{"Unknown to the appliance?<br/>if"}}
    s4["Submit the file, privately<br/>submit_file"]
    s5{{"Wait for the analysis<br/>while"}}
    s6["Ask for the verdict<br/>get_classification"]
    s7{{"What is it?<br/>switch"}}
    s8[/"Ask the shift lead to confirm<br/>asks a person"/]
    s9[/"Enrich and tag<br/>in parallel"\]
    s10["Get the report<br/>get_report"]
    s11["Tag the sample<br/>add_tags"]
    s12["Note that nothing was found<br/>get_tags"]
    s13(["End"])
    s1 --> s2
    s2 --> s3
    s3 -->|"yes"| s4
    s3 -->|"then"| s7
    s4 --> s5
    s5 -->|"while it holds"| s6
    s5 -->|"then"| s13
    s6 --> s13
    s7 -->|"malicious"| s8
    s7 -->|"suspicious"| s9
    s7 -->|"otherwise"| s12
    s7 -->|"then"| s13
    s8 --> s9
    s8 -.->|"on failure"| s12
    s9 --> s10
    s9 --> s11
    s9 -->|"then"| s13
    s10 --> s13
    s11 --> s13
    s12 --> s13
"""
# What mermaid 12 was seen to read as one flowchart; characters that mean something to it are entities.
LABEL = r"\"(?:[^\"#;%{}<>&`|\[\]:\n]|#\d+;|<br/>)*\""
STEP = rf"    s\d+(?:\(\[{LABEL}\]\)|\[{LABEL}\]|\[\[{LABEL}\]\]|\{{\{{{LABEL}\}}\}}|\[/{LABEL}[/\\]\])"
EDGE = rf"    s\d+ (?:-->|-\.->)(?:\|{LABEL}\|)? s\d+"
HOSTILE = [
    '"]; click s1 "javascript:alert(1)"',
    "<img src=x onerror=alert(1)>",
    '%%{init: {"theme":"dark"}}%%',
    "`md **x**` end",
    "#quot; #35; &lt;",
    "a\nb --> c",
    "style s1 fill:#f00;",
    "}} | ]] ) {{",
    "\u202egpj.exe",
    "end",
]


def named(name: str) -> Playbook:
    made = triage()
    for step in made["workflow"].values():
        step["name"] = name
    switch = next(step for step in made["workflow"].values() if step["type"] == "switch-condition")
    switch["cases"][name or "x"] = switch["cases"]["default"]
    return Playbook.model_validate(made)


def structure_of(text: str) -> tuple[int, int]:
    """How many steps and edges there are; every line is one of them."""
    head, *lines = text.splitlines()
    assert head == "flowchart TD"
    steps = [line for line in lines if re.fullmatch(STEP, line)]
    ways = [line for line in lines if re.fullmatch(EDGE, line)]
    assert len(steps) + len(ways) == len(lines)
    return len(steps), len(ways)


def test_the_chart_of_a_playbook_is_as_it_was():
    assert mermaid(playbook()) == GOLDEN


def test_the_same_playbook_gives_the_same_chart():
    assert mermaid(playbook()) == mermaid(Playbook.model_validate(triage()))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_a_label(name):
    made = named(name)

    assert structure_of(mermaid(made)) == (len(made.workflow), len(edges(made)))


@given(st.text(max_size=60))
def test_no_name_changes_the_structure(name):
    made = named(name)

    assert structure_of(mermaid(made)) == (len(made.workflow), len(edges(made)))


@given(st.text())
def test_an_escaped_text_holds_nothing_that_mermaid_reads(text):
    assert re.fullmatch(LABEL, f'"{escaped(text)}"')


def test_a_step_that_is_not_there_is_not_drawn():
    made = triage()
    start = next(step for step in made["workflow"].values() if step["type"] == "start")
    start["on_completion"] = "action--00000000-0000-4000-8000-000000000000"

    assert structure_of(mermaid(Playbook.model_validate(made))) == (13, 19)


def test_steps_come_after_what_leads_to_them():
    order = steps_in_order(playbook())

    assert sorted(order) == sorted(playbook().workflow)
    assert all(order.index(edge.source) < order.index(edge.target) for edge in edges(playbook()))
