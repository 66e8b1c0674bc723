"""The case note: whole, readable, and closed to what comes from outside."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from connector.actions import every
from connector.actions.get_classification import ACTION
from connector.outcome import Next, Outcome, Used
from connector.server.notes import ADVICE, MOST_ROWS, defanged, note, plain
from connector.verdict import File, Url, Verdict
from tests.laboratory import Lab

GOLDEN = Path(__file__).with_name("case_note.md")
PARSER = MarkdownIt("commonmark").enable("table")
HOSTILE = [
    "a|b|c",
    "a\\|b",
    "| x |\n|---|",
    "\n\n# heading",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](http://evil.example.com)",
    "![x](http://evil.example.com/x.png)",
    "http://evil.example.com",
    "www.evil.example.com",
    "`code` **bold** _em_ ~~gone~~",
    "&lt;b&gt; &#60;",
    "\u202egpj.exe",
    "\x1b[31mred",
    "- item",
    "1. item",
    "> quote",
    "```\nfence",
    "---",
    "x" * 5000,
]


def outcome(**more) -> Outcome:
    known = {
        "action": "get_classification",
        "status": "success",
        "branch": "malicious",
        "result": ACTION.result.model_construct(),
        "verdicts": (),
        "stix": None,
        "endpoint": Used("classification", "/api/samples/v3/{hash}/classification/", False, None),
        "next": None,
        "notices": (),
    }
    return Outcome(**known | more)


def verdict(name="invoice.exe", **more) -> Verdict:
    subject = File(md5="0" * 32, sha1="1" * 40, sha256="2" * 64, name=name)
    return Verdict(subject=subject, classification="malicious", riskscore=9, **more)


def tables(text: str) -> list[list[str]]:
    """The cells of every row, as a reader of Markdown sees them."""
    rows, cells = [], None
    for token in PARSER.parse(text):
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline" and cells is not None:
            cells.append("".join(child.content for child in token.children))
        elif token.type == "tr_close":
            rows.append(cells)
            cells = None
    return rows


def kinds(text: str) -> set[str]:
    """Every kind of thing that a reader of Markdown sees in a text."""
    found = set()
    for token in PARSER.parse(text):
        found.add(token.type)
        found |= {child.type for child in token.children or ()}
    return found


USUAL = {"heading_open", "heading_close", "inline", "text", "bullet_list_open", "bullet_list_close", "list_item_open",
         "list_item_close", "paragraph_open", "paragraph_close", "table_open", "table_close", "thead_open", "thead_close",
         "tbody_open", "tbody_close", "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close", "fence",
         "text_special"}  # fmt: skip


def test_it_is_as_it_was():
    made = note(
        outcome(
            verdicts=(
                verdict(threat_name="Win32.Trojan.Emotet", reason="antivirus"),
                Verdict(
                    subject=Url(value="http://www.evil.example.com/a?b=c", served=File(sha1="3" * 40)),
                    classification="suspicious",
                ),
            ),
            stix={"objects": [{}, {}]},
            next=Next("get_report", {"hash_values": ["1" * 40]}, 15.0),
            notices=("the endpoint is deprecated",),
            operation_id="case-4711",
        ),
        {"hash_value": "1" * 40, "localonly": False, "tlp": None},
    )

    assert made == GOLDEN.read_text("utf-8")
    assert kinds(made) <= USUAL


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_in_its_cell(text):
    verdicts = (verdict(text, threat_name=text, reason=text), verdict())

    rows = tables(note(outcome(verdicts=verdicts), {"hash_value": text}))

    assert [len(row) for row in rows] == [6, 6, 6]
    assert rows[1][2] == rows[1][3] == rows[1][4]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_is_text_everywhere(text):
    made = note(
        outcome(
            verdicts=(verdict(text),),
            notices=(text,),
            next=Next("submit_file", {"comment": text}, 1.0),
            endpoint=Used("x", text, False, None),
        ),
        {"hash_value": text},
    )

    assert kinds(made) <= USUAL
    assert made.isprintable() or all(char.isprintable() or char == "\n" for char in made)


@given(st.text())
def test_whatever_a_text_is_it_is_one_cell_that_reads_the_same(text):
    shown = plain(text)

    rows = tables(f"| a | b |\n|---|---|\n| {shown} | end |\n")

    assert [len(row) for row in rows] == [2, 2]
    assert rows[1][1] == "end"
    assert len(shown) <= 2 * 301 + 10
    if text.isascii() and text.isprintable() and len(text) <= 300:
        assert rows[1][0] == " ".join(text.split())


@given(st.text())
def test_whatever_a_notice_is_it_is_one_item(text):
    assert kinds(f"- {plain(text)}\n") <= USUAL


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://www.evil.example.com/a.b?c", "hxxp://www[.]evil[.]example[.]com/a.b?c"),
        ("HTTPS://evil.example.com", "hxxps://evil[.]example[.]com"),
        ("no address", "no address"),
    ],
)
def test_an_address_cannot_be_followed_by_accident(url, told):
    assert defanged(url) == told


def test_no_secret_and_no_content_is_in_it():
    params = {"content_base64": "Y2FuYXJ5", "archive_password": "canary", "filename": "a", "file": "/tmp/canary"}

    made = note(replace(outcome(), action="submit_file"), params)

    assert "canary" not in made
    assert "Y2FuYXJ5" not in made
    assert "archive\\_password: given, and not shown" in made


def test_of_many_verdicts_the_rest_is_counted():
    made = note(outcome(verdicts=(verdict(),) * (MOST_ROWS + 5)), {})

    assert len(tables(made)) == MOST_ROWS + 1
    assert "5 more are in the JSON outcome." in made


def test_every_branch_has_its_advice():
    assert {branch for action in every() for branch in action.branches} <= ADVICE.keys()


@pytest.mark.parametrize("action", every(), ids=lambda action: action.name)
def test_every_action_makes_one(lab: Lab, server, action):
    lab.load(sha1="d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5", classification="malicious")
    params = {"content_base64": "aGVsbG8="} if action.name == "submit_file" else action.examples[0].params

    answer = server.run(action.name, params, accept="text/markdown")

    if answer.status_code == 200:
        assert kinds(answer.text) <= USUAL
