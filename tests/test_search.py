"""`python -m minitf.search`: the runs are those of finetune, the study is Optuna's, and the best model is kept."""

import contextlib
import dataclasses
import functools
import json
import shutil
import sqlite3

import optuna
import pytest

from minitf import finetune, search
from minitf.tasks.classification.task import Classification
from minitf.training import loop

TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}


pytestmark = pytest.mark.usefixtures("quick_picture")


@pytest.fixture
def command(run_command):
    return functools.partial(run_command, search.main)


@pytest.fixture
def fixed(write_bert, one_word_tells, tmp_path):
    """The flags that every run shares."""
    return ("--train", one_word_tells, "--model", write_bert(**TINY)[0], "--epochs", 2, "--output", tmp_path / "study")


def found(tmp_path):
    return json.loads((tmp_path / "study" / "search.json").read_text())


def test_a_grid_is_every_point_trained_as_finetune_trains_it(command, run_command, fixed, tmp_path):
    status, out, _ = command(*fixed, "--method", "grid", "--space", "lr=1e-4,3e-3", "--space", "freeze=embeddings,all")
    assert status == 0
    runs = found(tmp_path)["runs"]
    assert sorted((r["settings"]["lr"], r["settings"]["freeze"]) for r in runs) == [
        ("1e-4", "all"), ("1e-4", "embeddings"), ("3e-3", "all"), ("3e-3", "embeddings"),
    ]  # fmt: skip
    best = max(runs, key=lambda r: r["value"])
    assert f"{best['value']:.4f}  --lr {best['settings']['lr']}" in out
    assert f"--lr={best['settings']['lr']} --freeze={best['settings']['freeze']} --seeds 5\n" in out
    for run in runs:
        written = json.loads((tmp_path / "study" / f"run-{run['run']}" / "report.json").read_text())
        assert written["command"] == f"lr={run['settings']['lr']}, freeze={run['settings']['freeze']}"
    # finetune with these values gives the same model.
    words = [f"--{name}={value}" for name, value in best["settings"].items()]
    assert run_command(finetune.main, *fixed[:-1], tmp_path / "again", *words)[0] == 0
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    assert again["epochs"][again["best_epoch"] - 1]["valid"]["accuracy"] == best["value"]
    weights = [(tmp_path / place / "best" / "model.safetensors").read_bytes() for place in ("again", "study")]
    assert weights[0] == weights[1]
    kept = sorted(path.name for path in (tmp_path / "study").iterdir())
    assert kept == ["best", "minitf-run.json", *(f"run-{n}" for n in range(4)), "search.json", "search.png", "study.db"]
    assert not list((tmp_path / "study").glob("run-*/*/*.safetensors"))


def test_tpe_is_that_of_optuna(command, fixed, tmp_path):
    """With the same seed Optuna's sampler proposes the same values."""
    given = ("--trials", 3, "--space", "lr=1e-5..1e-3:log", "--space", "dropout=0..0.3", "--no-pruning")
    assert command(*fixed, *given)[0] == 0
    alone = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=5))
    for run in found(tmp_path)["runs"]:
        trial = alone.ask()
        drawn = {
            "lr": trial.suggest_float("lr", 1e-5, 1e-3, log=True),
            "dropout": trial.suggest_float("dropout", 0, 0.3),
        }
        assert run["settings"] == pytest.approx(drawn)
        alone.tell(trial, run["value"])
    # Another program can read the study.
    study = optuna.load_study(study_name="minitf", storage=f"sqlite:///{tmp_path / 'study' / 'study.db'}")
    assert [t.value for t in study.trials] == [run["value"] for run in found(tmp_path)["runs"]]


def test_an_interrupted_search_is_resumed(command, fixed, tmp_path, monkeypatch):
    """An interrupted run is trained again with its own values; no run is lost or counted twice."""
    given = (*fixed, "--method", "random", "--trials", 4, "--space", "lr=1e-5..1e-3:log", "--no-pruning")
    evaluate, calls = loop.evaluate, []

    def cut_off(*arguments, **named):
        calls.append(1)
        if len(calls) == 4:  # in the second run
            raise KeyboardInterrupt
        return evaluate(*arguments, **named)

    monkeypatch.setattr(loop, "evaluate", cut_off)
    status, _, err = command(*given)
    assert status == 130
    assert "resume with:" in err and "--resume" in err
    storage = sqlite3.connect(tmp_path / "study" / "study.db")
    (running,) = storage.execute(
        "select param_value from trial_params join trials using (trial_id) where state = 'RUNNING'"
    )
    storage.close()
    monkeypatch.setattr(loop, "evaluate", evaluate)
    assert command(*given)[0] == 2  # without --resume nothing is touched
    assert command(*given, "--resume")[0] == 0
    runs = found(tmp_path)["runs"]
    assert len(runs) == 4 and len({run["run"] for run in runs}) == 4
    assert runs[1]["settings"]["lr"] == pytest.approx(running[0])
    status, out, _ = command(*given, "--resume")
    assert status == 0 and "run 5" not in out


