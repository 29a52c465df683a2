"""Several labels per text, numbers and long texts through the commands; `transformers` opens the saved models."""

import csv
import json
from pathlib import Path

import pytest
import torch
import transformers

from minitf import finetune, predict

TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
LONG = "the film was great , so very very great , and the food was not bad , not bad , never again"


pytestmark = pytest.mark.usefixtures("quick_picture")


@pytest.fixture
def tiny(write_bert) -> Path:
    return write_bert(**TINY)[0]


@pytest.fixture
def run(run_command, here: Path):
    """A function that runs fine-tuning without an error and returns its output."""

    def call(*flags: object) -> str:
        usual = {"--epochs": 1, "--max-length": 12, "--lr": 1e-2, "--device": "cpu", "--output": "out"}
        given = [x for flag, value in usual.items() if flag not in flags for x in (flag, value)]
        status, out, err = run_command(finetune.main, *given, *flags)
        assert (status, err) == (0, "")
        return out

    return call


def write_table(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def sets(n: int = 40) -> list[tuple[str, str]]:
    """Texts about films, food, both or neither."""
    words = {"film": "the film was great", "food": "hotel food , very bad", "": "we so loved it"}
    which = (("film",), ("food",), ("film", "food"), ())
    return [(" , ".join(words[w] for w in (which[i % 4] or ("",))) + " !" * (i // 4), "|".join(which[i % 4])) for i in
            range(n)]  # fmt: skip


def numbers(n: int = 40) -> list[tuple[str, str]]:
    return [("good " * (i % 8 + 1) + "film " * (i // 8), f"{i % 8 / 2}") for i in range(n)]


def report(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def reference(
    folder: Path, texts: list[str], max_length: int = 12
) -> tuple[torch.Tensor, transformers.PretrainedConfig]:
    """Return the logits of the saved model in `transformers`, and its config."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
    with torch.no_grad():
        return model(**batch).logits, model.config


def answers(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Several labels -------------------------------------------------------------------------------------------------------


def test_several_labels(run, run_command, here: Path, tiny: Path) -> None:
    """The data determine the task; the model learns; its predictions are the same in `transformers` and predict."""
    table = write_table(here / "t.csv", sets(120))
    out = run("--train", table, "--model", tiny, "--epochs", 12, "--max-length", 40, "--verbose")
    assert "chosen by micro_f1" in out
    assert "--task auto: multilabel, because column 'label' has several labels in a cell (row 4: 'film|food')" in out
    assert (
        "no --valid given: holding out 12 of 120 training texts (10 %, by the rarest label of each row, seed 0)" in out
    )
    assert "always guessing the most frequent 2 labels: micro F1" in out
    assert {line.split()[0] for line in out.splitlines()[-5:-3]} == {"film", "food"}
    measured = report(here / "out")["valid"]
    assert measured["micro_f1"] > 0.9

    texts = [text for text, _ in sets(8)]
    logits, config = reference(here / "out/best", texts, 40)
    assert config.problem_type == "multi_label_classification"
    assert config.id2label == {0: "film", 1: "food"}
    assert run_command(predict.main, "out/best", *texts, "--output", "answers.csv")[0] == 0
    for row, z in zip(answers(here / "answers.csv"), logits, strict=True):
        assert [float(row["p_film"]), float(row["p_food"])] == pytest.approx(z.sigmoid().tolist(), abs=1e-5)
        assert row["label"] == "|".join(name for name, v in zip(("film", "food"), z.tolist(), strict=True) if v > 0)
    _, out, _ = run_command(predict.main, "out/best", *texts[:4])
    predicted = [line.strip().split("  ")[0] for line in out.splitlines()[1::2]]
    assert predicted == ["film", "food", "film, food", "no label"]


def test_several_labels_from_lists(run, here: Path, tiny: Path) -> None:
    """JSON lists and bars are the same table: the same weights."""
    write_table(here / "t.csv", sets())
    lines = [json.dumps({"text": text, "label": label.split("|") if label else []}) for text, label in sets()]
    (here / "t.jsonl").write_text("\n".join(lines) + "\n")
    for name in ("csv", "jsonl"):
        run("--train", here / f"t.{name}", "--model", tiny, "--output", name, "--task", "multilabel")
    assert len({(here / name / "best/model.safetensors").read_bytes() for name in ("csv", "jsonl")}) == 1


def test_predict_reads_past_the_labels_of_a_table(run, run_command, here: Path, tiny: Path) -> None:
    lines = [json.dumps({"text": text, "label": label.split("|")}) for text, label in sets()]
    (here / "t.jsonl").write_text("\n".join(lines) + "\n")
    table = write_table(here / "t.csv", sets())
    run("--train", table, "--model", tiny)
    assert run_command(predict.main, "out/best", "--input", "t.jsonl", "--output", "a.csv")[0] == 0
    assert [row["text"] for row in answers(here / "a.csv")] == [text for text, _ in sets()]


# Numbers --------------------------------------------------------------------------------------------------------------


def test_numbers(run, run_command, here: Path, tiny: Path) -> None:
    table = write_table(here / "t.csv", numbers(80), ("text", "score"))
    out = run("--train", table, "--model", tiny, "--epochs", 30, "--max-length", 40)
    assert "chosen by pearson" in out
    assert "--task auto: regression, because column 'score' has 8 different numbers, not all of them whole" in out
    assert "in training: score 0 to 3.5, mean 1." in out
    assert "always the mean: rmse " in out
    measured = report(here / "out")["valid"]
    assert measured["pearson"] > 0.8
    assert measured["rmse"] == pytest.approx(measured["loss"] ** 0.5, rel=1e-5)

    texts = [text for text, _ in numbers(8)]
    logits, config = reference(here / "out/best", texts, 40)
    assert (config.problem_type, config.num_labels) == ("regression", 1)
    assert run_command(predict.main, "out/best", *texts, "--output", "answers.csv")[0] == 0
    rows = answers(here / "answers.csv")
    assert list(rows[0]) == ["text", "label"]
    assert [float(row["label"]) for row in rows] == pytest.approx(logits[:, 0].tolist(), rel=1e-4)
    _, out, _ = run_command(predict.main, "out/best", "good")
    assert out == f"good\n  {float(reference(here / 'out/best', ['good'])[0]):.4f}\n"


def test_fine_tuning_from_a_regression(run, here: Path, tiny: Path) -> None:
    """The one row of its head is loaded."""
    table = write_table(here / "t.csv", numbers(), ("text", "score"))
    run("--train", table, "--model", tiny, "--metric", "loss")
    assert "randomly initialized" not in run(
        "--train", table, "--model", "out/best", "--metric", "loss", "--output", "b"
    )


def test_a_single_logit_is_a_number(write_member, run_command) -> None:
    """The config of a cross-encoder may lack the problem type."""
    from tests.support.tiny import write_vocabulary

    folder, model = write_member("bert", "classification", num_labels=1)
    write_vocabulary(folder)
    status, out, err = run_command(predict.main, folder, "good film")
    batch = transformers.AutoTokenizer.from_pretrained(folder)(["good film"], return_tensors="pt")
    with torch.no_grad():
        assert out == f"good film\n  {float(model(**batch).logits):.4f}\n"
    assert (status, err) == (0, "")


@pytest.mark.parametrize("task", ["multilabel", "regression"])
@pytest.mark.parametrize("flag", [("--class-weights", "balanced"), ("--label-smoothing", "0.1")])
def test_what_is_for_classes(run_command, here: Path, tiny: Path, task: str, flag: tuple[str, str]) -> None:
    table = write_table(here / "t.csv", sets() if task == "multilabel" else numbers())
    status, _, err = run_command(finetune.main, "--train", table, "--model", tiny, *flag)
    assert status == 2
    assert flag[0] in err and task in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("task", "label", "expected"),
    [
        ("regression", "many", "t.csv:42: column 'label' has 'many', not a finite number"),
        ("regression", "", "t.csv:42: column 'label' is empty"),
        ("multilabel", "a||b", "t.csv:42: column 'label': one of its 3 labels is empty"),
        ("auto", "a||b", "t.csv:42: column 'label': one of its 3 labels is empty"),
    ],
)
def test_a_label_that_cannot_be(run_command, here: Path, tiny: Path, task: str, label: str, expected: str) -> None:
    table = write_table(here / "t.csv", [*(sets() if task != "regression" else numbers()), ("so", label)])
    status, _, err = run_command(finetune.main, "--train", table, "--model", tiny, "--task", task)
    assert status == 2
    assert expected in err
    assert list(here.iterdir()) == [table]


def test_task_classification_overrides_auto(run, here: Path, tiny: Path) -> None:
    """With --task classification also numbers and label sets are classes."""
    table = write_table(here / "t.csv", numbers(80))
    out = run("--train", table, "--model", tiny, "--task", "classification")
    assert "--task auto" not in out
    assert len(report(here / "out")["valid"]["classes"]) == 8


# Long texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["windows", "head-tail"])
@pytest.mark.parametrize("kind", ["classes", "sets", "numbers"])
def test_long_texts(run, run_command, here: Path, tiny: Path, how: str, kind: str) -> None:
    """Predictions for a long text are those of `transformers` for its parts, handled as in training."""
    rows = {"classes": [(t, "ab"["film" in s]) for t, s in sets()], "sets": sets(), "numbers": numbers()}[kind]
    table = write_table(here / "t.csv", rows)
    stride = ("--stride", 3) if how == "windows" else ()
    run("--train", table, "--model", tiny, "--long-text", how, *stride, "--metric", "loss", "--epochs", 2)
    noted = json.loads((here / "out/best/minitf.json").read_text())
    assert (noted["long_text"], noted["stride"]) == (how, 3 if how == "windows" else None)
    assert run_command(predict.main, "out/best", LONG, "good", "--output", "a.csv")[0] == 0

    ids = transformers.AutoTokenizer.from_pretrained(here / "out/best")(LONG)["input_ids"][1:-1]
    assert len(ids) > 20
    parts = [ids[:3] + ids[-7:]] if how == "head-tail" else [ids[i : i + 10] for i in range(0, len(ids) - 3, 7)]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(here / "out/best").eval()
    with torch.no_grad():
        z = torch.stack([model(torch.tensor([[2, *part, 3]])).logits[0] for part in parts]).mean(dim=0)
    p = {"classes": z.softmax(-1), "sets": z.sigmoid(), "numbers": z}[kind].tolist()
    row = answers(here / "a.csv")[0]
    printed = [float(row["label"])] if kind == "numbers" else [float(v) for k, v in row.items() if k.startswith("p_")]
    assert printed == pytest.approx(p, abs=1e-4)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--stride", 3), "--stride needs --long-text windows, not truncate"),
        (("--stride", 3, "--long-text", "head-tail"), "--stride needs --long-text windows, not head-tail"),
        (("--stride", 10, "--long-text", "windows"), "--stride 10: a window has 10 word pieces"),
        (("--long-text", "windows", "--text", "text", "--pair", "other"), "--long-text windows is for single texts"),
        (
            ("--long-text", "head-tail", "--text", "text", "--pair", "other"),
            "--long-text head-tail is for single texts",
        ),
    ],
)
def test_long_texts_refused(run_command, here: Path, tiny: Path, flags: tuple, expected: str) -> None:
    table = write_table(here / "t.csv", [(t, "so", s) for t, s in numbers()], ("text", "other", "label"))
    argv = ("--train", table, "--text", "text", "--label", "label", "--model", tiny, "--max-length", 12, *flags)
    status, _, err = run_command(finetune.main, *argv)
    assert status == 2
    assert expected in err
    assert list(here.iterdir()) == [table]


@pytest.mark.parametrize(
    "noted", [{"long_text": "fold"}, {"long_text": ["windows"]}, {"stride": -1}, {"stride": "2"}, {"stride": True}]
)
def test_a_note_that_finetune_did_not_write(run, run_command, here: Path, tiny: Path, noted: dict) -> None:
    run("--train", write_table(here / "t.csv", sets()), "--model", tiny)
    path = here / "out/best/minitf.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | noted))
    status, _, err = run_command(predict.main, "out/best", "good")
    assert status == 2
    assert "minitf.json: does not have the content that finetune writes" in err
