"""The page of a run in a real browser, from the disk, without a network: it looks and works as it says."""

import json
import shutil
from pathlib import Path

import pytest

from connector.playbooks.bundles import merged_stix as merged
from connector.playbooks.drawing.page import timeline_page
from tests.playbooks import timelines
from tests.playbooks.test_timeline_page import HOSTILE, hostile

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None)
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WITHIN = ("file:", "data:", "blob:")

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no chromium here; Debian has it as the package chromium"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def runs(appliances):
    return {name: getattr(timelines, name)(appliances("9.6").as_new()) for name in ("done", "failed", "waiting")}


@pytest.fixture(scope="module")
def browser(runs):  # after the runs: they run a loop of their own, and so does Playwright in this thread
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path: Path):
    """Opens the page of a run; at the end nothing has been complained of, and nothing has left the machine."""
    contexts, complaints, requests = [], [], []

    def open_page(run, width=1280, scheme="light"):
        path = tmp_path / "run.html"
        path.write_text(timeline_page(run), encoding="utf-8")
        context = browser.new_context(
            offline=True, color_scheme=scheme, viewport={"width": width, "height": 900}, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(WITHIN)] == []


def colour(page, selector: str, kind: str = "fill") -> tuple[int, int, int]:
    text = page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{kind}")
    return tuple(int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3])


def box(name: str) -> str:
    return f'[data-step="{timelines.step(name)}"] .box'


def test_the_verdicts_are_there_to_be_read(opened, runs):
    page = opened(runs["done"])

    assert page.title() == "Triage an attachment: triage-20261125-0007"
    row = page.get_by_role("table", name="Verdicts").get_by_role("row").nth(1)
    for words in ("invoice-2291.exe", "malicious", "9 of 10", timelines.THREAT, "local"):
        assert row.get_by_text(words).first.is_visible()


def test_an_object_that_is_clicked_shows_its_json(opened, runs):
    page = opened(runs["done"])
    indicator = next(o for o in merged(runs["done"]["visits"])["objects"] if o["type"] == "indicator")
    page.locator(f'[data-object="{indicator["id"]}"]').click()

    assert json.loads(page.locator("#stix-detail pre").inner_text()) == indicator
    assert page.locator("#stix-detail h3").inner_text().startswith("indicator: ")
    assert page.locator('[aria-pressed="true"]').count() == 1


def test_a_relationship_shows_its_json_too(opened, runs):
    page = opened(runs["done"])
    page.get_by_role("button", name="relationship indicates").locator(".said").click()

    assert json.loads(page.locator("#stix-detail pre").inner_text())["relationship_type"] == "indicates"


def test_the_graph_can_be_read_with_the_keyboard_alone(opened, runs):
    page = opened(runs["done"])
    page.get_by_role("region", name="STIX objects, drawing").focus()
    shown = set()
    for _ in merged(runs["done"]["visits"])["objects"]:
        page.keyboard.press("Tab")
        shown.add(json.loads(page.locator("#stix-detail pre").inner_text())["id"])

    assert shown == {item["id"] for item in merged(runs["done"]["visits"])["objects"]}


def test_the_button_saves_the_bundle_as_a_file(opened, runs, tmp_path):
    page = opened(runs["done"])
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the STIX bundle").click()
    saved.value.save_as(tmp_path / "saved.json")

    assert saved.value.suggested_filename == "triage-20261125-0007.stix.json"
    assert json.loads((tmp_path / "saved.json").read_text("utf-8")) == merged(runs["done"]["visits"])


@pytest.mark.parametrize(
    ("scheme", "ground", "done", "failed"),
    [
        ("light", (255, 255, 255), (231, 244, 235), (253, 236, 235)),
        ("dark", (17, 22, 29), (19, 48, 31), (58, 26, 24)),
    ],
)
def test_steps_have_the_colours_of_what_happened(opened, runs, scheme, ground, done, failed):
    page = opened(runs["failed"], scheme=scheme)

    assert colour(page, "html", "backgroundColor") == ground
    assert colour(page, box("look")) == done
    assert colour(page, box("report")) == failed
    assert colour(page, box("clean")) == ground


def test_a_step_that_waits_has_its_own_colour(opened, runs):
    page = opened(runs["waiting"])

    assert colour(page, box("allow")) == (253, 243, 220)
    assert page.get_by_text("To allow it:").is_visible()


@pytest.mark.parametrize("width", [1280, 400, 320])
@pytest.mark.parametrize("name", ["done", "failed", "waiting"])
def test_no_page_is_wider_than_the_screen(opened, runs, name, width):
    page = opened(runs[name], width=width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_table_stays_a_table_for_a_screen_reader_where_it_is_a_list(opened, runs):
    page = opened(runs["done"], width=400)

    assert page.get_by_role("table", name="Timeline").get_by_role("row").count() == 15
    assert page.get_by_role("table", name="Verdicts").get_by_role("cell").count() == 6


def test_no_text_of_a_drawing_runs_out_of_its_box(opened, runs):
    page = opened(runs["done"])
    found = page.evaluate("""() => [...document.querySelectorAll('.drawing .step, .drawing .object')].filter((group) => {
        const box = group.querySelector('.box').getBBox();
        return [...group.querySelectorAll('text')].some((text) => {
            const inner = text.getBBox();
            return inner.x < box.x || inner.x + inner.width > box.x + box.width + 0.5;
        });
    }).map((group) => group.textContent)""")

    assert found == []


def test_hostile_text_does_nothing_and_is_seen(opened, runs):
    page = opened(hostile(runs["done"]), width=400)
    page.locator("[data-object]").first.focus()

    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("h1").inner_text().startswith("</script><script>alert(1)")
    assert "[U+202E]gpj.exe" in page.locator("h1").inner_text()
    assert "\u202e" not in page.locator("body").inner_text()
    assert "\u202e" not in page.locator("#stix-detail pre").inner_text()
    assert json.loads(page.locator("#run").text_content())["sentence"] == HOSTILE


def test_the_page_prints_on_paper(opened, runs, tmp_path):
    page = opened(runs["done"], scheme="dark")
    page.emulate_media(media="print")

    assert colour(page, "html", "backgroundColor") == (255, 255, 255)
    assert not page.locator("#save-bundle").is_visible()
    assert page.pdf(path=str(tmp_path / "run.pdf"), format="A4")[:5] == b"%PDF-"
