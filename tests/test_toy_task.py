"""A sixth task, defined in tests/toy_task and registered with one line, works in every command like those of minitf."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import minitf
from minitf import evaluate, finetune, predict, search
from minitf.tasks import registry
from minitf.training import loop
from tests.toy_task.data import LEVELS
from tests.toy_task.metrics import median_level
from tests.toy_task.spec import WORD_COUNT

ROOT = Path(__file__).parent.parent
STARTS = ("so", "again", "we", "you", "one", "never", "the", "a")
SENTENCE = ("the", "film", "was", "very", "good", "and", "food", "of", "hotel", "not", "bad")
pytestmark = pytest.mark.usefixtures("registered", "quick_picture")


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task is registered for one test."""
    monkeypatch.setattr(registry, "SPECS", dict(registry.SPECS))
    registry.register(WORD_COUNT)


def text_of(level: int, draw: random.Random) -> str:
    """2 to 4 words, 6 to 8, or 10 to 12."""
    return " ".join([draw.choice(STARTS), *SENTENCE[: (1, 5, 9)[level] + draw.randrange(3)]])


@pytest.fixture
def flags(write_bert: Callable[..., tuple[Path, object]], here: Path) -> list[str]:
    """The tables train.csv and test.csv (with some wrong levels), and the flags of a run of 3 epochs."""
    draw = random.Random(0)
    for name, n in (("train", 120), ("test", 30)):
        with (here / f"{name}.csv").open("w", newline="") as file:
            rows = [(text_of(i % 3, draw), LEVELS[1 if name == "test" and i < 3 else i % 3]) for i in range(n)]
            csv.writer(file).writerows([("text", "level"), *rows])
    tiny, _ = write_bert(num_hidden_layers=1)
    columns = ["--task", "word-count", "--train", "train.csv", "--test", "test.csv", "--label", "level"]
    numbers = ["--epochs", "3", "--batch-size", "4", "--max-length", "20", "--lr", "2e-3", "--dropout", "0"]
    return [*columns, *numbers, "--model", str(tiny), "--device", "cpu"]


@pytest.fixture
def trained(flags: list[str], run_command: Callable[..., tuple[int, str, str]]) -> str:
    """A finished run in the folder `run`; what it printed."""
    status, out, err = run_command(finetune.main, *flags, "--output", "run")
    assert (status, err) == (0, "")
    return out


def epochs(folder: str = "run") -> list[dict]:
    lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if "valid" in record]


def best(metric: str, lower: bool) -> int:
    """The number of the best epoch; of equal ones that with the lower loss."""
    sign = 1 if lower else -1
    return min(epochs(), key=lambda e: (sign * e["valid"][metric], e["valid"]["loss"]))["epoch"]


def test_the_folder_is_small() -> None:
    """Five files, and minitf does not mention the task."""
    files = {path.name for path in (ROOT / "tests/toy_task").glob("*.py")}
    assert files == {"__init__.py", "spec.py", "data.py", "task.py", "metrics.py", "prediction.py"}
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "minitf").rglob("*.py")]
    assert not any(name in source for source in sources for name in ("word-count", "WordCount", "toy_task"))


def test_its_spec_needs_no_torch() -> None:
    program = "import sys, tests.toy_task.spec; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(("p", "level"), [([0.6, 0.1, 0.3], 0), ([0.4, 0.2, 0.4], 1), ([0.1, 0.2, 0.7], 2)])
def test_the_median_has_the_smallest_expected_distance(p: list[float], level: int) -> None:
    """In the second case it is not the most probable level."""
    distances = [sum(q * abs(i - k) for i, q in enumerate(p)) for k in range(3)]
    assert median_level(p) == level == distances.index(min(distances))


def test_training_and_report(trained: str) -> None:
    """It learns; by default the epoch with the smallest distance is kept; the report has its metrics."""
    assert "holding out 12 of 120 training texts (10 % of each level, seed 0)" in trained
    assert "in training: few 36, some 36, many 36" in trained
    assert "chosen by distance on the validation set; always the median level: distance 0.6000" in trained
    report = json.loads(Path("run/report.json").read_text())
    assert (report["task"], report["arguments"]["metric"]) == ("word-count", "distance")
    assert report["learned"]
    assert report["test"]["distance"] < 0.4
    assert len({epoch["valid"]["distance"] for epoch in epochs()}) > 1
    assert report["best_epoch"] == best("distance", lower=True)
    assert [row["label"] for row in report["test"]["classes"]] == list(LEVELS)
    page = Path("run/report.html").read_text()
    for content in (
        "word-count",
        "validation distance",
        "always the median level",
        ">some</span></th>",
        "--task word-count",
    ):
        assert content in page
    saved = json.loads(Path("run/best/minitf.json").read_text())
    assert (saved["task"], saved["label"]) == ("word-count", "level")


@pytest.mark.parametrize(("metric", "lower"), [("accuracy", False), ("loss", True)])
def test_its_metrics_can_be_chosen(flags, run_command, metric: str, lower: bool) -> None:
    status, out, err = run_command(finetune.main, *flags, "--output", "run", "--metric", metric)
    assert (status, err) == (0, "")
    assert json.loads(Path("run/report.json").read_text())["best_epoch"] == best(metric, lower)
    assert f"chosen by {metric} on the validation set" in out


