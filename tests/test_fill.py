"""`python -m minitf.predict MODEL --fill "… [MASK] …"`: the words and probabilities of the reference."""

import re

import pytest
import torch
import transformers

from minitf import predict
from tests.support import google_layout
from tests.support.tiny import VOCABULARY, write_vocabulary

TEXT = "the film was [MASK] and the room [MASK] ."


def printed_words(printed: str) -> list[list[tuple[float, str]]]:
    """Return for each [MASK] the probabilities and words that were printed."""
    blocks = re.split(r"\[MASK\] \d+\n", printed.split("\n", 1)[1])
    rows = [[tuple(line.split()) for line in block.splitlines()] for block in blocks if block.strip()]
    return [[(float(p), word) for p, word in block] for block in rows]


def expected(model, tokenizer, text: str) -> list[list[tuple[float, str]]]:
    batch = tokenizer([text], return_tensors="pt")
    with torch.no_grad():
        logits = model.eval()(**batch).logits[0]
    answers = []
    for place in (batch["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten():
        p, ids = logits[place].double().softmax(-1).topk(5)
        words = [tokenizer.convert_ids_to_tokens(int(i)) for i in ids]
        answers.append([(round(float(x), 4), word) for x, word in zip(p, words, strict=True)])
    return answers


@pytest.mark.parametrize("math", ["equations", "kernels"])
@pytest.mark.parametrize(
    ("model_type", "head"), [("bert", "masked-lm"), ("bert", "pretraining"), ("distilbert", "masked-lm")]
)
def test_as_the_reference(write_member, run_command, model_type, head, math):
    folder, _ = write_member(model_type, head)
    write_vocabulary(folder)
    status, out, err = run_command(predict.main, folder, "--fill", TEXT, "--math", math)
    assert (status, err) == (0, "")
    cls = transformers.DistilBertForMaskedLM if model_type == "distilbert" else transformers.BertForMaskedLM
    model = cls.from_pretrained(folder, dtype=torch.float64)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert out.split("\n")[0] == TEXT
    answers = expected(model, tokenizer, TEXT)
    assert len(printed_words(out)) == 2
    for mine, theirs in zip(printed_words(out), answers, strict=True):
        assert [word for _, word in mine] == [word for _, word in theirs]
        assert all(abs(p - q) <= 1.01e-4 for (p, _), (q, _) in zip(mine, theirs, strict=True))


def test_one_mask_has_no_number(write_member, run_command):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    _, out, _ = run_command(predict.main, folder, "--fill", "the film was [MASK] .")
    assert re.fullmatch(r"the film was \[MASK\] \.\n(  [01]\.\d{4}  \S+\n){5}", out)


def test_googles_own_files(write_member, run_command, tmp_path):
    _, model = write_member("bert", "pretraining")
    folder = google_layout.write(tmp_path / "google", model)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    status, out, err = run_command(predict.main, folder, "--fill", TEXT, "--hidden-act", "gelu_tanh")
    assert (status, err) == (0, "")
    model.config.hidden_act = "gelu_new"
    config = transformers.BertConfig.from_dict(model.config.to_dict())
    other = transformers.BertForPreTraining(config).double()
    other.load_state_dict(model.state_dict())
    tokenizer = transformers.BertTokenizer(vocab=str(folder / "vocab.txt"))
    batch = tokenizer([TEXT], return_tensors="pt")
    with torch.no_grad():
        p = other.eval()(**batch).prediction_logits[0].softmax(-1)
    places = (batch["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten()
    for mine, place in zip(printed_words(out), places, strict=True):
        assert [word for _, word in mine] == tokenizer.convert_ids_to_tokens(p[place].topk(5).indices.tolist())


@pytest.mark.parametrize("head", [None, "classification", "qa", "next-sentence"])
def test_a_model_without_a_masked_lm_head(write_member, run_command, head):
    folder, _ = write_member("bert", head)
    write_vocabulary(folder)
    status, out, err = run_command(predict.main, folder, "--fill", TEXT)
    assert (status, out) == (2, "")
    held = head or "nor any other"
    assert err == (
        f"minitf: {folder}: cannot predict masked words: it has no masked-LM head ({held});"
        " use a pre-trained checkpoint that has one, such as bert-base-uncased\n"
    )


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--fill", "no mask here"], "--fill: the text has no [MASK]; write it in place of the word to predict"),
        (
            ["--fill", "a b c d [MASK]", "--max-length", "4"],
            "--fill: the [MASK] is beyond the 4 tokens of --max-length",
        ),
        (["--fill", "a [MASK]", "another text"], "--fill TEXT is the only input; leave texts out"),
        (["--fill", "a [MASK]", "--input", "x.csv"], "--fill TEXT is the only input; leave --input out"),
        (["--fill", "a [MASK]", "--embed"], "--fill TEXT is the only input; leave --embed out"),
        (["--fill", "a [MASK]", "--pair", "b"], "--fill TEXT is the only input; leave --pair out"),
        (["--fill", "a [MASK]", "--text", "t"], "--text t names a column of --input FILE; leave it out"),
        (["--fill", "a [MASK]", "--delimiter", "tab"], "--delimiter is for --input FILE; leave it out"),
    ],
)
def test_errors(write_member, run_command, argv, expected):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    status, _, err = run_command(predict.main, folder, *argv)
    assert (status, err) == (2, f"minitf: {expected}\n")


def test_into_a_file(write_member, run_command, tmp_path):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    _, out, _ = run_command(predict.main, folder, "--fill", TEXT)
    assert run_command(predict.main, folder, "--fill", TEXT, "--output", tmp_path / "a.txt")[:2] == (0, "")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == out


def test_a_file_of_the_model_is_not_replaced(write_member, run_command):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    config = folder / "config.json"
    before = config.read_bytes()
    status, _, err = run_command(predict.main, folder, "--fill", TEXT, "--output", config)
    assert (status, err) == (2, f"minitf: {config}: is the file that is read; choose another path\n")
    assert config.read_bytes() == before
