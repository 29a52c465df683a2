"""Figures: their numbers, labels and sizes; and the summary of each head against slow loops."""

import dataclasses
import errno
import math
import re
import warnings
from pathlib import Path

import matplotlib
import matplotlib.colors
import numpy as np
import pytest
from matplotlib.colors import to_hex

from minitf.attention_maps import canvas, figures, page, prediction_figures
from minitf.attention_maps.attribution import Attribution
from minitf.attention_maps.maps import AttentionMaps
from minitf.errors import InputError

THEMES = [figures.LIGHT, figures.DARK]


def drawn_maps(S=10, L=2, H=3, tokens=None):
    rng = np.random.default_rng(0)
    A = rng.random((L, H, S, S)) ** 4
    A /= A.sum(axis=-1, keepdims=True)
    words = tuple(tokens or ("[CLS]", *(f"word{i}" for i in range(S - 2)), "[SEP]"))
    special = tuple(word in ("[CLS]", "[SEP]") for word in words)
    return AttentionMaps("tiny", "a text", None, words, (0,) * S, special, A, (), ())


def images(figure):
    return [image.get_array() for axes in figure.axes for image in axes.images]


@pytest.mark.parametrize("theme", THEMES)
def test_one_head_is_its_map(theme):
    maps = drawn_maps()
    figure = figures.head(maps, 1, 2, theme)
    np.testing.assert_array_equal(images(figure)[0], maps.A[1, 2])
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(maps.tokens)
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == list(maps.tokens)
    assert figure.axes[0].get_title() == "layer 2, head 3"


def test_the_grid_is_all_of_them_in_order():
    maps = drawn_maps(L=3, H=4)
    shown = images(figures.grid(maps))
    assert len(shown) == 12
    for i, image in enumerate(shown):
        np.testing.assert_array_equal(image, maps.A[i // 4, i % 4])


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 2.0])
def test_a_line_for_each_weight_above_the_threshold(threshold):
    maps = drawn_maps()
    figure = figures.lines(maps, 0, 1, threshold)
    (collection,) = figure.axes[0].collections
    ends = [tuple(path.vertices[:, 1].astype(int)) for path in collection.get_paths()]
    assert ends == [(q, k) for q in range(10) for k in range(10) if maps.A[0, 1, q, k] >= threshold]
    widths = np.array(collection.get_linewidths()[: len(ends)])
    assert all(np.diff(widths[np.argsort([maps.A[0, 1, q, k] for q, k in ends])]) >= 0)
    figure.canvas.draw()


def test_rollout_is_the_first_tokens():
    from minitf.attention_maps.attribution import rollout

    maps = drawn_maps(L=4)
    np.testing.assert_allclose(images(figures.rollout(maps))[0], rollout(maps.A)[:, 0])


def test_the_summary_by_slow_loops():
    maps = drawn_maps(S=7)
    found = figures.summarise(maps)
    for layer in range(maps.layers):
        for h in range(maps.heads):
            A = maps.A[layer, h]
            S = range(7)
            expected = {
                "entropy": sum(-A[q, k] * math.log(A[q, k]) for q in S for k in S) / 7,
                "special": sum(A[q, 0] + A[q, 6] for q in S) / 7,
                "previous": sum(A[q, q - 1] for q in range(1, 7)) / 6,
                "following": sum(A[q, q + 1] for q in range(6)) / 6,
                "same": sum(A[q, q] for q in S) / 7,
            }
            for name, value in expected.items():
                assert abs(getattr(found, name)[layer, h] - value) < 1e-12, name


def test_the_summary_of_known_heads():
    S = 5
    previous = np.eye(S, k=-1)
    previous[0, 0] = 1.0
    A = np.stack([np.full((S, S), 1 / S), previous, np.eye(S, k=1) + np.eye(S)[:, ::-1] * 0])[None]
    A[0, 2, -1, -1] = 1.0
    maps = AttentionMaps(
        "x", "t", None, ("[CLS]", "a", "b", "c", "[SEP]"), (0,) * 5, (True, False, False, False, True), A, (), ()
    )
    found = figures.summarise(maps)
    np.testing.assert_allclose(found.entropy[0], [math.log(5), 0, 0], atol=1e-12)
    np.testing.assert_allclose(found.previous[0, 1], 1.0)
    np.testing.assert_allclose(found.following[0, 2], 1.0)
    np.testing.assert_allclose(found.special[0, 0], 2 / 5)


@pytest.mark.parametrize("S", [2, 10, 128])
@pytest.mark.parametrize("theme", THEMES)
def test_every_picture_at_every_length(tmp_path, S, theme):
    """No warning, no text below 4 points, no side above 30 inches."""
    maps = drawn_maps(S=S, tokens=["[CLS]", *(["extraordinarily", "$5", "a_b^c", "\\frac"] * S)[: S - 2], "[SEP]"])
    for i, figure in enumerate(
        (
            figures.head(maps, 0, 0, theme),
            figures.grid(maps, theme),
            figures.lines(maps, 0, 0, theme=theme),
            figures.rollout(maps, theme),
            figures.summary(maps, theme),
        )
    ):
        path = tmp_path / f"{i}.png"
        figures.save(figure, path)
        assert path.read_bytes().startswith(b"\x89PNG")
        labels = [t for axes in figure.axes for t in (*axes.get_yticklabels(), *axes.get_xticklabels())]
        assert all(label.get_fontsize() >= 4.0 for label in labels)
        assert max(figure.get_size_inches()) <= 30.0
        assert to_hex(figure.get_facecolor()) == theme.background