def test_bad_runs_are_stopped(command, fixed, tmp_path, monkeypatch):
    """A run whose score at an epoch is below the median of the earlier runs is stopped; the others finish."""
    scores, measure = iter([0.9] * 8), Classification.measure

    def scripted(self, answers, examples):
        return dataclasses.replace(measure(self, answers, examples), accuracy=next(scores, 0.1))

    monkeypatch.setattr(Classification, "measure", scripted)
    status, out, _ = command(*fixed, "--trials", 6, "--space", "lr=1e-5..1e-3:log")
    assert status == 0
    assert "stopped: behind the other runs" in out
    states = [run["state"] for run in found(tmp_path)["runs"]]
    assert states[0] == "complete" and states[4:] == ["pruned", "pruned"]


def test_a_run_that_diverges_does_not_end_the_search(command, fixed, tmp_path):
    status, out, _ = command(*fixed, "--method", "grid", "--space", "lr=1e-4,1e30", "--optimizer", "gd")
    assert status == 0
    assert "diverged: " in out
    assert [run["state"] for run in sorted(found(tmp_path)["runs"], key=lambda r: r["settings"]["lr"])] == [
        "complete", "fail",
    ]  # fmt: skip


def test_a_learning_curve(command, fixed, tmp_path):
    """Each share contains the smaller ones; mean and standard deviation over the seeds."""
    status, out, _ = command(*fixed, "--learning-curve", "1,0.25,0.5", "--seeds", 2)
    assert status == 0
    shares = json.loads((tmp_path / "study" / "learning-curve.json").read_text())["shares"]
    assert [(s["share"], s["rows"]) for s in shares] == [(0.25, 14), (0.5, 27), (1.0, 54)]
    for share in shares:
        assert len(share["values"]) == 2
        assert share["mean"] == pytest.approx(sum(share["values"]) / 2)
        assert share["sd"] == pytest.approx(abs(share["values"][0] - share["values"][1]) / 2**0.5)
        assert f"{share['mean']:.4f} ± {share['sd']:.4f}" in out
    rows = [json.loads((tmp_path / "study" / f"share-{s:g}-seed-0" / "report.json").read_text()) for s in (0.25, 1)]
    assert [r["data"]["train"]["rows"] for r in rows] == [14, 54]
    assert not list((tmp_path / "study").glob("**/*.safetensors"))
    assert (tmp_path / "study" / "learning-curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_share_without_a_rare_class(command, write_bert, tmp_path):
    rows = [f"the film was {i},{'ab'[i % 2]}" for i in range(20)]
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *rows, "soup,rare"]))
    (tmp_path / "valid.csv").write_text("text,label\nno soup,rare\nno film,a\nno food,b\n")
    flags = ("--train", tmp_path / "train.csv", "--valid", tmp_path / "valid.csv", "--model", write_bert(**TINY)[0])
    curve = ("--learning-curve", "0.1,1", "--epochs", 1, "--class-weights", "balanced")
    status, _, err = command(*flags, *curve, "--output", tmp_path / "study")
    assert (status, err) == (0, "")
    shares = json.loads((tmp_path / "study" / "learning-curve.json").read_text())["shares"]
    assert [share["rows"] for share in shares] == [2, 21]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--space", "lr"], "write NAME=LOW..HIGH"),
        (["--space", "lr=1e-3..1e-5"], "LOW must be less than HIGH"),
        (["--space", "lr=0..1:log"], "LOW must be above 0"),
        (["--space", "lr=1..2:lag"], "a range is LOW..HIGH or LOW..HIGH:log"),
        (["--space", "lr=a..b"], "must be numbers"),
        (["--space", "lr=1,1"], "must not be empty or repeat"),
        (["--space", "lr=1,2", "--space", "lr=3,4"], "is given twice"),
        (["--space", "size=1,2"], "cannot be searched; choose from: --accumulate, --augment, "),
        (["--space", "resume=1,2"], "cannot be searched; choose from: --accumulate, --augment, "),
        (["--space", "train=a,b"], "cannot be searched; choose from: --accumulate, --augment, "),
        (["--space", "lr=-1..1"], "must be a number above 0"),
        (["--space", "freeze=some,all"], "must be embeddings"),
        (["--space", "lr=1e-5,1e-4", "--lr", "1e-4"], "--lr is given too; leave one out"),
        (["--method", "grid", "--space", "lr=1e-5..1e-4"], "is a range without steps"),
        (["--seeds", "2"], "--seeds"),
        (["--learning-curve", "0.5,2"], "each share must be a number"),
        (["--learning-curve", "0.5", "--trials", "2"], "leave --space and --trials out"),
        (["--resume"], "study.db does not exist"),
        (["--dry-run"], "--dry-run"),
        (["--nothing"], "--nothing"),
    ],
)
def test_refusals(command, fixed, flags, expected):
    status, _, err = command(*fixed, *flags)
    assert status == 2 and len(err.splitlines()) == 1
    assert expected in err


