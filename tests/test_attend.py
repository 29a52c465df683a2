"""`python -m minitf.attend`: the page, a figure for every view, every kind of model, and one-line errors."""

import json
import re
import shutil

import numpy as np
import pytest
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from minitf import attend, finetune
from minitf.attention_maps.collect import collect
from minitf.attention_maps.model import open_model
from minitf.attention_maps.summary import summarise
from minitf.cli import attend as flags
from tests.support import google_layout
from tests.support.tiny import VOCABULARY, write_vocabulary

TEXT = "the film was great , so great"


@pytest.fixture
def folder(write_member):
    folder, _ = write_member("bert", "classification", num_labels=3)
    write_vocabulary(folder)
    return folder


@pytest.mark.parametrize("dark", [[], ["--dark"]])
@pytest.mark.parametrize("view", [view for view in flags.VIEWS if view not in ("lens", "alignment")])
def test_every_view(folder, run_command, tmp_path, view, dark):
    status, output, errors = run_command(
        attend.main, folder, TEXT, "a hotel", "--output", tmp_path / "maps.png", "--view", view, *dark
    )
    assert (status, errors) == (0, "")
    assert output.endswith(f"written: {tmp_path / 'maps.png'}\n")
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")
    if view == "explain":
        assert "completeness residual" in output and "rank correlation" in output
    else:
        assert output.startswith("3 layers of 4 heads over 12 tokens\n")


@pytest.mark.parametrize(("model_type", "head"), [("bert", None), ("bert", "pretraining"), ("distilbert", "tagging")])
def test_models_without_a_classifier(write_member, run_command, tmp_path, model_type, head):
    labels = {"num_labels": 5} if head == "tagging" else {}
    folder, _ = write_member(model_type, head, **labels)
    write_vocabulary(folder)
    assert run_command(attend.main, folder, TEXT, "--output", tmp_path / "m.svg")[0] == 0
    status, _, error = run_command(attend.main, folder, TEXT, "--output", tmp_path / "e.svg", "--view", "explain")
    assert status == 2
    assert error == "minitf: attribution needs a model with a classifier, and this one has none; fine-tune it first\n"


def test_the_view_of_a_model_with_a_masked_lm_head(write_member, run_command, tmp_path):
    folder, _ = write_member("bert", "pretraining")
    write_vocabulary(folder)
    argv = [folder, "the film was [MASK]", "--output", tmp_path / "m.svg", "--view", "lens"]
    assert run_command(attend.main, *argv)[0] == 0
    assert "what each layer would predict" in (tmp_path / "m.svg").read_text()


