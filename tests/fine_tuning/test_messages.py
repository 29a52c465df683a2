"""Messages for people with a table of their own: unusual learning rates, the columns that were found, the result."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from minitf.datasets.dataset import read_table
from minitf.datasets.findings import describe_counts
from minitf.errors import DataError, InputError
from minitf.fine_tuning.config import DataConfig, RecipeConfig, field_of
from minitf.fine_tuning.data import data_line
from minitf.fine_tuning.evaluation import Labelled, _read
from minitf.fine_tuning.generation_settings import read_settings
from minitf.fine_tuning.pages.scores import score_cards
from minitf.fine_tuning.report import result_lines
from minitf.fine_tuning.result import Outcome, Run
from minitf.fine_tuning.setup import rate_warnings
from minitf.tasks.classification.spec import CLASSIFICATION
from minitf.tasks.regression.metrics import regression_metrics
from minitf.tasks.spec import Inputs
from minitf.tasks.whole_text.inputs import open_table, read_texts
from minitf.training.loop import Epoch


@pytest.mark.parametrize(
    ("lr", "settings", "expected"),
    [
        (5e-5, {}, []),
        (1e-2, {}, []),
        (0.02, {}, ["`lr` 0.02 is high for adamw and often destroys the model; try 5e-5"]),
        (5.0, {"optimizer": "adam"}, ["`lr` 5 is high for adam and often destroys the model; try 5e-5"]),
        (5.0, {"optimizer": "gd"}, []),
        (0.02, {"head_alone": True}, []),
        (
            5e-5,
            {"head_alone": True},
            ["`freeze` all trains the head alone, which learns slowly at `lr` 5e-05; try 1e-2"],
        ),
        (5e-5, {"is_new": True}, ["a new model learns slowly at `lr` 5e-05; try 1e-3"]),
        (1e-3, {"is_new": True}, []),
    ],
)
def test_an_unusual_learning_rate(lr: float, settings: dict[str, Any], expected: list[str]) -> None:
    given = {"is_new": False, "head_alone": False, "optimizer": "adamw"} | settings
    recipe = RecipeConfig(lr=lr, optimizer=given.pop("optimizer"))
    assert list(rate_warnings(recipe, **given)) == expected


def outcome(true: list[float], predicted: list[float], *, learned: bool) -> Outcome:
    metrics = regression_metrics(true, predicted, 1.0)
    history = (Epoch(1, 1.0, {"loss": 1.0}, {}, True, 1.0),)
    named = {"folder": Path("run"), "history": history, "measured_on": "test", "baseline": "always the mean: rmse 0.5"}
    commands = {"prediction_command": "", "attention_command": ""}
    run = Run(metrics=metrics.to_dict(), scores=metrics.scores, learned=learned, **named, **commands)  # type: ignore[arg-type]
    return Outcome(run, metrics, [], 0, {})


def test_the_result_of_a_regression_has_the_rmse_of_its_baseline() -> None:
    found = outcome([1.0, 3.0, 2.0], [1.0, 3.0, 3.0], learned=True)
    first, second = result_lines(found, "pearson", "rows", in_full=False)
    assert str(first).startswith("test Pearson 0.8660, Spearman 0.8660, rmse 0.5774")
    assert "rmse 0.5" in second
    cards = score_cards({"task": "regression", "scores": found.run.scores, "test": found.run.metrics,
                         "data": {"test": {"rows": 3}}})  # fmt: skip
    assert '<dt>rmse</dt><dd class="value">0.5774</dd>' in cards
    assert "rmse" not in score_cards({"task": "classification", "scores": {"accuracy": 0.5}, "test": {},
                                      "data": {"test": {"rows": 3}}})  # fmt: skip


@pytest.mark.parametrize(
    ("true", "advice"), [([8.0, 9.0, 8.5], "scale the column"), ([0.0, 1.0, 0.5], "several `seeds`")]
)
def test_a_regression_that_did_not_learn_gets_the_advice_for_its_numbers(true: list[float], advice: str) -> None:
    *_, last = result_lines(outcome(true, [0.0, 0.1, 0.2], learned=False), "pearson", "rows", in_full=False)
    assert advice in last


def table(tmp_path: Path, content: str, name: str = "t.csv") -> Path:
    (tmp_path / name).write_text(content)
    return tmp_path / name


def test_the_columns_that_were_found_are_named(tmp_path: Path) -> None:
    rows = "".join(f"text {n},{n % 2}\n" for n in range(4))
    train = read_table(table(tmp_path, f"review,stars\n{rows}"), label="stars")
    line = data_line({"train": train}, CLASSIFICATION, DataConfig(train=train.path, label="stars"))
    assert "text: column 'review'; in training" in line and "label: column" not in line
    usual = read_table(table(tmp_path, f"text,label\n{rows}"))
    assert ": column '" not in data_line({"train": usual}, CLASSIFICATION, DataConfig(train=usual.path))


def test_a_label_that_is_a_number_and_its_count_are_apart() -> None:
    assert describe_counts({"1": 11, "2": 9}, ["1", "2"]) == "1: 11, 2: 9"
    assert describe_counts({"a": 11, "b": 9}, ["a", "b"]) == "a 11, b 9"


def test_a_column_of_the_training_is_missing(tmp_path: Path) -> None:
    """The message says where the name comes from; not for a name that is given."""
    path = table(tmp_path, "comment,label\na,x\n")
    trained = {"text": "review", "label": "label"}
    origin = "that is the column of the training table, and `text` names another one"
    with pytest.raises(DataError, match=f"no column 'review'.*{origin}$"):
        _read(CLASSIFICATION, Labelled(path), trained)
    with pytest.raises(DataError, match=f"no column 'review'.*{origin}$"):
        read_texts(Inputs(path=str(path)), trained)
    for read in (
        lambda: _read(CLASSIFICATION, Labelled(path, text="other"), trained),
        lambda: read_texts(Inputs(path=str(path), text="other"), trained),
    ):
        with pytest.raises(DataError, match="no column 'other'") as error:
            read()
        assert "training table" not in str(error.value)


def test_empty_texts_of_a_prediction_are_all_named(tmp_path: Path) -> None:
    path = table(tmp_path, "id,text\n1,a\n2,\n3,b\n4,\n5,\n")
    with pytest.raises(DataError, match=r"t\.csv:3: column 'text' is empty: .*\(and 2 more rows: 5, 6\)$"):
        read_texts(Inputs(path=str(path)), {})
    source = open_table(table(tmp_path, "id,text\n1,a\n,\n3,b\n,\n"))
    assert (source.count, source.skipped) == (2, 2)


def test_rows_without_content_get_a_warning_before_training(tmp_path: Path) -> None:
    rows = "".join(f"text {n},{'xy'[n % 2]}\n,\n" for n in range(20))
    train = read_table(table(tmp_path, f"text,label\n{rows}"))
    found = [finding.message for finding in CLASSIFICATION.check(train, None, None)]
    assert f"{train.path}:3: 20 rows without any content are skipped" in found
    one = dataclasses.replace(train, skipped=(3,))
    assert "1 row without any content is skipped" in " ".join(f.message for f in CLASSIFICATION.check(one, None, None))


@pytest.mark.parametrize("name", ["num_train_epochs", "learning_rate", "per_device_train_batch_size"])
def test_a_setting_of_transformers_in_python(name: str) -> None:
    meant = {"num_train_epochs": "epochs", "learning_rate": "lr"}.get(name, "batch_size")
    with pytest.raises(InputError, match=rf"there is no setting '{name}' \(did you mean '{meant}'\?\)"):
        field_of(name)
    with pytest.raises(InputError, match=r"'num_beams' \(did you mean 'beams'\?\)"):
        read_settings({"num_beams": 4})
