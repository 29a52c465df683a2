"""`python -m minitf.attend`: a page, a picture for every view, every kind of model, and one line for a slip."""

import json
import re
import shutil

import numpy as np
import pytest
from conftest import VOCABULARY, write_vocabulary
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from minitf import attend, finetune
from minitf.attention_maps.collect import look, open_model
from minitf.attention_maps.summary import summarise

TEXT = "the film was great , so great"


@pytest.fixture
def folder(write_member):
    folder, _ = write_member("bert", "classification", num_labels=3)
    write_vocabulary(folder)
    return folder


@pytest.mark.parametrize("dark", [[], ["--dark"]])
@pytest.mark.parametrize("view", [view for view in attend.VIEWS if view != "lens"])
def test_every_view(folder, run_command, tmp_path, view, dark):
    status, said, complaints = run_command(
        attend.main, folder, TEXT, "a hotel", "--output", tmp_path / "maps.png", "--view", view, *dark
    )
    assert (status, complaints) == (0, "")
    assert said.endswith(f"drawn: {tmp_path / 'maps.png'}\n")
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")
    if view == "explain":
        assert "completeness residual" in said and "rank correlation" in said
    else:
        assert said.startswith("3 layers of 4 heads over 12 tokens\n")


@pytest.mark.parametrize(("model_type", "head"), [("bert", None), ("bert", "pretraining"), ("distilbert", "tagging")])
def test_models_without_a_classifier(write_member, run_command, tmp_path, model_type, head):
    labels = {"num_labels": 5} if head == "tagging" else {}
    folder, _ = write_member(model_type, head, **labels)
    write_vocabulary(folder)
    assert run_command(attend.main, folder, TEXT, "--output", tmp_path / "m.svg")[0] == 0
    status, _, complaint = run_command(attend.main, folder, TEXT, "--output", tmp_path / "e.svg", "--view", "explain")
    assert status == 2
    assert complaint == "minitf: explains a prediction, so it needs a model with a classifier: fine-tune one first\n"


def test_the_view_of_a_model_with_a_masked_lm_head(write_member, run_command, tmp_path):
    folder, _ = write_member("bert", "pretraining")
    write_vocabulary(folder)
    argv = [folder, "the film was [MASK]", "--output", tmp_path / "m.svg", "--view", "lens"]
    assert run_command(attend.main, *argv)[0] == 0
    assert "what each layer would predict" in (tmp_path / "m.svg").read_text()


def given(path):
    """What a page was given, and the names of its blocks of weights."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r'<script type="text/plain" id="(\w+)">', text)
    return json.loads(re.search(r'id="given">(.*?)</script>', text)[1]), blocks


def test_a_page_of_a_classifier(folder, run_command, tmp_path):
    status, said, complaints = run_command(attend.main, folder, TEXT, "a hotel", "--output", tmp_path / "m.html")
    assert (status, complaints) == (0, "")
    shape, prediction, verdict, sizes, drawn = said.splitlines()
    assert shape == "3 layers of 4 heads over 12 tokens" and "completeness residual" in prediction
    assert "rank correlation" in verdict and drawn == f"drawn: {tmp_path / 'm.html'}"
    assert re.fullmatch(r"maps 0\.\d\d MB; in all 0\.\d\d MB", sizes)
    content, blocks = given(tmp_path / "m.html")
    assert blocks == ["a0", "a1", "a2"]
    assert (content["text"], content["pair"], content["lens"]) == (TEXT, "a hotel", None)
    assert content["attribution"]["scores"][0]["name"] == "rollout"


def test_a_page_of_a_masked_lm(write_member, run_command, tmp_path):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    assert run_command(attend.main, folder, TEXT, "--output", tmp_path / "m.html")[0] == 0
    content, _ = given(tmp_path / "m.html")
    assert content["attribution"] is None
    assert np.shape(content["lens"]["words"]) == (4, len(content["tokens"]), 5)


def test_what_is_asked_for_is_weighed(folder, write_member, run_command, tmp_path):
    other, _ = write_member("bert", None, name="other", seed=1)
    write_vocabulary(other)
    argv = [folder, TEXT, "--output", tmp_path / "m.html", "--query-key", "--compare", other]
    status, said, _ = run_command(attend.main, *argv)
    assert status == 0
    assert re.search(r"^maps .* MB; --compare .* MB; --query-key .* MB; in all .* MB$", said, re.MULTILINE)
    content, blocks = given(tmp_path / "m.html")
    assert {name[0] for name in blocks} == set("abp") and len(blocks) == 9
    assert content["compare"] == str(other) and content["d_k"] == 8


@pytest.mark.parametrize(("given_", "has"), [([], False), (["always"], True), (["never"], False)])
def test_a_long_text_is_attributed_if_asked(folder, run_command, tmp_path, monkeypatch, given_, has):
    monkeypatch.setattr(attend, "ATTRIBUTED", 5)
    argv = [folder, TEXT, "--output", tmp_path / "m.html", *(["--attribution", *given_] if given_ else [])]
    status, said, _ = run_command(attend.main, *argv)
    assert status == 0 and (given(tmp_path / "m.html")[0]["attribution"] is not None) == has
    assert ("--attribution always puts it in" in said) == (given_ == [])


def test_models_that_differ(folder, write_member, run_command, tmp_path):
    deeper, _ = write_member("bert", None, name="deeper", num_hidden_layers=2)
    write_vocabulary(deeper)
    status, _, complaint = run_command(attend.main, folder, TEXT, "--output", tmp_path / "m.html", "--compare", deeper)
    assert status == 2 and "it has 2 layers of 4 heads" in complaint and complaint.count("\n") == 1
    write_vocabulary(deeper)
    (deeper / "vocab.txt").write_text("\n".join(word if word != "great" else "grand" for word in VOCABULARY))
    status, _, complaint = run_command(attend.main, folder, TEXT, "--output", tmp_path / "m.html", "--compare", deeper)
    assert status == 2 and "other tokens ('[UNK]' where" in complaint
    assert not list(tmp_path.glob("*.html"))


def test_before_and_after_fine_tuning(write_bert, run_command, tmp_path):
    """The user's own: a fine-tuned best/, beside what it came from."""
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
    status, said, _ = run_command(attend.main, best, TEXT, "--compare", before, "--output", tmp_path / "m.html")
    assert status == 0 and said.splitlines()[1].startswith(("pos 0.", "neg 0."))
    content, blocks = given(tmp_path / "m.html")
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
        status, _, complaints = run_command(attend.main, model, "the film was <mask>", "größe 中", "--output", output)
        assert (status, complaints) == (0, "")
    content, _ = given(tmp_path / "m.html")
    assert content["tokens"][:4] == ["<s>", "the", "film", "was"]  # without the sign for a space
    assert content["special"] == [token in ("<s>", "</s>") for token in content["tokens"]]
    second = [token for token, segment in zip(content["tokens"], content["segments"], strict=True) if segment]
    assert second[0] == "gr" and content["lens"] is not None


