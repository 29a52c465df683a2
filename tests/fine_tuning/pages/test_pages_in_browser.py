"""The pages of every kind in Chromium: nothing overlaps or is cut, axe-core finds nothing serious."""

import io

import pytest
from PIL import Image

from minitf.fine_tuning.pages import comparison, report
from tests.support import geometry
from tests.support.axe import violations
from tests.support.reports_to_show import KINDS, content, steps

pytestmark = pytest.mark.browser
DESKTOP = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True, "is_mobile": True}
ZOOMED = {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}  # 1280 pixels at 200 %
PAPER = {"viewport": {"width": 720, "height": 1000}}
SHOWN = "h1, h2, p, li, dt, dd, th, td, summary, pre, figure, figcaption, .chip, .card, svg text"
LOOSE = "h1, h2, p, dt, dd, td, summary, figcaption, .chip, svg text"  # elements that must not overlap


@pytest.fixture
def opened(chromium, tmp_path):
    """Return a function that opens a page; at the end, check that no page had messages or requests."""
    contexts, messages, requests = [], [], []

    def open_page(text, **settings):
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        contexts.append(chromium.new_context(offline=True, **settings))
        page = contexts[-1].new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    assert messages == []
    assert len(requests) == len(contexts)
    for context in contexts:
        context.close()


def entries(*kinds):
    contents = [(kind, content(kind)) for kind in kinds]
    return [comparison.Entry(f"runs/{kind}/with-a-long-name", (each,), ("",)) for kind, each in contents]


PAGES = {
    **{kind: lambda kind=kind: report.page(content(kind), steps()) for kind in KINDS},
    "two runs": lambda: comparison.page(entries("20 classes", "2 classes")),
    "other tasks": lambda: comparison.page(entries("qa", "tagging", "regression", "evaluation")),
}


def assert_laid_out(page):
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert geometry.unreachable(page, SHOWN) == []
    assert geometry.overlaps(page, LOOSE) == []


@pytest.mark.parametrize("settings", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("kind", PAGES)
def test_nothing_overlaps_or_is_cut_and_axe_finds_nothing(opened, kind, settings):
    page = opened(PAGES[kind](), **settings)
    assert_laid_out(page)
    assert violations(page) == []


@pytest.mark.parametrize("kind", ["60 classes", "qa", "tagging", "two runs"])
def test_at_200_percent(opened, kind):
    assert_laid_out(opened(PAGES[kind](), **ZOOMED))


@pytest.mark.parametrize("kind", ["60 classes", "1000 classes", "qa", "tagging", "two runs"])
def test_on_paper_nothing_is_cut_or_scrolls(opened, kind):
    page = opened(PAGES[kind](), **PAPER)
    page.emulate_media(media="print")
    assert geometry.unreachable(page, SHOWN) == []
    scrolls = "[...document.querySelectorAll('.wide, pre')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    assert page.evaluate(scrolls) == 0
    if kind == "qa":  # folded paragraphs are printed
        assert page.locator("details mark").first.evaluate("(e) => e.getBoundingClientRect().height") > 5


def test_dark_and_light_differ_and_paper_is_light(opened):
    colour = "getComputedStyle(document.body).backgroundColor"
    page = opened(PAGES["2 classes"](), color_scheme="dark")
    assert page.evaluate(colour) == "rgb(21, 23, 26)"
    curve = page.locator(".curve.s0").first
    dark = curve.evaluate("(e) => getComputedStyle(e).stroke")
    page.emulate_media(media="print")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    assert curve.evaluate("(e) => getComputedStyle(e).stroke") != dark


@pytest.mark.parametrize("kind", ["20 classes", "1000 classes"])
def test_the_scores_are_sorted_by_keyboard(opened, kind):
    page = opened(PAGES[kind](), **DESKTOP)
    scores = page.locator("[aria-label='Scores by class']")
    column = "(e) => [...e.querySelectorAll('tbody tr')].map((row) => parseFloat(row.cells[3].textContent))"
    button = scores.locator("th button", has_text="F1")
    for key, order in (("Enter", "descending"), ("Space", "ascending")):
        button.press(key)
        found = scores.evaluate(column)
        assert found == sorted(found, reverse=order == "descending")
        assert scores.locator(f"th[aria-sort={order}]").inner_text().startswith("F1")
    scores.locator("th button", has_text="class").press("Enter")
    assert scores.locator("tbody td").first.inner_text() != "class 0"


def test_every_region_that_scrolls_is_reached_by_the_keyboard(opened):
    page = opened(PAGES["60 classes"](), **PHONE)
    alone = """[...document.querySelectorAll('*')].filter((e) => /auto|scroll/.test(getComputedStyle(e).overflowX)
      && e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0 && e !== document.documentElement).length"""
    assert page.evaluate(alone) == 0


def test_headings_of_the_confusion_matrix_stay_in_view(opened):
    page = opened(PAGES["60 classes"](), **PHONE)
    page.locator(".matrix").evaluate("(e) => e.scrollTo(400, 500)")
    box = "(e) => { const b = e.getBoundingClientRect(); return [b.left, b.top]; }"
    left, top = page.locator(".matrix").evaluate(box)
    assert page.locator(".confusion th[scope=row]").nth(30).evaluate(box)[0] == pytest.approx(left, abs=2)
    assert page.locator(".confusion thead th").nth(30).evaluate(box)[1] == pytest.approx(top, abs=2)


def test_a_phone_has_the_charts_below_each_other(opened):
    lefts = "(e) => [...e.children].map((f) => f.getBoundingClientRect().left)"
    assert len(set(opened(PAGES["2 classes"](), **PHONE).locator(".charts").first.evaluate(lefts))) == 1
    assert len(set(opened(PAGES["2 classes"](), **DESKTOP).locator(".charts").first.evaluate(lefts))) == 3


def test_bidirectional_controls_act_only_where_they_are(opened):
    """A label that turns its line around does not turn the other cells around."""
    hostile = content("2 classes")
    for label in hostile["test"]["classes"]:
        label["label"] = "\u202eabc"
    page = opened(report.page(hostile), **DESKTOP)
    cells = page.locator("[aria-label='Scores by class'] tbody tr").first.locator("td")
    lefts = cells.evaluate_all("(all) => all.map((cell) => cell.getBoundingClientRect().left)")
    assert lefts == sorted(lefts)
    assert cells.nth(1).evaluate("(e) => getComputedStyle(e).unicodeBidi") == "isolate"


def test_a_part_that_scrolls_has_a_shadow_at_the_side_with_more(opened):
    """A phone shows no scroll bars. The shadow is a dark column at the right edge; after scrolling, at the left."""
    page = opened(PAGES["2 classes"](), **PHONE | {"color_scheme": "light"})
    wide = page.locator(".wide:has(th:text('training loss'))")
    assert wide.evaluate("(e) => e.scrollWidth > e.clientWidth + 20")

    def edges():
        picture = Image.open(io.BytesIO(wide.screenshot())).convert("L")
        lowest = picture.height - 4  # below the last row of text
        return [picture.getpixel((x, lowest)) for x in (1, picture.width - 2)]

    left, right = edges()
    assert right < left - 15
    wide.evaluate("(e) => (e.scrollLeft = e.scrollWidth)")
    left, right = edges()
    assert left < right - 15
