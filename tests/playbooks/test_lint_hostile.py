"""The linter answers whatever it is given, quickly, and says of each finding what to do; its page names every code."""

import copy
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.playbooks.linting.finding import RULES, Finding, found
from connector.playbooks.linting.lint import LARGEST, Linted, lint, lint_value
from connector.playbooks.linting.page import PAGE, page
from tests.playbooks.making import (
    END,
    START,
    action,
    call,
    changed,
    cleaning,
    end,
    if_,
    key,
    line,
    manual,
    playbook,
    simple,
    start,
    step_key,
    while_,
)
from tests.playbooks.making import given as passed
from tests.playbooks.test_lint import FIRES, SILENT

ROOT = Path(__file__).parents[2]

# what is no JSON that can be believed: the text, and a word of what is said of it
NOT_JSON = {
    "nothing": ("", "empty"),
    "a word": ("playbook", "not JSON"),
    "a page": ("<html></html>", "a page"),
    "a name twice": ('{"type": "playbook", "type": "playbook"}', "a name twice"),
    "NaN": ('{"priority": NaN}', "NaN"),
    "a huge number": ('{"priority": 1e999}', "out of range"),
    "an endless nest": ("[" * 100_000, "nested"),
    "a deep nest": ('{"a": ' * 70 + "1" + "}" * 70, "nested"),
    "half a character": (b'{"a": "\xff"}', "UTF-8"),
    "half a pair": ('{"a": "\\ud800"}', "surrogate"),
    "half a pair as it is": ('{"a": "\ud800"}', "UTF-8"),
    "a list": ("[]", "one JSON object"),
    "null": ("null", "one JSON object"),
    "cut off": (json.dumps(simple())[:-1], "not JSON"),
}


@pytest.mark.parametrize("what", NOT_JSON)
def test_what_is_no_json_object_is_one_finding(what):
    text, word = NOT_JSON[what]
    linted = lint(text)

    assert [finding.code for finding in linted.findings] == ["not-json"]
    assert word in linted.findings[0].message
    assert linted.playbook is None
    assert not linted.ok


def test_a_file_of_50_megabytes_is_not_read():
    before = time.perf_counter()
    linted = lint(b"[" + b"1," * 25_000_000)

    assert [finding.code for finding in linted.findings] == ["too-large"]
    assert time.perf_counter() - before < 1


def test_the_largest_file_that_is_read_is_read():
    text = json.dumps(simple())
    padded = text + " " * (LARGEST - len(text))

    assert lint(padded).ok
    assert [finding.code for finding in lint(padded + " ").findings] == ["too-large"]


def test_bytes_and_text_are_the_same():
    text = json.dumps(cleaning(), ensure_ascii=False)

    assert lint(text) == lint(text.encode()) == lint_value(cleaning())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
WORDS = st.sampled_from(
    [
        *("type", "action", "workflow", "playbook", "commands", "http-api", "manual", "command", "content", "headers"),
        *("__a__:value", "__a__", "$.x", "if-condition", "while-condition", "condition", "step_extensions", "cases"),
        *(START, END),
    ]
)


@settings(max_examples=150, deadline=None)
@given(JSON | st.dictionaries(WORDS, JSON | WORDS))
def test_any_json_is_answered(value):
    assert isinstance(lint_value(value), Linted)


@settings(max_examples=150, deadline=None)
@given(st.text() | st.binary())
def test_any_text_is_answered(text):
    assert not lint(text).ok


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_playbook_with_anything_anywhere_is_answered(data):
    made = copy.deepcopy(cleaning())
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(made))))
        made = changed(made, *path, to=data.draw(JSON | WORDS | st.text(max_size=60)))

    assert isinstance(lint_value(made), Linted)


TEXTS = st.text("_ab:value ()'\"$.[]{}*?=!<>\\\n0AND", max_size=40)
FORMS = st.sampled_from(["condition", "path", "content", "command", "header", "switch"])


@settings(max_examples=300, deadline=None)
@given(FORMS, TEXTS | st.text(max_size=30))
def test_anything_written_where_a_language_is_read_is_answered(form, text):
    first, test = ("workflow", step_key(0)), key("if-condition", "x")
    made = {
        "condition": lambda: playbook({START: start(test), test: if_(text, END, END), END: end()}),
        "path": lambda: line(lambda then: action(manual(), then=then, takes={"__a__": text})),
        "content": lambda: line(lambda then: action(call("get_report", text), then=then)),
        "command": lambda: changed(simple(), *first, "commands", 0, "command", to=text),
        "header": lambda: changed(simple(), *first, "commands", 0, "headers", to={text: [text]}),
        "switch": lambda: changed(
            simple(), *first, to={"type": "switch-condition", "switch": text, "cases": {text: END}}
        ),
    }[form]()

    assert isinstance(lint_value(made), Linted)