def test_a_chinese_bert(write_bert, run_command, tmp_path):
    """Each sign is a word of its own, and comes into page and picture as itself."""
    signs = sorted(set("这部电影很好看我们喜欢它"))
    folder, _ = write_bert(name="chinese", vocab_size=5 + len(signs), num_hidden_layers=2)
    (folder / "vocab.txt").write_text("\n".join([*VOCABULARY[:5], *signs]) + "\n", encoding="utf-8")
    for view in ([], ["--view", "lines"]):
        output = tmp_path / ("m.svg" if view else "m.html")
        status, _, complaints = run_command(
            attend.main, folder, "这部电影很好看", "我们喜欢它", "--output", output, *view
        )
        assert (status, complaints) == (0, "")
    content, _ = given(tmp_path / "m.html")
    assert content["tokens"] == ["[CLS]", *"这部电影很好看", "[SEP]", *"我们喜欢它", "[SEP]"]
    assert content["words"] == list(range(15))
    assert "电" in (tmp_path / "m.svg").read_text(encoding="utf-8")


def test_the_default_model(minilm, run_command, tmp_path):
    for ending in ("html", "png"):
        status, said, complaints = run_command(
            attend.main, minilm, "Unbelievably good: I have been back four times.", "--output", tmp_path / f"m.{ending}"
        )
        assert (status, complaints) == (0, "")
        assert said.startswith("6 layers of 12 heads over 1")
    content, blocks = given(tmp_path / "m.html")
    assert content["tokens"][1:3] == ["un", "##bel"] and content["words"][1] == content["words"][2]
    assert blocks == [f"a{i}" for i in range(6)]
    assert (content["attribution"], content["lens"], content["labels"]) == (None, None, [])


def test_a_whole_table(folder, run_command, tmp_path, monkeypatch):
    """The mean over its texts of what the summary of each gives."""
    texts = ["the film was great", "a bad hotel , never again", "so so"]
    table = tmp_path / "t.csv"
    table.write_text("review,label\n" + "".join(f'"{text}",x\n' for text in texts))
    kept = []
    from minitf.attention_maps import figures

    draw = figures.summary
    monkeypatch.setattr(figures, "summary", lambda found, theme: kept.append(found) or draw(found, theme))
    argv = [folder, "--input", table, "--text", "review", "--view", "summary", "--output", tmp_path / "s.png"]
    status, said, _ = run_command(attend.main, *argv)
    assert status == 0 and said.startswith("3 texts of up to 8 tokens\n")
    opened = open_model(folder)
    for name in ("entropy", "special", "previous", "following", "same"):
        each = [getattr(summarise(look(opened, text)), name) for text in texts]
        np.testing.assert_allclose(getattr(kept[0], name), np.mean(each, axis=0), rtol=0, atol=1e-12)
    table.write_text("text\ngood\n  \n")
    argv = [folder, "--input", table, "--view", "summary", "--output", tmp_path / "s.png"]
    status, _, complaint = run_command(attend.main, *argv)
    assert status == 2 and complaint.count("\n") == 1 and "t.csv:3" in complaint


