"""The path that was probably meant: one name in it is mistyped, and what it suggests exists and fits."""

from pathlib import Path

import pytest

from minitf import attend, evaluate, finetune, generate, predict, prune, report, validate
from minitf.datasets.near_paths import suggest_path


@pytest.fixture
def files(here: Path) -> Path:
    for name in ("runs/reviews/best/config.json", "runs/reviews-5/seed-0/best/config.json", "data/train.csv"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("text,label\na,b\n" if name.endswith(".csv") else "{}")
    (here / "runs" / "revews").mkdir()  # nearer, but neither a run nor a model
    return here


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("data/trian.csv", "data/train.csv"),
        ("dta/train.csv", "data/train.csv"),
        ("dta/trian.csv", None),
        ("data/other.json", None),
        ("data", None),
        ("no/such/folder/train.csv", None),
        ("data/a\0b", None),
        ("data/" + "a" * 300, None),
    ],
)
def test_a_file(files: Path, typed: str, meant: str | None) -> None:
    suggestion = "" if meant is None else f" (did you mean {meant!r}?)"
    assert suggest_path(Path(typed)) == suggestion
    absolute = suggest_path(files / typed)
    assert absolute == ("" if meant is None else f" (did you mean {str(files / meant)!r}?)")


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (predict, ["a text"]),
        (predict, ["--input", "data/train.csv"]),
        (evaluate, ["--data", "data/train.csv"]),
        (attend, ["a text", "--output", "x.html"]),
        (prune, ["--data", "data/train.csv", "--heads", "1", "--output", "pruned"]),
        (generate, ["a text"]),
    ],
)
@pytest.mark.parametrize(
    ("typed", "meant"), [("runs/reveiws", "runs/reviews"), ("rnus/reviews/best", "runs/reviews/best")]
)
def test_the_folder_of_a_run(run_command, files: Path, command, flags: list[str], typed: str, meant: str) -> None:
    status, _, err = run_command(command.main, typed, *flags, "--offline")
    assert status == 2 and f"(did you mean {meant!r}?)" in err


def test_other_commands(run_command, files: Path) -> None:
    for command, words, meant in (
        (validate, ["runs/reveiws", "--offline"], "runs/reviews"),
        (finetune, ["--train", "dta/train.csv", "--offline"], "data/train.csv"),
        (finetune, ["--train", "data/train.csv", "--model", "runs/review", "--offline"], "runs/reviews"),
        (report, ["runs/review"], "runs/reviews"),
        (finetune, ["--resume", "--output", "runs/review"], "runs/reviews"),
    ):
        Path("runs/reviews/report.json").write_text("{}")
        Path("runs/reviews/minitf-run.json").write_text("{}")
        Path("data/train.csv").write_text("text,label\n" + "".join(f"t{n},{n % 2}\n" for n in range(20)))
        status, _, err = run_command(command.main, *words)
        assert status == 2 and f"(did you mean {meant!r}?)" in err, words