def places(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, item in items:
        yield (*path, part)
        yield from places(item, (*path, part))


def long_playbook(steps):
    """Look-ups, conditions and loops one after the other, every third of them a branch."""
    workflow, then = {END: end()}, END
    for number in range(steps // 3):
        look, test, done = (key(kind, str(number)) for kind in ("action", "if-condition", "end"))
        verdict = f"__v{number}__"
        workflow[done] = end()
        workflow[test] = if_(f"{verdict}:value = 'malicious' AND __hash__:value != '{number}'", done, then)
        takes = {verdict: "$.branch"}
        content = f'{{"hash_value": "__hash__:value", "localonly": {"true" if number % 2 else "false"}}}'
        workflow[look] = action(call("get_classification", content), then=test, takes=takes)
        then = look
    variables = {f"__v{number}__": {"type": "string"} for number in range(steps // 3)}
    return playbook({START: start(then), **workflow}, {"__hash__": passed("hash"), **variables})


def nested_playbook(depth):
    """A loop within a loop within a loop."""
    workflow, inner = {}, key("action", "inner")
    workflow[inner] = action(
        call("get_report", '{"hash_values": ["__hash__:value"]}'), then=END, takes={"__v__": "$.branch"}
    )
    for number in range(depth):
        loop, done = key("while-condition", str(number)), key("end", str(number))
        workflow |= {done: end(), loop: while_(f"__v__:value != '{number}'", inner, done)}
        inner = loop
    variables = {"__hash__": passed("hash"), "__v__": {"type": "string"}}
    return playbook({START: start(inner), **workflow, END: end()}, variables)


@pytest.mark.parametrize(
    "made", [long_playbook(500), nested_playbook(250)], ids=["500 steps in a row", "250 loops nested"]
)
def test_a_playbook_of_500_steps_takes_less_than_a_second(made):
    text = json.dumps(made)
    seconds = min(_timed(text) for _ in range(3))

    assert lint(text).playbook is not None
    assert lint(text).errors == ()
    assert seconds < 1


def test_a_tangle_of_a_thousand_steps_is_told_in_a_moment():
    tests = [key("if-condition", str(number)) for number in range(1000)]
    ways = zip(tests, [*tests[1:], END], strict=True)
    made = playbook(
        {START: start(tests[0]), **{test: if_("__a__:value = 'x'", then, then) for test, then in ways}, END: end()}
    )

    assert "into-branch" in {finding.code for finding in lint_value(made).findings}
    assert _timed(json.dumps(made)) < 2


def _timed(text):
    before = time.perf_counter()
    lint(text)
    return time.perf_counter() - before


# --- findings and their page


def test_every_code_has_a_playbook_in_which_it_fires_and_one_in_which_it_does_not():
    by_text = {"not-json", "too-large", "secret", "perhaps-unset-variable"}  # tested by text, and on their own

    assert FIRES.keys() | by_text == RULES.keys()
    assert SILENT.keys() | by_text == RULES.keys()


def test_the_page_is_as_the_rules_are_and_names_every_code():
    written = (ROOT / PAGE).read_text("utf-8")

    assert written == page(), "run python -m connector.playbooks.linting.page"
    assert all(f"`{code}`" in written for code in RULES)


def test_every_rule_is_told_in_a_sentence_and_has_a_mend():
    for code, rule in RULES.items():
        assert rule.meaning.endswith("."), code
        assert rule.mend, code
        assert not rule.mend.endswith("."), code
        assert code == code.lower()


def test_a_finding_is_json():
    finding = found("no-end", ("workflow", "a/b~c"), "no end")

    assert finding.as_dict() == {
        "pointer": "/workflow/a~1b~0c",
        "code": "no-end",
        "severity": "error",
        "message": "no end",
        "mend": RULES["no-end"].mend,
    }


def test_findings_come_in_the_order_of_their_places_and_none_twice():
    findings = lint_value({"workflow": {}, "type": 1, "name": None}).findings

    assert list(findings) == sorted(set(findings))
    assert all(isinstance(finding, Finding) for finding in findings)
    assert len({(finding.pointer, finding.code, finding.message) for finding in findings}) == len(findings)


def test_warnings_do_not_keep_a_playbook_from_running():
    linted = lint_value(simple(description=None))

    assert [finding.severity for finding in linted.findings] == ["warning"]
    assert linted.ok
    assert linted.errors == ()
