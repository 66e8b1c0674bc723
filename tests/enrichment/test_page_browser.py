"""The page of a summary in a real browser, from the disk, without a network: charts with the right values."""

import shutil

import pytest

from connector.enrichment.report.page import summary_page
from connector.enrichment.report.summary import summary
from tests.enrichment import runs

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None)
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no chromium here; Debian has it as the package chromium"),
    pytest.mark.slow,
]
RUNS = {"busy": runs.busy, "hostile": runs.hostile}


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens the page of a run; at the end nothing has been complained of, and nothing but the page was asked for."""
    contexts, complaints, requests = [], [], []

    def open_page(name="busy", width=1280, scheme="light"):
        path = tmp_path / f"{name}.html"
        path.write_text(summary_page(summary(RUNS[name]())), encoding="utf-8")
        context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900})
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
    assert [url for url in requests if not url.endswith(".html")] == []


def row(page, table: str, label: str):
    return page.get_by_role("table", name=table, exact=True).get_by_role("row").filter(has_text=label)


def part(row) -> float:
    """Which part of its rail a bar fills, as it is drawn."""
    whole, filled = (row.locator(f"rect.{kind}").bounding_box()["width"] for kind in ("rail", "filled"))
    return filled / whole


def test_the_numbers_of_the_run_are_there_to_be_read(opened):
    page = opened()

    assert page.title() == "Enrichment summary"
    assert page.locator("h1").inner_text() == "14,880 malicious and 2,016 suspicious among 1,246,491 events"
    for text in ("103,874", "1,053,120", "> 99.9 %", "7 h 40 min of look-ups saved"):
        assert page.locator(".figures").get_by_text(text).first.is_visible()


def test_each_verdict_has_a_bar_as_long_as_its_share(opened):
    page = opened()
    verdicts = summary(runs.busy())["verdicts"]
    for word in ("malicious", "goodware", "unknown"):
        bar = row(page, "Verdicts", word.capitalize())

        assert part(bar) == pytest.approx(verdicts[word] / 1_053_120, abs=0.005)
        assert bar.get_by_role("cell").first.inner_text() == f"{verdicts[word]:,}"


def test_the_longest_family_fills_its_rail_and_the_others_are_measured_by_it(opened):
    page = opened()

    assert part(row(page, "Top families", "Gozi")) == pytest.approx(1, abs=0.005)
    assert part(row(page, "Top families", "Emotet")) == pytest.approx(53 / 143, abs=0.005)


def test_where_answers_came_from_is_one_bar_without_a_gap(opened):
    page = opened()
    whole = page.locator(".stack").bounding_box()
    parts = [one.bounding_box() for one in page.locator(".stack rect").all()]

    assert len(parts) == 3
    assert sum(one["width"] for one in parts) == pytest.approx(whole["width"], abs=1)
    assert parts[0]["width"] > 0.98 * whole["width"]
    assert row(page, "Where answers came from", "Appliance").get_by_role("cell").first.inner_text() == "966"


def test_the_course_of_the_run_is_drawn_within_its_axes(opened):
    page = opened()
    for plot in page.locator(".plot svg").all():
        room, ridge = plot.bounding_box(), plot.locator(".ridge").bounding_box()

        assert ridge["width"] == pytest.approx(room["width"], abs=3)
        assert ridge["y"] >= room["y"] - 1
        assert ridge["y"] + ridge["height"] <= room["y"] + room["height"] + 2
    assert page.locator(".plot .up").first.inner_text().split() == ["120,000", "60,000", "0"]


def test_the_course_can_be_read_as_numbers(opened):
    page = opened()
    page.get_by_text("Numbers").click()

    assert page.get_by_role("table", name="Over time").get_by_role("row").nth(1).is_visible()


def test_dead_letters_are_told_by_their_reason(opened):
    page = opened()

    assert row(page, "Dead letters by reason", "Not JSON").get_by_role("cell").first.inner_text() == "2"
    assert part(row(page, "Dead letters by reason", "Too long")) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("scheme", "ground", "malicious"),
    [("light", "rgb(255, 255, 255)", "rgb(179, 38, 30)"), ("dark", "rgb(17, 22, 29)", "rgb(229, 104, 95)")],
)
def test_verdicts_have_the_colours_of_the_other_pages(opened, scheme, ground, malicious):
    page = opened(scheme=scheme)
    bar = page.locator("tr.malicious .filled")

    assert page.locator("html").evaluate("e => getComputedStyle(e).backgroundColor") == ground
    assert bar.evaluate("e => getComputedStyle(e).fill") == malicious


@pytest.mark.parametrize("width", [1280, 400, 320])
@pytest.mark.parametrize("name", ["busy", "hostile"])
def test_no_page_is_wider_than_the_screen(opened, name, width):
    page = opened(name, width=width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ends = page.locator("td.number").evaluate_all("all => all.map(one => one.getBoundingClientRect().right)")
    assert all(end <= width for end in ends)


def test_a_hostile_family_is_text_and_nothing_else(opened):
    page = opened("hostile")

    assert page.locator("img").count() == 0
    assert row(page, "Top families", "</script><img src=x").is_visible()


def test_on_paper_the_page_is_dark_on_white(opened):
    page = opened(scheme="dark")
    page.emulate_media(media="print")

    assert page.locator("html").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
