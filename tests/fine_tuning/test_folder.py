"""Commands that write a folder delete and replace only files that minitf created there."""

import json
from pathlib import Path

import pytest

from minitf import finetune, search
from minitf.files import MANIFEST as FILE
from minitf.fine_tuning import report, single
from minitf.fine_tuning.provenance import typed_path
from tests.fine_tuning.test_manifest import tree

pytestmark = pytest.mark.usefixtures("quick_picture")


@pytest.fixture
def flags(write_bert, one_word_tells: Path, here: Path) -> list[object]:
    tiny, _ = write_bert(num_hidden_layers=1)
    return ["--train", one_word_tells, "--model", tiny, "--offline", "--epochs", 1, "--batch-size", 16]


SEEDS = ("--seeds", "2")
CURVE = ("--learning-curve", "0.5,1")
GRID = ("--method", "grid", "--space", "lr=1e-4,3e-4")


def write(path: Path) -> Path:
    """Write a file that is not from minitf."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("years of work")
    return path


@pytest.mark.parametrize("before", [(), SEEDS], ids=["one", "seeds"])
@pytest.mark.parametrize("after", [(), SEEDS], ids=["one", "seeds"])
def test_overwrite_keeps_files_of_others(run_command, flags, here, before, after):
    assert run_command(finetune.main, *flags, "--output", "out", *before)[0] == 0
    names = ("seed-words.csv", "seed-7/notes.txt", "best/thesis.tex", "last/notes.txt", "seed-0/best/thesis.tex")
    theirs = [write(here / "out" / name) for name in names]
    assert run_command(finetune.main, *flags, "--output", "out", "--overwrite", *after)[0] == 0
    assert {path.read_text() for path in theirs} == {"years of work"}


@pytest.mark.parametrize("name", ["metrics.jsonl", "report.html", "best/model.safetensors", "seed-0/best/config.json"])
@pytest.mark.parametrize(
    ("main", "more"), [(finetune.main, ["--overwrite"]), (finetune.main, ["--overwrite", *SEEDS]), (search.main, GRID)]
)
def test_a_folder_without_a_manifest_is_refused(run_command, flags, here, name, main, more):
    path = write(here / "out" / name)
    status, _, err = run_command(main, *flags, "--output", "out", *more)
    assert (status, err.count("\n")) == (2, 1)
    assert f"--output out: exists and is not a minitf run (it has {Path(name).parts[0]}, but no {FILE})" in err
    assert tree(here / "out") == [name]
    assert path.read_text() == "years of work"


@pytest.mark.parametrize("more", [GRID, CURVE], ids=["search", "curve"])
def test_search_keeps_the_model_of_another_command(run_command, flags, here, more):
    """The folder of a run, and a folder that contains runs."""
    assert run_command(finetune.main, *flags, "--output", "runs/best")[0] == 0
    before = tree(here / "runs")
    for output in ("runs", "runs/best"):
        status, _, err = run_command(search.main, *flags, *more, "--output", output)
        assert (status, err.count("\n")) == (2, 1)
        assert f"--output {output}: " in err
    assert tree(here / "runs") == before


def test_a_run_does_not_start_in_the_folder_of_a_study(run_command, flags, here):
    assert run_command(search.main, *flags, *GRID, "--output", "out")[0] == 0
    before = tree(here / "out")
    status, _, err = run_command(finetune.main, *flags, "--output", "out", "--overwrite")
    assert status == 2
    assert "--output out: has the results of another command (search)" in err
    assert tree(here / "out") == before


def test_a_file_of_others_with_a_name_of_ours_is_refused_before_the_earlier_run_is_deleted(run_command, flags, here):
    assert run_command(finetune.main, *flags, "--output", "out", *SEEDS)[0] == 0
    theirs = write(here / "out" / "curves.png")
    before = tree(here / "out")
    status, _, err = run_command(finetune.main, *flags, "--output", "out", "--overwrite")
    assert status == 2
    assert err.endswith("out/curves.png: exists and is not from minitf; move it, or choose another folder\n")
    assert tree(here / "out") == before
    assert theirs.read_text() == "years of work"


def test_the_manifest_lists_every_file_of_a_run(run_command, flags, here):
    assert run_command(finetune.main, *flags, "--output", "out")[0] == 0
    manifest = json.loads((here / "out" / FILE).read_text())
    assert {*tree(here / "out"), "best/vocab.txt"} - {FILE} <= set(manifest["files"])


@pytest.mark.parametrize("link", [False, True])
def test_a_study_does_not_train_in_a_run_of_another_command(run_command, flags, here, link):
    study = [*flags, "--output", "study", "--method", "random", "--space", "lr=1e-4,3e-4", "--trials"]
    assert run_command(search.main, *study, 1)[0] == 0
    assert run_command(finetune.main, *flags, "--output", "mine" if link else "study/run-1")[0] == 0
    if link:
        (here / "study" / "run-1").symlink_to("../mine")
    before = {path: path.read_bytes() for path in (here / "study" / "run-1").rglob("*") if path.is_file()}
    status, _, err = run_command(search.main, *study, 2, "--resume")
    assert (status, err.count("\n")) == (2, 1)
    assert "run-1: is another run" in err
    assert all(path.read_bytes() == content for path, content in before.items()) and before


def test_seeds_do_not_train_in_another_run(run_command, flags, here):
    """The old run is deleted only after this check."""
    assert run_command(finetune.main, *flags, "--output", "out")[0] == 0
    assert run_command(finetune.main, *flags, "--output", "mine")[0] == 0
    (here / "out" / "seed-1").symlink_to("../mine")
    before = tree(here)
    status, _, err = run_command(finetune.main, *flags, "--output", "out", "--overwrite", *SEEDS)
    assert (status, err.count("\n")) == (2, 1)
    assert "out/seed-1: is another run" in err
    assert tree(here) == before


def test_a_run_folder_that_is_moved_while_it_trains_is_not_looked_up_by_name(run_command, flags, here, monkeypatch):
    """`out/best` could be the name of a model on the hub."""
    monkeypatch.setattr(report, "load_kind", lambda *_, **__: pytest.fail("a model was loaded"))
    original = single.conclude
    monkeypatch.setattr(
        single, "conclude", lambda *given: (here / "out/best").rename(here / "away") and original(*given)
    )
    status, _, err = run_command(finetune.main, *flags, "--output", "out")
    assert (status, err.count("\n")) == (2, 1)
    assert "out/best: was moved or deleted during the run; move it back and --resume the run" in err


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, "loop"])
def test_a_folder_that_the_system_refuses(run_command, flags, here, name):
    (here / "loop").symlink_to("loop")
    for words in (["--output", name], ["--output", "out", "--model", name]):
        status, _, err = run_command(finetune.main, *flags, *words)
        assert (status, "Traceback" in err) == (2, False)


def test_a_folder_that_looks_like_a_flag_is_printed_as_a_path():
    assert typed_path(Path("-x/best")) == "./-x/best"
    assert typed_path(Path("x/-best")) == "x/-best"
