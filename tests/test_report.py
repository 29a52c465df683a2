"""`python -m minitf.report`: a comparison of runs on one page, the page of one run again, errors of one line."""

import copy
import functools
import json
import re
from pathlib import Path

import pytest

from minitf import evaluate, finetune, report
from minitf.fine_tuning.reports import MOST

HOSTILE = "<script>\u202e"
EPOCHS = [
    {"epoch": n, "train_loss": 1.0 / n, "seconds": 2.0, "valid": {"loss": 0.9 / n, "accuracy": 0.2 * n}}
    for n in (1, 2, 3)
]
REPORT = {
    "task": "classification",
    "command": "python -m minitf.finetune",
    "arguments": {"lr": 1e-3, "epochs": 3, "model": "tiny", "metric": "accuracy", "output": "a"},
    "versions": {"minitf": "0.1.0", "python": "3.11", "torch": "2.6"},
    "data": {name: {"path": f"{name}.csv", "rows": 100, "sha256": name * 20} for name in ("train", "valid", "test")},
    "epochs": EPOCHS,
    "epoch_scores": [{"accuracy": 0.2 * n, "macro F1": 0.1 * n} for n in (1, 2, 3)],
    "best_epoch": 3,
    "test": {"loss": 0.5, "accuracy": 0.6},
    "scores": {"accuracy": 0.6, "macro F1": 0.3},
    "baseline": "always guessing one class: 0.5000",
    "learned": True,
    "seconds": 6.0,
    "finished": "2026-11-28T22:47:03+00:00",
    "machine": {"device": "cpu", "cpu": "AMD", "cores": 2, "threads": 1, "system": "Linux x86_64"},
    "mistakes": [],
    "mistaken": 0,
}


@pytest.fixture
def command(run_command):
    return functools.partial(run_command, report.main)


def write(path: Path, **changes) -> Path:
    """Write a report.json into the folder `path`."""
    path.mkdir(parents=True)
    (path / "report.json").write_text(json.dumps(copy.deepcopy(REPORT) | changes))
    return path


def text_of(page: Path) -> str:
    body = page.read_text().partition("</head>")[2]
    return " ".join(re.sub("<[^>]*>", " ", body).split())


def test_two_runs_are_compared(command, here) -> None:
    write(here / "a")
    write(
        here / "b",
        arguments=REPORT["arguments"] | {"lr": 5e-5, "output": "b"},
        scores={"accuracy": 0.7, "macro F1": 0.4},
    )
    status, out, err = command("a", "b")
    assert (status, out, err) == (0, "written: compare.html\n", "")
    text = text_of(here / "compare.html")
    for part in ("Comparison of 2 runs", "a 0.6000 (0.5020 to 0.6906) 0.3000", "b 0.7000 (0.6042 to 0.7811) 0.4000",
                 "Validation loss", "Validation accuracy", "Validation macro F1", "test, 100 rows",
                 "Settings that differ setting a b lr 0.001 5e-05 Data", "2026-11-28 22:47 UTC",
                 "AMD, 2 cores"):  # fmt: skip
        assert part in text, part
    assert "different" not in text


def test_all_curves_are_in_the_same_charts(command, here) -> None:
    for name in "abc":
        write(here / name)
    command("a", "b", "c", "--output", "page.html")
    charts = re.findall("<figure>.*?</figure>", (here / "page.html").read_text())
    assert len(charts) == 3
    assert all(chart.count("<polyline") == 3 for chart in charts)
    assert "<title>b, epoch 2: 0.4500</title>" in charts[0]
    assert len(set(re.findall(r'<polyline class="curve (.*?)"', charts[0]))) == 3


def seeds(folder: Path, scores: list[float], **summary) -> Path:
    values = {f"seed-{n}": score for n, score in enumerate(scores)}
    for name, score in values.items():
        write(folder / name, scores={"accuracy": score, "macro F1": 0.5}, learned=score > 0.5)
    (folder / "report.json").write_text(json.dumps({"metric": "accuracy", "values": values} | summary))
    return folder


def test_seeds_are_a_mean_and_a_standard_deviation(command, here) -> None:
    seeds(here / "five", [0.5, 0.6, 0.7], diverged={"seed-3": "the loss is NaN"})
    write(here / "one")
    assert command("five", "one")[0] == 0
    text = text_of(here / "compare.html")
    for part in ("five 0.6000 ± 0.1000 0.5000 ± 0.0000 3", "one 0.6000 (0.5020 to 0.6906)",
                 "five ( seed-0 ) did not learn", "five : seed-3 diverged"):  # fmt: skip
        assert part in text, part


def test_the_seeds_of_one_run_are_listed(command, here) -> None:
    seeds(here / "five", [0.5, 0.7])
    assert command("five")[0] == 0
    text = text_of(here / "compare.html")
    assert "Comparison of 2 runs" in text
    assert "seed-1 0.7000 (0.6042 to 0.7811)" in text


