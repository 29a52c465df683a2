"""The page in Chromium, from the disk, without a network: each control by what it draws."""

import json
import re
from functools import partial
from urllib.parse import parse_qs

import numpy as np
import pytest

from minitf.attention_maps import attribution, lens, page
from minitf.attention_maps.collect import collect
from minitf.attention_maps.model import open_model
from tests.support import browser
from tests.support.maps_to_draw import random_maps
from tests.support.tiny import write_vocabulary

pytestmark = pytest.mark.browser
S = 12
LEFT, RIGHT = "#queries", "#keys"
html = partial(page.html, opening=page.Opening())  # opens on the first head; `test_opening` tests the choice


@pytest.fixture(scope="module")
def maps():
    rng = np.random.default_rng(5)
    return random_maps(S=S, L=3, H=4, pair=True, Q=rng.normal(size=(3, 4, S, 8)), K=rng.normal(size=(3, 4, S, 8)))


@pytest.fixture(scope="module")
def other():
    return random_maps(S=S, L=3, H=4, pair=True, seed=9, name="before")


@pytest.fixture
def opened(visit, maps, other):
    return visit(html(maps, other))


def labels(at, side):
    return at.page.eval_on_selector_all(f"{side} .t", "all => all.map((each) => each.textContent)")


def weights(at, side):
    """The weights beside the tokens of a side."""
    found = at.page.eval_on_selector_all(f"{side} .n", "all => all.map((each) => each.textContent)")
    return [float(text.replace("−", "-")) for text in found if text]


def state(at):
    """The state in the address, which is written after a pause."""
    at.page.wait_for_timeout(150)
    return {name: value[0] for name, value in parse_qs(at.page.url.partition("#")[2]).items()}


def whole_row(at, q):
    """Point at each cell of a row of the heat map and read its weight: (values, errors)."""
    n = len(labels(at, RIGHT))
    found = []
    for k in range(n):
        at.page.mouse.move(*cell(at, q, k))
        found.append(at.page.eval_on_selector("#readout data", "d => [Number(d.value), Number(d.dataset.error)]"))
    return np.array(found).T


def cell(at, q, k):
    """The position of a cell of the heat map on the screen."""
    box = at.page.locator("#heat").bounding_box()
    left, top, side = geometry(at)
    return box["x"] + left + (k + 0.5) * side, box["y"] + top + (q + 0.5) * side


def geometry(at):
    """The heat map's (left, top, side of a cell), computed without the page's own variables."""
    n, m = len(labels(at, LEFT)), len(labels(at, RIGHT))
    box = at.page.locator("#heat").bounding_box()
    # The heat map ends two pixels before the canvas; the labels have the same width in any shape.
    side = at.page.evaluate(
        """([n, m]) => {
          const canvas = document.getElementById("heat"), pen = canvas.getContext("2d");
          pen.font = "12px " + getComputedStyle(document.body).fontFamily;
          const labels = [...document.querySelectorAll("#queries .t")].map((t) => pen.measureText(t.textContent).width);
          return (canvas.clientWidth - 2 - Math.min(110, Math.max(20, ...labels) + 8)) / m;
        }""",
        [n, m],
    )
    return box["width"] - 2 - m * side, box["height"] - 2 - n * side, side


def test_it_loads_offline_and_draws(opened, maps):
    assert opened.text("#name") == "tiny"
    assert labels(opened, LEFT) == labels(opened, RIGHT) == list(maps.tokens)
    assert opened.page.title() == "tiny: attention"
    blank = opened.page.evaluate(
        """() => { const c = document.getElementById("lines-canvas"), e = document.createElement("canvas");
                   e.width = c.width; e.height = c.height; return e.toDataURL(); }"""
    )
    assert opened.pixels("#lines-canvas") != blank
    assert opened.page.evaluate("performance.getEntriesByName('first view').length") == 1


