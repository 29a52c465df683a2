"""`minitf.fine_tune` from Python: files and records, seeds, dry runs, Ctrl-C and resuming, errors."""

import dataclasses
import itertools
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import minitf
from minitf.errors import DataError, DivergedError, InputError, Interrupted
from minitf.fine_tuning import train
from minitf.fine_tuning.report import read_run
from minitf.fine_tuning.result import Run
from minitf.training import loop, state
from tests.support.small_training import TINY

pytestmark = pytest.mark.usefixtures("quick_picture")
ROWS = [(f"the film was {('awful', 'great')[i % 2]} {'so ' * (i % 3)}{i}", ("neg", "pos")[i % 2]) for i in range(40)]
RECORDS = [{"text": text, "label": label} for text, label in ROWS]


def nothing(line: str) -> None:
    pass


@pytest.fixture
def settings(write_bert, here: Path) -> dict:
    """Two epochs of five steps."""
    (here / "train.csv").write_text("\n".join(["text,label", *(f"{text},{label}" for text, label in ROWS)]) + "\n")
    folder = write_bert(**(TINY | {"num_hidden_layers": 2}))[0]
    return {"train": "train.csv", "model": str(folder), "epochs": 2, "batch_size": 8, "lr": 1e-3, "max_length": 32,
            "device": "cpu", "output": here / "out", "say": nothing, "freeze": "embeddings"}  # fmt: skip


def test_a_file(settings: dict, here: Path) -> None:
    """The result is typed and frozen; the model is used for predictions."""
    lines: list[str] = []
    run = minitf.fine_tune(**settings | {"say": lines.append})
    assert isinstance(run, Run)
    assert (run.folder, run.best, run.measured_on, run.runs) == (here / "out", here / "out" / "best", "valid", ())
    assert [epoch.number for epoch in run.history] == [1, 2]
    assert run.best_epoch.valid["accuracy"] == run.metrics["accuracy"] == run.scores["accuracy"]
    assert any("holding out 4 of 40 training texts" in line for line in lines)
    assert not any("--" in line.split("minitf.predict")[0] for line in lines)  # settings, not flags
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.folder = here
    assert minitf.predictor(run.best)(["so great"])[0]["label"] in ("neg", "pos")
    assert minitf.score(run.best, data="train.csv").accuracy > 0
    best = run.best_epoch.number
    marked = tuple(dataclasses.replace(epoch, best=epoch.number == best) for epoch in run.history)
    assert as_json(read_run(run.folder, "accuracy")) == as_json(dataclasses.replace(run, history=marked))


def as_json(run: Run) -> str:
    return json.dumps(dataclasses.asdict(run), default=str)