def test_a_study_is_resumed_with_the_same_settings_only(command, fixed):
    assert command(*fixed, "--trials", 1, "--space", "lr=1e-5..1e-3:log")[0] == 0
    status, _, err = command(*fixed, "--trials", 2, "--space", "lr=1e-5..1e-2:log", "--resume")
    assert status == 2 and "was started with other values of --lr" in err
    status, _, err = command(*fixed, "--trials", 2, "--space", "lr=1e-5..1e-3:log", "--resume", "--batch-size", 4)
    assert status == 2 and "was started with other values of --batch-size" in err


def test_a_study_of_an_earlier_version_is_refused(command, fixed, tmp_path):
    assert command(*fixed, "--trials", 1, "--space", "lr=1e-5..1e-3:log")[0] == 0
    optuna.load_study(study_name="minitf", storage=f"sqlite:///{tmp_path / 'study' / 'study.db'}").set_user_attr(
        "flags", ["--epochs", "2"]
    )
    status, _, err = command(*fixed, "--trials", 2, "--space", "lr=1e-5..1e-3:log", "--resume")
    assert status == 2 and len(err.splitlines()) == 1
    assert "was started by an earlier version of minitf; start a new one" in err


def test_settings_have_the_names_of_flags_in_search_json(command, fixed, tmp_path):
    assert command(*fixed, "--method", "grid", "--space", "batch-size=8", "--space", "weight_decay=0.1")[0] == 0
    assert found(tmp_path)["runs"][0]["settings"] == {"batch-size": "8", "weight-decay": "0.1"}


# A study whose files were lost or changed -----------------------------------------------------------------------------


@pytest.fixture
def searched(command, fixed, tmp_path):
    """The flags of a study of two runs that has ended."""
    given = (*fixed, "--method", "random", "--trials", 2, "--space", "lr=1e-5..1e-3:log", "--no-pruning", "--resume")
    assert command(*given[:-1])[0] == 0
    return given