def test_requests_and_errors_are_recorded(chromium, tmp_path):
    """The checks of `visit` can fail."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<!doctype html><body aria-busy=false><img src='https://example.org/x.png'>"
        "<script>throw new Error('no')</script>"
    )
    bad = browser.Visit(chromium, path)
    assert "https://example.org/x.png" in bad.requests
    assert any("no" in message for message in bad.messages)
    bad.close()


@pytest.mark.parametrize(("layer", "head"), [(1, 1), (2, 3), (3, 4)])
def test_the_weight_under_the_mouse(visit, maps, layer, head):
    """Within half a quantisation step, for every weight of three rows; the text is the rounded value."""
    at = visit(html(maps), f"layer={layer}&head={head}")
    A = maps.A[layer - 1, head - 1]
    for q in (0, 5, S - 1):
        values, errors = whole_row(at, q)
        half = A[q].max() / 255 / 2
        np.testing.assert_allclose(errors, half, rtol=1e-4)
        assert (np.abs(values - A[q]) <= half * (1 + 1e-4)).all()
        text = at.text("#readout")
        assert f"“{maps.tokens[q]}” → “{maps.tokens[-1]}”" in text
        shown = float(at.text("#readout data").replace("−", "-"))
        assert abs(shown - values[-1]) <= 5e-5 and f"layer {layer}, head {head}" in text


def test_hovering_a_token(opened, maps):
    A = maps.A[0, 0]
    opened.hover(f"{LEFT} .token:nth-child(4)")
    np.testing.assert_allclose(weights(opened, RIGHT), A[3], atol=0.006)
    assert weights(opened, LEFT) == []
    opened.hover(f"{RIGHT} .token:nth-child(6)")
    np.testing.assert_allclose(weights(opened, LEFT), A[:, 5], atol=0.006)
    assert weights(opened, RIGHT) == []
    opened.hover("#name")
    assert weights(opened, LEFT) == weights(opened, RIGHT) == []


def test_pinning(opened, maps):
    everything = opened.pixels("#lines-canvas")
    opened.click(f"{LEFT} .token:nth-child(3)")
    opened.hover("#name")
    pinned = opened.pixels("#lines-canvas")
    assert pinned != everything
    np.testing.assert_allclose(weights(opened, RIGHT), maps.A[0, 0, 2], atol=0.006)
    assert opened.page.get_attribute(f"{LEFT} .token:nth-child(3)", "aria-pressed") == "true"
    assert state(opened) == {"query": "2"}
    opened.click(f"{RIGHT} .token:nth-child(8)")  # one at a time
    assert state(opened) == {"key": "7"}
    opened.click(f"{RIGHT} .token:nth-child(8)")
    opened.hover("#name")
    assert state(opened) == {} and opened.pixels("#lines-canvas") == everything
    opened.page.mouse.click(*cell(opened, 4, 6))
    assert state(opened) == {"query": "4", "key": "6"}
    opened.press("Escape")
    opened.hover("#name")
    assert state(opened) == {} and opened.pixels("#lines-canvas") == everything


def test_a_line_connects_its_tokens(visit):
    """With a single weight, the canvas has a line at the heights of its two tokens and nowhere else."""
    A = np.zeros((1, 1, S, S))
    A[0, 0, 2, 9] = 1.0
    at = visit(html(random_maps(S=S, A=A)))
    side = at.page.eval_on_selector(f"{LEFT} .token", "t => t.offsetHeight")
    width = at.page.eval_on_selector("#lines-canvas", "c => c.clientWidth")
    for i in range(S):
        y = (i + 0.5) * side
        assert (at.dot("#lines-canvas", 4, y)[3] > 100) == (i == 2)
        assert (at.dot("#lines-canvas", width - 5, y)[3] > 100) == (i == 9)
    assert "1 line, the strongest" in at.text("#lines-note")


def test_colours_of_the_heat_map(visit, maps):
    """The largest weight has the darkest colour, and a larger weight is never lighter."""
    at = visit(html(maps), "threshold=0")
    left, top, side = geometry(at)
    A = maps.A[0, 0]
    lightness = np.array(
        [
            [sum(at.dot("#heat", left + (k + 0.5) * side, top + (q + 0.5) * side)[:3]) for k in range(S)]
            for q in range(S)
        ]
    )
    order = np.argsort(A, axis=None)
    assert lightness.flat[order[-1]] == lightness.min()
    steps = np.diff(lightness.flatten()[order].astype(int))
    assert (steps <= 3).all()  # rounding to a byte


@pytest.mark.parametrize(
    ("click", "expected"),
    [("#layer-more", {"layer": "2"}), ("#head-more", {"head": "2"})],
)
def test_steppers(opened, maps, click, expected):
    before = opened.pixels("#heat")
    opened.click(click)
    assert state(opened) == expected
    assert opened.pixels("#heat") != before
    values, errors = whole_row(opened, 3)
    A = maps.A[1, 0] if "layer" in expected else maps.A[0, 1]
    assert (np.abs(values - A[3]) <= errors * 1.001).all()
    opened.click(click.replace("more", "less"))
    opened.hover("#name")
    assert state(opened) == {} and opened.pixels("#heat") == before
    assert opened.page.is_disabled(click.replace("more", "less"))


def test_lists_of_layers_and_heads(opened, maps):
    opened.page.select_option("#layer", "3")
    opened.page.select_option("#head", "4")
    opened.settle()
    values, errors = whole_row(opened, 6)
    assert (np.abs(values - maps.A[2, 3, 6]) <= errors * 1.001).all()
    assert opened.page.is_disabled("#layer-more") and opened.page.is_disabled("#head-more")


@pytest.mark.parametrize("how", ["mean", "max"])
def test_over_the_heads(opened, maps, how):
    before = opened.pixels("#heat")
    opened.click(f"#heads [data-value={how}]")
    assert opened.pixels("#heat") != before and opened.page.is_disabled("#head")
    values, errors = whole_row(opened, 7)
    expected = getattr(maps.A[0], how)(axis=0)[7]
    assert (np.abs(values - expected) <= errors * 1.001).all()
    assert f"the {how} of 4 heads" in opened.text("#readout")


def test_the_difference(opened, maps, other):
    for show, A in (("b", other.A), ("difference", maps.A - other.A), ("a", maps.A)):
        opened.click(f"#show [data-value={show}]")
        values, errors = whole_row(opened, 8)
        assert (np.abs(values - A[0, 0, 8]) <= errors * 1.001).all()
    opened.click("#show [data-value=difference]")
    assert "tiny minus before" in opened.text("#legend")
    left, top, side = geometry(opened)
    D = (maps.A - other.A)[0, 0]
    for place, warm in ((D.argmax(), True), (D.argmin(), False)):
        q, k = divmod(int(place), S)
        red, _, blue, _ = opened.dot("#heat", left + (k + 0.5) * side, top + (q + 0.5) * side)
        assert (red > blue) == warm  # orange: larger, blue: smaller


@pytest.mark.parametrize(("choice", "rows", "columns"), [("aa", 0, 0), ("ab", 0, 1), ("ba", 1, 0), ("bb", 1, 1)])
def test_sentences(opened, maps, choice, rows, columns):
    before = opened.pixels("#heat")
    opened.click(f"#sentences [data-value={choice}]")
    of = lambda part: [i for i in range(S) if maps.segments[i] == part]  # noqa: E731
    assert labels(opened, LEFT) == [maps.tokens[i] for i in of(rows)]
    assert labels(opened, RIGHT) == [maps.tokens[i] for i in of(columns)]
    assert opened.pixels("#heat") != before
    values, errors = whole_row(opened, 1)
    assert (np.abs(values - maps.A[0, 0, of(rows)[1]][of(columns)]) <= errors * 1.001).all()


def test_without_a_pair_or_another_model(visit):
    at = visit(html(random_maps()))
    assert at.page.is_hidden("#sentences-control") and at.page.is_hidden("#show-control")
    shown = at.page.eval_on_selector_all("[role=tab]", "all => all.filter((t) => !t.hidden).map((t) => t.dataset.view)")
    assert shown == ["head", "grid"]


def test_the_threshold(opened, maps):
    counts = []
    for least in ("0", "0.1", "0.25", "0.5"):
        opened.page.fill("#threshold", least)
        opened.settle()
        counts.append(int(re.match(r"(\d+) lines", opened.text("#lines-note"))[1]))
        assert opened.text("#threshold-value") == f"{float(least):.3f}"
    A = maps.A[0, 0]
    step = A.max(axis=-1, keepdims=True) / 255
    assert counts == [int((np.rint(A / step) > 0).sum()), *(int((A >= least).sum()) for least in (0.1, 0.25, 0.5))]
    left, top, side = geometry(opened)
    q, k = divmod(int(np.where(A < 0.5, A, 0).argmax()), S)
    assert opened.dot("#heat", left + (k + 0.5) * side, top + (q + 0.5) * side) == (255, 255, 255, 255)


def test_special_tokens(opened, maps):
    opened.click("#hide")
    words = [i for i in range(S) if not maps.special[i]]
    assert labels(opened, LEFT) == labels(opened, RIGHT) == [maps.tokens[i] for i in words]
    values, errors = whole_row(opened, 2)
    assert (np.abs(values - maps.A[0, 0, words[2]][words]) <= errors * 1.001).all()
    opened.click("#hide")
    assert len(labels(opened, LEFT)) == S


def test_words(opened, maps):
    """The sum over the pieces of the key, the mean over the pieces of the query."""
    opened.click("#merge")
    groups = [[i for i in range(S) if maps.words[i] == w] for w in sorted(set(maps.words))]
    assert len(groups) < S
    assert labels(opened, LEFT) == ["".join(maps.tokens[i].removeprefix("##") for i in g) for g in groups]
    for r, group in enumerate(groups):
        values, errors = whole_row(opened, r)
        expected = [np.mean([sum(maps.A[0, 0, q, k] for k in keys) for q in group]) for keys in groups]
        assert (np.abs(values - expected) <= errors * 1.001).all()


def test_the_summary_of_a_head(opened, maps):
    from minitf.attention_maps.summary import summarise

    found = summarise(maps)
    names = {"entropy": "entropy", "special": "special", "previous": "previous", "next": "following", "itself": "same"}
    for shown, name in names.items():
        assert abs(float(opened.text(f"[data-fact={shown}] dd")) - getattr(found, name)[0, 0]) < 0.01


def thumb(at, layer, head):
    return at.pixels(f".cell[data-layer='{layer}'][data-head='{head}'] canvas")


def all_drawn(at):
    browser.wait(at.page, "[...document.querySelectorAll('.cell')].every((cell) => cell.dataset.drawn)")
    at.settle()


def test_the_grid(opened, maps):
    opened.click("#tab-grid")
    all_drawn(opened)
    assert opened.page.locator(".cell").count() == 12
    pictures = {thumb(opened, layer, head) for layer in (1, 2, 3) for head in (1, 2, 3, 4)}
    assert len(pictures) == 12  # all different
    before = thumb(opened, 2, 3)
    for control in ("#hide", "#merge", "#show [data-value=b]", "#sentences [data-value=ab]"):
        opened.click(control)
        all_drawn(opened)
        assert thumb(opened, 2, 3) != before, control
        before = thumb(opened, 2, 3)
    opened.click("#heads [data-value=mean]")
    all_drawn(opened)
    assert opened.page.locator(".cell").count() == 3
    opened.click("#heads [data-value=one]")
    opened.click(".cell[data-layer='3'][data-head='2']")
    assert opened.page.is_visible("#view-head") and opened.page.is_hidden("#view-grid")
    assert {"layer": "3", "head": "2"}.items() <= state(opened).items()


def test_the_darkest_pixel_of_a_cell(visit, maps):
    """A cell of the grid shows its own head: the darkest pixel is its largest weight."""
    at = visit(html(maps), "view=grid&threshold=0")
    all_drawn(at)
    for layer, head in ((1, 1), (2, 4), (3, 2)):
        name = f".cell[data-layer='{layer}'][data-head='{head}'] canvas"
        side = at.page.eval_on_selector(name, "c => c.clientWidth")
        dots = np.array(
            [[sum(at.dot(name, (k + 0.5) * side / S, (q + 0.5) * side / S)[:3]) for k in range(S)] for q in range(S)]
        )
        assert dots.argmin() == maps.A[layer - 1, head - 1].argmax()


@pytest.mark.parametrize(("layer", "head", "q"), [(1, 1, 0), (3, 2, 7)])
def test_query_key(visit, maps, layer, head, q):
    at = visit(html(maps), f"view=product&layer={layer}&head={head}")
    blank = at.pixels("#products")
    at.click(f"#product-queries .token:nth-child({q + 1})")
    Q, K = maps.Q[layer - 1, head - 1], maps.K[layer - 1, head - 1]
    scores = K @ Q[q] / np.sqrt(8)
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(weights(at, "#product-keys"), expected, atol=0.006)
    for k in (2, 9):
        at.click(f"#product-keys .token:nth-child({k + 1})")
        numbers = at.page.eval_on_selector("#product-readout data", "d => [Number(d.dataset.score), Number(d.value)]")
        np.testing.assert_allclose(numbers, [scores[k], expected[k]], atol=2e-3)
        assert f"“{maps.tokens[q]}” · “{maps.tokens[k]}” ÷ √8" in at.text("#product-readout")
    if q:
        assert at.pixels("#products") != blank
    colours(at, Q[q] * K)
    lanes = at.pixels("#lanes")
    box = at.page.locator("#lanes").bounding_box()
    at.page.mouse.move(box["x"] + box["width"] - 10, box["y"] + 30)
    assert "element 8: " in at.text("#product-readout") and at.pixels("#lanes") != lanes


def colours(at, products):
    """Positive products are orange, negative ones blue."""
    box = at.page.locator("#products").bounding_box()
    n, d = products.shape
    for k in range(n):
        for i in range(d):
            if abs(products[k, i]) > 0.1 * np.abs(products).max():
                red, _, blue, _ = at.dot("#products", (i + 0.5) * box["width"] / d, (k + 0.5) * box["height"] / n)
                assert (red > blue) == (products[k, i] > 0)


def test_keys(opened, maps):
    opened.press("ArrowRight", "ArrowRight", "ArrowDown")
    assert state(opened) == {"head": "3", "layer": "2"}
    values, errors = whole_row(opened, 0)
    assert (np.abs(values - maps.A[1, 2, 0]) <= errors * 1.001).all()
    opened.press("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowUp")
    assert state(opened) == {}  # the first is the last to the left
    for keys, expected in (
        ("a", {"heads": "mean"}),
        ("a", {"heads": "max"}),
        ("a", {}),
        ("d", {"show": "b"}),
        ("d", {"show": "difference"}),
        ("d", {}),
        ("s", {"sentences": "aa"}),
        ("ssss", {}),
        ("h", {"hide": "true"}),
        ("h", {}),
        ("w", {"merge": "true"}),
        ("w", {}),
        ("2", {"view": "grid"}),
        ("3", {"view": "product"}),
        ("1", {}),
    ):
        before = opened.pixels("#heat")
        opened.press(*keys)
        assert state(opened) == expected, keys
        if keys in "adshw":
            assert opened.pixels("#heat") != before, keys
    assert state(opened) == {}
    strongest = float(opened.text("#threshold-value"))
    opened.press("]", "]")
    assert state(opened) == {"threshold": f"{strongest + 0.01:.3f}".rstrip("0")}
    opened.press("[", "[", "[")
    assert state(opened) == {"threshold": f"{strongest - 0.005:.3f}".rstrip("0")}
    opened.press("?")
    assert opened.page.is_visible("#help")
    opened.press("Escape")
    assert opened.page.is_hidden("#help")


def test_the_tab_key_and_a_visible_focus(opened):
    """Every control can be reached, each group is one stop, and the focus is visible."""
    stops = []
    for _ in range(24):
        opened.page.keyboard.press("Tab")
        at = opened.page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
                       return [e.id || e.parentElement.id, s.outlineStyle, s.outlineWidth]; }"""
        )
        if at[0] in ("", *(s[0] for s in stops)):
            break
        stops.append(at)
    names = [name for name, _, _ in stops]
    assert names == [
        "tab-head", "save-svg", "save-png", "help-open", "layer", "layer-more", "head", "head-more", "heads", "show",
        "sentences", "threshold", "strongest", "hide", "merge", "queries", "keys",
    ]  # fmt: skip
    assert all(style != "none" and width != "0px" for _, style, width in stops)


