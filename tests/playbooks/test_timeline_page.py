"""The page of a run: it says what happened, and nothing in it can be more than text or lead outside."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.playbooks.bundles import merged_stix as merged
from connector.playbooks.drawing.page import POLICY, timeline_page
from connector.playbooks.drawing.page_facts import counted, lasting, moment, readable, verdicts
from tests.playbooks import timelines
from tests.playbooks.timelines import BEGAN, triage

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(1)">\u202egpj.exe\x00\x1b[31m\u200b&amp;"\''
LOADS = {"src", "href", "xlink:href", "action", "formaction", "data", "poster", "srcset", "background", "ping"}
VOID = {"meta", "br", "col", "path", "rect", "line", "circle", "polygon"}


class Page(HTMLParser):
    """A page read: its elements with their attributes and texts, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.told: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        within = self.open[-1] if self.open else ""
        self.texts.setdefault(within, []).append(data)
        self.told += [data] if within not in {"script", "style"} else []

    @property
    def shown(self) -> str:
        """What a reader sees."""
        return "".join(self.told)

    def json(self, name: str):
        number = [attributes.get("id") for tag, attributes in self.elements if tag == "script"].index(name)
        return json.loads(self.texts["script"][number])


@pytest.fixture(scope="module")
def runs(appliances):
    return {name: getattr(timelines, name)(appliances("9.6").as_new()) for name in ("done", "failed", "waiting")}


def copied(run):
    return json.loads(json.dumps(run))


def poisoned(value, text):
    """Every text of a timeline that comes from outside, replaced."""
    keep = {"type", "id", "where", "step", "playbook", "kind", "created", "modified", "spec_version", "classification"}
    if isinstance(value, dict):
        return {k: v if k in keep and not isinstance(v, dict | list) else poisoned(v, text) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(item, text) for item in value]
    return text if isinstance(value, str) else value


def hostile(run, text=HOSTILE):
    made = copied(run)
    made["visits"] = poisoned(made["visits"], text)
    for visit, honest in zip(made["visits"], run["visits"], strict=True):
        visit["state"] = honest["state"]
        visit["took"] = visit["took"] and text
        visit["assigned"] = {text: text}
    made |= {"run": text, "given": {text: text}, "outputs": {text: text, "__none__": None}, "sentence": text}
    made["waiting"] = {"step": text, "name": text, "text": text, "until": BEGAN, "kind": "approval"}
    made["playbook"] |= {"name": text, "description": text, "labels": [text]}
    for step in made["playbook"]["workflow"].values():
        step |= {"name": text, "description": text}
        if step["type"] == "switch-condition":
            step["cases"] = {text: step["cases"]["malicious"], "default": step["cases"]["default"]}
    return made


@pytest.mark.parametrize("name", ["done", "failed", "waiting"])
def test_a_page_is_one_well_formed_document(runs, name):
    page = Page(timeline_page(runs[name]))
    headings = [tag for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]

    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert len(ids) == len(set(ids))
    assert ("html", {"lang": "en"}) in page.elements
    for _, attributes in page.elements:
        for name_ in ("aria-labelledby", "aria-describedby", "aria-controls"):
            assert attributes.get(name_, ids[0]) in ids


@pytest.mark.parametrize("text", [HOSTILE, "", "https://attacker.example/x.js", "__proto__", "a" * 5000])
def test_nothing_from_outside_becomes_markup_or_an_address(runs, text):
    honest, made = Page(timeline_page(runs["done"])), Page(timeline_page(hostile(runs["done"], text)))
    allowed = {tag for tag, _ in honest.elements} | {"code", "p"}

    assert {tag for tag, _ in made.elements} <= allowed
    assert sum(tag == "script" for tag, _ in made.elements) == 3
    assert not [name for _, attributes in made.elements for name in attributes if name.startswith("on")]
    assert not [name for _, attributes in made.elements for name in attributes if name in LOADS]