def test_records_train_as_a_file_does(settings: dict, here: Path) -> None:
    valid = RECORDS[:6]
    run = minitf.fine_tune(**settings | {"train": RECORDS, "valid": valid})
    (here / "valid.csv").write_text("\n".join(["text,label", *(f"{text},{label}" for text, label in ROWS[:6])]) + "\n")
    other = minitf.fine_tune(**settings | {"valid": "valid.csv", "output": here / "other"})
    assert run.metrics == other.metrics
    first, second = (load_file(r.best / "model.safetensors") for r in (run, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_several_seeds(settings: dict, here: Path) -> None:
    """`runs` has each; the result is the one with the best validation score."""
    run = minitf.fine_tune(**settings | {"seeds": 3, "seed": 4})
    assert [r.folder.name for r in run.runs] == ["seed-4", "seed-5", "seed-6"]
    assert run.folder in [r.folder for r in run.runs]
    score = {r.folder: (r.best_epoch.valid["accuracy"], -r.best_epoch.valid["loss"]) for r in run.runs}
    assert score[run.folder] == max(score.values())
    assert all(len(r.history) == 2 and r.history[0].scores and r.best.is_dir() for r in run.runs)
    alone = minitf.fine_tune(**settings | {"seed": 5, "output": here / "alone"})
    assert alone.metrics != run.runs[0].metrics or alone.metrics == run.runs[1].metrics


def test_a_dry_run(settings: dict, here: Path) -> None:
    before = sorted(here.rglob("*"))
    assert minitf.fine_tune(**settings | {"dry_run": True}) is None
    assert sorted(here.rglob("*")) == before


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    update, count = loop.update, itertools.count(1)

    def interrupted(*given):
        if next(count) == step:
            os.kill(os.getpid(), signal.SIGINT)
        return update(*given)

    monkeypatch.setattr(loop, "update", interrupted)


@pytest.mark.parametrize("records", [False, True])
def test_ctrl_c_and_resume(settings: dict, here: Path, monkeypatch, records: bool) -> None:
    """`Interrupted` says where the state is; the resumed run has the same bits. Settings may be given again, as they
    are written in Python: a path, an integer."""
    if records:
        settings = settings | {"train": RECORDS}
    whole = minitf.fine_tune(**settings | {"output": here / "whole", "freeze": 1})
    with monkeypatch.context() as patched:
        interrupt_at(patched, 3)
        with pytest.raises(Interrupted) as caught:
            minitf.fine_tune(**settings | {"freeze": 1})
    assert caught.value.folder == here / "out"
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if records:
        with pytest.raises(InputError, match="`train`: the run was started with 40 records from Python; give them"):
            minitf.fine_tune(resume=True, output=here / "out")
        changed = [*RECORDS[:-1], {"text": "other", "label": "pos"}]
        with pytest.raises(InputError, match="has changed since the run started"):
            minitf.fine_tune(resume=True, output=here / "out", train=changed, say=nothing)
    lines: list[str] = []
    given = {"output": here / "out", "train": settings["train"], "freeze": 1, "lr": 1e-3, "say": lines.append}
    run = minitf.fine_tune(resume=True, **given)
    assert "resumed at step 3 of 10, in epoch 1" in lines
    assert [dataclasses.replace(epoch, seconds=0.0) for epoch in run.history] == [
        dataclasses.replace(epoch, seconds=0.0) for epoch in whole.history
    ]
    first, second = (load_file(r.best / "model.safetensors") for r in (run, whole))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_ctrl_c_with_several_seeds(settings: dict, here: Path, monkeypatch) -> None:
    """The folder is that of all runs; finished runs are not repeated."""
    with monkeypatch.context() as patched:
        interrupt_at(patched, 13)
        with pytest.raises(Interrupted) as caught:
            minitf.fine_tune(**settings | {"seeds": 2})
    assert caught.value.folder == here / "out"
    calls = itertools.count(1)
    update = loop.update
    monkeypatch.setattr(loop, "update", lambda *given: (next(calls), update(*given))[1])
    run = minitf.fine_tune(resume=True, output=here / "out", say=nothing)
    assert next(calls) - 1 == 7
    assert [r.folder.name for r in run.runs] == ["seed-0", "seed-1"]
    assert all(len(r.history) == 2 and r.history[-1].scores for r in run.runs)


def test_a_run_of_an_earlier_version_is_refused(settings: dict, here: Path, monkeypatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(state, "VERSION", 1)
        interrupt_at(patched, 3)
        with pytest.raises(Interrupted):
            minitf.fine_tune(**settings)
    with pytest.raises(InputError, match=r"^\S+: was saved by another version of minitf[^\n]*$"):
        minitf.fine_tune(resume=True, output=here / "out")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"epoch": 3}, InputError, "there is no setting 'epoch'"),
        ({"lr": -1}, InputError, "`lr` must be a number above 0"),
        ({"train": "nowhere.csv"}, DataError, "nowhere.csv"),
        ({"label": "stars"}, DataError, "stars"),
        ({"metric": "rmse"}, InputError, "`metric` rmse: `task` classification has the metrics"),
        ({"resume": True, "output": None}, InputError, "`resume` needs `output`"),
        ({"lr": 1e30, "optimizer": "gd", "clip": 0}, DivergedError, "lower `lr`"),
    ],
)
def test_errors_are_exceptions(settings: dict, wrong: dict, error: type, message: str) -> None:
    with pytest.raises(error) as caught:
        minitf.fine_tune(**settings | wrong)
    assert message in str(caught.value)


# What happens between the steps --------------------------------------------------------------------------------------


def test_a_state_is_saved_after_the_epoch_not_after_its_last_step(settings: dict, monkeypatch) -> None:
    """(losses of the current epoch, finished epochs) in each saved state; five steps per epoch."""
    saved, save_state = [], state.save_state

    def save(folder, optimizer, progress, *more):
        saved.append((len(progress.losses), len(progress.history)))
        save_state(folder, optimizer, progress, *more)

    monkeypatch.setattr(state, "save_state", save)
    minitf.fine_tune(**settings | {"save_every": 1})
    assert saved == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (0, 2)]
    saved.clear()
    minitf.fine_tune(**settings | {"overwrite": True})
    assert saved == [(0, 0), (0, 1), (0, 2)]


class FailingJournal(train.Journal):
    """Fails at an event, as a full disk does."""

    at = 3

    def write(self, event) -> None:
        self.events = getattr(self, "events", 0) + 1
        if self.events == self.at:
            raise InputError("the disk is full")
        super().write(event)


@pytest.mark.parametrize("at", [1, 3, 5, 6])
def test_an_exception_between_the_steps_leaves_everything_as_it_was(settings: dict, monkeypatch, at: int) -> None:
    """The model has its own modules again, the handler of Ctrl-C is restored, and the folder is not locked."""
    setups, train_run = [], train.train

    def watched(setup, *more):
        setups.append((setup.model, setup.model.embeddings, list(setup.model.encoder.layers)))
        return train_run(setup, *more)

    monkeypatch.setattr("minitf.fine_tuning.single.train", watched)
    with monkeypatch.context() as patched:
        patched.setattr(FailingJournal, "at", at)
        patched.setattr(train, "Journal", FailingJournal)
        with pytest.raises(InputError, match="the disk is full"):
            minitf.fine_tune(**settings | {"freeze": 1})
    ((model, embeddings, layers),) = setups
    assert model.embeddings is embeddings
    assert list(model.encoder.layers) == layers
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run = minitf.fine_tune(resume=True, output=settings["output"], say=nothing)
    assert len(run.history) == 2


def test_out_of_gpu_memory_is_advice(settings: dict, monkeypatch) -> None:
    def full(*given):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(loop, "update", full)
    with pytest.raises(InputError, match=r"out of GPU memory with `batch_size` 8 .*`batch_size` 4 with `accumulate` 2"):
        minitf.fine_tune(**settings)