def test_tokens_by_keyboard(opened, maps):
    opened.page.focus(f"{LEFT} .token")
    opened.press("ArrowDown", "ArrowDown")
    np.testing.assert_allclose(weights(opened, RIGHT), maps.A[0, 0, 2], atol=0.006)
    opened.press("Enter")
    assert state(opened) == {"query": "2"}
    opened.press("ArrowRight")
    assert state(opened) == {"query": "2", "head": "2"}


def test_cells_by_keyboard(opened):
    opened.press("2", "ArrowRight", "ArrowDown")
    assert opened.page.get_attribute("[aria-current=true]", "aria-label") == "layer 2, head 2"
    opened.press("Enter")
    assert opened.page.is_visible("#view-head") and state(opened) == {"layer": "2", "head": "2"}


@pytest.mark.parametrize(
    "fragment",
    [
        "layer=2&head=3&threshold=0.05&hide=true",
        "view=grid&heads=max&show=difference&merge=true",
        "layer=3&sentences=ab&query=3",
        "view=product&layer=2&head=2&query=4&key=5",
    ],
)
def test_the_address_stores_the_state(visit, maps, other, fragment):
    """A reload restores and draws the same state, and writes the same address."""
    text = html(maps, other)
    at = visit(text, fragment)
    at.hover("#name")
    fields = {name: value[0] for name, value in parse_qs(fragment).items()}
    at.page.reload()
    at.settle()
    again = visit(text)
    again.page.evaluate("(fragment) => { location.hash = fragment; }", fragment)
    again.settle()
    if "view" not in fields:
        assert at.pixels("#heat") == again.pixels("#heat")
    again.press("w", "w") if fields.get("view") != "product" else again.press("h", "h")
    assert state(again) == fields


