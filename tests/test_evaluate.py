"""`python -m minitf.evaluate`: the reference's predictions, scored by scikit-learn; reports; errors."""

import csv
import functools
import json
import random

import pytest
import torch
import transformers
from sklearn import metrics as sklearn

from minitf import evaluate

TINY = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
LABELS = ("bad", "good", "<b>so</b>")


@pytest.fixture
def command(run_command):
    return functools.partial(run_command, evaluate.main)


@pytest.fixture
def model(write_bert):
    """Written by `transformers`, without metadata of minitf; not all of its predictions are the same."""
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    folder, reference = write_bert(transformers.BertForSequenceClassification, **TINY, **names)
    texts = [text for text, _ in rows()]
    batch = transformers.AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        reference.classifier.bias -= reference(**batch).logits.mean(dim=0)
        logits = reference(**batch).logits
    reference.save_pretrained(folder)
    return folder, logits


def rows() -> list[tuple[str, str]]:
    draw = random.Random(1)
    words = ["the", "film", "was", "great", "awful", "so", "very", "never", "again"]
    return [(" ".join(draw.choices(words, k=draw.randint(1, 9))), draw.choice(LABELS)) for _ in range(40)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "held out.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows()])
    return path


def test_the_scores_are_the_references(command, model, table, tmp_path):
    folder, logits = model
    status, out, err = command(folder, "--data", table, "--output", tmp_path / "report.json", "--mistakes", 3)
    assert (status, err) == (0, "")
    true = [LABELS.index(label) for _, label in rows()]
    predicted = logits.argmax(dim=-1).tolist()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["test"]["accuracy"] == pytest.approx(sklearn.accuracy_score(true, predicted))
    assert report["test"]["matthews"] == pytest.approx(sklearn.matthews_corrcoef(true, predicted))
    assert report["test"]["confusion"] == sklearn.confusion_matrix(true, predicted).tolist()
    losses = torch.nn.functional.cross_entropy(logits.double(), torch.tensor(true), reduction="none").tolist()
    wrong = sorted((i for i in range(40) if true[i] != predicted[i]), key=lambda i: -losses[i])
    assert report["mistaken"] == len(wrong) > 5
    assert [m["row"] for m in report["mistakes"]] == [i + 2 for i in wrong]  # the header is row 1
    assert [m["loss"] for m in report["mistakes"]] == pytest.approx([losses[i] for i in wrong], rel=1e-4)
    for m, i in zip(report["mistakes"], wrong, strict=True):
        assert (m["text"], m["true"]) == rows()[i]
        assert m["said"].startswith(f"{LABELS[predicted[i]]} (")
    shown = out.split("mistakes:\n")[1].splitlines()
    assert [line.split(":")[0].strip() for line in shown[:3]] == [f"row {i + 2}" for i in wrong[:3]]
    assert f"always guessing one class: {max(map(true.count, range(3))) / 40:.4f}" in out


def test_the_page_shows_whatever_is_in_it_as_text(command, model, table, tmp_path):
    assert command(model[0], "--data", table, "--output", tmp_path / "report.html")[0] == 0
    page = (tmp_path / "report.html").read_text()
    assert "&lt;b&gt;so&lt;/b&gt;" in page and "<b>so</b>" not in page
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_without_a_table_for_the_terminal(command, model, table):
    out = command(model[0], "--data", table, "--mistakes", 0)[1]
    assert "worst" not in out and "accuracy" in out


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--output", "report.txt"], "the ending must be .html or .json"),
        (["--output", "none/report.json"], "none/report.json: cannot be written"),
        (["--max-length", "65"], "the model has only 64 positions"),
        (["--task", "tagging"], "held out.csv"),
        (["--text", "none"], "none"),
    ],
)
def test_refusals(command, model, table, flags, expected):
    status, _, err = command(model[0], "--data", table, *flags)
    assert status == 2 and len(err.splitlines()) == 1
    assert expected in err


def test_texts_in_backticks_are_printed_as_they_are(model, tmp_path, capsys):
    """They are not settings of the command."""
    (tmp_path / "ticks.csv").write_text("text,label\nthe `text` film,good\nthe `text` film was,bad\n")
    assert evaluate.main([str(model[0]), "--data", str(tmp_path / "ticks.csv")]) == 0
    assert ": the `text` film" in capsys.readouterr().out


def test_a_label_that_the_model_does_not_know(command, model, tmp_path):
    (tmp_path / "new.csv").write_text("text,label\nthe film,good\nthe film was,new\n")
    status, _, err = command(model[0], "--data", tmp_path / "new.csv")
    assert status == 2
    assert "new.csv:3: the model has no label 'new', it has bad, good, <b>so</b>: correct the table" in err


def test_a_model_without_a_head(command, write_bert, table):
    status, _, err = command(write_bert(**TINY)[0], "--data", table)
    assert status == 2
    assert "fine-tune it first" in err