def test_nothing_that_hides_is_left_in_the_file(runs):
    page = timeline_page(hostile(runs["done"]))

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", page)
    assert "[U+202E]gpj.exe[U+0000][U+001B][31m[U+200B]" in Page(page).shown


@given(st.text())
def test_any_text_gives_a_page_with_the_same_elements(text):
    run = bare(visits=[visit(name=text, sentence=text, assigned={"__a__": text}, calls=[text], asked=text)])
    run |= {"given": {"__a__": text}, "sentence": text, "run": text}
    page = Page(timeline_page(run))

    assert sum(tag == "script" for tag, _ in page.elements) == 2
    assert page.json("run") == run
    timeline_page(run).encode("utf-8")


@pytest.mark.parametrize("name", ["done", "failed", "waiting"])
def test_nothing_in_the_file_refers_to_anything_outside(runs, name):
    text = timeline_page(runs[name])
    page = Page(text)
    styles = " ".join(page.texts["style"])

    assert not [name_ for _, attributes in page.elements for name_ in attributes if name_ in LOADS]
    assert not re.search(r"url\(|@import|expression\(", styles)
    assert not {"link", "iframe", "object", "embed", "img", "base", "form", "image", "use"} & {
        t for t, _ in page.elements
    }


def test_the_policy_allows_the_one_script_by_its_hash(runs):
    page = Page(timeline_page(runs["done"]))
    policy = next(
        a["content"] for t, a in page.elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(page.texts["script"][-1].encode()).digest()).decode()

    assert policy == POLICY
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")


def test_the_run_and_its_bundle_are_in_the_file_as_json(runs):
    page = Page(timeline_page(runs["done"]))

    assert page.json("run") == runs["done"]
    assert page.json("bundle") == merged(runs["done"]["visits"])


def test_json_within_the_file_survives_hostile_text(runs):
    made = hostile(runs["done"])

    assert Page(timeline_page(made)).json("run") == made


def test_the_head_says_what_and_when(runs):
    shown = Page(timeline_page(runs["done"])).shown

    for words in ("Triage an attachment", "done", "triage-20261125-0007", "2026-11-25 10:00:00 UTC", "6 min 5 s"):
        assert words in shown
    assert "1 malicious. 12 steps taken, 7 calls made." in shown


def test_a_failure_is_told_with_its_innermost_step_and_its_sentence(runs):
    shown = Page(timeline_page(runs["failed"])).shown

    assert "Failed at \u201cGet the report\u201d" in shown
    assert timelines.TOO_SLOW in shown


def test_a_run_that_waits_says_for_what_and_how_to_answer(runs):
    shown = Page(timeline_page(runs["waiting"])).shown

    assert "Waits for a person: \u201cAsk the shift lead to confirm\u201d" in shown
    assert f"spectra playbook approve triage-20261125-0007 {timelines.step('allow')}" in shown
    assert "Until 2026-12-02" in shown


def test_verdicts_are_told_once_for_each_subject(runs):
    page = timeline_page(runs["done"])
    table = page[page.index('<section id="verdicts"') : page.index('<section id="steps"')]

    assert table.count('<tr role="row">') == 2
    for words in ("invoice-2291.exe", "malicious", "9 of 10", timelines.THREAT, "local"):
        assert words in table


def test_the_timeline_says_what_each_step_did(runs):
    shown = Page(timeline_page(runs["done"])).shown

    for words in ("POST /actions/submit_file answered 200", "Way taken: yes", "3 rounds", "Approved by m.okafor"):
        assert words in shown
    assert "Asked: \u201cTag invoice-2291.exe as an incident" in shown
    assert "__branch__ = malicious" in shown


def test_a_run_without_verdicts_and_objects_says_so():
    page = Page(timeline_page(bare()))

    assert "No step brought a verdict." in page.shown
    assert "Not begun yet." in page.shown
    assert "stix" not in {attributes.get("id") for _, attributes in page.elements}


@pytest.mark.parametrize("state", ["queued", "running", "cancelled", "interrupted"])
def test_every_state_is_told_as_a_word(state):
    assert f">{state}</span>" in timeline_page(bare(state=state))