@pytest.mark.parametrize(("kind", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_the_ending_sets_the_format(tmp_path, kind, magic):
    figures.save(figures.grid(drawn_maps()), tmp_path / f"maps.{kind}")
    assert (tmp_path / f"maps.{kind}").read_bytes().startswith(magic)


def test_svg_keeps_text_as_text(tmp_path):
    figures.save(figures.head(drawn_maps(), 0, 0), tmp_path / "maps.svg")
    assert ">word3</text>" in (tmp_path / "maps.svg").read_text()


@pytest.mark.parametrize("name", ["maps.jpg", "maps", "maps.html2"])
def test_another_ending(tmp_path, name):
    with pytest.raises(InputError, match="the formats are svg, png, pdf"):
        figures.save(figures.grid(drawn_maps()), tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "maps.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(InputError, match="no space left"):
        figures.save(figures.grid(drawn_maps()), path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def fail(path, content):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        figures.save(figures.grid(drawn_maps()), tmp_path / "none" / "maps.png")


@pytest.mark.parametrize(("layer", "head"), [(2, 0), (0, 3), (-1, 0), (0, -1)])
@pytest.mark.parametrize("draw", [figures.head, figures.lines])
def test_a_missing_head(draw, layer, head):
    with pytest.raises(InputError, match="tiny has 2 layers of 3 heads"):
        draw(drawn_maps(), layer, head)


@pytest.mark.parametrize(("theme", "part"), [(figures.LIGHT, 0), (figures.DARK, 1)])
def test_one_palette(theme, part):
    """Figures and the page have the same colours."""
    css = (page.FILES / "page.css").read_text(encoding="utf-8")
    sheet = css.split("@media (prefers-color-scheme: dark)")[part]
    stops = {name: tuple(re.search(rf"--{name}: ([^;]+);", sheet)[1].split()) for name in ("ramp", "less", "more")}
    assert (theme.ramp, theme.less, theme.more) == (stops["ramp"], stops["less"], stops["more"])
    assert theme.neutral == tuple(re.search(r"--neutral: ([^;]+);", sheet)[1].split())
    assert [theme.line] == re.search(r"--accent: ([^;]+);", sheet)[1].split()
    assert theme.background == theme.ramp[0] == theme.neutral[0]


def test_rollout_has_the_scale_of_the_words():
    """[CLS] receives most of itself: it does not set the scale."""
    maps = drawn_maps()
    A = maps.A + 0.0
    A[..., 0] += 5
    A /= A.sum(axis=-1, keepdims=True)
    figure = figures.rollout(dataclasses.replace(maps, A=A))
    (image,) = figure.axes[0].images
    values = np.asarray(image.get_array())
    assert image.norm.vmax == values[:, 1:-1].max() < values[:, 0].min()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["1", "2"]


def example(label="good"):
    scores = np.array([[9, 0.2, 0.1, 5], [1, -2, 1, 8], [0.0, 1, -0.5, 0], [0, 1, -1, 0]])
    return Attribution(("[CLS]", "a", "b", "[SEP]"), (True, False, False, True), label, 0.9, *scores, residual=0.0)


@pytest.mark.parametrize("theme", THEMES)
def test_the_legend_names_the_colours(theme):
    """Orange is for the class and blue against it; rollout is grey; the words set the scale."""
    colours = prediction_figures.shades(example(), theme)
    rollout, gradient, integrated, _ = colours[..., :3]
    assert np.ptp(rollout, axis=-1).max() < 0.08
    assert gradient[1, 2] > gradient[1, 0] and gradient[2, 0] > gradient[2, 2]  # blue, orange
    assert integrated[1, 0] > integrated[1, 2] and integrated[2, 2] > integrated[2, 0]
    np.testing.assert_allclose(rollout[1], matplotlib.colors.to_rgb(theme.neutral[-1]), atol=0.01)
    np.testing.assert_array_equal(rollout[0], rollout[1])  # [CLS] is cut at the end of the scale
    title = prediction_figures.draw_attribution(example("$x_1$"), theme).axes[0].get_title()
    assert "orange for it, blue against it" in title and r"\$x_1\$" in title


@pytest.mark.parametrize(
    "text", ["short", "a longer sentence " * 40, "这部电影很好看" * 30, "x" * 900, "WHY " * 200, "costs $5 or $6"]
)
@pytest.mark.parametrize("draw", [figures.grid, figures.rollout, lambda maps: figures.lines(maps, 0, 0)])
def test_the_title_has_the_model_and_the_text(draw, text):
    """At most two lines for each text, and nothing is cut."""
    figure = draw(drawn_maps())
    height = figure.get_figheight()
    canvas.entitle(figure, figures.LIGHT, "/home/me/runs/reviews-1/best", text, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no font has every character
        figure.canvas.draw()
        box = figure._suptitle.get_window_extent()
    title = figure.get_suptitle().replace(r"\$", "$")
    model, *lines = title.split("\n")
    assert model == "reviews-1/best" and 1 <= len(lines) <= 2 and figure.get_figheight() > height
    assert "".join(lines).rstrip("…").replace(" ", "") in text.replace(" ", "")
    assert title.endswith("…") == (len(text) > 100)
    width, high = figure.get_size_inches() * figure.dpi
    assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= high


def test_two_hundred_dots_per_inch(tmp_path):
    figure = figures.head(drawn_maps(), 0, 0)
    figures.save(figure, tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    size = [int.from_bytes(content[i : i + 4], "big") for i in (16, 20)]
    np.testing.assert_allclose(size, figure.get_size_inches() * 200, atol=1)


def test_by_default_the_strongest_lines():
    maps = drawn_maps(S=30)
    (collection,) = figures.lines(maps, 0, 0).axes[0].collections
    assert len(collection.get_paths()) == 60  # two for each query
    assert {tuple(colour[:3]) for colour in collection.get_edgecolors()} == {matplotlib.colors.to_rgb("#1a5ca8")}
    assert min(collection.get_linewidths()) >= 0.6
