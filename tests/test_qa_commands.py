"""Question answering from end to end: `finetune` on SQuAD's JSON, the saved model, and `predict`, on a tiny model."""

import json
import re
import shutil

import pytest
import torch
import transformers

import minitf
from minitf import evaluate, finetune, predict, prune
from minitf.tasks.question_answering.metrics import span_metrics

TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
THINGS = ("hotel", "room", "film", "book")


pytestmark = pytest.mark.usefixtures("quick_picture")


@pytest.fixture
def tiny(write_bert):
    return write_bert(**TINY)[0]


def write(path, n=24, answered=True, ids="q"):
    """Paragraphs in which one thing is bad; the question asks for it."""
    paragraphs = []
    for i in range(n):
        thing, other = THINGS[i % 4], THINGS[(i + 1 + i // 4) % 4]
        before = " , so very" * (i % 3)
        context = f"we loved the {other}{before} . the awful {thing} was not good{' !' * (1 + i // 12)}"
        answer = {"text": f"awful {thing}", "answer_start": context.index("awful")}
        qas = [{"id": f"{ids}{i}", "question": "what was bad ?", "answers": [answer, answer]}]
        if not answered:
            del qas[0]["answers"]
        paragraphs.append({"context": context, "qas": qas})
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}], "version": "1.1"}))
    return path


@pytest.fixture
def run(run_command, here):
    def call(*flags):
        usual = {"--epochs": 1, "--batch-size": 8, "--lr": 1e-2, "--device": "cpu"}
        given = [x for flag, value in usual.items() if flag not in flags for x in (flag, value)]
        status, out, err = run_command(finetune.main, *given, *flags)
        assert (status, err) == (0, "")
        return out

    return call


MADE = []  # the one run that many tests look at: its folder and its output


@pytest.fixture
def trained(run, here, tiny):
    """A run in `here`/out, on the tables beside it."""
    train, test = write(here / "train.json"), write(here / "test.json", 8, ids="t")
    if not MADE:
        MADE.append(
            (
                here / "out",
                run(*("--train", train, "--test", test, "--model", tiny), *("--epochs", 25, "--output", "out")),
            )
        )
    folder, out = MADE[0]
    if folder != here / "out":
        shutil.copytree(folder, here / "out")
    return here / "out", out


def test_a_whole_run(trained):
    folder, out = trained
    assert "--task auto: qa, because the file is in SQuAD's JSON" in out
    assert "no --valid given: holding out 2 of 24 training questions (10 %, whole paragraphs, seed 0)" in out
    assert "train 22, test 8, valid 2 questions; in training: 22 paragraphs of 1 articles" in out
    assert "steps of 8 windows" in out
    (result,) = (line for line in out.splitlines() if line.startswith("test F1 "))
    assert re.search(r", exact match \d\.\d+$", result)
    assert re.search(r"\n  epoch .*chosen by f1 on .*; answering with the whole paragraph: F1 0\.", out)
    written = json.loads((folder / "report.json").read_text())
    assert written["test"]["f1"] > 0.6
    assert written["learned"] is True
    assert written["test"]["questions"] == 8
    noted = json.loads((folder / "best/minitf.json").read_text())
    assert (noted["task"], noted["max_length"], noted["stride"]) == ("qa", 64, None)


def test_evaluate_and_prune(trained, run_command, here):
    """They read the same file and compute the same scores as the run."""
    folder, _ = trained
    status, _, err = run_command(evaluate.main, folder / "best", "--data", "test.json", "--output", "e.json")
    assert (status, err) == (0, "")
    written = json.loads((folder / "report.json").read_text())
    assert json.loads((here / "e.json").read_text())["scores"] == written["scores"]
    flags = ("--data", "test.json", "--heads", 1, "--output", "pruned")
    status, out, err = run_command(prune.main, folder / "best", *flags)
    assert (status, err) == (0, ""), out