def data_of(path):
    """The data of a page, and the names of its blocks of weights."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r'<script type="text/plain" id="(\w+)">', text)
    return json.loads(re.search(r'id="data">(.*?)</script>', text)[1]), blocks


def test_a_page_of_a_classifier(folder, run_command, tmp_path):
    status, output, errors = run_command(attend.main, folder, TEXT, "a hotel", "--output", tmp_path / "m.html")
    assert (status, errors) == (0, "")
    shape, predicted, prediction, verdict, sizes, drawn = output.splitlines()
    assert predicted.startswith("prediction: ")
    assert shape == "3 layers of 4 heads over 12 tokens" and "completeness residual" in prediction
    assert "rank correlation" in verdict and drawn == f"written: {tmp_path / 'm.html'}"
    assert re.fullmatch(r"maps 0\.\d\d MB; total 0\.\d\d MB", sizes)
    content, blocks = data_of(tmp_path / "m.html")
    assert blocks == ["a0", "a1", "a2"]
    assert (content["text"], content["pair"], content["lens"]) == (TEXT, "a hotel", None)
    assert content["attribution"]["scores"][0]["name"] == "rollout"


def test_a_page_of_a_masked_lm(write_member, run_command, tmp_path):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    assert run_command(attend.main, folder, TEXT, "--output", tmp_path / "m.html")[0] == 0
    content, _ = data_of(tmp_path / "m.html")
    assert content["attribution"] is None
    assert np.shape(content["lens"]["words"]) == (4, len(content["tokens"]), 5)


def test_the_sizes_of_optional_parts(folder, write_member, run_command, tmp_path):
    other, _ = write_member("bert", None, name="other", seed=1)
    write_vocabulary(other)
    argv = [folder, TEXT, "--output", tmp_path / "m.html", "--query-key", "--compare", other]
    status, output, _ = run_command(attend.main, *argv)
    assert status == 0
    assert re.search(r"^maps .* MB; --compare .* MB; --query-key .* MB; total .* MB$", output, re.MULTILINE)
    content, blocks = data_of(tmp_path / "m.html")
    assert {name[0] for name in blocks} == set("abp") and len(blocks) == 9
    assert content["compare"] == str(other) and content["d_k"] == 8


@pytest.mark.parametrize(("choice", "has"), [([], False), (["always"], True), (["never"], False)])
def test_the_attribution_of_a_long_text(folder, run_command, tmp_path, monkeypatch, choice, has):
    monkeypatch.setattr(flags, "ATTRIBUTION_LIMIT", 5)
    argv = [folder, TEXT, "--output", tmp_path / "m.html", *(["--attribution", *choice] if choice else [])]
    status, output, _ = run_command(attend.main, *argv)
    assert status == 0 and (data_of(tmp_path / "m.html")[0]["attribution"] is not None) == has
    assert ("--attribution always computes it" in output) == (choice == [])


def test_models_that_differ(folder, write_member, run_command, tmp_path):
    deeper, _ = write_member("bert", None, name="deeper", num_hidden_layers=2)
    write_vocabulary(deeper)
    status, _, error = run_command(attend.main, folder, TEXT, "--output", tmp_path / "m.html", "--compare", deeper)
    assert status == 2 and "it has 2 layers of 4 heads" in error and error.count("\n") == 1
    write_vocabulary(deeper)
    (deeper / "vocab.txt").write_text("\n".join(word if word != "great" else "grand" for word in VOCABULARY))
    status, _, error = run_command(attend.main, folder, TEXT, "--output", tmp_path / "m.html", "--compare", deeper)
    assert status == 2 and "other tokens ('[UNK]' where" in error
    assert not list(tmp_path.glob("*.html"))


def test_before_and_after_fine_tuning(write_bert, run_command, tmp_path):
    """A fine-tuned best/, compared with its pre-trained model."""
    before, _ = write_bert()
    (tmp_path / "t.csv").write_text(
        "text,label\n" + "".join(f"good film {i},pos\nbad film {i},neg\n" for i in range(10))
    )
    argv = [
        "--train",
        tmp_path / "t.csv",
        "--model",
        before,
        "--output",
        tmp_path / "run",
        "--epochs",
        1,
        "--max-length",
        32,
    ]
    assert run_command(finetune.main, *argv)[0] == 0
    best = tmp_path / "run" / "best"
    status, output, _ = run_command(attend.main, best, TEXT, "--compare", before, "--output", tmp_path / "m.html")
    _, predicted, attributed, *_ = output.splitlines()
    assert status == 0 and predicted.startswith(("prediction: pos 0.", "prediction: neg 0."))
    assert attributed.startswith(("pos 0.", "neg 0."))
    content, blocks = data_of(tmp_path / "m.html")
    assert content["labels"] == ["neg", "pos"] and content["compare"] == str(before) and "b2" in blocks


def roberta_tokenizer(folder):
    """Byte-level BPE, trained here."""
    fast = FastTokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    fast.train_from_iterator(["the film was great, the hotel not so great"] * 9, trainer)
    fast.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    fast.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer", "model_max_length": 62}')
    return fast.get_vocab_size()


def test_roberta(write_member, run_command, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    n = roberta_tokenizer(folder)
    model, _ = write_member("roberta", "masked-lm", vocab_size=n)
    for file in folder.iterdir():
        shutil.copy(file, model)
    for ending in ("html", "svg"):
        output = tmp_path / f"m.{ending}"
        status, _, errors = run_command(attend.main, model, "the film was <mask>", "größe 中", "--output", output)
        assert (status, errors) == (0, "")
    content, _ = data_of(tmp_path / "m.html")
    assert content["tokens"][:4] == ["<s>", "the", "film", "was"]  # without the tokenizer's sign for a space
    assert content["special"] == [token in ("<s>", "</s>") for token in content["tokens"]]
    second = [token for token, segment in zip(content["tokens"], content["segments"], strict=True) if segment]
    assert second[0] == "gr" and content["lens"] is not None


def test_a_chinese_bert(write_bert, run_command, tmp_path):
    """Each character is a word, and the page and the figure show it."""
    signs = sorted(set("这部电影很好看我们喜欢它"))
    folder, _ = write_bert(name="chinese", vocab_size=5 + len(signs), num_hidden_layers=2)
    (folder / "vocab.txt").write_text("\n".join([*VOCABULARY[:5], *signs]) + "\n", encoding="utf-8")
    for view in ([], ["--view", "lines"]):
        output = tmp_path / ("m.svg" if view else "m.html")
        status, _, errors = run_command(attend.main, folder, "这部电影很好看", "我们喜欢它", "--output", output, *view)
        assert (status, errors) == (0, "")
    content, _ = data_of(tmp_path / "m.html")
    assert content["tokens"] == ["[CLS]", *"这部电影很好看", "[SEP]", *"我们喜欢它", "[SEP]"]
    assert content["words"] == list(range(15))
    assert "电" in (tmp_path / "m.svg").read_text(encoding="utf-8")


def test_the_default_model(minilm, run_command, tmp_path):
    for ending in ("html", "png"):
        status, output, errors = run_command(
            attend.main, minilm, "Unbelievably good: I have been back four times.", "--output", tmp_path / f"m.{ending}"
        )
        assert (status, errors) == (0, "")
        assert output.startswith("6 layers of 12 heads over 1")
    content, blocks = data_of(tmp_path / "m.html")
    assert content["tokens"][1:3] == ["un", "##bel"] and content["words"][1] == content["words"][2]
    assert blocks == [f"a{i}" for i in range(6)]
    assert (content["attribution"], content["lens"], content["labels"]) == (None, None, [])


def test_a_whole_table(folder, run_command, tmp_path, monkeypatch):
    """The summary of a table is the mean of the summaries of its texts."""
    texts = ["the film was great", "a bad hotel , never again", "so so"]
    table = tmp_path / "t.csv"
    table.write_text("review,label\n" + "".join(f'"{text}",x\n' for text in texts))
    kept = []
    from minitf.attention_maps import figures

    draw = figures.summary
    monkeypatch.setattr(figures, "summary", lambda found, theme: kept.append(found) or draw(found, theme))
    argv = [folder, "--input", table, "--text", "review", "--view", "summary", "--output", tmp_path / "s.png"]
    status, output, _ = run_command(attend.main, *argv)
    assert status == 0 and output.startswith("3 texts of up to 8 tokens\n")
    opened = open_model(folder)
    for name in ("entropy", "special", "previous", "following", "same"):
        each = [getattr(summarise(collect(opened, text)), name) for text in texts]
        np.testing.assert_allclose(getattr(kept[0], name), np.mean(each, axis=0), rtol=0, atol=1e-12)
    table.write_text("text\ngood\n  \n")
    argv = [folder, "--input", table, "--view", "summary", "--output", tmp_path / "s.png"]
    status, _, error = run_command(attend.main, *argv)
    assert status == 2 and error.count("\n") == 1 and "t.csv:3" in error


def test_one_head_by_its_number(folder, run_command, tmp_path):
    argv = [folder, TEXT, "--output", tmp_path / "m.svg", "--view", "head"]
    assert run_command(attend.main, *argv, "--layer", 2, "--head", 4)[0] == 0
    assert "layer 2, head 4" in (tmp_path / "m.svg").read_text()
    assert run_command(attend.main, *argv)[0] == 0
    assert "layer 3, head 1" in (tmp_path / "m.svg").read_text()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--output", "maps.gif"], "--output maps.gif: the ending must be one of .html, .svg, .png, .pdf"),
        (
            ["--output", "m.html", "--view", "head"],
            "--view head needs --output .svg, .png or .pdf; a page has all views",
        ),
        (["--output", "m.html", "--layer", "2"], "--layer cannot be used with an .html page"),
        (["--output", "m.html", "--dark"], "--dark cannot be used with an .html page"),
        (["--output", "m.png", "--query-key"], "--query-key cannot be used with --view grid"),
        (["--output", "m.png", "--compare", "x"], "--compare cannot be used with --view grid"),
        (["--output", "m.png", "--attribution", "never"], "--attribution cannot be used with --view grid"),
        (["--output", "m.png", "--input", "x.csv"], "--input cannot be used with --view grid"),
        (
            ["--output", "m.png", "--input", "x.csv", "--view", "summary"],
            "give either a text or, with --view summary, --input FILE",
        ),
        (["--output", "m.png", "--text", "x"], "--text x is a column of --input FILE; give a text without a flag"),
        (
            ["--output", "m.html", "--label", "x", "--attribution", "never"],
            "--label chooses the class of the attribution; leave out --attribution never",
        ),
        (["--output", "m.html", "--label", "x"], "--label x: the model has no such class; it has LABEL_0, LABEL_1"),
        (["--output", "m.html", "--compare", "none/here"], "cannot find the checkpoint none/here; "),
        (["--output", "none/m.html"], "none/m.html: cannot be written"),
        (["--output", "m.svg", "--view", "lens"], "the logit lens needs a masked-LM head"),
        (["--output", "maps.png", "--layer", "1"], "--layer cannot be used with --view grid"),
        (["--output", "maps.png", "--view", "rollout", "--head", "1"], "--head cannot be used with --view rollout"),
        (["--output", "maps.png", "--label", "x"], "--label cannot be used with --view grid"),
        (["--output", "maps.png", "--view", "head", "--head", "5"], "--layer 3, --head 5: "),
        (
            ["--output", "maps.png", "--view", "explain", "--label", "x"],
            "--label x: the model has no such class; it has LABEL_0, LABEL_1",
        ),
        (["--output", "maps.png", "--max-length", "99"], "--max-length 99: the model has only 64 positions"),
        (["--output", "none/maps.png"], "none/maps.png: cannot be written"),
    ],
)
def test_errors(folder, run_command, tmp_path, monkeypatch, argv, expected):
    monkeypatch.chdir(tmp_path)
    status, _, error = run_command(attend.main, folder, TEXT, *argv)
    assert status == 2
    assert error.startswith(f"minitf: {expected}") and error.count("\n") == 1
    assert not [*tmp_path.glob("maps.*"), *tmp_path.glob("m.*")]


def test_neither_text_nor_table(folder, run_command, tmp_path):
    status, _, error = run_command(attend.main, folder, "--output", tmp_path / "m.html")
    assert (status, error) == (2, "minitf: give either a text or, with --view summary, --input FILE\n")


@pytest.mark.parametrize("there", [True, False])
def test_characters_without_a_font(folder, run_command, tmp_path, monkeypatch, there):
    """A browser draws the text of an SVG; the other formats have boxes, and the command says so."""
    from minitf.attention_maps import canvas

    if not there:
        monkeypatch.setattr(canvas, "_cjk_fonts", lambda: ())
    for ending in ("svg", "png"):
        argv = [folder, "中国 hotel", "--view", "head", "--output", tmp_path / f"m.{ending}"]
        status, output, errors = run_command(attend.main, *argv)
        assert (status, errors) == (0, "")
        if not there:
            assert ("no installed font has 中国, drawn as boxes" in output) == (ending == "png")
        else:  # an installed font is found
            assert ("no installed font" in output) == (ending == "png" and not canvas._cjk_fonts())


def test_the_flags_of_loading(write_member, run_command, tmp_path):
    """--hidden-act changes the maps; --no-verify opens a damaged TensorFlow checkpoint."""
    _, model = write_member("bert", "pretraining")
    folder = google_layout.write(tmp_path / "google", model, slots=False)
    write_vocabulary(folder)
    argv = [folder, TEXT, "--output", tmp_path / "m.html"]
    assert run_command(attend.main, *argv)[0] == 0
    before = (tmp_path / "m.html").read_bytes()
    assert run_command(attend.main, *argv, "--hidden-act", "relu")[0] == 0
    assert (tmp_path / "m.html").read_bytes() != before
    shard = folder / "bert_model.ckpt.data-00000-of-00001"
    content = bytearray(shard.read_bytes())
    content[-5] ^= 1
    shard.write_bytes(content)
    status, _, error = run_command(attend.main, *argv)
    assert status == 2 and "checksum" in error
    assert run_command(attend.main, *argv, "--no-verify")[0] == 0