@pytest.mark.parametrize(
    "fragment", ["layer=9", "view=none", "threshold=x&query=-1", "show=<script>", "heads=%00&hide=no", "&&=&"]
)
def test_an_invalid_address(visit, maps, fragment):
    at = visit(html(maps), fragment)
    assert at.page.is_visible("#view-head") and "layer 1, head 1" in at.text("#readout")


def test_dark_and_light(visit, maps):
    """The page follows the system, also when the system changes."""
    paper = lambda at: at.page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    at = visit(html(maps), scheme="dark")
    assert sum(map(int, re.findall(r"\d+", paper(at)))) < 120
    dark = at.pixels("#heat")
    at.page.emulate_media(color_scheme="light")
    at.settle()
    assert sum(map(int, re.findall(r"\d+", paper(at)))) > 600
    assert at.pixels("#heat") != dark


HOSTILE = '<script>document.title = "broken"</script><img src=x onerror="document.title=1">'


@pytest.mark.parametrize("view", ["head", "grid", "product", "attribution", "lens"])
def test_a_hostile_text_stays_text(visit, maps, view):
    tokens = (HOSTILE,) * S
    found = attribution.Attribution(tokens, maps.special, HOSTILE, 0.5, *np.zeros((4, S)), residual=0.0)
    seen = lens.Lens(tokens, (((HOSTILE,),) * S,) * 4, np.full((4, S, 1), 0.5), np.full((4, S), 0.5))
    hostile = random_maps(
        S=S, L=3, H=4, A=maps.A, Q=maps.Q, K=maps.K, name=HOSTILE, text=HOSTILE, pair=HOSTILE,
        readable_tokens=tokens, labels=(HOSTILE,), probabilities=(1.0,), prediction=HOSTILE,
    )  # fmt: skip
    at = visit(html(hostile, random_maps(S=S, L=3, H=4, name=HOSTILE, pair=True), found, seen), f"view={view}")
    assert at.page.title() == f"{HOSTILE}: attention"
    assert at.page.locator("img").count() == 0
    if view == "attribution":
        assert re.split("\n+", at.text("#sentence")) == [HOSTILE, HOSTILE]
    else:
        assert at.text("#text") == f"1: {HOSTILE}\n2: {HOSTILE}"
    assert at.page.is_visible(f"#view-{view}")
    if view == "head":
        at.hover(f"{LEFT} .token:nth-child(2)")
        assert f"“{HOSTILE}”: weights of this query" in at.text("#readout")


