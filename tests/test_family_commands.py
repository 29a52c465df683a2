"""Every member of the family through the commands: fine-tuned on a table, asked, and opened by `transformers`."""

import csv
import random

import google_layout
import pytest
import torch
import transformers
from conftest import WORDS, write_vocabulary
from family import PREFIXES, reference_class
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, pre_tokenizers, processors

from minitf import finetune, predict

ROBERTAS = ("roberta", "xlm-roberta")


def write_tokenizer(folder, model_type: str) -> None:
    """The words of the tests, in the family's frame and under the family's numbers."""
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
    """Short texts of many lengths, so that most rows of a batch are padded; one word tells the class."""
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
    out = tmp_path / "run"
    argv = ["--train", table, "--model", folder, "--output", out, "--epochs", "3", "--lr", "3e-3", "--batch-size", "8"]
    status, said, complaints = run_command(finetune.main, *argv, "--max-length", "32")
    assert (status, complaints) == (0, "")
    assert f"{model_type}: 3 layers" in said
    best = out / "best"
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
def test_too_long_a_text_is_refused_by_the_number_of_positions(write_member, run_command, table, tmp_path, model_type):
    folder, _ = write_member(model_type, None)
    write_tokenizer(folder, model_type)
    longest = 62 if model_type in ROBERTAS else 64
    argv = ["--train", table, "--model", folder, "--output", tmp_path / "run", "--max-length", longest + 1]
    status, _, complaint = run_command(finetune.main, *argv)
    assert status == 2
    assert complaint == f"minitf: --max-length {longest + 1}: this model has learned only {longest} positions\n"


@pytest.mark.parametrize("model_type", ["roberta", "xlm-roberta"])
def test_fill_with_either_name_of_the_mask(write_member, run_command, model_type):
    folder, _ = write_member(model_type, "masked-lm")
    write_tokenizer(folder, model_type)
    said = [run_command(predict.main, folder, "--fill", f"the film was {mask}") for mask in ("[MASK]", "<mask>")]
    assert said[0][0] == said[1][0] == 0
    assert said[0][1].split("\n")[1:] == said[1][1].split("\n")[1:]


@pytest.mark.parametrize("model_type", PREFIXES)
def test_sentence_vectors(write_member, run_command, model_type):
    folder, _ = write_member(model_type, None)
    write_tokenizer(folder, model_type)
    status, said, _ = run_command(predict.main, folder, "--embed", "the film was good", "so")
    assert status == 0 and said.count('"vector"') == 2


def test_from_googles_zip(write_member, run_command, table, tmp_path):
    """Fine-tuned from what Google published as it is; the result is in the layout of `transformers`."""
    _, model = write_member("bert", "pretraining")
    folder = google_layout.write(tmp_path / "google", model)
    write_vocabulary(folder)
    path = google_layout.zipped(folder, tmp_path / "uncased_L-3_H-32_A-4.zip")
    argv = ["--train", table, "--model", path, "--max-length", "32", "--epochs", "1", "--output", tmp_path / "run"]
    status, said, complaints = run_command(finetune.main, *argv)
    assert (status, complaints) == (0, "")
    assert "from zip given" in said
    opened = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "best")
    assert type(opened).__name__ == "BertForSequenceClassification"
    assert run_command(predict.main, tmp_path / "run" / "best", "good film")[0] == 0
