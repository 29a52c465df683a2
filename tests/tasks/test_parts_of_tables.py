"""A part of a table (a share of a learning curve, the rows that a split keeps) has the labels of the whole table."""

import dataclasses
import math

import pytest

from minitf.datasets.dataset import Dataset, Example
from minitf.mathematics import EQUATIONS
from minitf.tasks import registry
from minitf.tasks.spec import TaskSettings
from minitf.tasks.whole_text.checks import with_default_names

TABLES = {
    "classification": ("t.csv", "text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(8)) + "rare,c\n"),
    "multilabel": ("t.csv", "text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(8)) + "rare,a|c\n"),
    "tagging": ("t.conll", "".join(f"a{i} O\nb B-x\n\n" for i in range(8)) + "c B-y\n"),
}


@pytest.mark.parametrize("balanced", ["none", "balanced"])
@pytest.mark.parametrize("task", TABLES)
def test_a_part_has_the_labels_of_the_whole_table(tmp_path, task, balanced):
    name, content = TABLES[task]
    (tmp_path / name).write_text(content)
    spec = registry.SPECS[task]
    whole = spec.read(str(tmp_path / name))
    part = dataclasses.replace(whole, examples=whole.examples[:4])
    settings = TaskSettings(class_weights=balanced if task != "multilabel" else "none")
    tasks = [spec.create(table, settings, EQUATIONS) for table in (whole, part)]
    assert tasks[0].labels == tasks[1].labels
    assert len(tasks[0].labels) == 3
    weights = getattr(tasks[1], "class_weights", None)
    assert weights is None or all(math.isfinite(weight) for weight in weights.tolist())
    rare = dataclasses.replace(whole, examples=whole.examples[-1:])
    assert not [f for f in spec.check(part, rare) if f.level == "error"]
    spec.describe(part)
    spec.rows(rare, part)


def table(*labels: str) -> Dataset:
    return Dataset(
        "t.csv", tuple(Example("a", None, label, n) for n, label in enumerate(labels, 2)), "a", None, "b", ""
    )


def test_the_default_names_of_transformers_are_numbers_in_a_table():
    changed, what = with_default_names(table("0", "1", "1"), ("LABEL_0", "LABEL_1"))
    assert changed.labels == ["LABEL_0", "LABEL_1", "LABEL_1"]
    assert what == "t.csv: 0, 1, … are read as LABEL_0, LABEL_1, …, the labels of the model"
    several, _ = with_default_names(table("0|1", "", "1"), ("LABEL_0", "LABEL_1"))
    assert several.labels == ["LABEL_0|LABEL_1", "", "LABEL_1"]
    for labels, names in (
        (("0", "2"), ("LABEL_0", "LABEL_1")),  # no label of the model
        (("0", "1"), ("no", "yes")),
        (("0.5",), ("LABEL_0",)),  # a number to predict
        (("LABEL_0",), ("LABEL_0", "LABEL_1")),
    ):
        assert with_default_names(table(*labels), names) == (table(*labels), None)
