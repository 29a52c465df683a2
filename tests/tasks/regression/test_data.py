"""Numbers to predict: what a cell can contain, how a table of them is split and checked."""

import numpy as np
import pytest

from minitf.datasets.dataset import Dataset, Example
from minitf.errors import DataError
from minitf.tasks.regression.data import check_regression, finite_number, mean_and_deviation, range_of
from minitf.tasks.regression.metrics import regression_metrics
from minitf.tasks.regression.spec import REGRESSION


def cell(value: object) -> str:
    return finite_number("t.jsonl:3", {"labels": value}, "labels", True)


def dataset(*labels: str, texts: list[str] | None = None, name: str = "t.csv") -> Dataset:
    texts = texts or [f"text {i}" for i in range(len(labels))]
    examples = tuple(Example(t, None, label, row) for row, (t, label) in enumerate(zip(texts, labels, strict=True), 2))
    return Dataset(name, examples, "text", None, "labels", "0" * 64)


def messages(findings) -> dict[str, list[str]]:
    return {level: [f.message for f in findings if f.level == level] for level in ("error", "warning")}


@pytest.mark.parametrize("value", ["1", "-2.5", "1e-3", ".5", "+7", 3, 2.5, "0"])
def test_a_cell_that_is_a_number(value: object) -> None:
    assert float(cell(value)) == float(value)


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999", "1_000", "two", "1,5", "1 2", True, "0x10"])
def test_a_cell_that_is_not_a_number(value: object) -> None:
    with pytest.raises(DataError, match=r"t.jsonl:3: column 'labels' has .*not a finite number") as caught:
        cell(value)
    assert ("with a decimal point" in str(caught.value)) == (value == "1,5")


def test_an_empty_cell() -> None:
    with pytest.raises(DataError, match="is empty"):
        cell(" ")


def test_a_split_ignores_the_numbers() -> None:
    """A class of one row would always stay in training."""
    kept, held_out = REGRESSION.split(dataset(*[str(i / 2) for i in range(40)]), seed=3)
    assert (len(kept.examples), len(held_out.examples)) == (36, 4)


def test_an_empty_text_is_an_error() -> None:
    table = dataset(*[str(i / 2) for i in range(24)], texts=[" ", *[f"t {i}" for i in range(23)]])
    (message,) = messages(check_regression(table))["error"]
    assert message.startswith("t.csv:2: column 'text' is empty")


def test_a_good_table() -> None:
    assert check_regression(dataset(*[str(i / 2) for i in range(24)]), dataset("3", "7.5", texts=["x", "y"])) == []


@pytest.mark.parametrize(
    ("labels", "level", "message"),
    [
        (["2"] * 9, "error", "every row has the number 2"),
        (["2"], "error", "too few examples"),
        (["0", "1"] * 9, "warning", "only 2 different numbers"),
        ([str(100 * i) for i in range(9)], "warning", "divide the column, by 100 for example"),
        (
            [*[str(i % 7 / 2) for i in range(300)], "49"],
            "warning",
            "t.csv:302: 49 is more than 10 standard deviations",
        ),
        (["4", "5", "4.5", "3.5"] * 9, "warning", "about 0, and the mean of the numbers is 4.25"),
        (["1e308", "-1e308", "5"], "warning", "numbers as large as 1e+308"),
    ],
)
def test_findings(labels: list[str], level: str, message: str) -> None:
    found = messages(check_regression(dataset(*labels)))
    assert any(message in each for each in found[level]), found


def test_numbers_outside_the_range_of_training() -> None:
    valid = dataset("3", "40", texts=["x", "y"], name="v.csv")
    (message,) = messages(check_regression(dataset(*[str(i / 2) for i in range(24)]), valid))["warning"]
    assert message.startswith("v.csv:3: 40 is outside the range of the training rows, 0 to 11.5")


@pytest.mark.parametrize(
    ("numbers", "far"), [([4.0, 5.0, 4.5], True), ([-3.0, -3.5, -4.0], True), ([0.0, 1.0, 4.0], False)]
)
def test_numbers_far_from_what_a_new_head_predicts(numbers: list[float], far: bool) -> None:
    labels = [str(number) for number in numbers]
    found = messages(check_regression(dataset(*labels, texts=[f"text {i}" for i in range(len(labels))])))
    assert any("a new head predicts about 0" in message for message in found["warning"]) == far
    assert regression_metrics(numbers, numbers, 0.0).is_far_from_zero == far


@pytest.mark.parametrize("numbers", [[1.0, 2.0, 4.5], [1e308, 1.5e308, -1e308], [5e-324, 0.0], [0.0, 0.0]])
def test_mean_and_deviation(numbers: list[float]) -> None:
    mean, deviation = mean_and_deviation(numbers)
    exact = np.array(numbers, dtype=np.longdouble)
    assert mean == pytest.approx(float(exact.mean()), rel=1e-12)
    assert deviation == pytest.approx(float(exact.std()), rel=1e-12)
    assert range_of(numbers).startswith(f"{min(numbers):g} to {max(numbers):g}, mean ")