def test_the_policy_holds(visit, maps):
    """An injected script does not run: the policy forbids it, beside the escaping."""
    at = visit(html(maps))
    at.page.evaluate(
        """() => { const s = document.createElement("script"); s.textContent = "document.title = 'broken'";
                   document.body.append(s); }"""
    )
    assert at.page.title() == "tiny: attention"
    assert any("Content Security Policy" in message for message in at.messages)
    at.messages.clear()


def test_a_classifier(visit, write_member):
    folder, _ = write_member("bert", "classification", num_labels=3)
    write_vocabulary(folder)
    opened = open_model(folder)
    text = "the film was great , so great"
    found = attribution.attribute(opened, text)
    maps = collect(opened, text)
    at = visit(html(maps, attribution=found), "view=attribution")
    best = int(np.argmax(maps.probabilities))
    assert at.text("#prediction") == f"prediction: {maps.labels[best]} {maps.probabilities[best]:.4f}"
    heads = at.page.eval_on_selector_all("#attribution thead th", "all => all.map((each) => each.textContent)")
    assert heads == ["token", *found.scores()]
    bars = at.page.eval_on_selector_all(
        "#attribution tbody tr",
        "rows => rows.map((row) =>"
        " [...row.querySelectorAll('i')].map((i) => i.offsetWidth * (i.matches('.against') ? -1 : 1)))",
    )
    words = ~np.array(found.special)
    for j, values in enumerate(found.scores().values()):
        drawn = np.array([row[j] for row in bars], dtype=float)
        largest = np.abs(values[words]).max()  # the scale is that of the words; a longer bar of [CLS] is cut
        np.testing.assert_allclose(drawn / np.abs(drawn).max(), np.clip(values / largest, -1, 1), atol=0.03)
        cut = at.page.eval_on_selector_all(
            f"#attribution tbody td:nth-of-type({j + 1}) i", "all => all.map((i) => i.matches('.cut'))"
        )
        assert cut == (np.abs(values) > 1.0001 * largest).tolist()
    table = at.page.eval_on_selector_all(
        "#correlations tbody td", "all => all.map((td) => Number(td.dataset.value ?? 1))"
    )
    names = list(found.scores())
    for (a, b), value in found.correlations().items():
        assert abs(table[names.index(a) * 4 + names.index(b)] - value) < 1e-3
    assert attribution.conclusion(found).capitalize()[:30] in at.text("#conclusion")
    assert "completeness residual" in at.text("#attribution-note")
    assert at.page.locator("#attribution tbody tr:visible").count() == len(maps.tokens)
    at.press("h")
    assert at.page.locator("#attribution tbody tr:visible").count() == len(maps.tokens) - 2