@pytest.mark.parametrize("killed", [False, True])
def test_a_lost_best_model_is_trained_again(command, searched, tmp_path, monkeypatch, killed):
    """Also if the process is killed while it does that. The study ends with the same model."""
    study = tmp_path / "study"
    before = {path.name: path.read_bytes() for path in (study / "best").iterdir()}
    rows, more = found(tmp_path), 3 if killed else 2
    shutil.rmtree(study / "best")
    if killed:
        with monkeypatch.context() as patched:
            patched.setattr(loop, "is_done", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
            assert command(*searched)[0] == 130
    status, out, err = command(*searched, "--trials", more)
    assert (status, err) == (0, "")
    assert "is the best run, but its model is missing: it is trained again" in out
    assert found(tmp_path)["runs"][:2] == rows["runs"]
    if not killed:
        assert {path.name: path.read_bytes() for path in (study / "best").iterdir()} == before
    assert "is trained again" not in command(*searched, "--trials", more)[1]
    assert (study / "best/model.safetensors").exists()


@pytest.mark.parametrize("what", ["empty", "other", "config"])
def test_a_changed_best_model_is_refused(command, searched, tmp_path, monkeypatch, what):
    """It may be a person's own. Nothing is trained or changed."""
    best = tmp_path / "study/best"
    if what == "config":
        (best / "config.json").write_text("{}")
    else:
        (best / "model.safetensors").write_bytes(b"" if what == "empty" else b"other")
    before = {path: path.read_bytes() for path in best.iterdir()}
    monkeypatch.setattr(loop, "update", None)
    status, _, err = command(*searched, "--trials", 9)
    assert status == 2 and len(err.splitlines()) == 1
    assert f"{best}: has changed since the search saved it; restore it, or delete it" in err
    assert {path: path.read_bytes() for path in best.iterdir()} == before


@pytest.mark.parametrize("what", ["train", "config", "vocabulary"])
def test_a_study_is_resumed_with_the_same_files_only(command, searched, tmp_path, monkeypatch, what):
    model = searched[3]
    if what == "train":
        path = searched[1]
        path.write_text(path.read_text().replace("film", "so", 1))
        expected = "was started with other values of --train (files are compared by their content)"
    elif what == "config":
        path = model / "config.json"
        path.write_text(path.read_text().replace('"gelu"', '"relu"'))
        expected = "has changed since the run started (its config.json)"
    else:
        path = model / "vocab.txt"
        path.write_text(
            path.read_text().replace("film\n", "@\n").replace("great\n", "film\n").replace("@\n", "great\n")
        )
        expected = "has changed since the run started (its tokenizer)"
    monkeypatch.setattr(loop, "update", None)
    status, _, err = command(*searched, "--trials", 3)
    assert status == 2 and len(err.splitlines()) == 1
    assert expected in err


def test_a_study_is_resumed_with_the_same_files_at_other_paths(command, searched, tmp_path):
    shutil.copy(searched[1], tmp_path / "copy.csv")
    searched[3].rename(tmp_path / "moved")
    moved = ("--train", tmp_path / "copy.csv", "--model", tmp_path / "moved", *searched[4:])
    status, _, err = command(*moved, "--trials", 3)
    assert (status, err) == (0, "")
    assert len(found(tmp_path)["runs"]) == 3


def test_a_study_executes_no_code_that_it_names(command, searched, tmp_path):
    """The values of its runs must be in the space that the command line gives."""
    code = tmp_path / "evil.py"
    code.write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'executed')!r}).touch()\n\n\ndef gelu(x): return x\n"
    )
    study = optuna.load_study(study_name="minitf", storage=f"sqlite:///{tmp_path / 'study' / 'study.db'}")
    values = {"lr": 1e-4, "math": str(code)}
    kinds = {"lr": optuna.distributions.FloatDistribution(1e-5, 1e-3, log=True),
             "math": optuna.distributions.CategoricalDistribution([str(code)])}  # fmt: skip
    study.add_trial(optuna.trial.create_trial(params=values, distributions=kinds, value=2.0))
    study.enqueue_trial(values)
    status, _, err = command(*searched, "--trials", 5)
    assert status == 2 and len(err.splitlines()) == 1
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0 and no more", bytes(5000)])
def test_a_damaged_study_is_refused(command, searched, tmp_path, damage):
    (tmp_path / "study/study.db").write_bytes(damage)
    status, _, err = command(*searched, "--trials", 3)
    assert status == 2 and len(err.splitlines()) == 1


def test_a_learning_curve_is_not_resumed(command, fixed):
    status, _, err = command(*fixed, "--learning-curve", "0.5,1", "--resume")
    assert status == 2 and "--learning-curve: cannot be resumed; leave --resume out" in err


@pytest.mark.parametrize("name", ["a?b", "a%41#b", "ä b"])
def test_a_study_in_a_folder_of_any_name(command, fixed, tmp_path, name):
    given = (*fixed[:-1], tmp_path / name, "--trials", 1, "--space", "lr=1e-5..1e-3:log")
    assert command(*given)[0] == 0
    assert (tmp_path / name / "study.db").is_file()
    assert command(*given, "--resume")[0] == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trials SET state = 'OTHER'",
        "DELETE FROM trial_values",
        "DELETE FROM studies",
        "UPDATE study_user_attributes SET value_json = '{'",
        "UPDATE trial_params SET param_value = 7",
    ],
)
def test_a_study_with_content_that_search_does_not_write(command, fixed, tmp_path, change):
    flags = (*fixed, "--method", "random", "--trials", 1, "--space", "lr=1e-4..1e-3")
    assert command(*flags)[0] == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "study" / "study.db")) as database:
        database.execute(change)
        database.commit()
    status, _, err = command(*flags, "--resume")
    assert (status, err.count("\n")) == (2, 1)


def test_the_database_of_another_program_is_not_changed(command, fixed, tmp_path):
    flags = (*fixed, "--method", "random", "--trials", 1, "--space", "lr=1e-4..1e-3")
    assert command(*flags)[0] == 0
    path = tmp_path / "study" / "study.db"
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (a)")
        database.commit()
    before = path.read_bytes()
    status, _, err = command(*flags, "--resume")
    assert (status, err.count("\n")) == (2, 1)
    assert "is the database of another program, not a study" in err
    assert path.read_bytes() == before
