"""What the page shows first, the shaded sentence, saved pictures, and the frame in a notebook."""

import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch

import minitf
from minitf import attend
from minitf.attention_maps import page
from minitf.attention_maps.attribution import Attribution, attribute
from minitf.attention_maps.collect import attention, collect
from minitf.attention_maps.lens import read_layers
from minitf.attention_maps.model import MAX_HIDDEN, open_model
from tests.support import browser
from tests.support.maps_to_draw import random_maps
from tests.support.tiny import write_vocabulary

TEXT = "The film was ꙮ great, so 龘龘"
browsers = pytest.mark.browser


@pytest.fixture
def classifier(write_member):
    folder, _ = write_member("bert", "classification", num_labels=2)
    write_vocabulary(folder)
    return folder


def found_for(maps, seed=0):
    scores = np.random.default_rng(seed).normal(size=(4, len(maps.tokens)))
    return Attribution(maps.tokens, maps.special, "good", 0.9, np.abs(scores[0]), *scores[1:], residual=0.0)


def test_the_head_that_attends_least_to_special_tokens():
    maps = random_maps(L=3, H=4)
    A = maps.A.copy()
    A[..., 0] += 1  # every head attends to [CLS] …
    A[2, 1] = np.eye(len(maps.tokens), k=1)  # … but one, which attends to the next token
    opening = page.choose_opening(random_maps(L=3, H=4, A=A))
    assert opening == page.Opening("head", 3, 2, "a")
    assert page.choose_opening(random_maps(L=3, H=4, A=A), attribution=found_for(maps)).view == "attribution"


def test_the_head_that_two_models_differ_in():
    maps = random_maps(L=3, H=4)
    A = maps.A.copy()
    A[1, 3] = np.roll(A[1, 3], 1, axis=-1)
    opening = page.choose_opening(maps, random_maps(A=A), found_for(maps))
    assert opening == page.Opening("head", 2, 4, "difference")


def test_the_layer_of_the_opening_comes_first():
    maps, other = random_maps(L=3), random_maps(L=3, seed=1)
    text = page.html(maps, other, opening=page.Opening(layer=3))
    blocks = re.findall(r'<script type="text/plain" id="(\w+)">', text)
    assert blocks == ["a2", "b2", "a0", "a1", "b0", "b1"]
    assert text.index('id="b2"') < text.index('"use strict"') < text.index('id="a0"')


def test_unknown_tokens_show_what_they_replace(classifier):
    """In the maps, the attribution and the logit lens; a long piece is shortened."""
    opened = open_model(classifier)
    maps = collect(opened, TEXT, "ꙮ" * 40)
    unknown = [token for token in maps.display_tokens if token.startswith("[UNK]")]
    assert "[UNK] ꙮ" in unknown and "[UNK] 龘" in unknown
    assert unknown[-1] == f"[UNK] {'ꙮ' * (MAX_HIDDEN - 1)}…"
    assert "[UNK]" in maps.tokens  # the vocabulary's own
    for token, span, segment in zip(maps.display_tokens, maps.spans, maps.segments, strict=True):
        if span is not None and not token.startswith(("[UNK]", "##")):
            assert [TEXT, "ꙮ" * 40][segment][slice(*span)].lower() == token
    assert "[UNK] ꙮ" in attribute(opened, TEXT, steps=2).tokens


def test_unknown_tokens_in_the_lens(write_member):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    assert "[UNK] ꙮ" in read_layers(open_model(folder), TEXT).tokens


@pytest.mark.parametrize("max_length", [4, 7])
def test_the_characters_of_a_text_that_is_cut(classifier, max_length):
    """Special tokens that the text itself contains have characters too."""
    maps = collect(open_model(classifier), "the film [SEP] was great", max_length=max_length)
    assert len(maps.spans) == len(maps.tokens) == max_length
    assert maps.spans[0] is None and maps.spans[-1] is None
    assert all(span is not None for span in maps.spans[1:-1])


@browsers
def test_a_classifier_opens_on_the_shaded_sentence(visit, classifier):
    """The text is complete; each shade is that of its tokens' scores; [CLS] does not set the scale."""
    opened = open_model(classifier)
    text, pair = "The film  was ꙮ great, so unwanted!", "never again <b>"
    maps, found = collect(opened, text, pair), attribute(opened, text, pair, steps=4)
    at = visit(page.html(maps, attribution=found))
    assert at.page.is_visible("#view-attribution") and at.page.is_hidden("#text")
    lines = at.page.eval_on_selector_all("#sentence p", "all => all.map((p) => p.textContent)")
    assert lines == [text, pair]
    words = ~np.array(maps.special)
    for method, values in found.scores().items():
        at.click(f"#method [data-value='{method}']")
        shades = at.page.eval_on_selector_all(
            "#sentence mark", "all => all.map((m) => [m.dataset.tokens, m.style.background, m.style.color])"
        )
        assert [int(tokens) for tokens, _, _ in shades] == [i for i in range(len(words)) if words[i]]
        largest = np.abs(values[words]).max()
        for token, background, letters in shades:
            red, green, blue = map(int, re.findall(r"\d+", background))
            share = values[int(token)] / largest
            if method == "rollout":
                assert max(red, green, blue) - min(red, green, blue) < 15  # neutral
            elif abs(share) > 0.1:
                assert (red > blue) == (share > 0)  # orange for, blue against
            assert letters in ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
    assert at.page.eval_on_selector_all("#attribution td:nth-of-type(1) i:not(.neutral)", "all => all.length") == 0
    at.hover("#sentence mark")
    note = at.text("#sentence-note")
    assert note.startswith("“the”: rollout ") and all(name in note for name in found.scores())
    at.page.reload()
    at.settle()
    assert at.page.get_attribute("#method [data-value=erasure]", "aria-checked") == "true"  # the last of the four


