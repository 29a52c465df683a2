"""Sizes: many classes, label columns of nearly unique values, wide tables, and pictures and paths that do not work.

With up to 60 classes the files have a confusion matrix and the scores of every class after each epoch. With more,
nothing grows with classes × classes, epochs × classes or texts × classes.
"""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import minitf
from minitf import attend, evaluate, finetune, predict, search
from minitf.training import state

TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
SEARCH = ("--space", "lr=1e-4..1e-3:log", "--trials", 1, "--epochs", 1)


@pytest.fixture
def tiny(write_bert: Callable[..., Any]) -> Path:
    folder: Path = write_bert(**TINY)[0]
    return folder


def write_table(path: Path, rows: Iterable[tuple[str, ...]], columns: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def classes(path: Path, n: int, times: int = 2) -> Path:
    """A table with `times` rows of each of `n` classes."""
    return write_table(path, ((f"the film {i}", f"class{i % n:04}") for i in range(n * times)))


def trained(run_command: Any, tiny: Path, table: Path, output: Path, *flags: object) -> tuple[str, str]:
    """Fine-tune for two epochs, validate on the training table; return the printed lines."""
    words = ("--model", tiny, "--train", table, "--valid", table, "--epochs", 2, "--batch-size", 256)
    status, out, err = run_command(finetune.main, *words, "--output", output, "--verbose", *flags)
    assert status == 0, err
    return out, err


def sizes(run: Path) -> dict[str, int]:
    """The sizes of what a run writes beside the weights, without numbers, whose length differs."""
    texts = {name: (run / name).read_text() for name in ("metrics.jsonl", "report.json", "report.html")}
    header = (run / "last" / "state.safetensors").read_bytes()
    texts["state"] = header[8 : 8 + int.from_bytes(header[:8], "little")].decode()
    return {name: len(re.sub(r"[0-9.e+-]+", "0", text)) for name, text in texts.items()}


@pytest.mark.usefixtures("quick_picture")
def test_sixty_classes_have_a_confusion_matrix_after_every_epoch(run_command: Any, tiny: Path, tmp_path: Path) -> None:
    out, _ = trained(run_command, tiny, classes(tmp_path / "t.csv", 60), tmp_path / "run")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    for valid in (report["valid"], *(epoch["valid"] for epoch in report["epochs"])):
        assert [len(row) for row in valid["confusion"]] == [60] * 60
        assert len(valid["classes"]) == 60
        assert "confusions" not in valid
    assert "Confusion matrix" in (tmp_path / "run" / "report.html").read_text()
    assert out.count("\n  class00") == 60
    run_command(predict.main, tmp_path / "run" / "best", "the film", "--output", tmp_path / "o.csv")
    header = (tmp_path / "o.csv").read_text().splitlines()[0]
    assert header.split(",") == ["text", "label", *(f"p_class{i:04}" for i in range(60))]


@pytest.mark.usefixtures("quick_picture")
def test_above_sixty_classes_nothing_grows_with_their_square(run_command: Any, tiny: Path, tmp_path: Path) -> None:
    counts, found, printed = (161, 261, 361), [], []
    for n in counts:
        out, _ = trained(run_command, tiny, classes(tmp_path / "t.csv", n), tmp_path / f"run-{n}")
        found.append(sizes(tmp_path / f"run-{n}"))
        printed.append(len(out.splitlines()))
    for name in found[0]:
        first, second = found[1][name] - found[0][name], found[2][name] - found[1][name]
        assert second <= max(1.2 * first, 200), (name, first, second)
    assert found[2]["state"] - found[0]["state"] < 500  # the header has no scores of classes
    assert found[2]["metrics.jsonl"] - found[0]["metrics.jsonl"] < 500
    assert printed[0] == printed[2]
    report = json.loads((tmp_path / "run-361" / "report.json").read_text())
    assert "confusion" not in report["valid"]
    assert len(report["valid"]["classes"]) == 361
    confusions = report["valid"]["confusions"]
    assert len(confusions) == 100
    assert [c["count"] for c in confusions] == sorted((c["count"] for c in confusions), reverse=True)
    assert set(confusions[0]) == {"true", "predicted", "count"}
    assert "Most frequent confusions" in (tmp_path / "run-361" / "report.html").read_text()


@pytest.mark.usefixtures("quick_picture")
def test_many_classes_are_evaluated_and_predicted(run_command: Any, tiny: Path, tmp_path: Path) -> None:
    table = classes(tmp_path / "t.csv", 200)
    trained(run_command, tiny, table, tmp_path / "run", "--seeds", 2)
    best = tmp_path / "run" / "seed-0" / "best"
    status, out, _ = run_command(evaluate.main, best, "--data", table, "--output", tmp_path / "e.json")
    assert (status, "(the 20 most frequent of 200)" in out) == (0, True)
    assert len(json.loads((tmp_path / "e.json").read_text())["test"]["confusions"]) == 100
    assert run_command(predict.main, best, "--input", table, "--output", tmp_path / "o.csv")[0] == 0
    with (tmp_path / "o.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["text", "label", *(name for n in range(1, 6) for name in (f"label_{n}", f"p_{n}"))]
    predicted = minitf.predictor(best)([row[0] for row in rows[:5]])
    for row, record in zip(rows, predicted, strict=False):
        p = record["probabilities"]
        assert len(p) == 200  # Python has all of them
        likeliest = sorted(p, key=lambda label: -p[label])[:5]
        assert row[1] == row[2] == record["label"] == likeliest[0]
        assert row[2::2] == likeliest
        assert row[3::2] == [f"{p[label]:.6f}" for label in likeliest]
    _, out, _ = run_command(predict.main, best, "the film")
    assert len(re.findall(r"class\d{4} 0\.\d{4}", out)) == 3  # the likeliest


@pytest.mark.usefixtures("quick_picture")
def test_many_labels_and_many_types_are_listed_in_part(run_command: Any, tiny: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "m.csv", ((f"film {i}", f"a{i % 150}|b{i % 90}") for i in range(450)))
    out, _ = trained(run_command, tiny, table, tmp_path / "labels")
    report = json.loads((tmp_path / "labels" / "report.json").read_text())
    assert (len(report["valid"]["classes"]), "classes" in report["epochs"][0]["valid"]) == (240, False)
    assert max(len(line) for line in out.splitlines()) < 1000
    assert all(len(mistake["said"]) < 1000 for mistake in report["mistakes"])
    status, _, _ = run_command(predict.main, tmp_path / "labels" / "best", "film", "--output", tmp_path / "o.csv")
    assert (status, len((tmp_path / "o.csv").read_text().splitlines()[0].split(","))) == (0, 12)
    words = "".join(f"w{i}\tB-T{i % 100}\nthe\tO\n\n" for i in range(300))
    (tmp_path / "t.conll").write_text(words)
    out, _ = trained(run_command, tiny, tmp_path / "t.conll", tmp_path / "tags")
    report = json.loads((tmp_path / "tags" / "report.json").read_text())
    assert (len(report["valid"]["classes"]), "classes" in report["epochs"][0]["valid"]) == (100, False)
    assert max(len(line) for line in out.splitlines()) < 1000
    assert state.read_extra(tmp_path / "tags" / "last")["arguments"]["task"] == "auto"


UNIQUE = {
    "text": (lambda i: f"id{i}", ()),
    "numbers": (str, ("--task", "classification")),
    "sets": (lambda i: f"a{i}|b{i}", ()),
    "sixty percent": (lambda i: f"id{i}" if i % 5 < 3 else "other", ()),
}


@pytest.mark.parametrize("kind", UNIQUE)
@pytest.mark.parametrize("valid", [True, False])
def test_a_label_column_of_nearly_unique_values_is_refused(
    run_command: Any, tiny: Path, tmp_path: Path, kind: str, valid: bool
) -> None:
    label, flags = UNIQUE[kind]
    table = write_table(tmp_path / "t.csv", ((f"film {i}", label(i)) for i in range(200)))
    words = [
        *flags,
        "--model",
        tiny,
        "--train",
        table,
        *(["--valid", table] if valid else []),
        "--output",
        tmp_path / "o",
    ]
    for main, more in (
        (finetune.main, ()),
        (finetune.main, ("--seeds", 2)),
        (search.main, SEARCH),
        (search.main, ("--learning-curve", "0.5,1")),
    ):
        status, _, err = run_command(main, *words, *more)
        assert (status, err.count("\n")) == (2, 1), err
        assert re.search(r"column 'label': \d+ of 200 rows have a label that no other row has", err)
        assert "--label" in err
        assert ("--task to regression" in err) is (kind == "numbers")
        assert not (tmp_path / "o" / "metrics.jsonl").exists()


def test_a_tag_column_of_nearly_unique_values_is_refused(run_command: Any, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "t.conll").write_text("".join(f"the\tB-x\tt{i}\nfilm\tO\tt{i + 500}\n\n" for i in range(100)))
    status, _, err = run_command(finetune.main, "--model", tiny, "--train", tmp_path / "t.conll", "--dry-run")
    assert (status, err.count("\n")) == (2, 1)
    assert "200 of 200 words have a tag that no other word has" in err


@pytest.mark.parametrize(("n", "times"), [(60, 1), (100, 2), (100, 4)])
def test_other_label_columns_are_accepted(run_command: Any, tiny: Path, tmp_path: Path, n: int, times: int) -> None:
    """Few labels, or two rows and more of each of many."""
    table = classes(tmp_path / "t.csv", n, times)
    words = ("--model", tiny, "--train", table, "--valid", table, "--dry-run")
    status, _, err = run_command(finetune.main, *words)
    assert (status, err) == (0, "")


def test_long_labels_and_many_columns_are_not_printed_whole(run_command: Any, tiny: Path, tmp_path: Path) -> None:
    long = write_table(tmp_path / "long.csv", ((f"film {i}", f"{i % 70}" + "x" * 5000) for i in range(210)))
    odd = write_table(tmp_path / "odd.csv", [("film", "y" * 5000), ("the", "y" * 4000)])
    out, _ = trained(run_command, tiny, long, tmp_path / "run")
    assert max(map(len, out.splitlines())) < 1500
    status, _, err = run_command(finetune.main, "--model", tiny, "--train", long, "--valid", odd)
    assert (status, len(err) < 1500, err.count("\n")) == (2, True, 1)
    status, _, err = run_command(evaluate.main, tmp_path / "run" / "best", "--data", odd)
    assert (status, len(err) < 1500, err.count("\n")) == (2, True, 1)
    names = tuple(f"column{i}" for i in range(5000))
    wide = write_table(tmp_path / "wide.csv", [names] * 4, names)
    for flags in ((), ("--label", "column"), ("--text", "column0", "--label", "z" * 5000)):
        status, _, err = run_command(finetune.main, "--model", tiny, "--train", wide, *flags)
        assert (status, len(err) < 1500 + 5000 * (len(flags) > 2), err.count("\n")) == (2, True, 1)


@pytest.fixture
def no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)


@pytest.mark.usefixtures("no_matplotlib")
def test_a_run_ends_without_its_picture(run_command: Any, tiny: Path, one_word_tells: Path, tmp_path: Path) -> None:
    words = ("--model", tiny, "--train", one_word_tells, "--epochs", 1, "--output")
    for main, flags, picture, answer in (
        (finetune.main, (), "curves.png", "report.html"),
        (search.main, SEARCH, "search.png", "search.json"),
        (search.main, ("--learning-curve", "0.5,1"), "learning-curve.png", "learning-curve.json"),
    ):
        folder = tmp_path / picture
        status, out, err = run_command(main, *words, folder, *flags)
        assert (status, err) == (0, "")
        assert len(re.findall(f"^warning: {picture} is missing: no picture can be drawn", out, re.MULTILINE)) == 1
        assert (folder / answer).is_file()
        assert not list(folder.rglob("*.png"))


@pytest.mark.usefixtures("no_matplotlib")
def test_a_picture_that_was_requested_is_an_error(run_command: Any, tiny: Path, tmp_path: Path) -> None:
    for view in ("grid", "rollout"):
        status, _, err = run_command(attend.main, tiny, "the film", "--view", view, "--output", tmp_path / "a.png")
        assert (status, err.count("\n"), "no picture can be drawn" in err) == (2, 1, True)
        assert not (tmp_path / "a.png").exists()


def test_an_invalid_backend_of_matplotlib(tiny: Path, one_word_tells: Path, tmp_path: Path) -> None:
    command = ["--model", tiny, "--train", one_word_tells, "--epochs", "1", "--output", tmp_path / "run"]
    done = subprocess.run(
        [sys.executable, "-m", "minitf.finetune", *map(str, command)],
        env=os.environ | {"MPLBACKEND": "nonsense"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "curves.png is missing" in done.stdout) == (0, True), done.stderr
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="file names are Unicode there")
def test_a_path_that_is_not_utf8(run_command: Any, tiny: Path, one_word_tells: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    odd.mkdir()
    tiny, table = tiny.rename(odd / "tiny"), one_word_tells.rename(odd / "train.csv")
    trained(run_command, tiny, table, odd / "run")
    assert run_command(finetune.main, "--resume", "--output", odd / "run")[0] == 0
    best = odd / "run" / "best"
    for main, flags in (
        (predict.main, ("--input", table, "--output", odd / "o.csv")),
        (evaluate.main, ("--data", table, "--output", odd / "e.json")),
        (evaluate.main, ("--data", table, "--output", odd / "e.html")),
        (attend.main, ("the film", "--output", odd / "a.html")),
        (search.main, ("--train", table, "--output", odd / "study", *SEARCH)),
    ):
        words = ("--model", best) if main is search.main else (best,)
        status, _, err = run_command(main, *words, *flags)
        assert status == 0, err
    for path in odd.rglob("*.json"):
        json.loads(path.read_bytes().decode("utf-8"))
    assert (odd / "study" / "study.db").is_file()


def test_texts_and_labels_in_a_locale_without_utf8(tiny: Path, tmp_path: Path) -> None:
    """Columns, texts, labels and the folder have letters that ASCII lacks, and standard output is ASCII."""
    folder = tmp_path / "größe"
    folder.mkdir()
    rows = ((f"schöner film 好 😀 {i}", ("süß", "坏")[i % 2]) for i in range(40))
    table = write_table(folder / "t.csv", rows, ("größe", "klasse"))
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    train = ["--model", tiny, "--train", table, "--text", "größe", "--label", "klasse", "--epochs", "1"]
    for words in (
        ["finetune", *train, "--output", folder / "run"],
        ["predict", folder / "run" / "best", "schön 好"],
    ):
        done = subprocess.run(
            [os.fsencode(sys.executable), b"-m", f"minitf.{words[0]}".encode(), *(str(w).encode() for w in words[1:])],
            env=os.environ | plain,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert rb"s\xfc\xdf" in done.stdout


@pytest.mark.usefixtures("quick_picture")
@pytest.mark.parametrize("name", ["a?b", "a#b", "100%25", "{SCHEMA_VERSION}", "a b:c@d", "?mode=memory&cache=shared"])
def test_a_study_is_in_its_folder_whatever_the_name(
    run_command: Any, tiny: Path, one_word_tells: Path, tmp_path: Path, name: str
) -> None:
    before = set(tmp_path.iterdir())
    words = ("--model", tiny, "--train", one_word_tells, "--output", tmp_path / name, *SEARCH)
    assert run_command(search.main, *words)[0] == 0
    assert run_command(search.main, *words, "--trials", 2, "--resume")[0] == 0
    assert set(tmp_path.iterdir()) - before == {tmp_path / name}
    assert len(json.loads((tmp_path / name / "search.json").read_text())["runs"]) == 2


def test_a_text_that_is_too_long_for_the_memory(
    run_command: Any, tiny: Path, one_word_tells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minitf.text.tokenizer_limits.LONGEST_TEXT", 1000)
    with one_word_tells.open("a") as file:
        file.write("film " * 300 + ",pos\n")
    for main, words in (
        (finetune.main, ("--model", tiny, "--train", one_word_tells, "--output", tmp_path / "run")),
        (predict.main, (tiny, "--embed", "film " * 300)),
        (attend.main, (tiny, "film " * 300, "--output", tmp_path / "a.html")),
    ):
        status, _, err = run_command(main, *words)
        assert (status, err.count("\n"), len(err) < 500) == (2, 1, True)
        assert "has 1,500 characters, and at most 1,000 are read" in err


def test_labels_that_do_not_fit_into_a_config(
    run_command: Any, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minitf.checkpoints.fitting.LARGEST_JSON", 20_000)
    table = write_table(tmp_path / "t.csv", ((f"film {i}", f"{i % 20:0500}") for i in range(80)))
    words = ("--model", tiny, "--train", table, "--task", "classification", "--output", tmp_path / "run")
    status, _, err = run_command(finetune.main, *words)
    assert (status, err.count("\n"), len(err) < 500) == (2, 1, True)
    assert "the 20 labels have 10,000 characters, too many for config.json" in err
    assert not (tmp_path / "run" / "best").exists()
