"""A score on the data of the training gets a warning: the same file, another copy, the validation data."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from minitf.datasets.dataset import read_table
from minitf.fine_tuning.seen_data import warn_of_seen_data

TRAINED = "was used to train this model, so its score is too high"


def write(path: Path, text: str = "fine") -> Path:
    path.write_text(f"text,label\n{text},pos\n")
    return path


def report(run: Path, content: Any) -> None:
    (run / "best").mkdir(parents=True, exist_ok=True)
    (run / "best" / "config.json").write_text("{}")
    (run / "report.json").write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was trained on a.csv and has chosen its epoch on b.csv; c.csv is its test table."""
    tables = {name: read_table(write(tmp_path / f"{name}.csv", name)) for name in ("train", "valid", "test")}
    report(tmp_path / "run", {"data": {n: {"path": t.path, "sha256": t.digest} for n, t in tables.items()}})
    return tmp_path / "run"


def warnings(source: Path, table: Path) -> list[str]:
    return list(warn_of_seen_data(str(source), read_table(table)))


@pytest.mark.parametrize("source", ["", "best"])
def test_training_and_validation_data(run: Path, source: str) -> None:
    for name, expected in (("train", TRAINED), ("valid", "was used to choose the epoch of this model")):
        (message,) = warnings(run / source, run.parent / f"{name}.csv")
        assert expected in message
    assert warnings(run / source, run.parent / "test.csv") == []
    assert warnings(run / source, write(run.parent / "new.csv", "new")) == []


def test_a_copy_a_link_and_a_changed_file(run: Path) -> None:
    train = run.parent / "train.csv"
    shutil.copy(train, run.parent / "copy.csv")
    write(train, "changed")
    (run.parent / "link.csv").symlink_to(train)
    for name in ("copy", "train", "link"):
        assert TRAINED in warnings(run, run.parent / f"{name}.csv")[0]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"data": 3}', '{"data": {"train": {"path": 3}}}', '{"data": {"train": 1}}']
)
def test_a_damaged_report_gives_no_warning(run: Path, content: str) -> None:
    report(run, content)
    assert warnings(run, run.parent / "train.csv") == []


def test_a_model_without_a_run(run: Path) -> None:
    shutil.move(run / "best", run.parent / "model")
    assert warnings(run.parent / "model", run.parent / "train.csv") == []
    assert list(warn_of_seen_data("no/such/model", read_table(run.parent / "train.csv"))) == []
