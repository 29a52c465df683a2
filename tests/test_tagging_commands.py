"""Tagging from end to end: `finetune` on CoNLL columns, the saved model, and `predict`, on a tiny model."""

import json
import re
import shutil

import pytest
import torch
import transformers

import minitf
from minitf import evaluate, finetune, predict, prune

TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
ENTITIES = {"hotel": ("B-place",), "film": ("B-work",), "book": ("B-work",), "food room": ("B-place", "I-place")}


pytestmark = pytest.mark.usefixtures("quick_picture")


@pytest.fixture
def tiny(write_bert):
    return write_bert(**TINY)[0]


def write(path, n=40, mark=(), parted="\t"):
    """Sentences with one entity each, and a tag for every word."""
    lines = []
    for i in range(n):
        words, tags = list(ENTITIES.items())[i % 4]
        good = ("great", "good", "awful", "bad", "lowest")[i // 4 % 5]
        before = ((), ("so",), ("it", "was"), ("i", "loved", "so"))[i // 4 % 3 + (i % 7 == 0)]
        sentence = [(word, "O") for word in (*mark, *before, "the")]
        sentence += [*zip(words.split(), tags, strict=True), ("was", "O"), (good, "O"), *([(",", "O")] * (i // 20))]
        lines += [*(f"{word}{parted}{tag}" for word, tag in sentence), ""]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
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
    train, test = write(here / "train.conll"), write(here / "test.bio", 8, mark=("so", "very"), parted=" ")
    if not MADE:
        MADE.append(
            (
                here / "out",
                run(*("--train", train, "--test", test, "--model", tiny), *("--epochs", 30, "--output", "out")),
            )
        )
    folder, out = MADE[0]
    if folder != here / "out":
        shutil.copytree(folder, here / "out")
    return here / "out", out


def test_a_whole_run(trained):
    folder, out = trained
    assert "no --valid given: holding out 4 of 40 training sentences (10 %, seed 0)" in out
    assert "train 36, test 8, valid 4 sentences; in training: " in out, out
    assert re.search(r" words, place \d+, work \d+\n", out)
    assert "steps of 8 sentences" in out
    assert "\ntest F1 " in out
    assert "chosen by f1 on the validation set; always O: accuracy 0." in out
    written = json.loads((folder / "report.json").read_text())
    assert written["test"]["f1"] > 0.5
    assert {score["label"]: score["support"] for score in written["test"]["classes"]} == {"place": 4, "work": 4}
    noted = json.loads((folder / "best/minitf.json").read_text())
    assert (noted["task"], noted["max_length"], noted["stride"]) == ("tagging", 64, None)
    assert out.splitlines()[-2].startswith("use it:")


def test_evaluate_and_prune(trained, run_command, here):
    """They read the same file and compute the same scores as the run."""
    folder, _ = trained
    status, _, err = run_command(evaluate.main, folder / "best", "--data", "test.bio", "--output", "e.json")
    assert (status, err) == (0, "")
    written = json.loads((folder / "report.json").read_text())
    assert json.loads((here / "e.json").read_text())["scores"] == written["scores"]
    flags = ("--data", "test.bio", "--heads", 1, "--output", "pruned")
    status, out, err = run_command(prune.main, folder / "best", *flags)
    assert (status, err) == (0, ""), out


def test_best_opens_in_transformers(trained):
    folder, _ = trained
    reference, info = transformers.AutoModelForTokenClassification.from_pretrained(
        folder / "best", output_loading_info=True, attn_implementation="eager"
    )
    assert [list(found) for found in info.values()] == [[]] * len(info)
    assert reference.config.id2label == {0: "O", 1: "B-place", 2: "I-place", 3: "B-work"}
    words = ["the", "food", "room", "was", "running", "!"]
    encoded = transformers.AutoTokenizer.from_pretrained(folder / "best")(
        [words], is_split_into_words=True, return_tensors="pt"
    )
    ours = minitf.load(folder / "best", head="tagging")
    with torch.no_grad():
        theirs = reference(**encoded).logits
        mine = ours(encoded["input_ids"], encoded["token_type_ids"], encoded["attention_mask"]).logits
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
    tags = [reference.config.id2label[int(i)] for i in theirs[0].argmax(dim=-1)]
    assert tags[2:4] == ["B-place", "I-place"]


def test_predict_texts(trained, run_command):
    folder, _ = trained
    status, out, err = run_command(predict.main, folder / "best", "The food room, was great", "so bad!")
    assert (status, err) == (0, "")
    first, entity, second = out.splitlines()
    assert first == "The [food room | place] , was great"
    assert re.fullmatch(r"  0\.\d{4}  place  food room", entity)
    assert second == "so bad !"


def test_predict_a_file_line_for_line(trained, run_command, here):
    """Every line is preserved, with the tag appended; lines without a word are unchanged."""
    folder, _ = trained
    (here / "in.conll").write_text(
        "# one of two\nthe DT O\n\u200b X O\nhotel NN O  \n\n\n-DOCSTART- x\nthe DT x\nhotel NN x\n\n# the very end"
    )
    status, _, err = run_command(predict.main, folder / "best", "--input", "in.conll", "--output", "out.conll")
    assert status == 0 and err.startswith("written: out.conll (") and err.count("\n") == 1
    assert (here / "out.conll").read_text().splitlines() == [
        *("# one of two", "the DT O O", "\u200b X O O", "hotel NN O B-place", "", "", "-DOCSTART- x"),
        *("the DT x O", "hotel NN x B-place", "", "# the very end"),
    ]


def test_predictions_have_the_scores_of_the_report(trained, run_command, here):
    """The predicted tags have the scores of the report, by seqeval; also in several parts."""
    from seqeval.metrics import f1_score

    folder, _ = trained
    write(here / "big.conll", 8, mark=("so", "very"))
    for size in (1, 32):
        run_command(
            predict.main, folder / "best", "--input", "big.conll", "--output", f"{size}.conll", "--batch-size", size
        )
    assert (here / "1.conll").read_text() == (here / "32.conll").read_text()
    true, predicted = [[]], [[]]
    for line in (here / "32.conll").read_text().splitlines():
        if line:
            _, tag, answer = line.split("\t")
            true[-1].append(tag)
            predicted[-1].append(answer)
        else:
            true.append([])
            predicted.append([])
    measured = json.loads((folder / "report.json").read_text())["test"]
    assert 0.5 < f1_score(true, predicted) == pytest.approx(measured["f1"])
    assert sum(map(len, true)) == sum(1 for line in (here / "big.conll").read_text().splitlines() if line)


def test_predict_texts_as_columns(trained, run_command, here):
    folder, _ = trained
    status, out, _ = run_command(predict.main, folder / "best", "the hotel", "the hotel was", "--output", "o.txt")
    assert (status, out) == (0, "")
    assert (here / "o.txt").read_text() == "the\tO\nhotel\tB-place\n\nthe\tO\nhotel\tB-place\nwas\tO\n\n"


def test_a_model_written_by_transformers(write_bert, run_command, here):
    """Without minitf.json the config determines the task. Tags without prefixes are printed word by word."""
    names = {"id2label": {0: "DET", 1: "NOUN"}, "label2id": {"DET": 0, "NOUN": 1}}
    folder, reference = write_bert(transformers.BertForTokenClassification, **TINY, **names)
    status, out, err = run_command(predict.main, folder, "the hotel")
    assert (status, err) == (0, "")
    encoded = transformers.AutoTokenizer.from_pretrained(folder)("the hotel", return_tensors="pt")
    with torch.no_grad():
        tags = [names["id2label"][int(i)] for i in reference(**encoded).logits[0].argmax(dim=-1)[1:-1]]
    assert out == f"the/{tags[0]} hotel/{tags[1]}\n"


def test_tags_of_words_not_of_entities(run, here, tiny):
    lines = [f"{word}\t{tag}" for word, tag in (("the", "DET"), ("hotel", "NOUN"), ("was", "VERB"))]
    (here / "pos.txt").write_text("\n\n".join("\n".join(lines) + f"\n{word}\tADJ" for word in ("good", "bad", "great")))
    (here / "valid.txt").write_text("the\tDET\nfilm\tNOUN\n")
    out = run("--train", "pos.txt", "--valid", "valid.txt", "--model", tiny, "--epochs", 30, "--output", "out")
    assert "valid F1 1.0000" in out
    assert "ADJ 3, DET 3, NOUN 3, VERB 3" in out


def test_weights_and_windows(run, here, tiny):
    """A sentence with more word pieces than --max-length is learned and evaluated as a whole."""
    train = write(here / "train.txt")
    long = "the\tO\nfilm\tB-work\n" * 30
    (here / "long.txt").write_text(long)
    out = run(
        *("--train", train, "--valid", "long.txt", "--model", tiny, "--output", "out", "--max-length", 9),
        *(
            "--stride",
            3,
            "--class-weights",
            "balanced",
            "--label-smoothing",
            0.1,
            "--epochs",
            30,
            "--metric",
            "macro_f1",
        ),
    )
    written = json.loads((here / "out/report.json").read_text())
    assert written["valid"]["words"] == 60
    assert written["valid"]["f1"] > 0.5
    assert "chosen by macro_f1" in out
    assert json.loads((here / "out/best/minitf.json").read_text())["stride"] == 3


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--text", "word"), "--text has no meaning for --task tagging"),
        (("--metric", "matthews"), "--task tagging has the metrics f1, accuracy, macro_f1, loss"),
        (("--stride", "62"), "windows of 62 tokens cannot share 62"),
        (("--max-length", "2"), "windows of 0 tokens"),
        (("--task", "classification"), "unknown file ending"),
    ],
)
def test_refusals(run_command, here, tiny, flags, expected):
    train = write(here / "train.conll")
    status, _, err = run_command(finetune.main, "--train", train, "--model", tiny, "--device", "cpu", *flags)
    assert (status, err.count("\n")) == (2, 1)
    assert expected in err


def test_stride_without_windows(run_command, here, tiny):
    status, _, err = run_command(finetune.main, "--model", tiny, "--stride", "3")
    assert (status, "--stride needs --long-text windows" in err) == (2, True)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("the\tO\nhotel\n\nfilm\tB-x\n", "train.conll:2: has 1 column"),
        ("the\tO\n", "one sentence is too few"),
        ("the\tO\n\nfilm\tO\n", "every word has the tag 'O'"),
        ("the\tO\n\nfilm\tB-x\n", "too few to hold some out"),
    ],
)
def test_bad_files(run_command, here, tiny, content, expected):
    (here / "train.conll").write_text(content)
    status, _, err = run_command(finetune.main, "--train", "train.conll", "--model", tiny)
    assert (status, err.count("\n")) == (2, 1)
    assert expected in err


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("text", "--pair", "x"), "--pair: this model tags the words of one text at a time"),
        ((" ",), "text 1 is empty"),
        (("--input", "nothing.conll"), "no such file"),
        (("--input", "table.csv"), "read from CoNLL columns"),
    ],
)
def test_errors_of_predict(trained, run_command, here, argv, expected):
    (here / "table.csv").write_text("text\nhello\n")
    status, _, err = run_command(predict.main, trained[0] / "best", *argv)
    assert (status, err.count("\n")) == (2, 1)
    assert expected in err
