"""Drawings: every step and object is there, coloured by what happened, as XML that any reader takes."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.playbooks.cacao import Playbook
from connector.playbooks.drawing.markup import Markup, block, join, line, number, tag, visible
from connector.playbooks.drawing.run import run_drawing, state_of
from connector.playbooks.drawing.stix import MOST, label_of, stix_drawing
from connector.playbooks.drawing.style import PALETTE
from connector.playbooks.drawing.text import cut, lines, width
from tests.playbooks import timelines
from tests.playbooks.timelines import playbook, step, triage

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def runs(appliances):
    return {name: getattr(timelines, name)(appliances("9.6").as_new()) for name in ("done", "failed", "waiting")}


def drawn(run) -> ET.Element:
    return ET.fromstring(run_drawing(Playbook.model_validate(run["playbook"]), run["visits"], run["state"]))


def states(svg: ET.Element) -> dict[str, str]:
    found = {g.get("data-step"): g.get("class").split()[1] for g in svg.iter(f"{SVG}g") if g.get("data-step")}
    return {name: found[step(name)] for name in ("look", "again", "decide", "allow", "both", "report", "tag", "clean")}


def said(svg: ET.Element, kind: str) -> list[str]:
    """The labels of the edges of a class; an edge without a label gives an empty text."""
    edges = [g for g in svg.iter(f"{SVG}g") if g.get("class") == kind]
    return sorted("".join(text.text or "" for text in g.iter(f"{SVG}text")) for g in edges)


def test_a_diagram_has_every_step_and_nothing_reached_without_a_run():
    svg = ET.fromstring(run_drawing(playbook()))

    assert {g.get("data-step") for g in svg.iter(f"{SVG}g")} - {None} == set(playbook().workflow)
    assert set(states(svg).values()) == {"none"}
    assert said(svg, "taken") == []


def test_a_done_run_colours_what_was_done(runs):
    assert states(drawn(runs["done"])) == {
        **dict.fromkeys(("look", "again", "decide", "allow", "both", "report", "tag"), "done"),
        "clean": "none",
    }


def test_a_failed_run_colours_the_step_that_failed_and_what_encloses_it(runs):
    assert states(drawn(runs["failed"])) == {
        **dict.fromkeys(("look", "again", "allow", "tag"), "done"),
        **dict.fromkeys(("decide", "both", "report"), "failed"),
        "clean": "none",
    }


def test_a_waiting_run_colours_the_step_that_waits(runs):
    found = states(drawn(runs["waiting"]))

    assert (found["allow"], found["decide"], found["both"]) == ("waiting", "running", "none")


def test_the_ways_that_were_taken_are_told_from_the_others(runs):
    svg = drawn(runs["done"])

    assert said(svg, "taken") == [*[""] * 9, "malicious", "then", "then", "then", "then", "while it holds", "yes"]
    assert said(svg, "open") == ["", "on failure", "otherwise", "suspicious"]


def test_a_step_visited_several_times_says_how_often(runs):
    texts = [text.text for text in drawn(runs["done"]).iter(f"{SVG}text")]

    assert texts.count("\N{MULTIPLICATION SIGN}3") == 1


def test_the_diagram_describes_itself_in_words(runs):
    svg = drawn(runs["failed"])

    assert svg.find(f"{SVG}title").text == "Steps of Triage an attachment"
    assert svg.find(f"{SVG}desc").text == "13 steps: 9 done, 3 failed, 1 not reached"
    assert svg.get("role") == "img"


@pytest.mark.parametrize("run", ["done", "failed", "cancelled"])
def test_what_a_run_that_is_over_left_open_was_stopped(run):
    assert state_of({"state": "waiting"}, run) == "stopped"
    assert state_of({"state": "waiting"}, "waiting") == "waiting"


def test_visits_of_other_playbooks_do_not_colour_this_one(runs):
    visits = [{**visit, "playbook": "playbook--another"} for visit in runs["done"]["visits"]]

    assert set(states(ET.fromstring(run_drawing(playbook(), visits))).values()) == {"none"}


@given(st.text())
def test_any_name_gives_well_formed_xml(name):
    made = triage()
    for one in made["workflow"].values():
        one["name"] = name

    assert ET.fromstring(run_drawing(Playbook.model_validate(made))).tag == f"{SVG}svg"


# --- STIX


def bundle_of(run):
    return next(visit["stix"] for visit in run["visits"] if visit["stix"] and visit["verdicts"])


def test_every_object_of_a_bundle_can_be_chosen(runs):
    bundle = bundle_of(runs["done"])
    svg = ET.fromstring(stix_drawing(bundle))
    chosen = [g for g in svg.iter(f"{SVG}g") if g.get("data-object")]

    assert {g.get("data-object") for g in chosen} == {item["id"] for item in bundle["objects"]}
    assert all(g.get("role") == "button" and g.get("tabindex") == "0" and g.get("aria-label") for g in chosen)


def test_relationships_are_labelled_and_references_dashed(runs):
    svg = ET.fromstring(stix_drawing(bundle_of(runs["done"])))

    assert [g.get("aria-label") for g in svg.iter(f"{SVG}g") if g.get("class") == "relation"] == [
        "relationship characterizes",
        "relationship indicates",
    ]
    assert said(svg, "reference") == ["sample"]


def test_a_relationship_to_something_that_is_not_there_is_an_object_of_its_own():
    lonely = {
        "type": "relationship",
        "id": "relationship--1",
        "relationship_type": "indicates",
        "source_ref": "a--1",
        "target_ref": "a--2",
    }
    svg = ET.fromstring(stix_drawing({"objects": [lonely]}))

    assert [g.get("aria-label") for g in svg.iter(f"{SVG}g") if g.get("data-object")] == [
        "relationship: relationship--1"
    ]


@pytest.mark.parametrize(
    ("item", "label"),
    [
        ({"type": "file", "id": "f", "name": "a.exe", "hashes": {"MD5": "1"}}, "a.exe"),
        ({"type": "file", "id": "f", "hashes": {"MD5": "1", "SHA-256": "2"}}, "2"),
        ({"type": "file", "id": "f"}, "f"),
        ({"type": "url", "id": "u", "value": "http://x/\u202e"}, "http://x/[U+202E]"),
        ({"type": "malware-analysis", "id": "m", "result": "malicious", "result_name": "X"}, "malicious, X"),
        ({"type": "malware-analysis", "id": "m"}, "unknown"),
        ({"type": "observed-data", "id": "o", "number_observed": 1}, "seen once"),
        ({"type": "sighting", "id": "s", "count": 4}, "sighted 4 times"),
        ({"type": "indicator", "id": "i", "pattern": "[a:b = 1]"}, "[a:b = 1]"),
        ({"type": "x-other", "id": "x--1"}, "x--1"),
    ],
)
def test_an_object_is_called_as_a_person_calls_it(item, label):
    assert label_of(item) == label


def test_what_is_too_much_to_draw_is_counted():
    objects = [{"type": "file", "id": f"file--{n}", "name": f"{n}.exe"} for n in range(MOST + 7)]
    svg = ET.fromstring(stix_drawing({"objects": objects}))

    assert sum(1 for g in svg.iter(f"{SVG}g") if g.get("data-object")) == MOST
    assert svg.find(f"{SVG}desc").text.endswith("7 objects are not drawn")


def test_an_empty_bundle_is_an_empty_drawing():
    assert ET.fromstring(stix_drawing({"objects": []})).find(f"{SVG}desc").text == "0 objects and 0 relationships"


# --- markup, text, colours


@given(st.text())
def test_no_text_is_markup(text):
    element = ET.fromstring(tag("a", text, b=text))
    normal = visible(text, keep="\n\t")

    assert (element.text or "") == normal
    assert list(element) == []


@given(st.text())
def test_what_is_shown_on_a_line_can_be_seen(text):
    assert all(c == " " or c.isprintable() or c.isspace() for c in line(text))
    assert "\n" not in line(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gpj\u202eexe.", "gpj[U+202E]exe."),
        ("a\x1b[31mb", "a[U+001B][31mb"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        ("\ud800", "[U+D800]"),
        ("\x00", "[U+0000]"),
        ("Grüße 漢字", "Grüße 漢字"),
    ],
)
def test_what_steers_or_hides_is_shown_as_its_code_point(text, shown):
    assert line(text) == shown


def test_a_block_keeps_its_lines():
    assert block("a\r\n\tb\x07") == "a\n\tb[U+0007]"


def test_attributes_are_named_and_left_out_as_asked():
    assert (
        tag("i", class_="x", data_step="y", hidden=True, title=None, id=False)
        == '<i class="x" data-step="y" hidden="hidden"></i>'
    )
    assert join("<", None, Markup("<b>")) == "&lt;<b>"
    assert [number(value) for value in (1.0, 1.25, -0.01)] == ["1", "1.2", "0"]


@given(st.text(), st.floats(40, 300), st.integers(1, 3))
def test_lines_fit_and_lose_nothing_but_the_end(text, most, count):
    found = lines(text, 13, most, count)

    assert 1 <= len(found) <= count
    assert all(width(one, 13) <= most or len(one) <= 2 for one in found)
    whole = "".join("".join(found).split()).removesuffix("\N{HORIZONTAL ELLIPSIS}")
    assert "".join(text.split()).startswith(whole)


def test_a_text_that_fits_is_not_cut():
    assert cut("short", 13, 200) == "short"
    assert cut("much too long for this", 13, 60).endswith("\N{HORIZONTAL ELLIPSIS}")


def luminance(colour: str) -> float:
    full = colour if len(colour) == 7 else "#" + "".join(c * 2 for c in colour[1:])
    parts = [int(full[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


FILLS = ["done", "failed", "waiting", "running", "none", "seen", "judged"]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_has_contrast_enough_on_its_ground(scheme):
    colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]+)", PALETTE.split("@media")[scheme]))
    pairs = [(text, ground) for text in ("ink", "muted", "focus") for ground in ("bg", "panel")]
    pairs += [(text, f"{kind}-fill") for kind in FILLS for text in ("ink", "muted")]
    pairs += [(f"{kind}-ink", f"{kind}-fill") for kind in FILLS[:5]]
    pairs += [("failed-ink", "bg")]
    found = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    borders = {kind: round(contrast(colours[f"{kind}-line"], colours["bg"]), 2) for kind in FILLS if kind != "none"}

    assert {pair: value for pair, value in found.items() if value < 4.5} == {}
    assert {kind: value for kind, value in borders.items() if value < 3} == {}