def test_a_best_folder_and_a_report_file_are_runs_too(command, here) -> None:
    (write(here / "a") / "best").mkdir()
    write(here / "b")
    assert command("a/best", "b/report.json")[0] == 0
    assert "a/best 0.6000" in text_of(here / "compare.html")


def test_different_tasks_share_what_they_have_in_common(command, here) -> None:
    write(here / "a")
    write(
        here / "b", task="tagging", scores={"F1": 0.5, "accuracy": 0.9}, epoch_scores=[{"F1": 0.1, "accuracy": 0.2}] * 3
    )
    write(here / "c", task="regression", scores={"Pearson": 0.5}, epoch_scores=[{"Pearson": 0.5}] * 3)
    command("a", "b")
    text = text_of(here / "compare.html")
    assert "different tasks ( classification , tagging ): only accuracy is compared" in text
    assert "b 0.9000 1" in text  # without an interval: words are not independent
    assert "Validation loss" not in text
    command("a", "c")
    assert "they have no score in common" in text_of(here / "compare.html")


def test_scores_on_different_data_are_not_compared_silently(command, here) -> None:
    write(here / "a")
    write(here / "b", data=REPORT["data"] | {"test": {"path": "other.csv", "rows": 9, "sha256": "x"}})
    command("a", "b")
    assert "measured on different data" in text_of(here / "compare.html")


def test_hostile_names_and_settings_are_shown_as_text(command, here) -> None:
    for name in ("a", f"b{HOSTILE}"):
        arguments = REPORT["arguments"] | {"model": f"{name}{HOSTILE}", HOSTILE: name}
        write(here / name, arguments=arguments,
              task=HOSTILE, scores={HOSTILE: 0.5}, epoch_scores=[{HOSTILE: 0.5}] * 3)  # fmt: skip
    assert command("a", f"b{HOSTILE}")[0] == 0
    page = (here / "compare.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


MALFORMED = {
    "no JSON": "{",
    "no object": "[1]",
    "deep": "[" * 100_000,
    "empty": "{}",
    "other": '{"values": {"../../a": 1}}',
    "no seeds": '{"values": {}}',
    "UTF-16": "\ufeff{}".encode("utf-16"),
    "text for a number": json.dumps(REPORT | {"best_epoch": "x", "data": 3}),
    "text for a score": json.dumps(REPORT | {"scores": "good"}),
    "no epochs": json.dumps(REPORT | {"epochs": []}),
    "a list for a text": json.dumps(REPORT | {"finished": ["x"]}),
    "a long number": json.dumps(REPORT).replace("6.0", "9" * 5000),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_report_is_one_line(command, here, kind: str) -> None:
    write(here / "good")
    (here / "bad").mkdir()
    content = MALFORMED[kind]
    (here / "bad" / "report.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    for words in (("good", "bad"), ("bad", "--output", "page.html")):
        status, out, err = command(*words)
        assert (status, out, len(err.splitlines())) == (2, "", 1), err
        assert str(Path("bad/report.json")) in err
    assert sorted(path.name for path in here.iterdir()) == ["bad", "good"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["absent"], "absent/report.json: no such file"),
        (["empty"], "empty: has no report.json; give the folder of a finished run"),
        (["good", "good", "--output", "page.png"], "--output page.png: the ending must be .html"),
        (["good", "good", "--output", "none/page.html"], "none/page.html: cannot be written"),
        (["good"], "good: is not the folder of a run; set --output"),
        (["good"] * (MOST + 1), f"at most {MOST}"),
        (["good", "--output", "link.html"], "link.html: is the file that is read"),
    ],
)
def test_refusals(command, here, words: list[str], expected: str) -> None:
    write(here / "good")
    (here / "empty").mkdir()
    (here / "link.html").symlink_to(here / "good" / "report.json")
    status, out, err = command(*words)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert expected.replace("absent/report.json", "absent") in err.replace("absent/report.json", "absent")


def test_the_page_of_one_run_is_written_again(command, run_command, here, write_bert, one_word_tells) -> None:
    """Exactly as the run has written it; another page stays."""
    tiny = write_bert(num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=24)[0]
    words = ("--model", tiny, "--train", one_word_tells, "--epochs", 2, "--batch-size", 8, "--output", "run")
    assert run_command(finetune.main, *words)[0] == 0
    page = (here / "run" / "report.html").read_text()
    assert "Calibration" in page
    (here / "run" / "report.html").unlink()
    for source in ("run", "run/best", "run/report.json"):
        assert command(source)[:2] == (0, f"written: {Path('run/report.html')}\n")
        assert (here / "run" / "report.html").read_text() == page
    status, _, _ = run_command(evaluate.main, "run/best", "--data", one_word_tells, "--output", "e.json")
    assert (status, command("run", "e.json", "--output", "both.html")[0]) == (0, 0)
    text = text_of(here / "both.html")
    assert "Comparison of 2 reports" in text
    assert "e.json" in text
    content = json.loads((here / "e.json").read_text())
    assert {"finished", "machine", "seconds", "calibration"} <= content.keys()
    assert sum(b["count"] for b in content["calibration"]["bins"]) == 60
