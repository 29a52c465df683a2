"""Hostile text: labels, tags, config keys, texts, columns and file names with control characters, in every command.

No control character reaches the terminal, and a name with line breaks does not add lines.
"""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import transformers

from minitf import attend, convert, evaluate, finetune, predict, prune, search, validate
from minitf.cli.console import say_error
from tests.support.tiny import VOCABULARY

# An OSC that sets the clipboard, CSI as one and as two characters, line breaks of every kind, bidirectional controls.
HOSTILE = "\x1b]52;c;cm0gLXJmIH4K\x07\x1b[2J\x9b2J\r\n\t\x0b\x1c\x85\u2028\u2029\u202e\u2066\u200f\u061c\x7f\b"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
TINY = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
LABELS = ("bad", "good")


@pytest.fixture
def printed(run_command):
    """A function that runs a command and returns everything it printed, which has no control character."""

    def call(command, *argv: object, status: int = 0) -> str:
        found, out, err = run_command(command.main, *argv)
        assert found == status, err
        assert RAW.findall(out + err) == []
        return out + err

    return call


def hostile(labels: tuple[str, ...]) -> dict[str, object]:
    names = [f"{label}{HOSTILE}z" for label in labels]
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def plain(labels: tuple[str, ...]) -> dict[str, object]:
    return {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}


@pytest.fixture
def models(write_bert):
    """A function that writes the same model twice, with plain and with hostile labels; the second has a hostile key."""

    def write(cls: type, labels: tuple[str, ...] = LABELS, **config: object) -> tuple[Path, Path]:
        folders = [
            write_bert(cls, name, **TINY, **names(labels), **config)[0]
            for name, names in (("plain", plain), ("hostile", hostile))
        ]
        path = folders[1] / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {f"key{HOSTILE}": 1}))
        return folders[0], folders[1]

    return write


