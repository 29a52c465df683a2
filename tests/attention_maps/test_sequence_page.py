"""The page of an encoder-decoder in Chromium: its three kinds of attention, and the attribution of target tokens."""

import pytest

from minitf.attention_maps import page
from tests.attention_maps.test_page_layout import DESKTOP, PHONE, PRESSED, SEEN, drawn
from tests.support import geometry
from tests.support.axe import violations
from tests.support.maps_to_draw import random_attributions, random_maps, random_sequence_maps

pytestmark = pytest.mark.browser
VIEWS = ["head", "head&sentences=aa&heads=mean", "head&sentences=bb", "grid", "attribution", "attribution&target=3"]
LABELS = {
    "short": None,
    "long": (*(f"▁w{i}" for i in range(89)), "</s>"),
    "chinese": (*"这部电影很好看我们喜欢它龘", "</s>"),
}


def sequence_page(kind="short", T=6):
    labels = LABELS[kind]
    maps = random_sequence_maps(S=len(labels) if labels else 7, T=60 if kind == "long" else T, labels=labels)
    return page.html(maps, attribution=random_attributions(maps))


@pytest.fixture(scope="module")
def pages():
    return {kind: sequence_page(kind) for kind in LABELS}


@pytest.mark.parametrize(
    ("fragment", "kind", "layer", "head"),
    [("", "cross", 3, 2), ("sentences=aa", "encoder", 2, 4), ("sentences=bb", "decoder", 3, 3)],
)
def test_every_kind_shows_its_weights(visit, fragment, kind, layer, head):
    maps = random_sequence_maps()
    block = maps.block(kind)
    q, k = 2, 4 if kind != "decoder" else 1
    first_query, first_key = (7 * (kind != "encoder"), 7 * (kind == "decoder"))
    at = visit(page.html(maps), f"{fragment}&layer={layer}&head={head}&query={first_query + q}&key={first_key + k}")
    queries, keys = (at.page.locator(f"{side} .t").all_inner_texts() for side in ("#queries", "#keys"))
    assert (tuple(queries), tuple(keys)) == (block.query_labels, block.key_labels)
    at.hover("#queries .token:nth-child(3)")
    shown = at.page.locator("#keys .n").all_inner_texts()
    for text, expected in zip(shown, block.A[layer - 1, head - 1, q], strict=True):
        assert float(text) == pytest.approx(expected, abs=0.006)


def test_switching_kinds_keeps_a_head_that_exists(visit, pages):
    at = visit(pages["short"], "sentences=aa&layer=2&head=4")
    assert at.text("#sentences [aria-checked=true]") == "encoder"
    assert at.page.locator("#head option").count() == 4
    at.click("#sentences [data-value=ba]")
    assert at.page.input_value("#head") == "3" and at.page.locator("#head option").count() == 3
    assert at.page.locator("#layer option").count() == 3
    at.press("s")
    assert at.text("#sentences [aria-checked=true]") == "encoder"
    at.press("2")
    assert at.page.locator(".cell").count() == 8
    at.click("#sentences [data-value=bb]")
    drawn(at)
    assert at.page.locator(".cell").count() == 9
    assert at.page.text_content("#help-sentences") == "attention: cross, encoder, decoder"


def test_the_names_of_the_sides_and_the_text(visit, pages):
    at = visit(pages["short"])
    heads = lambda: at.page.locator("#view-head .columns-head span").all_inner_texts()  # noqa: E731
    assert heads() == ["query: generated (predicted)", "key: source"]
    at.click("#sentences [data-value=bb]")
    assert heads() == ["query: generated (predicted)", "key: generated (read)"]
    at.click("#sentences [data-value=aa]")
    assert heads() == ["query: source", "key: source"]
    assert at.text("#text").startswith("source: s0 s1 s2") and "\ngenerated: t0" in at.text("#text")
    assert at.text("#shape").startswith("cross 3 layers × 3 heads, encoder 2 layers × 4 heads")


def test_the_attribution_of_another_token(visit, pages):
    at = visit(pages["short"], "view=attribution")
    lead = at.text("#attribution-lead")
    assert lead.startswith("Attribution of the target token “▁t0”")
    assert at.page.is_disabled("#target-less")
    colours = "all => all.map((e) => e.style.background)"
    before = at.page.eval_on_selector_all("#sentence mark", colours)
    assert len(before) == 6  # the source without its end
    at.click("#target-more")
    assert at.text("#attribution-lead").startswith("Attribution of the target token “▁t1”")
    assert at.page.eval_on_selector_all("#sentence mark", colours) != before
    at.page.select_option("#target", "5")
    at.settle()
    assert at.text("#target-text b") == "</s>" and at.page.is_disabled("#target-more")
    assert at.page.locator("#attribution tbody tr").count() == 7
    at.click("#method [data-value=cross-attention]")
    assert "grey" in at.text("#sentence-note")


@pytest.mark.parametrize(
    ("kind", "view"),
    [*(("short", view) for view in VIEWS), *((kind, view) for kind in ("long", "chinese") for view in VIEWS[::4])],
)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_overlaps_or_is_cut(visit, pages, size, kind, view):
    at = visit(pages[kind], f"view={view}", **size)
    drawn(at)
    seen = SEEN + ", #target-text"
    assert geometry.overlaps(at.page, seen) == []
    assert geometry.unreachable(at.page, seen) == []
    assert at.page.evaluate("document.documentElement.scrollWidth") <= size["viewport"]["width"]
    if size is PHONE:
        assert geometry.too_small(at.page, PRESSED) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["head", "grid", "attribution"])
def test_axe_finds_nothing_serious(visit, pages, view, scheme):
    at = visit(pages["short"], f"view={view}", scheme=scheme, **DESKTOP)
    drawn(at)
    assert violations(at.page) == []


@pytest.mark.parametrize("view", ["head", "grid", "attribution"])
def test_a_view_is_saved_as_a_picture(visit, pages, view):
    at = visit(pages["short"], f"view={view}")
    drawn(at)
    with at.page.expect_download() as saved:
        at.page.click("#save-svg")
    text = saved.value.path().read_text(encoding="utf-8")
    assert ("generated: t0" in text) == (view != "attribution")
    assert ("cross-attention, layer" in text) == (view == "head")
    assert ("integrated gradients" in text) == (view == "attribution")


def test_a_decoder_names_its_texts(visit):
    at = visit(page.html(random_maps(pair="and more", roles=("prompt", "continuation"))))
    assert at.text("#text") == "prompt: a text\ncontinuation: and more"
    assert at.text("#sentences-label") == "Sentences"