@browsers
def test_tokens_of_one_character_are_one_mark(visit):
    """Byte-level tokens can be parts of one character; their scores are added."""
    tokens = ("[CLS]", "a", "x1", "x2", "[SEP]")
    maps = random_maps(S=5, tokens=tokens, text="a🍲", spans=(None, (0, 1), (1, 2), (1, 2), None))
    found = found_for(maps)
    at = visit(page.html(maps, attribution=found))
    marks = at.page.eval_on_selector_all("#sentence mark", "all => all.map((m) => [m.textContent, m.dataset.tokens])")
    assert marks == [["a", "1"], ["🍲", "2 3"]]
    assert f"{found.erasure[2] + found.erasure[3]:.2g}".replace("-", "−")[:4] in at.page.get_attribute(
        "#sentence mark:nth-child(2)", "title"
    )


@browsers
def test_a_comparison_opens_on_the_difference(visit):
    """A and B have names, and the threshold has the scale of the differences."""
    maps, rng = random_maps(L=2, H=2, name="runs/reviews-1/best"), np.random.default_rng(0)
    A = maps.A + 0.002 * rng.random(maps.A.shape)
    at = visit(page.html(maps, random_maps(L=2, H=2, A=A, name="all-MiniLM-L6-v2")))
    assert at.page.get_attribute("#show [data-value=difference]", "aria-checked") == "true"
    assert at.text("#show [data-value=a]") == "A: reviews-1/best"
    assert at.text("#show [data-value=b]") == "B: all-MiniLM-L6-v2"
    assert (at.text("#name"), at.text("#other-name")) == ("reviews-1/best", "all-MiniLM-L6-v2")
    largest = np.abs(maps.A - A).max()
    assert largest <= float(at.page.get_attribute("#threshold", "max")) <= largest + 1e-4
    assert 0 < float(at.text("#threshold-value")) < largest
    lines = int(re.match(r"(\d+) lines, the strongest: differences", at.text("#lines-note"))[1])
    assert 1 <= lines <= 3 * len(maps.tokens)
    at.click("#show [data-value=a]")
    assert float(at.page.get_attribute("#threshold", "max")) == 0.5 and "strongest: weights" in at.text("#lines-note")


@browsers
def test_only_the_strongest_lines(visit):
    """About two for each query, none below a tenth of the largest; a threshold of one's own, and back."""
    maps = random_maps(S=30)
    at = visit(page.html(maps, opening=page.Opening()))
    A, note = maps.A[0, 0], at.text("#lines-note")
    least = float(at.text("#threshold-value"))
    count = int(re.match(r"(\d+) lines, the strongest", note)[1])
    assert abs(count - (least <= A).sum()) <= 2 and 40 <= count <= 66 and least >= A.max() / 10 - 0.001
    at.page.fill("#threshold", "0")
    at.settle()
    assert at.page.get_attribute("#strongest", "aria-pressed") == "false"
    assert int(re.match(r"(\d+) lines for weights", at.text("#lines-note"))[1]) > 600
    at.click("#strongest")
    assert at.text("#lines-note") == note and at.page.get_attribute("#strongest", "aria-pressed") == "true"


@browsers
def test_pressed_buttons_say_so(visit):
    at = visit(page.html(random_maps()))
    for name in ("#hide", "#merge"):
        assert at.page.get_attribute(name, "aria-pressed") == "false"
        at.click(name)
        assert at.page.get_attribute(name, "aria-pressed") == "true"


HOSTILE = 'x<script>&"]]>\x00\ud800 中'


