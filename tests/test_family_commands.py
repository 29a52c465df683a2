"""Every member of the family through the commands: fine-tuning, predictions, and the saved model in `transformers`."""

import csv
import json
import random

import pytest
import torch
import transformers
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, pre_tokenizers, processors

from minitf import convert, evaluate, finetune, predict
from tests.support import google_layout
from tests.support.family import PREFIXES, reference_class
from tests.support.tiny import WORDS, write_vocabulary

ROBERTAS = ("roberta", "xlm-roberta")


def write_tokenizer(folder, model_type: str) -> None:
    """Write a tokenizer for the words of the tests, with the special tokens and ids of the family."""
    if model_type not in ROBERTAS:
        write_vocabulary(folder)
        return
    words = ["<s>", "<pad>", "</s>", "<unk>", *(word for word in WORDS if word.isascii()), "<mask>"]
    fast = FastTokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    fast.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    ).save_pretrained(folder)


@pytest.fixture
def table(tmp_path):
    """Short texts of many lengths, so that most rows of a batch are padded; one word determines the class."""
    draw = random.Random(0)
    rows = []
    for i in range(64):
        label = ("good", "bad")[i % 2]
        filler = draw.choices(["the", "film", "hotel", "room", "was", "very", "so"], k=draw.randint(1, 12))
        filler.insert(draw.randrange(len(filler)), label)
        rows.append((" ".join(filler), label))
    path = tmp_path / "train.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


@pytest.mark.parametrize("model_type", PREFIXES)
def test_fine_tuned_and_opened(write_member, run_command, table, tmp_path, model_type):
    folder, _ = write_member(model_type, None)
    write_tokenizer(folder, model_type)
    run = tmp_path / "run"
    argv = ["--train", table, "--model", folder, "--output", run, "--epochs", "3", "--lr", "3e-3", "--batch-size", "8"]
    status, out, err = run_command(finetune.main, *argv, "--max-length", "32")
    assert (status, err) == (0, "")
    assert f": {model_type}, 3 layers" in out
    best = run / "best"
    model = reference_class(model_type, "classification").from_pretrained(best)
    tokenizer = transformers.AutoTokenizer.from_pretrained(best)
    assert transformers.AutoModelForSequenceClassification.from_pretrained(best).config.model_type == model_type
    texts = ["the film was good", "so bad", "a very very very good hotel room so good"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    if model_type != "bert":
        batch.pop("token_type_ids", None)
    with torch.no_grad():
        p = model.eval()(**batch).logits.softmax(-1)
    answers = tmp_path / "answers.csv"
    table_in = tmp_path / "ask.csv"
    with table_in.open("w", newline="") as file:
        csv.writer(file).writerows([("text",), *([text] for text in texts)])
    assert run_command(predict.main, best, "--input", table_in, "--output", answers)[0] == 0
    with answers.open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = [model.config.id2label[i] for i in range(2)]
    for row, mine in zip(rows, p.tolist(), strict=True):
        assert row["label"] == labels[mine.index(max(mine))]
        for label, x in zip(labels, mine, strict=True):
            assert abs(float(row[f"p_{label}"]) - x) < 1e-5


@pytest.mark.parametrize("model_type", PREFIXES)
def test_max_length_beyond_the_positions_is_refused(write_member, run_command, table, tmp_path, model_type):
    folder, _ = write_member(model_type, None)
    write_tokenizer(folder, model_type)
    longest = 62 if model_type in ROBERTAS else 64
    argv = ["--train", table, "--model", folder, "--output", tmp_path / "run", "--max-length", longest + 1]
    status, _, err = run_command(finetune.main, *argv)
    assert status == 2
    assert err == f"minitf: --max-length {longest + 1}: the model has only {longest} positions\n"


@pytest.mark.parametrize("model_type", ["roberta", "xlm-roberta"])
def test_fill_with_either_name_of_the_mask(write_member, run_command, model_type):
    folder, _ = write_member(model_type, "masked-lm")
    write_tokenizer(folder, model_type)
    printed = [run_command(predict.main, folder, "--fill", f"the film was {mask}") for mask in ("[MASK]", "<mask>")]
    assert printed[0][0] == printed[1][0] == 0
    assert printed[0][1].split("\n")[1:] == printed[1][1].split("\n")[1:]


@pytest.mark.parametrize("model_type", PREFIXES)
def test_sentence_vectors(write_member, run_command, model_type):
    folder, _ = write_member(model_type, None)
    write_tokenizer(folder, model_type)
    status, out, _ = run_command(predict.main, folder, "--embed", "the film was good", "so")
    assert status == 0 and out.count('"vector"') == 2


def test_from_googles_zip(write_member, run_command, table, tmp_path):
    """Fine-tuning from Google's own files; the result has the layout of `transformers`."""
    _, model = write_member("bert", "pretraining")
    folder = google_layout.write(tmp_path / "google", model)
    write_vocabulary(folder)
    path = google_layout.zipped(folder, tmp_path / "uncased_L-3_H-32_A-4.zip")
    argv = ["--train", table, "--model", path, "--max-length", "32", "--epochs", "1", "--output", tmp_path / "run"]
    status, out, err = run_command(finetune.main, *argv)
    assert (status, err) == (0, "")
    assert "from zip given" in out
    opened = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "best")
    assert type(opened).__name__ == "BertForSequenceClassification"
    assert run_command(predict.main, tmp_path / "run" / "best", "good film")[0] == 0