def test_seeds_compare_by_the_direction_of_its_metric(flags: list[str]) -> None:
    """The result of two seeds is the run with the smaller distance, here from Python."""
    names = ("--model", "--train", "--task", "--label")
    settings = {name.removeprefix("--"): flags[flags.index(name) + 1] for name in names}
    small = {"epochs": 1, "lr": 2e-3, "batch_size": 4, "max_length": 20, "device": "cpu"}
    run = minitf.fine_tune(say=lambda line: None, output="seeds", seeds=2, **settings, **small)
    assert run is not None
    scores = [(each.best_epoch.valid["distance"], each.best_epoch.valid["loss"]) for each in run.runs]
    assert len(scores) == 2
    assert (run.best_epoch.valid["distance"], run.best_epoch.valid["loss"]) == min(scores)


def test_a_search_minimizes_its_metric(flags, run_command) -> None:
    space = ("--method", "grid", "--space", "lr=1e-5,2e-3")
    fixed = [*flags[: flags.index("--lr")], *flags[flags.index("--lr") + 2 :]]
    status, out, err = run_command(search.main, *fixed, *space, "--output", "search")
    assert (status, err) == (0, "")
    found = json.loads(Path("search/search.json").read_text())
    assert found["metric"] == "distance"
    best, worse = sorted(found["runs"], key=lambda run: run["value"])
    assert best["value"] < worse["value"]
    assert best["settings"]["lr"] == "2e-3"
    lines = out[out.index("the best by valid distance") :].splitlines()
    assert [line.split()[0] for line in lines[1:3]] == [f"{run['value']:.4f}" for run in (best, worse)]


def test_resume(flags, run_command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the second epoch; the resumed run has the same weights as one that was not interrupted."""
    assert run_command(finetune.main, *flags, "--output", "whole")[0] == 0
    update, count = loop.update, iter(range(1, 10**6))

    def interrupted(*arguments):
        if next(count) == 30:
            os.kill(os.getpid(), signal.SIGINT)
        return update(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "update", interrupted)
        status, _, err = run_command(finetune.main, *flags, "--output", "run")
    assert status == 130
    assert "resume with:" in err
    status, out, err = run_command(finetune.main, "--resume", "--output", "run")
    assert (status, err) == (0, "")
    assert "resumed at step 30 of 81, in epoch 2" in out
    for name in ("best/model.safetensors", "best/minitf.json"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()
    assert [e["valid"] for e in epochs("run")] == [e["valid"] for e in epochs("whole")]


def test_predict_and_evaluate(trained: str, run_command) -> None:
    """Texts and a table; the table's predictions have the metrics that `evaluate` reports."""
    status, _, err = run_command(predict.main, "run/best", "--input", "test.csv", "--output", "predicted.csv")
    assert status == 0 and err.startswith("written: predicted.csv (") and err.count("\n") == 1
    with open("predicted.csv", newline="") as file, open("test.csv", newline="") as true_file:
        predicted, true = list(csv.DictReader(file)), list(csv.DictReader(true_file))
    assert list(predicted[0]) == ["text", "level", "number", "p_few", "p_some", "p_many"]
    status, out, err = run_command(predict.main, "run/best", *(row["text"] for row in true))
    assert (status, err) == (0, "")
    assert [line.split("  (few ")[0].strip() for line in out.splitlines()[1::2]] == [row["level"] for row in predicted]
    assert {row["level"] for row in predicted} == set(LEVELS)
    distances = [abs(int(p["number"]) - LEVELS.index(t["level"])) for p, t in zip(predicted, true, strict=True)]

    status, out, err = run_command(evaluate.main, "run/best", "--data", "test.csv", "--output", "evaluation.json")
    assert (status, err) == (0, "")
    assert out.startswith(f"test.csv: distance {sum(distances) / 30:.4f}, accuracy {distances.count(0) / 30:.4f}")
    evaluation = json.loads(Path("evaluation.json").read_text())
    assert evaluation["task"] == "word-count"
    assert evaluation["test"]["distance"] == pytest.approx(sum(distances) / 30)
    in_training = json.loads(Path("run/report.json").read_text())["test"]
    assert evaluation["test"] == in_training | {"loss": pytest.approx(in_training["loss"], rel=1e-5)}
    assert evaluation["mistaken"] == sum(map(bool, distances))
    assert run_command(evaluate.main, "run/best", "--data", "test.csv", "--output", "evaluation.html")[0] == 0
    assert "always the median level" in Path("evaluation.html").read_text()
    assert minitf.score("run/best", data="test.csv").distance == evaluation["test"]["distance"]
    (record,) = minitf.predictor("run/best")(["film"])
    assert record == {"text": "film", "level": "few", "number": 0}


def test_errors_name_the_task(flags, run_command, here: Path) -> None:
    (here / "bad.csv").write_text("text,level\na film,few\nthe film,several\n")
    status, _, err = run_command(finetune.main, *flags, "--train", "bad.csv")
    assert (status, err) == (2, "minitf: bad.csv:3: column 'level' has 'several': write one of few, some, many\n")
    status, _, err = run_command(finetune.main, *flags, "--metric", "macro_f1")
    assert status == 2
    assert "--task word-count has the metrics distance, accuracy, loss; choose one of them" in err
    status, _, err = run_command(finetune.main, *flags, "--class-weights", "balanced")
    assert (status, "--class-weights has no meaning for --task word-count" in err) == (2, True)


def test_an_unregistered_task_is_refused(trained: str, run_command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of a task that is not registered is not evaluated as something else."""
    monkeypatch.delitem(registry.SPECS, "word-count")
    for command in ((evaluate.main, "run/best", "--data", "test.csv"), (predict.main, "run/best", "film")):
        status, _, err = run_command(*command)
        assert status == 2
        assert "word-count" in err