def test_best_opens_in_transformers(trained):
    folder, _ = trained
    reference, info = transformers.AutoModelForQuestionAnswering.from_pretrained(
        folder / "best", output_loading_info=True, attn_implementation="eager"
    )
    assert [list(found) for found in info.values()] == [[]] * len(info)
    encoded = transformers.AutoTokenizer.from_pretrained(folder / "best")(
        "what was bad ?", "the awful film was not good", return_tensors="pt"
    )
    with torch.no_grad():
        theirs = reference(**encoded)
        mine = minitf.load(folder / "best", head="qa")(
            encoded["input_ids"], encoded["token_type_ids"], encoded["attention_mask"]
        ).logits
    torch.testing.assert_close(mine[..., 0], theirs.start_logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(mine[..., 1], theirs.end_logits, rtol=0, atol=1e-5)


def test_predict_one_question(trained, run_command):
    folder, _ = trained
    context = "We loved the  book. The AWFUL hotel was not good!"
    status, out, err = run_command(predict.main, folder / "best", "What was bad?", "What?", "--pair", context)
    assert (status, err) == (0, "")
    first, _ = out.splitlines()
    assert re.fullmatch(r"AWFUL hotel  \([01]\.\d{4}\)  What was bad\?", first)


def test_predict_a_file(trained, run_command, here):
    """{id: answer}, as the official script reads it, with the scores of the run; for several batch sizes."""
    folder, _ = trained
    bare = write(here / "bare.json", 8, answered=False, ids="t")
    status, out, err = run_command(predict.main, folder / "best", "--input", bare, "--output", "a.json")
    assert (status, out, err) == (0, "", "written: a.json (8 predictions)\n")
    written = json.loads((here / "a.json").read_text())
    assert list(written) == [f"t{i}" for i in range(8)]
    paragraphs = json.loads((here / "test.json").read_text())["data"][0]["paragraphs"]
    right = [[a["text"] for a in p["qas"][0]["answers"]] for p in paragraphs]
    measured = json.loads((folder / "report.json").read_text())["test"]
    scored = span_metrics(list(written.values()), right, 0.0)
    assert (scored.f1, scored.exact_match) == (measured["f1"], measured["exact_match"])
    many = write(here / "many.json", 40, ids="m")
    outs = [run_command(predict.main, folder / "best", "--input", many, "--batch-size", size)[1] for size in (1, 64)]
    assert outs[0] == outs[1]
    assert len(json.loads(outs[0])) == 40


def test_a_model_written_by_transformers(write_bert, run_command, here):
    folder, _ = write_bert(transformers.BertForQuestionAnswering, **TINY)
    status, out, err = run_command(predict.main, folder, "what ?", "--pair", "the film", "--output", "o.json")
    assert (status, out, err) == (0, "", "written: o.json (1 predictions)\n")
    assert set(json.loads((here / "o.json").read_text())) == {"1"}


def test_windows(run, here, tiny):
    """A paragraph of many windows is learned and predicted as a whole."""
    train = write(here / "train.json")
    content = json.loads(train.read_text())
    paragraph = content["data"][0]["paragraphs"][0]
    paragraph["context"] += " we loved the food ." * 12
    train.write_text(json.dumps(content))
    run(
        "--train",
        train,
        "--model",
        tiny,
        "--output",
        "out",
        "--max-length",
        24,
        "--stride",
        6,
        "--metric",
        "exact_match",
    )
    steps = [json.loads(line) for line in (here / "out/metrics.jsonl").read_text().splitlines()]
    assert len([record for record in steps if "step" in record]) > 3
    assert json.loads((here / "out/best/minitf.json").read_text())["stride"] == 6


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--label", "x"), "--label has no meaning for --task qa"),
        (("--class-weights", "balanced"), "--class-weights has no meaning for --task qa"),
        (("--label-smoothing", "0.1"), "--label-smoothing has no meaning for --task qa"),
        (("--long-text", "windows"), "--long-text has no meaning for --task qa"),
        (("--metric", "accuracy"), "--task qa has the metrics f1, exact_match, loss"),
        (("--stride", "50"), "cannot share 50"),
        (("--max-length", "4"), "no room for a question and a text"),
        (("--task", "tagging"), "read from CoNLL columns"),
    ],
)
def test_refusals(run_command, here, tiny, flags, expected):
    train = write(here / "train.json")
    status, _, err = run_command(finetune.main, "--train", train, "--model", tiny, "--device", "cpu", *flags)
    assert (status, err.count("\n")) == (2, 1)
    assert expected in err


def test_bad_files(run_command, here, tiny):
    (here / "t.csv").write_text("text,label\na,b\n")
    status, _, err = run_command(finetune.main, "--train", "t.csv", "--task", "qa", "--model", tiny)
    assert (status, "read from SQuAD's JSON" in err) == (2, True)
    (here / "t.json").write_text('{"data": [{"paragraphs": []}]}')
    status, _, err = run_command(finetune.main, "--train", "t.json", "--model", tiny)
    assert (status, "t.json: has no questions" in err) == (2, True)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("what ?",), "give the text with --pair"),
        (("what ?", "--pair", " "), "--pair is empty"),
        ((" ", "--pair", "x"), "question 1 is empty"),
        (("--input", "absent.json"), "no such file"),
        (("--input", "test.json", "--pair", "context"), "--pair names a column"),
    ],
)
def test_errors_of_predict(trained, run_command, argv, expected):
    status, _, err = run_command(predict.main, trained[0] / "best", *argv)
    assert (status, err.count("\n")) == (2, 1)
    assert expected in err
