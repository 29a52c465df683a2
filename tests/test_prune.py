"""`python -m minitf.prune`: the scores before and after are those of the models; `transformers` opens the result."""

import functools
import re

import pytest
import torch
import transformers

from minitf import evaluate, finetune, prune

TINY = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24}


@pytest.fixture
def command(run_command):
    return functools.partial(run_command, prune.main)


@pytest.fixture
def table(one_word_tells):
    return one_word_tells


@pytest.fixture
def model(write_bert, run_command, table, tmp_path):
    folder = write_bert(**TINY)[0]
    flags = ("--lr", 0.003, "--epochs", 3, "--output", tmp_path / "run")
    assert run_command(finetune.main, "--train", table, "--model", folder, *flags)[0] == 0
    return tmp_path / "run" / "best"


def accuracy(run_command, folder, table) -> str:
    out = run_command(evaluate.main, folder, "--data", table)[1]
    found = re.search(r"accuracy (\d\.\d+)", out)
    assert found
    return found[1]


@pytest.mark.parametrize("what", [("--heads", 3), ("--weights", 0.5)])
def test_before_and_after(command, run_command, model, table, tmp_path, what):
    status, out, err = command(model, "--data", table, *what, "--output", tmp_path / "pruned")
    assert (status, err) == (0, "")
    printed = re.search(r"accuracy +(\d\.\d+) → (\d\.\d+)", out)
    assert printed
    assert printed[1] == accuracy(run_command, model, table)
    assert printed[2] == accuracy(run_command, tmp_path / "pruned", table)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "pruned")
    zero = sum(int((p == 0).sum()) for p in theirs.parameters())
    assert f"{zero:,} of {sum(p.numel() for p in theirs.parameters()):,} are 0 now" in out
    assert (tmp_path / "pruned" / "minitf.json").is_file()


def test_the_removed_heads_are_printed(command, model, table, tmp_path):
    out = command(model, "--data", table, "--heads", 2, "--output", tmp_path / "pruned")[1]
    named = re.search(r"\(layer\.head\): (.*)", out)
    assert named
    pruned = transformers.AutoModel.from_pretrained(tmp_path / "pruned")
    for name in named[1].split(", "):
        layer, head = (int(n) - 1 for n in name.split("."))
        W = pruned.encoder.layer[layer].attention.output.dense.weight
        assert not W[:, head * 4 : head * 4 + 4].any()
    assert sum(not W.any() for layer in pruned.encoder.layer for W in
               layer.attention.output.dense.weight.split(4, dim=1)) == 2  # fmt: skip


def test_a_sweep(command, model, table, tmp_path):
    before = {p: p.read_bytes() for p in model.iterdir()}
    status, out, _ = command(model, "--data", table, "--sweep", "heads", "--output", tmp_path / "sweep.svg")
    assert status == 0
    rows = [line.split() for line in out.splitlines() if re.match(r" +\d+%", line)]
    assert [row[0] for row in rows] == [f"{10 * i}%" for i in range(10)]
    assert (tmp_path / "sweep.svg").read_bytes().startswith(b"<?xml")
    assert {p: p.read_bytes() for p in model.iterdir()} == before


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--heads", "7"], "--heads 7: at most 6"),
        (["--heads", "1", "--weights", "0.1"], "not allowed with"),
        ([], "one of the arguments"),
        (["--weights", "1"], "--weights"),
        (["--sweep", "heads", "--output", "sweep.txt"], "must be .png or .svg"),
        (["--sweep", "heads", "--output", "none/sweep.png"], "none/sweep.png: cannot be written"),
    ],
)
def test_refusals(command, model, table, flags, expected):
    status, _, err = command(model, "--data", table, *flags)
    assert status == 2 and len(err.splitlines()) == 1
    assert expected in err


def test_an_existing_folder_is_not_overwritten(command, model, table):
    status, _, err = command(model, "--data", table, "--heads", 1, "--output", model)
    assert status == 2 and "exists already" in err


def test_importance_does_not_depend_on_the_batches(command, model, table):
    """The mean over the examples is the same however they are batched."""
    printed = [
        command(model, "--data", table, "--heads", 4, "--batch-size", size)[1].splitlines()[0] for size in (1, 7, 64)
    ]
    assert len(set(printed)) == 1
    assert torch.is_grad_enabled()
