"""Models that an earlier version saved (commit cb0bf20, see saved_models/README.md) keep working in every command."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest

import minitf
from minitf import attend, convert, evaluate, finetune, predict, prune, validate

SAVED = Path(__file__).parent / "saved_models"
EXPECTED = json.loads((SAVED / "expected.json").read_text(encoding="utf-8"))
TASKS = list(EXPECTED)


def close(ours, theirs) -> bool:
    """Equal, but for the rounding of another processor in numbers."""
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(close(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(close, ours, theirs))
    return ours == (pytest.approx(theirs, abs=1e-5) if isinstance(theirs, float) else theirs)


def cells(text: str) -> list[list[str | float]]:
    """The cells of a table, numbers as numbers."""

    def value(cell: str) -> str | float:
        try:
            return float(cell)
        except ValueError:
            return cell

    return [[value(cell) for cell in row] for row in csv.reader(io.StringIO(text))]


@pytest.mark.parametrize("task", TASKS)
def test_evaluate(task, here, run_command):
    data = SAVED / EXPECTED[task]["data"]
    status, _, err = run_command(evaluate.main, SAVED / task, "--data", data, "--output", "report.json")
    assert (status, err) == (0, "")
    report = json.loads(Path("report.json").read_text(encoding="utf-8"))
    for key in ("test", "scores"):
        assert close(report[key], EXPECTED[task][key])


@pytest.mark.parametrize("task", TASKS)
def test_predict(task, here, run_command):
    data = SAVED / EXPECTED[task]["data"]
    status, _, err = run_command(predict.main, SAVED / task, "--input", data, "--output", "answers.txt")
    assert status == 0 and re.fullmatch(r"written: answers.txt \(\d+ predictions\)\n", err)
    answers = Path("answers.txt").read_text(encoding="utf-8")
    if data.suffix == ".csv":
        assert close(cells(answers), cells(EXPECTED[task]["answers"]))
    else:
        assert answers == EXPECTED[task]["answers"]


@pytest.mark.parametrize("task", TASKS)
def test_from_python(task):
    scores = minitf.score(SAVED / task, data=SAVED / EXPECTED[task]["data"])
    assert close(dict(scores.scores), EXPECTED[task]["scores"])
    pairs = "the film was awful very good" if task == "qa" else None
    (record,) = minitf.predictor(SAVED / task)(["the film was great"], pairs)
    assert set(record) & {"label", "labels", "number", "tags", "answer"}


@pytest.mark.parametrize("task", TASKS)
def test_prune_and_convert(task, here, run_command):
    data = SAVED / EXPECTED[task]["data"]
    status, out, _ = run_command(prune.main, SAVED / task, "--data", data, "--heads", 1, "--output", "pruned")
    assert status == 0
    assert "1.1" in out or "1.2" in out
    assert run_command(convert.main, "pruned", "converted")[0] == 0
    assert (here / "converted" / "model.safetensors").is_file()


def test_attend_validate_and_finetune(here, run_command):
    model = SAVED / "classification"
    assert run_command(attend.main, model, "the film was great", "--output", "maps.html")[0] == 0
    assert run_command(validate.main, model, "--quiet")[0] == 0
    table = SAVED / "classes.csv"
    more = ("--train", table, "--epochs", 1, "--batch-size", 8, "--output", "more", "--max-length", 24)
    assert run_command(finetune.main, "--model", model, *more)[0] == 0


def test_a_run_of_an_earlier_version_is_refused(here, run_command):
    """Its state has another form; the model of the run works."""
    shutil.copytree(SAVED / "run", "run")
    status, _, err = run_command(finetune.main, "--resume", "--output", "run")
    assert status == 2
    assert err.count("\n") == 1
    assert "was saved by another version of minitf" in err
    assert "--overwrite" in err
