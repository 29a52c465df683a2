"""`python -m minitf.finetune` from end to end, on a tiny model and small tables; `transformers` opens the saved model.

The effect of each flag is read from the loss of the first step: the checkpoint has a trained classifier, so the
reference can compute that loss. Bad input is in `test_bad_input.py`.
"""

import csv
import dataclasses
import html
import json
import math
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file
from sklearn.utils.class_weight import compute_class_weight

import minitf
from minitf import attend, finetune, predict
from minitf.datasets.dataset import read_table
from minitf.fine_tuning import saver
from minitf.mathematics import mathematics
from minitf.tasks.classification.task import Classification
from minitf.training import loop
from minitf.training.optimizer import Optimizer, Recipe
from tests.support.small_training import train as train_loop

TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
WORDS = {"pos": ("great", "good", "loved", "not bad"), "neg": ("awful", "bad", "hated", "not good")}


PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def true_picture() -> None:
    """Requested by the test that looks at the picture."""


@pytest.fixture(autouse=True)
def quick_picture(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes ten times as long as the rest of such a small run, so other tests write a stand-in."""
    if "true_picture" not in request.fixturenames:
        monkeypatch.setattr(
            "minitf.fine_tuning.figures.draw_curves", lambda steps, history, path: path.write_bytes(PNG)
        )


@pytest.fixture
def tiny(write_bert) -> Path:
    return write_bert(**TINY)[0]


@pytest.fixture
def classifier(write_bert) -> tuple[Path, torch.nn.Module]:
    """A checkpoint with a trained classifier for our two labels, and the reference model in it."""
    names = {"id2label": {0: "neg", 1: "pos"}, "label2id": {"neg": 0, "pos": 1}, "classifier_dropout": 0.3}
    return write_bert(transformers.BertForSequenceClassification, name="classifier", **TINY, **names)


@pytest.fixture
def command(run_command):
    return run_command


@pytest.fixture
def run(command, here: Path):
    """A function that runs fine-tuning without an error and returns its output; by default one short epoch."""

    def call(*flags: object) -> str:
        usual = {"--epochs": 1, "--batch-size": 16, "--max-length": 32, "--lr": 1e-3, "--device": "cpu"}
        given = [x for flag, value in usual.items() if flag not in flags for x in (flag, value)]
        status, out, err = command(finetune.main, *given, *flags)
        assert (status, err) == (0, "")
        return out

    return call


def rows(n: int = 40, mark: str = "") -> list[tuple[str, str]]:
    """Texts of two alternating classes, all different."""
    things = ("film", "book", "hotel", "room", "food")
    made = []
    for i in range(n):
        label = ("neg", "pos")[i % 2]
        word, thing = WORDS[label][i // 2 % 4], things[i // 8 % 5]
        made.append((f"{mark}the {thing} was {word}" + " , so very" * (i % 3) + f" {'!' * (1 + i // 40)}", label))
    return made


def write_table(path: Path, table: list[tuple], header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([header, *table])
    return path


@pytest.fixture
def train(here: Path) -> Path:
    return write_table(here / "train.csv", rows())


@pytest.fixture
def valid(here: Path) -> Path:
    return write_table(here / "valid.csv", rows(10, mark="again , "))


def journal(folder: Path) -> tuple[list[dict], list[dict]]:
    """Return the steps and epochs of a run, from strict JSON, which has no NaN."""

    def refuse(constant: str):
        raise AssertionError(f"{constant} is no JSON")

    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
    return [r for r in records if "step" in r], [r for r in records if "valid" in r]


def report(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


RUN = {"minitf-run.json", "metrics.jsonl", "report.json", "report.html", "curves.png", "last/state.safetensors"}
BEST = {f"best/{n}" for n in ("config.json", "model.safetensors", "minitf.json", "tokenizer.json", "vocab.txt")}
BEST |= {"best/tokenizer_config.json"}


# A whole run ----------------------------------------------------------------------------------------------------------


def test_what_a_run_leaves(run, here: Path, tiny: Path, train: Path, valid: Path, true_picture: None) -> None:
    test = write_table(here / "test.csv", rows(12, mark="we , "))
    flags = ("--train", train, "--valid", valid, "--test", test, "--model", tiny, "--output", here / "out")
    out = run(*flags, "--epochs", 3, "--seed", 7)

    assert files(here / "out") == RUN | BEST
    assert list(here.glob("out/.*")) == []
    picture = (here / "out/curves.png").read_bytes()
    assert picture.startswith(PNG)
    assert len(picture) > 10_000
    steps, epochs = journal(here / "out")
    assert [s["step"] for s in steps] == list(range(1, 10))  # 40 texts, 16 a batch, 3 epochs
    assert [e["epoch"] for e in epochs] == [1, 2, 3]

    written = report(here / "out")
    assert written["arguments"]["seed"] == 7
    assert written["arguments"]["train"] == str(train)
    assert {name: part["rows"] for name, part in written["data"].items()} == {"train": 40, "valid": 10, "test": 12}
    assert written["versions"]["minitf"] == minitf.__version__
    assert [e["valid"]["accuracy"] for e in written["epochs"]] == [e["valid"]["accuracy"] for e in epochs]
    assert written["seconds"] > 0

    # The result is of the test table, by the epoch that the validation table chose; said as it is in the report.
    measured, kept = written["test"], written["best_epoch"]
    assert kept == max(e["epoch"] for e in epochs if e["best"])
    assert f"\ntest accuracy {measured['accuracy']:.4f}, macro F1 {measured['macro_f1']:.4f}\n" in out
    assert f"  epoch {kept}, chosen by accuracy on the validation set; always guessing one class: 0.5000\n" in out
    assert sum(map(sum, measured["confusion"])) == 12
    for line in ("train 40, valid 10, test 12 texts; in training: neg 20, pos 20", "\n   3/3 ", "adamw, 9 steps of 16"):
        assert line in out


MEASURE = Classification.measure


def script(monkeypatch: pytest.MonkeyPatch, *scores: dict[str, float]) -> None:
    """Replace the scores of the first evaluations; the later ones are computed."""
    values = iter(scores)
    monkeypatch.setattr(
        Classification, "measure", lambda *given: dataclasses.replace(MEASURE(*given), **next(values, {}))
    )


def test_the_result_is_that_of_the_best_epoch(
    run, here: Path, tiny: Path, train: Path, valid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four epochs the second is saved, bit for bit as a run of two epochs, and it is evaluated."""
    usual = ("--train", train, "--valid", valid, "--model", tiny, "--schedule", "constant", "--warmup", 0)
    for name, scores in (("two", [0.5, 0.9]), ("four", [0.5, 0.9, 0.3, 0.9]), ("last", [0.5, 0.6, 0.7, 0.9])):
        script(monkeypatch, *({"accuracy": score, "loss": 1.0 + n} for n, score in enumerate(scores)))
        run(*usual, "--epochs", len(scores), "--lr", 0.01, "--output", name)
    two, four, last = ((here / name / "best/model.safetensors").read_bytes() for name in ("two", "four", "last"))
    assert two == four != last
    assert report(here / "four")["best_epoch"] == 2

    model, tokenizer = minitf.load(here / "four/best", head="classification"), minitf.load_tokenizer(here / "four/best")
    table = read_table(valid)
    batch, targets = tokenizer(table.texts), torch.tensor([("neg", "pos").index(label) for label in table.labels])
    with torch.no_grad():
        logits = model(batch.token_ids, batch.segment_ids, batch.mask).logits
    measured = report(here / "four")["valid"]
    assert measured["accuracy"] == (logits.argmax(dim=-1) == targets).double().mean().item()
    assert measured["loss"] == pytest.approx(F.cross_entropy(logits, targets).item(), rel=1e-5)


def test_best_opens_in_transformers(run, here: Path, tiny: Path, train: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit the trained weights, the same token ids, logits within 1e-5, the names of the labels."""
    trained: dict[str, torch.Tensor] = {}
    write = saver.write_files

    def watched(folder, model, *rest):
        trained.update({name: p.clone() for name, p in model.state_dict().items()})
        write(folder, model, *rest)

    monkeypatch.setattr(saver, "write_files", watched)
    run("--train", train, "--model", tiny, "--output", here / "out", "--epochs", 2)
    best = here / "out/best"

    reference, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        best, output_loading_info=True, attn_implementation="eager"
    )
    assert [list(found) for found in info.values()] == [[]] * len(info)  # nothing missing, unexpected, misshapen
    assert type(reference) is transformers.BertForSequenceClassification
    assert reference.config.id2label == {0: "neg", 1: "pos"}
    theirs = reference.state_dict()
    ours = minitf.load(best, head="classification")
    held = load_file(best / "model.safetensors")
    assert set(held) == {name for name, _ in reference.named_parameters()}
    assert all(torch.equal(held[name], theirs[name]) for name in held)
    assert all(torch.equal(p, trained[name]) for name, p in ours.state_dict().items())
    by_size = sorted((t.shape, float(t.double().sum())) for t in trained.values())
    assert by_size == sorted((t.shape, float(t.double().sum())) for t in held.values())

    texts = ["The film was not bad!", "awful , so very", "café 中国 🙂", "a"]
    batch = minitf.load_tokenizer(best)(texts)
    encoded = transformers.AutoTokenizer.from_pretrained(best)(texts, padding=True, return_tensors="pt")
    assert torch.equal(encoded["input_ids"], batch.token_ids)
    with torch.no_grad():
        difference = ours(batch.token_ids, batch.segment_ids, batch.mask).logits - reference.eval()(**encoded).logits
    assert difference.abs().max() <= 1e-5


def printed_command(out: str) -> list[str]:
    """Return the words of the command in the second last line of a run, as a shell reads them."""
    last = out.rstrip("\n").splitlines()[-2]
    assert last.startswith("use it:  python -m minitf.predict ")
    return shlex.split(last.removeprefix("use it:  python -m minitf.predict "))


def test_the_last_lines_of_a_run(run, command, here: Path, tiny: Path, train: Path) -> None:
    """The result, the time, the folder, two commands; and these commands work."""
    out = run("--train", train, "--model", tiny, "--epochs", 12)
    last = out.rstrip("\n").splitlines()[-5:]
    assert last[0].startswith("valid accuracy ")
    folder = Path("runs/train-1")
    assert re.fullmatch(r"took \d+ s; model: (.*); report: (.*)", last[2]).groups() == (
        str(folder / "best"), str(folder / "report.html"),
    )  # fmt: skip
    status, answer, err = command(predict.main, *printed_command(out))
    assert (status, err) == (0, "")
    assert answer.splitlines()[1].startswith(("  neg ", "  pos "))
    assert last[4].startswith("look inside:  python -m minitf.attend ")
    status, _, err = command(attend.main, *shlex.split(last[4])[5:])
    assert (status, err) == (0, "")
    assert (here / "attention.html").is_file()


def test_a_short_run_prints_about_ten_lines(run, here: Path, tiny: Path, train: Path) -> None:
    """Without warnings: five lines before training, the table of epochs, six lines after it."""
    lines = run("--train", train, "--model", tiny, "--epochs", 12, "--output", "out").splitlines()
    table = [line for line in lines if re.match(r" *(epoch  train|\d+/12) ", line)]
    assert len(table) == 13
    assert len(lines) - len(table) == 5 + 6
    assert max(map(len, table)) <= 80


def test_verbose_prints_what_the_report_shows(run, here: Path, tiny: Path, train: Path) -> None:
    quiet, verbose = (
        run("--train", train, "--model", tiny, "--output", name, *flags)
        for name, flags in (("quiet", []), ("verbose", ["--verbose"]))
    )
    page = html.unescape((here / "quiet" / "report.html").read_text())
    for line in ("tensors loaded", "data check", "tokens, longest", "  embeddings  "):
        assert line not in quiet
        assert line in verbose
        assert line in page
    assert "as planned" in verbose
    assert "precision" in verbose
    assert (here / "quiet/best/model.safetensors").read_bytes() == (
        here / "verbose/best/model.safetensors"
    ).read_bytes()


def test_a_run_that_did_not_learn_says_so(run, here: Path, tiny: Path, train: Path) -> None:
    out = run("--train", train, "--model", tiny, "--lr", 1e-12, "--output", "out")
    assert "\nThe model did not learn: it is no better than this baseline.\n" in out
    assert "--seeds" in out


def test_the_command_works_for_pairs(run, command, here: Path, tiny: Path) -> None:
    pairs = [(text, "the book was great", label) for text, label in rows()]
    table = write_table(here / "pairs.csv", pairs, ("sentence1", "sentence2", "label"))
    status, answer, err = command(predict.main, *printed_command(run("--train", table, "--model", tiny)))
    assert (status, err) == (0, "")
    assert answer.splitlines()[1].startswith(("  neg ", "  pos "))


@pytest.mark.parametrize(
    "text",
    [
        'He said "good"',
        "it's $HOME, `date`, $(date) and \\",
        "good!! really",
        "two\nlines",
        "-good",
        "ends in a backslash, cut at sixty characters: 0123456789 abcd \\ here",
    ],
)
def test_the_command_is_quoted_for_a_shell(run, command, here: Path, tiny: Path, valid: Path, text: str) -> None:
    """A shell passes the folder with its blank and the beginning of the text unchanged, and runs nothing in it."""
    table = write_table(here / "train.csv", [(text, "pos"), *rows()])
    out = run("--train", table, "--valid", valid, "--model", tiny, "--output", "a run")
    _, line = out.rstrip("\n").rsplit("use it:  ", 1)
    line, attend_line = line.split("\n")
    assert attend_line.startswith("look inside:  ")
    printing = line.replace("python -m minitf.predict", "printf '%s\\0'", 1)
    shown = subprocess.run(["sh", "-c", printing], capture_output=True, check=True).stdout.decode()
    folder, *words = shown.removesuffix("\0").split("\0")
    assert folder == str(Path("a run/best"))
    assert len(words[-1]) >= 5
    assert " ".join(text.split()).startswith(words[-1].strip())
    assert command(predict.main, folder, *words)[0] == 0


# Where it writes ------------------------------------------------------------------------------------------------------


def test_every_run_has_a_new_folder(run, here: Path, tiny: Path, train: Path) -> None:
    """runs/NAME-N with the name of the table; N is the first free number."""
    assert "runs/train-1/best" in run("--train", train, "--model", tiny)
    assert "runs/train-2/best" in run("--train", train, "--model", tiny)
    before = {name: (here / "runs/train-1" / name).read_bytes() for name in files(here / "runs/train-1")}
    other = write_table(here / "train.tsv", rows())
    assert "runs/train-3/best" in run("--train", other, "--model", tiny)
    assert before == {name: (here / "runs/train-1" / name).read_bytes() for name in files(here / "runs/train-1")}


def test_overwrite_replaces_an_earlier_run(run, command, here: Path, tiny: Path, train: Path) -> None:
    flags = ("--train", train, "--model", tiny, "--output", here / "deep/er/out")
    run(*flags, "--seed", 1)
    (here / "deep/er/out/best/notes.txt").write_text("not from minitf")
    status, _, err = command(finetune.main, *flags, "--max-length", 32)
    assert status == 2
    assert "--overwrite" in err
    assert report(here / "deep/er/out")["arguments"]["seed"] == 1
    run(*flags, "--seed", 2, "--overwrite")
    assert report(here / "deep/er/out")["arguments"]["seed"] == 2
    assert files(here / "deep/er/out") == RUN | BEST | {"best/notes.txt"}


def test_an_empty_folder_may_be_given(run, here: Path, tiny: Path, train: Path) -> None:
    (here / "out").mkdir()
    run("--train", train, "--model", tiny, "--output", here / "out")
    assert files(here / "out") == RUN | BEST


@pytest.mark.parametrize("output", [None, "new", "earlier"])
def test_a_dry_run_writes_nothing(run, here: Path, tiny: Path, train: Path, output: str | None) -> None:
    """It loads and checks everything and prints what training would do; an earlier run stays unchanged."""
    flags = ["--train", train, "--model", tiny]
    run(*flags, "--output", "earlier")
    before = {name: (here / name).read_bytes() for name in files(here)}
    flags += ["--output", output, "--overwrite"] if output else []
    out = run(*flags, "--dry-run")
    assert {name: (here / name).read_bytes() for name in files(here)} == before
    assert {path.name for path in here.iterdir()} == {"train.csv", "earlier"}
    for printed in ("adamw, 3 steps of 16 texts", "learning rate 0.001, linear, seed 0", "decay 0.01", "dry run"):
        assert printed in out  # 36 texts are left to train on
    assert "train loss" not in out


def test_the_model_may_be_an_earlier_run(run, here: Path, tiny: Path, train: Path) -> None:
    """Fine-tuning starts from best/ with its classifier."""
    run("--train", train, "--model", tiny)
    first = load_file(here / "runs/train-1/best/model.safetensors")
    out = run("--train", train, "--model", "runs/train-1/best", "--lr", 1e-12)
    assert "randomly initialized" not in out
    second = load_file(here / "runs/train-2" / "best/model.safetensors")
    assert all(torch.allclose(first[name], second[name], rtol=0, atol=1e-9) for name in first)


# Tables ---------------------------------------------------------------------------------------------------------------


def test_without_valid_a_stratified_tenth_is_held_out(run, here: Path, tiny: Path) -> None:
    """Of 60 and 20 rows 6 and 2; the run prints it; the seed chooses the rows."""
    table = write_table(here / "train.csv", [(f"{text} {i}", "pos" if i % 4 else "neg") for i, (text, _) in
                                             enumerate(rows(80))])  # fmt: skip
    out = run("--train", table, "--model", tiny, "--output", "one", "--seed", 5)
    assert "no --valid given: holding out 8 of 80 training texts (10 % of each class, seed 5)" in out
    written = report(here / "one")
    assert {name: part["rows"] for name, part in written["data"].items()} == {"train": 72, "valid": 8}
    assert {c["label"]: c["support"] for c in written["valid"]["classes"]} == {"neg": 2, "pos": 6}


@pytest.mark.parametrize("columns", [{}, {"text": "What they wrote", "label": "verdict"}])
def test_kinds_of_table(run, here: Path, tiny: Path, columns: dict[str, str]) -> None:
    """The same rows in three formats, with columns found or named, give the same weights."""
    header = (columns.get("text", "text"), columns.get("label", "label"))
    for name in ("t.csv", "t.tsv"):
        write_table(here / name, rows(), header)
    objects = [json.dumps(dict(zip(header, row, strict=True))) for row in rows()]
    (here / "t.jsonl").write_text("\n".join(objects) + "\n", encoding="utf-8")
    named = [x for flag, column in columns.items() for x in (f"--{flag}", column)]
    for name in ("t.csv", "t.tsv", "t.jsonl"):
        run("--train", here / name, "--model", tiny, "--output", name[2:], *named)
        noted = json.loads((here / name[2:] / "best/minitf.json").read_text())
        assert (noted["text"], noted["label"], noted["pair"]) == (*header, None)
    assert len({(here / kind / "best/model.safetensors").read_bytes() for kind in ("csv", "tsv", "jsonl")}) == 1


def test_pairs(run, here: Path, classifier) -> None:
    """The second text is read, as segment 1: the first step's loss is the reference's on pairs."""
    folder, reference = classifier
    table = [(text, "it was " + WORDS[label][0], label) for text, label in rows()]
    path = write_table(here / "pairs.csv", table, ("first", "second", "label"))
    flags = ("--train", path, "--text", "first", "--pair", "second", "--valid", path, "--model", folder)
    status_free(run(*flags, "--dropout", 0, "--batch-size", 40, "--output", "out"))
    loss = reference_loss(folder, reference, [r[0] for r in table], [r[2] for r in table], [r[1] for r in table])
    assert journal(here / "out")[0][0]["loss"] == pytest.approx(loss, abs=1e-5)
    assert json.loads((here / "out/best/minitf.json").read_text())["pair"] == "second"


@pytest.mark.parametrize("labels", [("0", "1"), ("2", "10"), ("não", "sim, claro"), ("b a d", "👍")])
def test_labels_keep_their_names(run, command, here: Path, tiny: Path, labels: tuple[str, str]) -> None:
    table = write_table(here / "t.csv", [(text, labels[label == "pos"]) for text, label in rows()])
    run("--train", table, "--model", tiny, "--output", "out")
    config = json.loads((here / "out/best/config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": labels[0], "1": labels[1]}
    _, out, _ = command(predict.main, "out/best", "good")
    assert out.removeprefix("good\n  ").startswith(labels)


def test_warnings_are_printed_and_do_not_stop_a_run(run, here: Path, tiny: Path) -> None:
    """One line each for a repeated row, a label with few rows, a text in both tables."""
    table = write_table(here / "t.csv", [*rows(), rows()[0], ("so so", "meh"), ("hm", "meh")])
    valid = write_table(here / "v.csv", rows()[:4])
    out = run("--train", table, "--valid", valid, "--model", tiny)
    printed = [line for line in out.splitlines() if line.startswith("warning: ")]
    for warning in ("t.csv:42: repeats an earlier row", "'meh' (2)", "v.csv:2: the same text is in"):
        assert any(warning in line for line in printed)
    assert len(printed) == 3


def test_texts_that_are_cut_are_counted(run, here: Path, tiny: Path, train: Path, valid: Path) -> None:
    count = transformers.AutoTokenizer.from_pretrained(tiny)
    long = sum(len(count(text)["input_ids"]) > 12 for text, _ in rows())
    assert 2 < long < 40
    out = run("--train", train, "--valid", valid, "--model", tiny, "--max-length", 12)
    assert (
        f"{long} of 40 texts are longer than --max-length 12 and are cut: raise it, up to 64, or set --long-text to"
        " head-tail or windows" in out
    )
    assert json.loads((here / "runs/train-1/best/minitf.json").read_text())["max_length"] == 12
    assert report(here / "runs/train-1")["checked"]["train"]["longer"] == long
    assert "--max-length" not in run("--train", train, "--valid", valid, "--model", tiny, "--max-length", 50)


# Flags, by the first step's loss --------------------------------------------------------------------------------------


def status_free(out: str) -> None:
    assert "randomly initialized" not in out  # the checkpoint's classifier was taken


def reference_loss(folder, model, texts, labels, pairs=None, weight=None, max_length=32) -> float:
    """Return the loss that `transformers` computes, without dropout."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(
        texts, pairs, padding=True, truncation="longest_first", max_length=max_length, return_tensors="pt"
    )
    targets = torch.tensor([("neg", "pos").index(label) for label in labels])
    with torch.no_grad():
        logits = model.double()(**batch).logits
    return F.cross_entropy(logits, targets, weight=weight).item()


def matrices(model: torch.nn.Module) -> list[torch.Tensor]:
    kinds = (torch.nn.Linear, torch.nn.Embedding)
    return [part.weight.detach().double() for part in model.modules() if isinstance(part, kinds)]


def with_activation(folder: Path, name: str) -> torch.nn.Module:
    config = transformers.AutoConfig.from_pretrained(folder, hidden_act=name)
    return transformers.BertForSequenceClassification.from_pretrained(folder, config=config).eval()


OWN_MATH = """
import torch

def gelu(x):
    return torch.relu(x)
"""

# A rule that moves what has no gradient too: no short cut may leave a weight out.
DIZZY_MATH = """
def adamw(theta, g, state, lr, **settings):
    theta.data.sub_(lr * (g + 0.1))
"""


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], lambda folder, model, data: reference_loss(folder, model, *data)),
        (["--math", "equations"], lambda folder, model, data: reference_loss(folder, model, *data)),
        (
            ["--math", "own.py"],
            lambda folder, model, data: reference_loss(folder, with_activation(folder, "relu"), *data),
        ),
        (
            ["--hidden-act", "relu"],
            lambda folder, model, data: reference_loss(folder, with_activation(folder, "relu"), *data),
        ),
        (
            ["--hidden-act", "gelu_tanh"],
            lambda folder, model, data: reference_loss(folder, with_activation(folder, "gelu_new"), *data),
        ),
        (["--max-length", "6"], lambda folder, model, data: reference_loss(folder, model, *data, max_length=6)),
        (
            ["--class-weights", "balanced"],
            lambda folder, model, data: reference_loss(
                folder,
                model,
                *data,
                weight=torch.tensor(compute_class_weight("balanced", classes=np.array(["neg", "pos"]), y=data[1])),
            ),
        ),
        (
            ["--l1", "0.002", "--optimizer", "adam"],
            lambda folder, model, data: (
                reference_loss(folder, model, *data) + 0.002 * sum(W.abs().sum().item() for W in matrices(model))
            ),
        ),
        (
            ["--l2", "0.03"],
            lambda folder, model, data: (
                reference_loss(folder, model, *data) + 0.03 * sum(W.square().sum().item() for W in matrices(model))
            ),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_first_loss_is_the_references(run, here: Path, classifier, flags: list[str], expected) -> None:
    folder, reference = classifier
    table = [*rows(30), *(row for row in rows(40)[30:] if row[1] == "pos")]  # 15 neg, 20 pos
    path = write_table(here / "t.csv", table)
    (here / "own.py").write_text(OWN_MATH)
    usual = ("--train", path, "--valid", path, "--model", folder, "--batch-size", 64, "--dropout", 0, "--output", "out")
    status_free(run(*usual, *flags))
    loss = journal(here / "out")[0][0]["loss"]
    texts, labels = [r[0] for r in table], [r[1] for r in table]
    assert loss == pytest.approx(expected(folder, reference, (texts, labels)), rel=1e-5)


def test_another_activation_is_saved_with_the_model(run, here: Path, tiny: Path, train: Path) -> None:
    """`transformers` must use the function that the model was trained with."""
    run("--train", train, "--model", tiny, "--hidden-act", "gelu_tanh", "--output", "out")
    config = transformers.AutoConfig.from_pretrained(here / "out/best")
    assert config.hidden_act == "gelu_new"


def test_from_scratch_takes_the_shape_alone(run, here: Path, classifier, train: Path) -> None:
    folder, reference = classifier
    out = run("--train", train, "--model", folder, "--from-scratch", "--lr", 1e-12, "--output", "out", "--verbose")
    assert "0 tensors loaded" in out
    first = load_file(here / "out/best/model.safetensors")
    assert {name: t.shape for name, t in first.items()} == {n: p.shape for n, p in reference.named_parameters()}
    word = first["bert.embeddings.word_embeddings.weight"]
    assert 0.015 < word.std() < 0.02  # drawn from N(0, 0.02²) cut off at two standard deviations
    assert word.abs().max() <= 0.04
    assert journal(here / "out")[0][0]["loss"] == pytest.approx(math.log(2), abs=0.05)


@pytest.mark.parametrize(("rate", "repeats"), [(0.0, True), (0.5, False)])
def test_dropout(run, here: Path, classifier, train: Path, valid: Path, rate: float, repeats: bool) -> None:
    """With rate 0 nothing is random: two seeds give the same loss of a batch of all texts."""
    usual = ("--train", train, "--valid", valid, "--model", classifier[0], "--batch-size", 64, "--dropout", rate)
    losses = []
    for seed in (1, 2):
        run(*usual, "--seed", seed, "--output", f"out-{seed}")
        losses.append(journal(here / f"out-{seed}")[0][0]["loss"])
    assert (abs(losses[0] - losses[1]) < 1e-6) is repeats
    config = json.loads((here / "out-1/best/config.json").read_text())
    assert (
        config["hidden_dropout_prob"] == config["attention_probs_dropout_prob"] == config["classifier_dropout"] == rate
    )


@pytest.mark.parametrize("clip", [0.01, 0])
def test_clip(run, here: Path, classifier, train: Path, clip: float) -> None:
    """One step of gradient descent has the norm rate × gradient norm, at most C; 0 disables clipping."""
    usual = ("--train", train, "--valid", train, "--model", classifier[0], "--batch-size", 64, "--output", "out")
    run(*usual, "--optimizer", "gd", "--lr", 0.5, "--schedule", "constant", "--warmup", 0, "--clip", clip)
    before, after = (load_file(folder / "model.safetensors") for folder in (classifier[0], here / "out/best"))
    way = torch.cat([(after[name] - before[name]).double().flatten() for name in before]).norm().item()
    gradient = journal(here / "out")[0][0]["gradient"]
    assert gradient > 0.02
    assert way == pytest.approx(0.5 * (clip or gradient), rel=1e-3)


@pytest.mark.parametrize(
    ("flags", "recipe"),
    [
        (["--weight-decay", "0.3"], {"weight_decay": 0.3}),
        (["--optimizer", "adam", "--no-bias-correction"], {"rule": "adam", "bias_correction": False}),
        (["--optimizer", "adam", "--l2", "0.01"], {"rule": "adam", "l2": 0.01}),
        (["--optimizer", "adamw", "--l1", "0.01"], {"l1": 0.01, "weight_decay": 0.01}),
        (["--optimizer", "rmsprop"], {"rule": "rmsprop"}),
        (["--optimizer", "momentum", "--clip", "0.1"], {"rule": "momentum", "clip": 0.1}),
        (["--math", "own.py"], {"weight_decay": 0.01}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_run_is_the_loop(run, here: Path, tiny: Path, train: Path, valid: Path, flags: list[str], recipe) -> None:
    """The loop, called directly with the whole vocabulary, gives the same weights, also of unseen tokens."""
    (here / "own.py").write_text(DIZZY_MATH)
    usual = ("--train", train, "--valid", valid, "--model", tiny, "--output", "out", "--batch-size", 4, "--lr", 0.004)
    run(*usual, *flags, "--seed", 5)

    labels, chosen = ("neg", "pos"), mathematics("own.py" if "own.py" in flags else "kernels")
    torch.manual_seed(5)
    model = minitf.load(tiny, head="classification", labels=labels, math=chosen)
    before = model.embeddings.word.weight.detach().clone()
    task, tokenizer = Classification(labels, math=chosen), minitf.load_tokenizer(tiny)
    examples, others = (task.encode(read_table(path), tokenizer, 32) for path in (train, valid))
    optimizer = Optimizer(model, Recipe(**{"lr": 0.004, "weight_decay": 0.0} | recipe), 10, chosen)
    train_loop(model, task, examples, others, optimizer, epochs=1, batch_size=4, seed=5)

    unseen = set(range(len(before))) - {i for e in (examples, others) for t in e.tokens for i in t.ids}
    assert len(unseen) > 10
    found = minitf.load(here / "out/best", head="classification").state_dict()
    for name, p in model.state_dict().items():
        assert torch.allclose(found[name], p, rtol=0, atol=2e-6), name
    moved = (model.embeddings.word.weight.detach() - before)[sorted(unseen)].abs().max().item()
    pulled = any(recipe.get(pull) for pull in ("weight_decay", "l1", "l2"))
    assert (moved > 1e-4) == pulled


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "rmsprop", "adam", "adamw"])
def test_every_optimizer(run, here: Path, tiny: Path, train: Path, optimizer: str) -> None:
    out = run(
        "--train", train, "--model", tiny, "--optimizer", optimizer, "--epochs", 2, "--output", "out", "--verbose"
    )
    assert f"{optimizer}, 6 steps of 16" in out
    assert ("decay 0.01: " in out) == (optimizer == "adamw")
    assert files(here / "out") == RUN | BEST


def test_no_bias_correction(run, here: Path, tiny: Path, train: Path) -> None:
    """Adam without bias correction takes larger first steps, so the weights differ."""
    for name, flags in (("with", []), ("without", ["--no-bias-correction"])):
        run("--train", train, "--model", tiny, *flags, "--output", name)
    ours = [load_file(here / name / "best/model.safetensors") for name in ("with", "without")]
    assert not torch.equal(*(w["bert.pooler.dense.weight"] for w in ours))


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]),
        ("polynomial", [0.0, 0.5, 1.0, 0.75**2, 0.5**2, 0.25**2]),
        ("step", [0.0, 0.5, 1.0, 1.0, 0.1, 0.01]),
        ("exponential", [0.0, 0.5, 1.0, 0.01**0.25, 0.1, 0.01**0.75]),
        ("cosine", [0.0, 0.5, 1.0, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4]),
        ("inverse-sqrt", [0.0, 0.5, 1.0, (2 / 3) ** 0.5, (2 / 4) ** 0.5, (2 / 5) ** 0.5]),
    ],
)
def test_every_schedule(run, here: Path, tiny: Path, train: Path, schedule: str, rates: list[float]) -> None:
    """Six steps, two of them warm-up: the logged rates, as shares of --lr."""
    usual = ("--train", train, "--model", tiny, "--epochs", 2, "--warmup", 0.33, "--lr", 0.002, "--output", "out")
    run(*usual, "--schedule", schedule)
    printed = [step["lr"] for step in journal(here / "out")[0]]
    assert printed == pytest.approx([0.002 * rate for rate in rates], abs=1e-12)