def table(path: Path, labels: tuple[str, ...] = LABELS, suffix: str = "") -> Path:
    rows = [
        {"text": f"{text}{HOSTILE if suffix else ''} {n}", "label": f"{labels[n % len(labels)]}{suffix}"}
        for n, text in enumerate(
            ["the film was great", "so bad", "we loved it", "not good", "awful food", "a great book"] * 4
        )
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lines(text: str) -> int:
    return len(text.splitlines())


MULTI = {"problem_type": "multi_label_classification"}


@pytest.mark.parametrize("config", [{}, MULTI])
def test_labels_and_texts_of_a_classifier(printed, models, tmp_path: Path, config: dict[str, str]) -> None:
    good, bad = models(transformers.BertForSequenceClassification, **config)
    for argv in (["great", "bad"], ["great", "--input", "in.jsonl"][1:]):
        argv = [str(tmp_path / a) if a == "in.jsonl" else a for a in argv]
        table(tmp_path / "in.jsonl")
        usual = printed(predict, good, *argv)
        assert lines(printed(predict, bad, *argv)) == lines(usual)
        table(tmp_path / "in.jsonl", suffix=f"{HOSTILE}z")
        assert lines(printed(predict, bad, *argv)) == lines(usual)
    assert r"\x1b]52;c;" in printed(predict, bad, f"great{HOSTILE}")
    usual = printed(evaluate, good, "--data", table(tmp_path / "one.jsonl"))
    found = printed(
        evaluate, bad, "--data", table(tmp_path / "two.jsonl", suffix=f"{HOSTILE}z"), "--output", tmp_path / "e.html"
    )
    assert lines(found) == lines(usual) + 2
    assert r"\r\n\t" in found
    printed(prune, bad, "--data", tmp_path / "two.jsonl", "--heads", 1)
    printed(evaluate, bad, "--data", tmp_path / "one.jsonl", status=2)


def test_tags(printed, models, tmp_path: Path) -> None:
    tags = ("O", "B-X", "I-X")
    good, bad = models(transformers.BertForTokenClassification, tags)
    words = ["the", "film", "was", "great", "and", "so", "bad", "we", "loved", "the", "food"]
    usual = printed(predict, good, " ".join(words))
    assert lines(printed(predict, bad, " ".join(words))) <= 2 * lines(usual) + 2
    conll = tmp_path / "in.conll"
    conll.write_text("".join(f"{word}\u202e\x1b[2J\n" for word in words))
    usual = printed(predict, good, "--input", conll)
    assert lines(printed(predict, bad, "--input", conll)) == lines(usual)
    printed(predict, bad, "--input", conll, "--output", tmp_path / "out.conll")
    written = (tmp_path / "out.conll").read_text().split("\n")
    assert len(written) == len(words) + 1
    printed(predict, bad, "--input", tmp_path / "out.conll", "--output", tmp_path / "again.conll")


def test_answers(printed, models, tmp_path: Path) -> None:
    _, bad = models(transformers.BertForQuestionAnswering)
    assert lines(printed(predict, bad, f"what{HOSTILE}?", "--pair", f"the{HOSTILE}film was\u2028great")) == 1
    path = tmp_path / "q.json"
    question = {"id": f"1{HOSTILE}", "question": f"who{HOSTILE}?", "answers": []}
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": f"a{HOSTILE}film", "qas": [question]}]}]}))
    out = printed(predict, bad, "--input", path)
    assert json.loads(out).keys() == {f"1{HOSTILE}"}


def test_words_of_a_vocabulary(printed, models) -> None:
    _, bad = models(transformers.BertForMaskedLM)
    words = [f"{word}\x1b\u202e\u2028" if word.isalpha() else word for word in VOCABULARY]
    (bad / "vocab.txt").write_text("\n".join(words), encoding="utf-8", newline="")
    assert lines(printed(predict, bad, "--fill", f"the [MASK] {HOSTILE} film")) == 6


def test_vectors_as_json(printed, models) -> None:
    """Escapes from U+007F on are those of JSON: the text is the same."""
    _, bad = models(transformers.BertModel)
    text = f"great{HOSTILE}film"
    assert json.loads(printed(predict, bad, text, "--embed"))["text"] == text


@pytest.mark.usefixtures("quick_picture")
def test_training(printed, models, tmp_path: Path, here: Path) -> None:
    """Labels, texts, columns, file names and config keys, in the data check, warnings, the journal and the report."""
    _, bad = models(transformers.BertModel)
    train = table(tmp_path / "t\x1b]0;x\x07\u202e.jsonl", suffix=f"{HOSTILE}z")
    flags = ["--model", bad, "--train", train, "--valid", train, "--max-length", 32, "--epochs", 1]
    printed(finetune, *flags, "--dry-run")
    out = printed(finetune, *flags, "--output", "run")
    assert r"\x1b" in out
    printed(finetune, *flags, "--output", "run", "--resume")
    printed(predict, "run/best", "great")
    for flag in ("--text", "--label", "--pair"):
        printed(finetune, *flags, flag, f"x{HOSTILE}", "--dry-run", status=2)
    for flag in ("--train", "--model", "--math", "--task", f"--{HOSTILE}"):
        printed(finetune, *flags, flag, f"x{HOSTILE}", "--dry-run", status=2)


def test_other_commands(printed, models, tmp_path: Path, here: Path) -> None:
    _, bad = models(transformers.BertForSequenceClassification)
    printed(attend, bad, f"great{HOSTILE} film", "--output", "a.html")
    for view in ("explain", "grid", "head", "lines"):
        printed(attend, bad, f"great{HOSTILE} film", "--output", "a.svg", "--view", view)
        ElementTree.parse("a.svg")
    printed(attend, bad, "great film", "--output", "a.svg", "--label", f"x{HOSTILE}", "--view", "explain", status=2)
    printed(validate, bad)
    printed(convert, bad, "converted")
    printed(convert, f"x{HOSTILE}", "converted", status=2)
    printed(search, "--train", f"x{HOSTILE}.csv", "--output", "s", "--model", bad, status=2)
    printed(search, "--space", f"x{HOSTILE}=1", "--output", "s", "--model", bad, status=2)


def test_messages_keep_tabs_and_line_breaks(printed, capsys: pytest.CaptureFixture[str]) -> None:
    say_error("two\nlines\tand a tab")
    assert capsys.readouterr().err == "two\nlines\tand a tab\n"