def test_the_lens(visit, write_member):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    opened = open_model(folder)
    text = "the film was [MASK] , so great"
    seen, maps = lens.read_layers(opened, text), collect(opened, text)
    at = visit(html(maps, lens=seen), "view=lens")
    words = at.page.eval_on_selector_all(
        "#lens tbody tr", "rows => rows.map((r) => [...r.querySelectorAll('td')].map((c) => c.textContent))"
    )
    assert words == [[seen.words[layer][s][0] for layer in range(4)] for s in range(len(maps.tokens))]
    at.hover("#lens tr:nth-child(5) td:nth-of-type(3)")
    readout = at.text("#lens-readout")
    assert readout.startswith("layer 2 at “[MASK]”")
    for word, p in zip(seen.words[2][4], seen.probabilities[2, 4], strict=True):
        assert f"{word} {p:.3f}" in readout
    at.page.focus("#lens td")
    at.press("ArrowDown", "ArrowRight")
    assert at.text("#lens-readout").startswith(f"layer 1 at “{maps.tokens[1]}”")


def test_two_in_one_notebook(chromium, tmp_path, maps):
    """Each page in its own frame, independent of the other."""
    path = tmp_path / "notebook.html"
    second = random_maps(S=6, name="second")
    path.write_text(
        "<!doctype html><meta charset=utf-8><body aria-busy=false>" + page.in_notebook(maps) + page.in_notebook(second),
        "utf-8",
    )
    at = browser.Visit(chromium, path)
    first, other = at.page.frames[1:]
    for frame, name in ((first, "tiny"), (other, "second")):
        browser.wait(frame, "document.body.getAttribute('aria-busy') === 'false'")
        assert frame.inner_text("#name") == name
    first.click("#layer-more")
    assert (first.input_value("#layer"), other.input_value("#layer")) == ("2", "1")
    assert at.messages == []
    at.close()