def test_a_long_wait_says_until_when():
    waiting = {"key": "1:1", "step": "s", "name": "Wait", "kind": "time", "text": "", "until": BEGAN + 2700}

    assert "Until 2026-11-25 10:45:00 UTC." in Page(timeline_page(bare(state="waiting", waiting=waiting))).shown


def test_outputs_are_shown_as_they_are_and_json_by_lines():
    outputs = {"__note__": "# Case\nline two", "__list__": '["a","b"]', "__odd__": "[not json"}
    page = timeline_page(bare(outputs=outputs))

    assert "<pre># Case\nline two</pre>" in page
    assert "<pre>[\n  &quot;a&quot;,\n  &quot;b&quot;\n]</pre>" in page
    assert "<pre>[not json</pre>" in page


def test_the_same_run_gives_the_same_page(runs):
    assert timeline_page(runs["done"]) == timeline_page(copied(runs["done"]))


def test_a_playbook_that_is_none_is_refused():
    with pytest.raises(ValidationError):
        timeline_page(bare(playbook={"type": "playbook"}))


# --- facts


def bare(**more):
    run = {"run": "r", "state": "done", "playbook": triage(), "given": {}, "outputs": {}, "started_at": BEGAN}
    return run | {"ended_at": None, "sentence": None, "failed_step": None, "waiting": None, "visits": []} | more


def visit(**more):
    made = {
        "where": "1",
        "step": "s",
        "type": "action",
        "name": "n",
        "entered": BEGAN,
        "playbook": "",
        "left": BEGAN + 1,
    }
    made |= {"state": "done", "calls": [], "statuses": [], "branch": None, "took": None, "asked": None, "assigned": {}}
    return made | {"decided_by": None, "sentence": None, "operation_id": None, "verdicts": [], "stix": None} | more


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.00 s"),
        (0.314, "0.31 s"),
        (59.96, "60.0 s"),
        (272.9, "4 min 32 s"),
        (3600, "1 h 0 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_are_said_with_two_units_at_most(seconds, words):
    assert lasting(seconds) == words


def test_times_are_said_in_utc():
    assert moment(BEGAN) == "2026-11-25T10:00:00Z"
    assert readable("2026-11-25T10:00:00.934Z") == "2026-11-25 10:00:00 UTC"
    assert readable("yesterday") == "yesterday"


def file_verdict(sha256, classification, **more):
    return {
        "subject": {"kind": "file", "sha256": sha256, "name": more.pop("name", None)},
        "classification": classification,
        **more,
    }


def test_a_later_verdict_replaces_an_earlier_one_and_keeps_what_it_does_not_say():
    first = visit(verdicts=[file_verdict("a", "unknown", name="x.exe", threat_name=None, source="local")])
    second = visit(verdicts=[file_verdict("b", "goodware"), file_verdict("a", "malicious", riskscore=9, source=None)])
    found = verdicts([first, second])

    assert [(v["subject"]["sha256"], v["classification"]) for v in found] == [("a", "malicious"), ("b", "goodware")]
    assert found[0]["subject"]["name"] == "x.exe"
    assert found[0]["source"] == "local"
    assert counted(found) == "1 malicious, 1 goodware"


def test_bundles_are_merged_by_id_and_the_later_version_stays():
    old, new = (
        {"id": "a--1", "modified": "2026-01-01T00:00:00.000Z"},
        {"id": "a--1", "modified": "2026-02-01T00:00:00.000Z"},
    )
    marking = {"id": "m--1", "name": "TLP:AMBER"}
    bundles = [
        {"type": "bundle", "id": f"bundle--{n}", "objects": o} for n, o in enumerate([[new, marking], [old, marking]])
    ]
    found = merged([visit(stix=bundle) for bundle in bundles])

    assert found["objects"] == [new, marking]
    assert found == merged([visit(stix=bundle) for bundle in bundles])
    assert re.fullmatch(r"bundle--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f-]{21}", found["id"])
