"""`python -m minitf.convert`: what it writes opens in `transformers`, with the weights bit for bit."""

from pathlib import Path

import pytest
import torch
import transformers

from minitf import convert
from minitf.checkpoints.load import load, load_tokenizer
from minitf.checkpoints.stated import stated_length, stated_pooling
from tests.support import google_layout
from tests.support.family import MEMBERS, reference_class
from tests.support.tiny import VOCABULARY

GOOGLES = [None, "masked-lm", "next-sentence", "pretraining", "classification", "qa"]


@pytest.fixture
def google(write_member, tmp_path):
    """A function that writes a tiny BERT in Google's layout: its folder, and the reference model."""

    def write(head="pretraining", vocabulary=True, slots=True):
        labels = {"num_labels": 3} if head in ("classification", "tagging") else {}
        _, model = write_member("bert", head, **labels)
        folder = google_layout.write(tmp_path / "google", model, slots=slots)
        if vocabulary:
            (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
        return folder, model.float()

    return write


def assert_opens(folder: Path, cls, reference) -> None:
    """Check that it opens in the class that the config names, every tensor bit for bit."""
    config = transformers.AutoConfig.from_pretrained(folder)
    assert config.architectures == [cls.__name__]
    opened, info = cls.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    theirs, mine = dict(reference.named_parameters()), dict(opened.named_parameters())
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name].float()) for name in theirs)


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("head", GOOGLES)
def test_googles_layout(google, run_command, tmp_path, head, form):
    folder, reference = google(head)
    source = folder if form == "folder" else google_layout.zipped(folder, tmp_path / "google.zip")
    status, out, err = run_command(convert.main, source, tmp_path / "out")
    assert (status, err) == (0, "")
    cls = reference_class("bert", head)
    assert_opens(tmp_path / "out", cls, reference)
    assert f"transformers.{cls.__name__}.from_pretrained({str(tmp_path / 'out')!r}) opens it" in out
    assert "tensors loaded" in out
    ours = load(tmp_path / "out", head)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), load(folder, head).parameters(), strict=True))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    texts = ["the good film", "un [MASK] café"]
    assert load_tokenizer(tmp_path / "out")(texts).token_ids.tolist() == theirs(texts, padding=True)["input_ids"]
    assert load_tokenizer(folder)(texts).token_ids.tolist() == theirs(texts, padding=True)["input_ids"]


@pytest.mark.parametrize(("model_type", "head"), MEMBERS)
def test_every_member_with_its_own_head(write_member, run_command, tmp_path, model_type, head):
    """From the layout of `transformers` to the same layout: nothing is lost."""
    labels = {"num_labels": 3} if head in ("classification", "tagging") else {}
    folder, reference = write_member(model_type, head, **labels)
    status, _, err = run_command(convert.main, folder, tmp_path / "out")
    assert (status, err) == (0, "")
    assert_opens(tmp_path / "out", reference_class(model_type, head), reference)


def test_without_a_vocabulary(google, run_command, tmp_path):
    folder, reference = google(vocabulary=False)
    status, out, _ = run_command(convert.main, folder, tmp_path / "out")
    assert status == 0
    assert "no tokenizer files beside the weights, so none are written: to read text, add a vocab.txt" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.json", "model.safetensors"]
    assert_opens(tmp_path / "out", transformers.BertForPreTraining, reference)


def test_googles_gelu_can_be_written(google, run_command, tmp_path):
    folder, reference = google("masked-lm")
    assert run_command(convert.main, folder, tmp_path / "out", "--hidden-act", "gelu_tanh")[0] == 0
    opened = transformers.BertForMaskedLM.from_pretrained(tmp_path / "out")
    assert opened.config.hidden_act == "gelu_new"
    ids = torch.tensor([[2, 9, 8, 7, 3]])
    theirs = opened.eval()(ids).logits
    torch.testing.assert_close(load(folder, "masked-lm", hidden_act="gelu_tanh")(ids).logits, theirs, rtol=0, atol=1e-4)
    other = reference.eval()(ids).logits
    assert float((other - theirs).detach().abs().max()) > 1e-3


