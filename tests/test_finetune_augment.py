"""--augment through the command: the weights are those of the loop alone, examples are printed, seeds repeat."""

import csv
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

import minitf
from minitf import finetune
from minitf.datasets.augmentation import augment, parse
from minitf.datasets.dataset import read_table
from minitf.mathematics import KERNELS
from minitf.tasks.classification.task import Classification
from minitf.tasks.masked_lm.fill import MaskedLanguageModel
from minitf.training import loop
from minitf.training.optimizer import Optimizer, Recipe
from tests.support.small_training import train as train_loop

TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}


pytestmark = pytest.mark.usefixtures("quick_picture")


@pytest.fixture
def pretrained(write_bert) -> Path:
    """A checkpoint with a masked-LM head."""
    return write_bert(transformers.BertForMaskedLM, **TINY)[0]


@pytest.fixture
def run(run_command, here: Path):
    def call(*flags: object) -> str:
        usual = ("--epochs", 2, "--max-length", 16, "--lr", 1e-2, "--device", "cpu", "--batch-size", 8)
        status, out, err = run_command(finetune.main, *usual, *flags)
        assert (status, err) == (0, "")
        return out

    return call


def write_table(path: Path, n: int = 32, mark: str = "") -> Path:
    words = ("great", "awful")
    rows = [(f"{mark}the film was so very {words[i % 2]} ," + " good" * (i // 4), words[i % 2]) for i in range(n)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


@pytest.mark.parametrize("what", ["delete=0.2,swap=0.3", "replace=0.4"])
def test_a_run_is_the_loop_on_augmented_texts(
    run, here: Path, pretrained: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Each epoch has its own texts; the validation texts are not changed."""
    monkeypatch.setattr(loop, "is_better", lambda *scores: True)  # so that the last epoch is the one that is kept
    train, valid = write_table(here / "t.csv"), write_table(here / "v.csv", 8, mark="again , ")
    flags = ("--train", train, "--valid", valid, "--model", pretrained, "--seed", 5, "--output", "out")
    out = run(*flags, "--augment", what, "--augment-share", 0.7)
    assert "augmentation: in each epoch a training text is changed with probability 0.7" in out

    torch.manual_seed(5)
    model = minitf.load(pretrained, head="classification", labels=("awful", "great"), math=KERNELS)
    tokenizer, task = minitf.load_tokenizer(pretrained), Classification(("awful", "great"), math=KERNELS)
    table = read_table(train)
    fill = MaskedLanguageModel(minitf.load(pretrained, head="masked-lm"), tokenizer, 16)
    drawn = {epoch: augment(table, parse(what, 0.7), 5, epoch, fill) for epoch in (1, 2)}
    assert drawn[1].texts != drawn[2].texts != table.texts
    train_loop(
        model,
        task,
        task.encode(table, tokenizer, 16),
        task.encode(read_table(valid), tokenizer, 16),
        Optimizer(model, Recipe(lr=1e-2, weight_decay=0.01), 8, KERNELS),
        epochs=2,
        batch_size=8,
        seed=5,
        augmented=lambda epoch: task.encode(drawn[epoch], tokenizer, 16),
    )
    found = minitf.load(here / "out/best", head="classification").state_dict()
    for name, p in model.state_dict().items():
        assert torch.allclose(found[name], p, rtol=0, atol=2e-6), name


def test_examples_are_printed(run, here: Path, pretrained: Path) -> None:
    """Three texts of the first epoch, before and after."""
    flags = ("--train", write_table(here / "t.csv"), "--model", pretrained, "--dry-run")
    lines = run(*flags, "--augment", "swap=0.5", "--augment-share", 1).splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith("augmentation: "))
    assert lines[start].endswith("per word: swap 0.5")
    for before, after in (lines[start + n : start + n + 2] for n in (1, 3, 5)):
        assert after.startswith("    → ")
        assert sorted(before.split()) == sorted(after.split()[1:])
        assert before.split() != after.split()[1:]
    assert "augmentation" not in run(*flags)


def test_a_seed_repeats(run, here: Path, pretrained: Path) -> None:
    table = write_table(here / "t.csv")
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        flags = ("--train", table, "--model", pretrained, "--seed", seed, "--output", name)
        run(*flags, "--augment", "delete=0.2,replace=0.2")
    one, again, other = (load_file(here / name / "best/model.safetensors") for name in ("one", "again", "other"))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_pairs(run, here: Path, pretrained: Path) -> None:
    with (here / "p.csv").open("w", newline="") as file:
        rows = [(f"the film {'a ' * i}", "was not so very good", "ab"[i % 2]) for i in range(30)]
        csv.writer(file).writerows([("sentence1", "sentence2", "label"), *rows])
    run("--train", "p.csv", "--model", pretrained, "--augment", "delete=0.3", "--output", "out")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--augment", "replace=0.1"), "has no masked-LM head to predict other words; leave replace out"),
        (("--augment", "drop=0.1"), "'drop' is none of delete, swap, replace; give one or more of delete=0.1"),
        (("--augment", "delete=2"), "a probability must be above 0 and at most 1"),
        (("--augment", "delete=0.1", "--augment-share", "2"), "--augment-share"),
    ],
)
def test_what_is_refused(run_command, write_bert, here: Path, flags: tuple[str, ...], expected: str) -> None:
    table = write_table(here / "t.csv")
    status, _, err = run_command(finetune.main, "--train", table, "--model", write_bert(**TINY)[0], *flags)
    assert status == 2
    assert expected in err
    assert len(err.splitlines()) == 1
    assert list(here.iterdir()) == [table]


def test_parts_of_texts_are_not_augmented(run_command, write_bert, here: Path) -> None:
    """Tags belong to words and answers to positions, so these texts must not change."""
    sentence = "film B-THING\nwas O\ngood O\n\n"
    (here / "t.conll").write_text(
        sentence + "".join(f"so O\n{'very O' * 1}\nfood B-THING\n{i} O\n\n" for i in range(30))
    )
    argv = ("--train", "t.conll", "--model", write_bert(**TINY)[0], "--augment", "delete=0.1", "--device", "cpu")
    status, _, err = run_command(finetune.main, *argv)
    assert status == 2
    assert err.startswith("minitf: --augment changes whole texts, and --task tagging needs their parts unchanged")
