"""Failing writes: each operation of a save fails in turn, with each error, half done, and as the last before a kill.

After each of them the saved content is the old one or the new one, whole.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from minitf import files, finetune
from minitf.cli import console
from minitf.errors import InputError
from minitf.files import remove_leftovers
from minitf.fine_tuning.manifest import Manifest
from minitf.training import loop, state
from minitf.training.optimizer import Optimizer, Recipe
from minitf.training.precision import FULL
from tests.support.small_training import TINY
from tests.support.write_faults import FAULTS, KILLED, injected

Content = dict[str, object]


def content(folder: Path) -> Content:
    """All files in `folder`."""
    return {str(path.relative_to(folder)): content_of(path) for path in folder.rglob("*") if path.is_file()}


def content_of(path: Path) -> object:
    if path.suffix != ".safetensors":
        return path.read_bytes()
    with safe_open(path, "np") as file:  # its metadata are in any order
        return file.metadata(), {name: file.get_tensor(name).tolist() for name in file.keys()}  # noqa: SIM118


# Saves; each replaces what `prepared` has made -----------------------------------------------------------------------


def save_text(folder: Path, text: str) -> None:
    files.write_text(folder / "report.html", text)


def save_bytes(folder: Path, text: str) -> None:
    files.write_bytes(folder / "curves.png", text.encode())


def save_folder(folder: Path, text: str) -> None:
    with files.replacing_folder(folder / "best", ours=["config.json", "model", "sub"]) as partial:
        (partial / "config.json").write_text(text)
        (partial / "sub").mkdir()
        (partial / "sub" / "more").write_bytes(text.encode())
        (partial / "model").write_text(text)


def save_moved(folder: Path, text: str) -> None:
    source = folder / "run-1" / "best"
    if not source.is_dir():
        source.mkdir(parents=True)
        (source / "model").write_text(text)
    files.move_folder(source, folder / "best", ours=["model"])


def save_manifest(folder: Path, text: str) -> None:
    Manifest(folder).add("a", text)


def save_state(folder: Path, text: str) -> None:
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.fill_(len(text))
        model.bias.zero_()
    torch.manual_seed(0)
    state.save_state(folder / "last", Optimizer(model, Recipe(), total=1), loop.Progress(), {"text": text}, FULL)


SAVES = [save_text, save_bytes, save_folder, save_moved, save_manifest, save_state]


def prepared(folder: Path, save: Callable[[Path, str], None], earlier: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if earlier:
        save(folder, "old")
        if (folder / "best").is_dir():
            (folder / "best" / "notes.txt").write_text("of the user")
    if save is save_moved:
        (folder / "run-1" / "best").mkdir(parents=True, exist_ok=True)
        (folder / "run-1" / "best" / "model").write_text("new")


def attempt(folder: Path, save: Callable[[Path, str], None], n: int, fault: str) -> None:
    """Save with the fault at the n-th operation: it succeeds, raises an InputError of one line, or is killed."""
    if fault == "kill":
        if (child := os.fork()) == 0:
            try:
                with injected(folder, n, FAULTS[fault]):
                    save(folder, "new")
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
        return
    raised = None
    try:
        with injected(folder, n, FAULTS[fault]):
            save(folder, "new")
    except InputError as error:
        raised = str(error)
    assert raised is None or re.fullmatch(".*cannot be (written|read).*", raised)  # in one line


@pytest.mark.parametrize("earlier", [True, False], ids=["over an earlier one", "for the first time"])
@pytest.mark.parametrize("save", SAVES, ids=lambda save: save.__name__)
def test_a_save_that_fails_at_any_operation_leaves_the_old_or_the_new_content(
    save: Callable[[Path, str], None], earlier: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    prepared(folder, save, earlier)
    old = content(folder)
    with injected(folder) as counted:
        save(folder, "new")
    new = content(folder)
    assert {"fsync", "os.rename"} <= set(counted.operations)
    for fault in FAULTS:
        for n in range(len(counted.operations)):
            prepared(folder, save, earlier)
            attempt(folder, save, n, fault)
            for part in (folder, folder / "last"):
                remove_leftovers(part)
            where = f"{fault} at operation {n}, {counted.operations[n]}"
            if save is save_moved:  # the source may still be there
                kept = {name: text for name, text in content(folder).items() if name.startswith("best/")}
                assert kept.get("best/model") in (old.get("best/model"), b"new"), where
                assert kept.get("best/notes.txt") == old.get("best/notes.txt"), where
            else:
                assert content(folder) in (old, new), where


# A whole run ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def flags(write_bert, here: Path, quick_picture: None) -> list[str]:
    rows = [f"the film was {('awful', 'great')[i % 2]} {i},{('neg', 'pos')[i % 2]}" for i in range(24)]
    for name, part in (("train", rows), ("valid", rows[:6])):
        lines = ["text,label", *(f"{name} {row}" for row in part)]
        (here / f"{name}.csv").write_text("\n".join(lines) + "\n")
    tiny = write_bert(**(TINY | {"num_hidden_layers": 1}))[0]
    return (
        f"--model {tiny} --train train.csv --valid valid.csv --epochs 2 --batch-size 8 --max-length 16 --lr 1e-3"
        " --metric loss --save-every 2 --device cpu"
    ).split()


def run(here: Path, flags: list[str], n: int | None = None, fault: str = "kill") -> tuple[int, str, list[str]]:
    """Run `finetune` in a fork; return its status, the lines on standard error and the operations on its files."""
    log, operations = here / "log.txt", here / "operations.json"
    if (child := os.fork()) == 0:
        with open(log, "w", encoding="utf-8") as file:
            os.dup2(file.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        status = 1
        try:
            with injected(here / "out", n, FAULTS[fault]) as counted:
                console.run(lambda _: finetune.main([*flags, "--output", str(here / "out")]))
        except SystemExit as left:
            status = int(left.code or 0)
            operations.write_text(json.dumps(counted.operations))
        finally:
            sys.stderr.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, log.read_text(encoding="utf-8"), json.loads(operations.read_text()) if operations.exists() else []


def results(folder: Path) -> tuple[bytes, list[object]]:
    """The best model, and the losses of all steps."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return (folder / "best/model.safetensors").read_bytes(), [line.get("loss") for line in lines]


def test_a_run_whose_file_operations_fail_can_be_resumed(flags: list[str], here: Path) -> None:
    """One line and status 2; then it is resumed to the same bits, or begins anew where nothing had been saved."""
    status, err, operations = run(here, flags)
    assert status == 0, err
    expected = results(here / "out")
    faults, step = list(FAULTS), max(1, len(operations) // 17)  # all of them take some minutes
    for n in range(0, len(operations), step):
        fault = faults[n // step % len(faults)]
        where = f"{fault} at operation {n} of {len(operations)}, {operations[n]}"
        shutil.rmtree(here / "out")
        status, err, _ = run(here, flags, n, fault)
        if fault == "kill":
            assert status == KILLED, (where, err)
        elif status:  # a failed clean-up does not end the run
            assert (status, err.count("\n")) == (2, 1), (where, status, err)
        if status and (here / "out").exists():
            status, err, _ = run(here, ["--resume"])
            if status:
                assert (status, err.count("\n")) == (2, 1), (where, err)
                assert "nothing is saved in" in err, (where, err)
                status, err, _ = run(here, [*flags, "--overwrite"])
            assert status == 0, (where, err)
        elif status:
            assert run(here, flags)[0] == 0, where
        assert results(here / "out") == expected, where