def test_a_minimum_rate(run, here: Path, tiny: Path, train: Path) -> None:
    """The warm-up begins at 0 as without it; the decay ends at the minimum."""
    usual = ("--train", train, "--model", tiny, "--epochs", 2, "--warmup", 0.33, "--lr", 0.002, "--output", "out")
    out = run(*usual, "--min-lr", 0.001)
    rates = [step["lr"] for step in journal(here / "out")[0]]
    assert rates == pytest.approx([0.0, 0.001, 0.002, 0.00175, 0.0015, 0.00125], abs=1e-12)
    assert "linear to 0.001" in out


def test_early_stopping(run, here: Path, tiny: Path, train: Path) -> None:
    """Nothing is learned at this rate, so no epoch is better than the first: two more are trained."""
    usual = ("--train", train, "--model", tiny, "--epochs", 9, "--lr", 1e-12, "--output", "out")
    out = run(*usual, "--early-stopping", 2)
    assert [epoch["epoch"] for epoch in journal(here / "out")[1]] == [1, 2, 3]
    assert "\n   3/9  " in out
    assert report(here / "out")["best_epoch"] == 1


@pytest.mark.parametrize(("metric", "chosen"), [("accuracy", 1), ("macro_f1", 2), ("loss", 3)])
def test_metric_chooses(
    run, here: Path, tiny: Path, train: Path, monkeypatch: pytest.MonkeyPatch, metric: str, chosen: int
) -> None:
    """Each of three epochs is the best by another metric; the scores are replaced."""
    scores = [(0.9, 0.1, 0.8), (0.8, 0.9, 0.7), (0.8, 0.8, 0.1)]
    script(monkeypatch, *(dict(zip(("accuracy", "macro_f1", "loss"), score, strict=True)) for score in scores))
    out = run("--train", train, "--model", tiny, "--epochs", 3, "--metric", metric, "--output", "out")
    assert report(here / "out")["best_epoch"] == chosen
    assert f"epoch {chosen}, chosen by {metric}" in out