def test_a_damaged_file_and_no_verify(google, run_command, tmp_path):
    folder, _ = google(slots=False)
    shard = folder / "bert_model.ckpt.data-00000-of-00001"
    content = bytearray(shard.read_bytes())
    content[-5] ^= 1
    shard.write_bytes(content)
    status, out, err = run_command(convert.main, folder, tmp_path / "out")
    assert (status, out) == (2, "")
    assert "has the wrong checksum; fetch it again" in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert run_command(convert.main, folder, tmp_path / "out", "--no-verify")[0] == 0


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"config.json": "{}"}, "has a checkpoint that convert did not write; choose another folder"),
        ({"thesis.tex": "years"}, "has thesis.tex, which is not part of a checkpoint; choose another folder"),
        (None, "is a file; choose a folder"),
    ],
)
def test_a_folder_that_is_taken(google, run_command, tmp_path, there, expected):
    folder, _ = google()
    out = tmp_path / "out"
    if there is None:
        out.write_text("a file")
    else:
        out.mkdir()
        for name, content in there.items():
            (out / name).write_text(content)
    status, _, err = run_command(convert.main, folder, out)
    assert status == 2
    assert err == f"minitf: {out}: {expected}\n"
    if there is None:
        assert out.read_text() == "a file"
    else:
        assert {path.name: path.read_text() for path in out.iterdir()} == there


def test_overwrite_replaces_what_a_conversion_wrote_and_nothing_else(google, run_command, tmp_path):
    folder, reference = google()
    out = tmp_path / "out"
    out.mkdir()  # empty: free
    assert run_command(convert.main, folder, out)[0] == 0
    status, _, err = run_command(convert.main, folder, out)
    assert (status, err) == (
        2,
        f"minitf: {out}: already contains a conversion; choose another folder, or use --overwrite\n",
    )
    assert run_command(convert.main, folder, out, "--overwrite")[0] == 0
    assert_opens(out, transformers.BertForPreTraining, reference)
    (out / "notes.txt").write_text("mine")
    status, _, err = run_command(convert.main, folder, out, "--overwrite")
    assert status == 2 and "has notes.txt" in err
    assert (out / "notes.txt").read_text() == "mine"


def test_overwrite_keeps_a_checkpoint_that_is_not_a_conversion(google, write_member, run_command):
    """Its files have the same names as those of a conversion."""
    folder, _ = google()
    other, _ = write_member("bert", "classification", num_labels=3)
    for content in ((other / "model.safetensors").read_bytes(), b"damaged"):
        (other / "model.safetensors").write_bytes(content)
        status, _, err = run_command(convert.main, folder, other, "--overwrite")
        assert (status, err) == (
            2,
            f"minitf: {other}: has a checkpoint that convert did not write; choose another folder\n",
        )
        assert (other / "model.safetensors").read_bytes() == content


def test_onto_itself(write_member, run_command, tmp_path):
    source, _ = write_member("bert", None)
    folder = tmp_path / "out"
    assert run_command(convert.main, source, folder)[0] == 0
    before = (folder / "model.safetensors").read_bytes()
    status, _, err = run_command(convert.main, folder, folder, "--overwrite")
    assert status == 2 and "is the checkpoint itself; choose another folder" in err
    assert (folder / "model.safetensors").read_bytes() == before


def test_a_checkpoint_that_is_not_there(run_command, tmp_path):
    status, _, err = run_command(convert.main, tmp_path / "none" / "bert_model.ckpt", tmp_path / "out", "--offline")
    assert status == 2 and "bert_model.ckpt' is not a folder that exists" in err
    assert not (tmp_path / "out").exists()


def test_the_stated_length_and_pooling_are_kept(write_bert, run_command, tmp_path):
    folder, _ = write_bert()
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 40}')
    for flags in ((), ("--overwrite",)):
        assert run_command(convert.main, folder, tmp_path / "new", *flags)[0] == 0
        assert (stated_pooling(tmp_path / "new"), stated_length(tmp_path / "new")) == ("cls", 40)