@pytest.mark.parametrize("pair", [False, True])
def test_nothing_to_show(visit, pair):
    """A text of two special tokens, shown and hidden."""
    rng = np.random.default_rng(0)
    Q, K = rng.normal(size=(2, 2, 3, 2, 4))
    at = visit(html(random_maps(S=2, pair=pair, Q=Q, K=K)))
    assert labels(at, LEFT) == ["[CLS]", "[SEP]"]
    for keys in ("h", "w", "a", "2", "3", "1", "s", "h", "ssss", "aa"):
        at.press(*keys)
        assert at.page.get_attribute("body", "aria-busy") == "false"
    assert labels(at, LEFT) == ["[CLS]", "[SEP]"]


@pytest.mark.parametrize("n", [128, 512])
def test_long_texts(visit, n):
    """Only visible lines are drawn; scrolling and switching work."""
    maps = random_maps(S=n, L=2, H=3)
    at = visit(html(maps))
    A = maps.A[0, 0]
    at.page.mouse.move(*cell(at, n - 1, 3))
    value, error = at.page.eval_on_selector("#readout data", "d => [Number(d.value), Number(d.dataset.error)]")
    # A cell is about one pixel, so the mouse may be on its neighbour; the page shows which one.
    q, k = (maps.tokens.index(token) for token in re.findall("“(.*?)”", at.text("#readout")))
    assert n - 3 <= q and k <= 6
    assert abs(value - A[q, k]) <= error * 1.001
    at.hover("#name")
    before = at.pixels("#lines-canvas")
    at.page.evaluate("document.getElementById('lines').scrollTop = 1e9")
    at.settle()
    assert at.pixels("#lines-canvas") != before
    at.press("2")
    all_drawn(at)
    assert at.page.locator(".cell").count() == 6


def test_a_page_that_is_still_loading(chromium, tmp_path, maps):
    """The first layer is drawn before the others are read; a later layer is drawn when it is read."""
    at = browser.Visit(chromium, _written(tmp_path, html(maps)), "layer=3")
    assert "layer 3, head 1" in at.text("#readout")
    at.close()
    # Truncated after the script, as with a slow disk.
    text = html(maps)
    path = _written(tmp_path, text[: text.index('<script type="text/plain" id="a1"')])
    at = browser.Visit(chromium, path)
    values = at.page.eval_on_selector_all(f"{RIGHT} .token", "all => all.length")
    assert values == S and "layer 1, head 1" in at.text("#readout")
    at.close()


def _written(folder, text):
    page.save(text, folder / "maps.html")
    return folder / "maps.html"


def test_the_data_of_the_page(maps):
    """The JSON has names, tokens and predictions only, no path."""
    given = json.loads(re.search(r'id="data">(.*?)</script>', html(maps))[1])
    assert set(given) == {
        "name", "compare", "text", "pair", "layers", "heads", "tokens", "words", "segments", "special", "labels",
        "probabilities", "prediction", "d_k", "attribution", "lens", "spans", "opening", "largest_difference",
        "no_attribution",
    }  # fmt: skip