def test_one_head_by_its_number(folder, run_command, tmp_path):
    argv = [folder, TEXT, "--output", tmp_path / "m.svg", "--view", "head"]
    assert run_command(attend.main, *argv, "--layer", 2, "--head", 4)[0] == 0
    assert "layer 2, head 4" in (tmp_path / "m.svg").read_text()
    assert run_command(attend.main, *argv)[0] == 0
    assert "layer 3, head 1" in (tmp_path / "m.svg").read_text()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--output", "maps.gif"], "--output maps.gif: the ending must be one of .html, .svg, .png, .pdf"),
        (["--output", "m.html", "--view", "head"], "--view head is for a picture; a page has all views"),
        (["--output", "m.html", "--layer", "2"], "--layer does not go with an .html page"),
        (["--output", "m.html", "--dark"], "--dark does not go with an .html page"),
        (["--output", "m.png", "--query-key"], "--query-key does not go with --view grid"),
        (["--output", "m.png", "--compare", "x"], "--compare does not go with --view grid"),
        (["--output", "m.png", "--attribution", "never"], "--attribution does not go with --view grid"),
        (["--output", "m.png", "--input", "x.csv"], "--input does not go with --view grid"),
        (
            ["--output", "m.png", "--input", "x.csv", "--view", "summary"],
            "give either a text or, with --view summary, --input FILE",
        ),
        (["--output", "m.png", "--text", "x"], "--text x names a column of --input FILE; a text stands by itself"),
        (["--output", "m.html", "--label", "x", "--attribution", "never"], "--label is of the attribution, which"),
        (["--output", "m.html", "--label", "x"], "the label 'x' is none of LABEL_0, LABEL_1"),
        (["--output", "m.html", "--compare", "none/here"], "cannot find the checkpoint none/here; "),
        (["--output", "none/m.html"], "none/m.html: cannot be written"),
        (["--output", "m.svg", "--view", "lens"], "the logit lens reads each layer with a masked-LM head"),
        (["--output", "maps.png", "--layer", "1"], "--layer does not go with --view grid"),
        (["--output", "maps.png", "--view", "rollout", "--head", "1"], "--head does not go with --view rollout"),
        (["--output", "maps.png", "--label", "x"], "--label does not go with --view grid"),
        (["--output", "maps.png", "--view", "head", "--head", "5"], "no layer 3, head 5: "),
        (["--output", "maps.png", "--view", "explain", "--label", "x"], "the label 'x' is none of LABEL_0, LABEL_1"),
        (["--output", "maps.png", "--max-length", "99"], "max_length 99: this model has learned only 64 positions"),
        (["--output", "none/maps.png"], "none/maps.png: cannot be written"),
    ],
)
def test_slips(folder, run_command, tmp_path, monkeypatch, argv, said):
    monkeypatch.chdir(tmp_path)
    status, _, complaint = run_command(attend.main, folder, TEXT, *argv)
    assert status == 2
    assert complaint.startswith(f"minitf: {said}") and complaint.count("\n") == 1
    assert not [*tmp_path.glob("maps.*"), *tmp_path.glob("m.*")]


def test_neither_text_nor_table(folder, run_command, tmp_path):
    status, _, complaint = run_command(attend.main, folder, "--output", tmp_path / "m.html")
    assert (status, complaint) == (2, "minitf: give either a text or, with --view summary, --input FILE\n")


@pytest.mark.parametrize("there", [True, False])
def test_a_machine_without_the_letters(folder, run_command, tmp_path, monkeypatch, there):
    """In an SVG the letters are the browser's to draw; elsewhere boxes stand for them, and that is said."""
    from minitf.attention_maps import canvas

    if not there:
        monkeypatch.setattr(canvas, "_cjk_fonts", lambda: ())
    for ending in ("svg", "png"):
        argv = [folder, "中国 hotel", "--view", "head", "--output", tmp_path / f"m.{ending}"]
        status, said, complaints = run_command(attend.main, *argv)
        assert (status, complaints) == (0, "")
        if not there:
            assert ("no font here has 中国: boxes stand for them" in said) == (ending == "png")
        else:  # where there is one, it is found
            assert ("no font" in said) == (ending == "png" and not canvas._cjk_fonts())
