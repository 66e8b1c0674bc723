"""The page of a playbook: everything that whoever runs it wants to know, and no text that breaks the Markdown."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from connector.playbooks.cacao import Playbook
from connector.playbooks.drawing.describe import code, page, prose
from connector.playbooks.drawing.mermaid import mermaid
from tests.playbooks.timelines import playbook, triage

SHIPPED = sorted((Path(__file__).parents[2] / "playbooks").glob("*.json"))


def read(text: str):
    return MarkdownIt("commonmark").enable("table").parse(text)


def test_a_page_says_what_a_playbook_is_and_needs():
    text = page(playbook(), "triage-attachment")

    assert text.startswith("# Triage an attachment\n\nFinds out what an attachment is, asks the shift lead")
    assert "- Labels: `triage`, `email`\n" in text
    assert "- Scopes that its key needs: `read`, `submit`\n" in text
    assert "| `sha1` | string | must be given | SHA-1 of the attachment |\n" in text
    assert "| `case_note` | string |  |\n" in text
    assert "spectra playbook run triage-attachment \\\n  --var sha1=... \\\n  --var filename=... " in text


def test_a_page_holds_the_diagram():
    assert f"```mermaid\n{mermaid(playbook())}```\n" in page(playbook(), "x")


def test_a_page_tells_the_steps_in_order():
    text = page(playbook(), "x")
    steps = re.findall(r"^\d+\. \*\*(.*?)\*\*", text, re.MULTILINE)

    assert len(steps) == len(playbook().workflow)
    assert (steps[0], steps[-1]) == ("Start", "End")
    assert (
        "6. **Ask for the verdict** (`get_classification`). Waits 30 s before it. Keeps `branch` from `$.branch`."
        in text
    )
    assert "side by side \N{RIGHTWARDS ARROW} Get the report; side by side \N{RIGHTWARDS ARROW} Tag the sample" in text
    assert "(asks a person). Leads on: then \N{RIGHTWARDS ARROW} Enrich and tag; on failure" in text


def test_a_credential_is_nothing_to_give():
    made = triage()
    made["playbook_variables"]["__key__"] = {"type": "string", "external": True}
    made["authentication_info_definitions"] = {
        "user-auth--11111111-1111-4111-8111-111111111111": {
            "type": "oauth2",
            "oauth_header": "Bearer",
            "token": "__key__:value",
        }
    }

    assert "`key`" not in page(Playbook.model_validate(made), "x")
    assert "--var key" not in page(Playbook.model_validate(made), "x")


def test_a_playbook_that_needs_and_gives_nothing_says_so():
    made = triage() | {"playbook_variables": {}, "playbook_extensions": None, "labels": None, "description": None}
    text = page(Playbook.model_validate({k: v for k, v in made.items() if v is not None}), "x")

    assert text.count("\n\nNone.\n\n") == 2
    assert text.endswith("```sh\nspectra playbook run x\n```\n")


@given(st.text(min_size=1))
def test_no_text_changes_the_form_of_a_page(text):
    made = triage() | {"name": text, "description": text, "labels": [text]}
    for step in made["workflow"].values():
        step |= {"name": text, "description": text}
    for variable in made["playbook_variables"].values():
        variable["description"] = text
    kinds = [token.type for token in read(page(Playbook.model_validate(made), "x")) if token.level == 0]

    assert kinds.count("heading_open") == 6
    assert kinds.count("fence") == 2
    assert kinds.count("table_open") == 2
    assert kinds.count("ordered_list_open") == 1
    assert "html_block" not in kinds


@given(st.text())
def test_prose_is_read_as_the_text_that_it_was(text):
    inline = [token for token in read(f"x {prose(text)}") if token.type == "inline"]
    children = [child for token in inline for child in token.children]

    assert {child.type for child in children} <= {"text", "text_special"}


@given(st.text(min_size=1))
def test_code_is_one_code_span(text):
    children = [child for token in read(f"x {code(text)} y") if token.type == "inline" for child in token.children]

    assert [child.type for child in children if child.type != "text"] in (["code_inline"], [])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_playbook_has_a_page(path):
    made = Playbook.model_validate(json.loads(path.read_text("utf-8")))
    text = page(made, path.stem)

    assert text == page(made, path.stem)
    assert f"spectra playbook run {path.stem}" in text