def test_a_tokenizer_with_another_padding_id_is_refused(write_member, run_command, table, tmp_path):
    """RoBERTa counts positions from its padding id: with another id every token would have a wrong position."""
    folder, _ = write_member("roberta", None)
    write_vocabulary(folder)
    status, _, err = run_command(finetune.main, "--train", table, "--model", folder, "--output", tmp_path / "run")
    assert status == 2
    assert (
        "the tokenizer pads with id 0, but config.json has pad_token_id 1, from which this model counts positions"
        in err
    )
    assert not (tmp_path / "run").exists()


def test_a_model_with_one_segment_takes_pairs(write_member, run_command):
    """BERT's tokenizer makes two segments, and the model has one; the reference raises an IndexError."""
    folder, _ = write_member("bert", "classification", num_labels=2, type_vocab_size=1)
    write_vocabulary(folder)
    assert run_command(predict.main, folder, "good film", "--pair", "bad room")[0] == 0


def test_a_model_with_few_positions(write_member, run_command, table, tmp_path):
    """Without --max-length a text is cut to 128 tokens, or to the number of positions of the model."""
    folder, _ = write_member("bert", None)
    write_vocabulary(folder)
    argv = ["--train", table, "--model", folder, "--output", tmp_path / "run", "--epochs", "1"]
    assert run_command(finetune.main, *argv)[0] == 0
    assert json.loads((tmp_path / "run" / "best" / "minitf.json").read_text())["max_length"] == 64


@pytest.mark.parametrize("problem", ["regression", "multi_label_classification"])
def test_a_conversion_keeps_the_problem_type(write_member, run_command, tmp_path, problem):
    folder, _ = write_member("bert", "classification", num_labels=3, problem_type=problem)
    write_vocabulary(folder)
    assert run_command(convert.main, folder, tmp_path / "out")[0] == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["problem_type"] == problem


def test_several_numbers_for_a_text_are_refused(write_member, run_command):
    folder, _ = write_member("bert", "classification", num_labels=3, problem_type="regression")
    write_vocabulary(folder)
    status, out, err = run_command(predict.main, folder, "good film")
    assert (status, out) == (2, "")
    assert "the model predicts 3 numbers per text, and predict gives only one" in err


def test_a_classifier_fine_tuned_from_a_regression(write_member, run_command, table, tmp_path):
    folder, _ = write_member("bert", "classification", num_labels=1, problem_type="regression")
    write_vocabulary(folder)
    argv = ["--train", table, "--model", folder, "--output", tmp_path / "run", "--epochs", "1"]
    assert run_command(finetune.main, *argv)[0] == 0
    assert run_command(predict.main, tmp_path / "run" / "best", "good film")[0] == 0


def test_embedding_rows_without_a_token_are_reported(write_member, run_command):
    folder, _ = write_member("bert", "masked-lm", vocab_size=70)
    write_vocabulary(folder)
    status, _, err = run_command(predict.main, folder, "--fill", "the [MASK]")
    assert status == 0
    assert err.startswith("minitf: warning: the vocabulary has 65 tokens, the word embedding 70 rows")


def test_they_are_reported_when_a_model_is_evaluated(write_member, run_command, table):
    folder, _ = write_member("bert", "classification", vocab_size=70, num_labels=2)
    write_vocabulary(folder)
    _, _, err = run_command(evaluate.main, folder, "--data", table)
    assert err.startswith("minitf: warning: the vocabulary has 65 tokens, the word embedding 70 rows")


def test_a_multiple_choice_head_is_not_a_classifier(write_member, run_command):
    folder, _ = write_member("bert", "multiple-choice", num_labels=5)
    write_vocabulary(folder)
    err = run_command(predict.main, folder, "good film")[2]
    assert "has no trained classifier; its head is multiple-choice, or use --embed" in err


@pytest.mark.parametrize(("head", "argv"), [("tagging", ("good film",)), ("qa", ("good ?", "--pair", "good film"))])
@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
def test_tagging_and_question_answering(write_member, run_command, model_type, head, argv):
    """Without a minitf.json the head in the files determines the task."""
    folder, _ = write_member(model_type, head)
    write_vocabulary(folder)
    status, out, err = run_command(predict.main, folder, *argv)
    assert (status, err) == (0, "")
    assert "good" in out


def test_a_distilbert_with_sinusoidal_positions(write_member, run_command):
    """The setting tells how the table was initialized; its values are read from the file."""
    folder, _ = write_member("distilbert", "masked-lm", sinusoidal_pos_embds=True)
    write_vocabulary(folder)
    assert run_command(predict.main, folder, "--fill", "the [MASK]")[0] == 0