def test_a_seed_repeats_bit_for_bit(run, here: Path, tiny: Path, train: Path) -> None:
    """The seed determines the split, the initial classifier, the order and dropout."""
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        run("--train", train, "--model", tiny, "--epochs", 2, "--seed", seed, "--output", name)
    first, again, other = (
        (here / name / "best/model.safetensors").read_bytes() for name in ("first", "again", "other")
    )
    assert first == again
    assert first != other
    assert journal(here / "first")[0] == journal(here / "again")[0]


def test_the_two_mathematics_agree(run, here: Path, tiny: Path, train: Path) -> None:
    """A whole run without dropout: the same losses within float32 rounding."""
    for math_name in ("equations", "kernels"):
        flags = ("--math", math_name, "--dropout", 0, "--epochs", 2, "--output", math_name)
        run("--train", train, "--model", tiny, *flags)
    losses = [[step["loss"] for step in journal(here / name)[0]] for name in ("equations", "kernels")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


# Interrupted ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [0, 1])
def test_interrupted(
    command, here: Path, tiny: Path, train: Path, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """Ctrl-C during an epoch: status 130; the journal is complete, and the best epoch so far can be used."""
    evaluate, calls = loop.evaluate, []

    def interrupted(*arguments, **more):
        calls.append(1)
        if len(calls) > epochs:
            raise KeyboardInterrupt
        return evaluate(*arguments, **more)

    monkeypatch.setattr(loop, "evaluate", interrupted)
    flags = ("--train", train, "--model", tiny, "--epochs", 3, "--max-length", 32, "--output", "out")
    status, _, err = command(finetune.main, *flags)
    assert status == 130
    assert "interrupted" in err
    assert len(journal(here / "out")[1]) == epochs
    assert len(journal(here / "out")[0]) == 3 * (epochs + 1)
    if epochs:
        assert str(Path("out/best")) in err
        assert command(predict.main, "out/best", "good")[0] == 0
    else:
        assert files(here / "out") == {"minitf-run.json", "metrics.jsonl", "last/state.safetensors"}
        monkeypatch.setattr(loop, "evaluate", evaluate)
        assert command(finetune.main, *flags)[0] == 0  # nothing was saved, so the run can start again