@browsers
@pytest.mark.parametrize("view", ["head", "grid", "product", "attribution", "lens"])
def test_a_saved_picture(chromium, tmp_path, view):
    """An SVG that is well-formed, with the model and the text, and a PNG of twice its size."""
    S, rng = 10, np.random.default_rng(0)
    text = HOSTILE.replace("\ud800", "")
    maps = random_maps(
        S=S, name="runs/my-run/best", text=text, readable_tokens=(text,) * S, Q=rng.normal(size=(2, 3, S, 8)),
        K=rng.normal(size=(2, 3, S, 8)), spans=(None, *((i, i + 1) for i in range(S - 2)), None),
    )  # fmt: skip
    from minitf.attention_maps.lens import Lens

    seen = Lens(maps.tokens, ((("word",) * 5,) * S,) * 3, np.full((3, S, 5), 0.2), np.full((3, S), 0.5))
    path = tmp_path / "maps.html"
    page.save(page.html(maps, random_maps(S=S, seed=2, name="b"), found_for(maps), seen), path)
    at = browser.Visit(chromium, path, f"view={view}", accept_downloads=True)
    browser.wait(at.page, "[...document.querySelectorAll('.cell')].every((cell) => cell.dataset.drawn)")
    files = {}
    for kind in ("svg", "png"):
        with at.page.expect_download() as download:
            at.page.click(f"#save-{kind}")
        assert download.value.suggested_filename == f"my-run-best-{view}.{kind}"
        download.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    assert at.messages == []
    at.close()
    root = ElementTree.fromstring(files["svg"])
    written = "".join(root.itertext())
    assert "my-run/best" in written and "x<script>&" in written and "中" in written
    assert files["png"].startswith(b"\x89PNG")
    width, height = (int.from_bytes(files["png"][i : i + 4], "big") for i in (16, 20))
    assert (width, height) == (2 * int(root.get("width")), 2 * int(root.get("height")))
    assert not [e for e in root.iter() if e.tag.endswith(("script", "foreignObject"))]
    for shape in root.iter():
        if shape.tag.endswith("text") and not shape.get("transform"):
            assert 0 <= float(shape.get("x")) <= width / 2 and 0 <= float(shape.get("y")) <= height / 2


def test_a_notebook_has_the_attribution(classifier, write_member, monkeypatch):
    """It is computed when the maps are displayed; not for a long text, nor for a model without a classifier."""
    maps = attention(classifier, "the film was great")
    assert "&quot;conclusion&quot;:" in maps._repr_html_()
    monkeypatch.setattr("minitf.attention_maps.collect.ATTRIBUTION_LIMIT", 5)
    assert "&quot;conclusion&quot;:" not in maps._repr_html_()
    encoder, _ = write_member("bert", None, name="encoder")
    write_vocabulary(encoder)
    assert "&quot;attribution&quot;:null" in attention(encoder, "the film was great")._repr_html_()


def test_the_maps_of_a_loaded_model_have_the_attribution(classifier):
    model = minitf.load(classifier, "classification").to(torch.float64)
    maps = attention(model, "the film was great", tokenizer=minitf.load_tokenizer(classifier))
    model.train()
    assert maps.attribute().label in maps.labels and model.training  # the mode is restored


@browsers
@pytest.mark.parametrize("width", [390, 1000])
def test_the_frame_fits_its_content(chromium, tmp_path, width):
    """The frame has the height of its content at any width, and when the view changes."""
    path = tmp_path / "notebook.html"
    maps = random_maps(S=40)
    path.write_text(
        "<!doctype html><meta charset=utf-8><body aria-busy=false>" + page.in_notebook(maps, found_for(maps))
    )
    at = browser.Visit(chromium, path, viewport={"width": width, "height": 700})
    inner = at.page.frames[1]
    browser.wait(inner, "document.body.getAttribute('aria-busy') === 'false'")
    for view in ("attribution", "head", "grid"):
        inner.click(f"#tab-{view}")
        at.page.wait_for_timeout(300)
        frame = at.page.eval_on_selector("iframe", "frame => frame.clientHeight")
        content = inner.evaluate("document.body.scrollHeight")
        assert inner.evaluate("document.documentElement.scrollHeight") <= frame + 1, view
        assert frame - content <= 1, view
    assert at.messages == []
    at.close()


@pytest.mark.parametrize(
    ("head", "text", "more", "reason"),
    [
        (None, "good film", [], "it explains the prediction of a trained classification head, and this model has none"),
        ("classification", "good " * 200, [], "it takes long for more than 10 tokens"),
        ("classification", "good film", ["--attribution", "never"], "it was not requested"),
        ("classification", "good film", [], ""),
    ],
)
def test_the_page_and_the_terminal_say_why_there_is_no_attribution(
    write_member, run_command, tmp_path, monkeypatch, head, text, more, reason
):
    monkeypatch.setattr(attend.attend, "ATTRIBUTION_LIMIT", 10)
    folder, _ = write_member("bert", head, **({"num_labels": 2} if head else {}))
    write_vocabulary(folder)
    output = tmp_path / "maps.html"
    status, out, err = run_command(attend.main, str(folder), text, "--output", str(output), *more)
    assert status == 0, err
    lines = [line for line in out.splitlines() if "no Attribution tab" in line]
    assert [line.partition(": ")[2].partition(";")[0] for line in lines] == [reason] * bool(reason and not more)
    found = json.loads(re.search(r'id="data">(.*?)</script>', output.read_text(encoding="utf-8"))[1])
    assert found["no_attribution"] == reason and (found["attribution"] is None) == bool(reason)
