"""The page: user text cannot become HTML, and the sizes are correct."""

import base64
import hashlib
import html
import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.attention_maps import page
from minitf.errors import InputError
from tests.support import browser
from tests.support.maps_to_draw import random_maps

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>&lt;img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "{{SCRIPT}} {{REST}} {{NONE}}",
    "\u2028\u2029\x00\x1f\\",
]
PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the content of scripts, parsed as a browser does."""

    def __init__(self, text):
        super().__init__()
        self.found, self.scripts, self.inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, tuple(sorted(name for name, _ in attributes))))
        self.inside = tag in ("script", "style")
        if tag == "script":
            self.scripts.append((dict(attributes), ""))

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside and self.scripts:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1])


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_text_changes_no_element(hostile):
    tame = page.html(random_maps(S=4))
    maps = random_maps(
        S=4,
        name=hostile,
        text=hostile,
        pair=hostile,
        readable_tokens=(hostile,) * 4,
        labels=(hostile,),
        probabilities=(1.0,),
    )
    text = page.html(maps)
    assert Elements(text).found == Elements(tame).found
    assert data_of(text)["text"] == data_of(text)["tokens"][2] == hostile
    assert text.count("alert(1)") == hostile.count("alert(1)") * 9  # each use of the text, and the title


@PROPERTY
@given(st.text() | st.lists(st.sampled_from(["<", ">", "&", "/", "script", "!--", '"', "\\", "é"])).map("".join))
def test_json_in_a_script(text):
    made = page.as_json({"x": text})
    assert json.loads(made) == {"x": text}
    assert not set("<>&") & set(made) and made.isascii()


def test_one_script_runs_and_nothing_is_fetched():
    """The policy has the digest of the script, and no element loads anything."""
    text = page.html(random_maps())
    scripts = Elements(text).scripts
    (own,) = [body for attributes, body in scripts if not attributes]
    assert all(attributes.get("type") in ("application/json", "text/plain") for attributes, _ in scripts if attributes)
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text and "default-src 'none'" in text
    for loads in (
        "src=",
        "href=",
        "url(",
        "@import",
        "fetch(",
        "XMLHttp",
        "import(",
        "innerHTML",
        "insertAdjacent",
        "eval(",
    ):
        assert loads not in text, loads


def test_the_page_has_every_script():
    text = page.html(random_maps())
    assert {path.name for path in page.FILES.iterdir()} == {*page.SCRIPTS, "page.html", "page.css"}
    assert all((page.FILES / name).read_text(encoding="utf-8") in text for name in page.SCRIPTS)


@pytest.mark.parametrize("S", [2, 16])
def test_sizes(S):
    rng = np.random.default_rng(0)
    maps = random_maps(S=S, L=3, H=2, Q=rng.normal(size=(3, 2, S, 4)), K=rng.normal(size=(3, 2, S, 4)))
    text, sizes = page.build(maps, random_maps(S=S, L=3, H=2, seed=1))
    assert sizes.whole == len(text.encode("utf-8"))
    blocks = dict(re.findall(r'<script type="text/plain" id="(\w+)">([^<]*)</script>', text))
    assert sorted(blocks) == ["a0", "a1", "a2", "b0", "b1", "b2", "p0", "p1", "p2"]
    by_kind = {kind: sum(len(body) for name, body in blocks.items() if name[0] == kind) for kind in "abp"}
    assert (sizes.maps, sizes.compare, sizes.query_key) == (by_kind["a"], by_kind["b"], by_kind["p"])
    plain, small = page.build(random_maps(S=S, L=3, H=2))
    assert (small.compare, small.query_key) == (0, 0)
    # What was not requested costs no more than its name.
    assert len(text) - len(plain) == pytest.approx(sizes.compare + sizes.query_key, abs=400)


def test_twelve_layers_of_twelve_heads_at_128_tokens():
    assert page.build(random_maps(S=128, L=12, H=12))[1].whole <= 4_000_000


def test_models_that_cannot_be_compared():
    maps = random_maps()
    with pytest.raises(
        InputError, match=r"`compare` other: it splits the text into other tokens \('x' where tiny has 'w1', token 2\)"
    ):
        page.html(maps, random_maps(name="other", tokens=("[CLS]", "x", *maps.tokens[2:])))
    with pytest.raises(InputError, match=r"other tokens \('the end' where tiny has '\[SEP\]', token 10\)"):
        page.html(maps, random_maps(name="other", tokens=maps.tokens[:-1]))
    shapes = "`compare` other: it has 3 layers of 3 heads, tiny has 2 of 3; compare models of the same shape"
    with pytest.raises(InputError, match=shapes):
        page.html(maps, random_maps(L=3, name="other"))


def test_broken_weights():
    A = random_maps().A
    A[1, 0, 3, 3] = np.nan
    with pytest.raises(InputError, match="attention maps have NaN or infinite numbers"):
        page.html(random_maps(A=A))
    with pytest.raises(InputError, match="predictions have NaN or infinite numbers"):
        page.html(random_maps(labels=("a", "b"), probabilities=(float("nan"), 1.0)))


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        page.save("x", tmp_path / "none" / "maps.html")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_in_a_notebook(hostile):
    """One frame that may only run scripts and save pictures; its content is exactly the page. The script beside it is
    always the same."""
    maps = random_maps(S=4, text=hostile)
    framed = page.in_notebook(maps)
    frame, script = Elements(framed).found
    assert script == ("script", ()) and framed.endswith(f"<script>{page.FIT}</script>")
    assert frame == ("iframe", ("sandbox", "srcdoc", "style", "title"))
    assert 'sandbox="allow-scripts allow-downloads"' in framed
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', framed)[1]) == page.html(maps)


def test_too_large_for_a_notebook(monkeypatch):
    maps = random_maps(S=8, L=2, H=3)
    monkeypatch.setattr(page, "MOST_IN_NOTEBOOK", maps.A.size)
    assert "<iframe" in page.in_notebook(maps)
    monkeypatch.setattr(page, "MOST_IN_NOTEBOOK", maps.A.size - 1)
    assert "page.save(page.html(maps)" in page.in_notebook(maps) and "<iframe" not in page.in_notebook(maps)


def test_a_machine_without_a_browser(monkeypatch):
    """The tests marked `browser` fail with what is missing; they are never skipped."""
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="need Chromium: apt-get install chromium"):
        browser.find()
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with (
        pytest.raises(RuntimeError, match=r"need playwright: pip install -c constraints.txt -e \"\.\[browser\]\""),
        browser.started(),
    ):
        pass
