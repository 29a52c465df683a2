"""The layout of the page in Chromium, on a desktop and a phone: nothing overlaps or is cut, axe-core finds nothing."""

import numpy as np
import pytest

from minitf.attention_maps import page
from minitf.attention_maps.attribution import Attribution
from minitf.attention_maps.lens import Lens
from tests.support import browser, geometry
from tests.support.axe import violations
from tests.support.maps_to_draw import random_maps

pytestmark = pytest.mark.browser
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
TABLET = {"viewport": {"width": 768, "height": 1024}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
VIEWS = ["head", "grid", "product", "attribution", "lens"]
WORDS = {
    "short": ["the", "soup", "was", "extraordinarily", "##ly", "[UNK] ꙮ", "cold", "."],
    "long": ["the", "soup", "was", "cold", "and", "nobody", "came", "##s"] * 38,
    "chinese": [*"这部电影很好看我们喜欢它龘", "[UNK] 𓀀"],
}
# Text and controls; the canvases are checked by what is around them.
SEEN = "header h1, header p, .tabs button, .actions button, .control > label, .control > span, .control button, select,"
SEEN += " input, .token, .panel > p, .note, .legend, .facts > div, .cell, th, td, mark, h2"
PRESSED = ".tabs button, .actions button, .control button, select, input, .cell, #queries .token, #keys .token"


def full_page(kind, name="runs/reviews-1/best"):
    """A page with every view, a pair, and another model."""
    words = WORDS[kind]
    tokens = ("[CLS]", *words, "[SEP]")
    S, rng = len(tokens), np.random.default_rng(3)
    special = tuple(i in (0, S - 1) for i in range(S))
    text, spans = "", [None]
    for word in words:
        plain = word.removeprefix("##").removeprefix("[UNK] ")
        spans.append((len(text), len(text) + len(plain)))
        text += plain + ("" if kind == "chinese" else " ")
    Q, K = rng.normal(size=(2, 2, 12, S, 32))
    maps = random_maps(
        S=S, L=2, H=12, name=name, tokens=tokens, special=special, segments=(0,) * S, words=tuple(range(S)),
        text=text, spans=(*spans, None), Q=Q, K=K, labels=("negative", "positive"), probabilities=(0.2, 0.8),
        prediction="positive 0.8000",
    )  # fmt: skip
    other = random_maps(S=S, L=2, H=12, name="all-MiniLM-L6-v2", tokens=tokens, seed=4)
    scores = rng.normal(size=(4, S))
    found = Attribution(tokens, special, "positive", 0.8, np.abs(scores[0]), *scores[1:], residual=1e-6)
    seen = Lens(tokens, (((("extraordinarily",) * 5,) * S),) * 3, np.full((3, S, 5), 0.2), np.full((3, S), 0.5))
    return page.html(maps, other, found, seen)


@pytest.fixture(scope="module")
def pages():
    return {kind: full_page(kind) for kind in WORDS}


def drawn(at):
    browser.wait(at.page, "[...document.querySelectorAll('.cell')].every((cell) => cell.dataset.drawn)")
    at.settle()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_overlaps_and_every_column_can_be_reached(visit, pages, size, kind, view):
    at = visit(pages[kind], f"view={view}", **size)
    drawn(at)
    assert geometry.overlaps(at.page, SEEN) == []
    assert geometry.unreachable(at.page, SEEN) == []
    width = size["viewport"]["width"]
    assert at.page.evaluate("document.documentElement.scrollWidth") <= width
    ends = at.page.eval_on_selector_all(
        "canvas",
        """all => all
        .filter((c) => c.checkVisibility() && !c.closest(".canvas-box, .scroller, #grid"))
        .map((c) => c.getBoundingClientRect().right)""",
    )
    assert all(end <= width for end in ends)


def test_overlaps_and_cuts_are_found(visit, pages):
    """The checks above can fail."""
    at = visit(pages["short"], "view=head", **PHONE)
    at.page.evaluate("document.getElementById('hide').style.cssText = 'position: relative; left: 40px'")
    at.page.evaluate("document.getElementById('name').style.cssText = 'position: relative; left: 380px'")
    assert any("hide" in pair and "merge" in pair for pair in geometry.overlaps(at.page, SEEN))
    assert any("name" in name for name in geometry.unreachable(at.page, SEEN))


@pytest.mark.parametrize("view", VIEWS)
def test_a_finger_hits_every_control(visit, pages, view):
    at = visit(pages["short"], f"view={view}", **PHONE)
    drawn(at)
    assert geometry.too_small(at.page, PRESSED) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(visit, pages, view, scheme):
    at = visit(pages["short"], f"view={view}", scheme=scheme, **DESKTOP)
    drawn(at)
    assert violations(at.page) == []
    if view == "head":  # the weights of a query, with their tints
        for show in ("difference", "a"):
            at.click(f"#show [data-value={show}]")
            at.click("#queries .token:nth-child(3)")
            assert violations(at.page) == []


@pytest.mark.parametrize("size", [TABLET, PHONE], ids=["tablet", "phone"])
def test_axe_on_small_screens(visit, pages, size):
    at = visit(pages["chinese"], "view=attribution", **size)
    assert violations(at.page) == []
    at.click("#help-open")
    assert violations(at.page) == []


def test_axe_can_fail(visit, pages):
    at = visit(pages["short"], "view=head")
    at.page.evaluate("document.getElementById('shape').style.color = '#ddd'")
    assert any(found.startswith("color-contrast (serious)") for found in violations(at.page))


def test_forced_colours_keep_the_selection(visit, pages):
    """With the colours of the system, a selected control differs from the others."""
    at = visit(pages["short"], "view=head&query=3&hide=true", forced_colors="active")
    paper = "(e) => getComputedStyle(e).backgroundColor"
    for selected, other in (
        ("#show [data-value=difference]", "#show [data-value=a]"),
        ("#hide", "#merge"),
        ("#tab-head", "#tab-grid"),
        ("#queries [aria-pressed=true]", "#queries [aria-pressed=false]"),
    ):
        assert at.page.eval_on_selector(selected, paper) != at.page.eval_on_selector(other, paper), selected
    at.press("4")
    shades = at.page.eval_on_selector_all("#sentence mark", f"all => all.map({paper})")
    assert len(set(shades)) > 3


def test_a_phone_shows_a_list_of_tokens_whole(visit, pages):
    """The page scrolls, not the list inside it: nothing looks cut."""
    at = visit(pages["chinese"], "view=head", **PHONE)
    drawn(at)
    inside, whole = at.page.eval_on_selector("#lines", "list => [list.clientHeight, list.scrollHeight]")
    assert inside == whole
    assert at.page.locator("#queries .token").count() == 16 and inside >= 16 * 44


def test_the_numbers_are_explained_beside_them(visit, pages):
    at = visit(pages["short"], "view=head&show=a", **PHONE)
    drawn(at)
    assert "Entropy: 0 if a query attends to one key, 2.30 if to all 10 equally" in at.text("#facts-note")
    assert "attention weight" in at.text("#legend")
    at = visit(pages["short"], "view=head&show=difference", **PHONE)
    drawn(at)
    assert at.page.is_hidden("#facts-note")
