"""Folded and marked texts, numbers, and charts: their thinning, ticks and axes."""

import math
import re

import pytest

from minitf.fine_tuning.pages import charts, curves
from minitf.fine_tuning.pages.markup import LONG, SHORT, folded, number, percent


def test_a_short_text_is_shown_and_a_long_one_is_folded() -> None:
    assert "<details>" not in folded("x" * SHORT, "Text")
    long = folded("x" * (SHORT + 1), "Text")
    assert f"<summary>Text ({SHORT + 1} characters)</summary>" in long
    assert f'<p class="text">{"x" * (SHORT // 2)}…</p><details>' in long


def test_a_very_long_text_is_cut() -> None:
    text = folded("x" * 1_000_000, "Text")
    assert len(text) < LONG + 1000
    assert "980,000 more characters" in text


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([(0, 1, "right")], '<mark class="right">&lt;</mark>bc&amp;'),
        ([(1, 3, "right"), (2, 4, "wrong")],
         '&lt;<mark class="right">b</mark><mark class="both">c</mark><mark class="wrong">&amp;</mark>'),
        ([(2, 2, "right"), (-5, 1, "wrong"), (3, 99, "right")],
         '<mark class="wrong">&lt;</mark>bc<mark class="right">&amp;</mark>'),
    ],
)  # fmt: skip
def test_parts_of_a_text_are_marked_and_escaped(marks: list[tuple[int, int, str]], expected: str) -> None:
    assert folded("<bc&", "Text", marks) == f'<p class="text">{expected}</p>'


def test_numbers_have_the_right_unit() -> None:
    assert [number(v) for v in (1055, 0, 0.5, 1.0, 2.5e7, math.nan, None, True)] == [
        "1,055", "0", "0.5000", "1.0000", "2.5e+07", "–", "–", "–",
    ]  # fmt: skip
    assert [percent(v) for v in (0.0, 0.001, 0.5, 1.0)] == ["0 %", "<1 %", "50 %", "100 %"]


@pytest.mark.parametrize("low", [-3.7, 0.0, 0.2, 1e-6, 5e4])
@pytest.mark.parametrize("length", [1e-7, 0.03, 1.0, 9.5, 1e6])
def test_ticks_are_few_and_inside(low: float, length: float) -> None:
    found = charts.ticks(low, low + length)
    assert 2 <= len(found) <= 8
    assert all(low - 1e-6 * length <= value <= low + length * (1 + 1e-6) for value in found)
    assert all(value == round(value) for value in charts.ticks(low, low + length, whole=True))


def test_axes_without_a_range() -> None:
    assert charts.ticks(1.0, 1.0) == [1.0]
    assert charts.Axes((1.0, 1.0), (0.0, 0.0)).at(1.0, 0.0) == (charts.LEFT, charts.HEIGHT - charts.BOTTOM)
    assert charts.extent([]) < charts.extent([5.0, 5.0])


def test_a_long_line_keeps_its_ends() -> None:
    line = charts.Line("loss", [(float(n), 0.0) for n in range(10_000)], titles=[str(n) for n in range(10_000)])
    thin = charts.thinned(line)
    assert len(thin.points) == len(thin.titles) == 100
    assert (thin.titles[0], thin.titles[-1]) == ("0", "9999")
    assert [float(title) for title in thin.titles] == [x for x, _ in thin.points]


@pytest.mark.parametrize("n", [1, 149, 150, 151, 10_000])
def test_every_step_is_in_one_part(n: int) -> None:
    steps = [{"step": i} for i in range(n)]
    parts = curves.buckets(steps)
    assert [step for part in parts for step in part] == steps
    assert len(parts) == min(n, curves.BUCKETS)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_lines_differ_in_colour_and_in_dashes() -> None:
    styles = [charts.Line("", (), n).classes for n in range(32)]
    assert len(set(styles)) == 32
    assert len({style.split()[1] for style in styles[:4]}) == 4


def test_values_are_shown_on_hover() -> None:
    line = charts.Line("F1", [(1.0, 0.5)], titles=["epoch 1: F1 <0.5>"])
    drawing = charts.draw_line(charts.Axes((0.0, 1.0), (0.0, 1.0)), line)
    assert re.findall("<title>(.*?)</title>", drawing) == ["epoch 1: F1 &lt;0.5&gt;"]
