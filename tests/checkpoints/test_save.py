"""Weights out: what is saved opens in `transformers` to the last bit, and a save that fails leaves no trace."""

import errno
import json
import os
import resource
import stat
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file

from minitf.bert import Bert, BertConfig
from minitf.checkpoints import save as saving
from minitf.checkpoints.load import load, load_tokenizer, load_with_report
from minitf.checkpoints.save import save
from minitf.errors import InputError
from minitf.files import replacing_folder
from minitf.text.tokenizer import Tokenizer

TEXTS = [
    "the film was not good",
    "we loved the food, the hotel was great!",
    "",
    "five stars",
    "awful room ? never again",
]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "##s", "##ve", "not"]
VOCABULARY += ["the", "film", "was", "good", "we", "loved", "food", "hotel", "great", "five", "star", "room", "again"]
LABELS = ("schlecht", "so lala", "größer als gut")


def build(head="classification", labels=LABELS, **changes):
    """A model with every weight drawn far from where training starts."""
    numbers = {"vocab_size": len(VOCABULARY), "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    numbers |= {"intermediate_size": 48, "max_position_embeddings": 64}
    model = Bert(BertConfig(**(numbers | changes), labels=labels if head else ()), head)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.3 + name.endswith("gamma"))
    return model.eval()


@pytest.fixture
def tokenizer(tmp_path_factory):
    """In a place of its own: nothing but what a save writes is to lie in `tmp_path`."""
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    return Tokenizer.from_folder(folder)


def contents(folder):
    """Every file below, by its path, to the last byte."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def hidden_and_logits(reference, batch):
    with torch.no_grad():
        out = reference(
            input_ids=batch.token_ids,
            token_type_ids=batch.segment_ids,
            attention_mask=batch.mask,
            output_hidden_states=True,
        )
    return out.hidden_states[-1][batch.mask.bool()], out.get("logits", out.get("pooler_output"))


@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10), (torch.bfloat16, 0.5)], ids=str
)
@pytest.mark.parametrize("head", ["classification", None])
def test_transformers_opens_it(tmp_path, tokenizer, head, dtype, atol):
    model, folder = build(head).to(dtype), tmp_path / "run" / "best"
    save(model, tokenizer, folder, {"task": "classification", "name": "größer"})
    auto = transformers.AutoModelForSequenceClassification if head else transformers.AutoModel
    reference, found = auto.from_pretrained(folder, output_loading_info=True)
    assert not any(found[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), found
    assert type(reference).__name__ == json.loads((folder / "config.json").read_text())["architectures"][0]
    assert reference.dtype == dtype
    theirs = reference.state_dict()
    assert len(theirs) == len(model.state_dict())
    # By one reader and the other: the official file's tensors are the reference's, and read back they are ours.
    for name, tensor in load_file(folder / "model.safetensors").items():
        assert torch.equal(theirs[name], tensor), name
    back = load(folder, head=head, dtype=dtype)
    for name, tensor in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch, theirs = tokenizer(TEXTS, max_length=64), their_tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert torch.equal(batch.token_ids, theirs["input_ids"]) and torch.equal(batch.mask, theirs["attention_mask"])
    with torch.no_grad():
        ours = model(batch.token_ids, batch.segment_ids, batch.mask)
    states, logits = hidden_and_logits(reference.eval(), batch)
    torch.testing.assert_close(ours.hidden_states[-1][batch.mask.bool()], states, rtol=0, atol=atol)
    torch.testing.assert_close(ours.logits if head else ours.pooled, logits, rtol=0, atol=atol)
    if head:
        assert reference.config.id2label == dict(enumerate(LABELS))
        assert reference.config.label2id == {label: i for i, label in enumerate(LABELS)}
        assert logits.std() > 0.1
    assert json.loads((folder / "minitf.json").read_text(encoding="utf-8")) == {
        "task": "classification",
        "name": "größer",
    }


@pytest.mark.parametrize("act", ["gelu", "gelu_new", "gelu_tanh", "gelu_pytorch_tanh", "relu"])
def test_transformers_computes_with_the_same_numbers(tmp_path, tokenizer, act):
    """The activation, ε, the heads: none is seen in the weights, all in the outputs."""
    model = build(hidden_act=act, num_attention_heads=2, layer_norm_eps=0.01, type_vocab_size=3).double()
    save(model, tokenizer, tmp_path / "best")
    reference = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "best").eval()
    batch = tokenizer(TEXTS, TEXTS[::-1])
    with torch.no_grad():
        ours = model(batch.token_ids, batch.segment_ids, batch.mask).logits
    torch.testing.assert_close(ours, hidden_and_logits(reference, batch)[1], rtol=0, atol=1e-10)


def test_transformers_trains_on_with_the_same_dropout(tmp_path, tokenizer):
    rates = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.3, "classifier_dropout": 0.4}
    save(build(**rates), tokenizer, tmp_path / "best")
    reference = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "best")
    assert reference.dropout.p == 0.4
    assert reference.bert.embeddings.dropout.p == reference.bert.encoder.layer[2].output.dropout.p == 0.2
    assert reference.bert.encoder.layer[2].attention.self.dropout.p == 0.3


def test_bit_by_bit_through_transformers_and_back(tmp_path, write_bert):
    """From the reference to minitf, saved, opened by the reference, saved, opened by minitf: no bit has moved."""
    official, first = write_bert(transformers.BertForSequenceClassification, id2label=dict(enumerate(LABELS)))
    model = load(official, head="classification")
    save(model, load_tokenizer(official), tmp_path / "ours")
    second = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours")
    assert sorted(first.state_dict()) == sorted(second.state_dict())
    for name, tensor in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor), name
    second.save_pretrained(tmp_path / "theirs")
    again, report = load_with_report(tmp_path / "theirs", head="classification")
    assert again.config == model.config and report.new == ()
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_without_a_pooler(tmp_path, tokenizer):
    model = Bert(build(None).config, None, pooler=False).eval()
    save(model, tokenizer, tmp_path / "best")
    assert load(tmp_path / "best").pooler is None
    reference = transformers.BertModel.from_pretrained(tmp_path / "best", add_pooling_layer=False)
    assert len(reference.state_dict()) == len(model.state_dict())


def test_what_a_save_writes(tmp_path, tokenizer):
    save(build(), tokenizer, tmp_path / "best")
    files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]
    assert sorted(contents(tmp_path)) == [f"best/{name}" for name in files]
    modes = {name: stat.S_IMODE((tmp_path / "best" / name).stat().st_mode) for name in files}
    assert len(set(modes.values())) == 1, modes  # no file private that the others are not
    # The same model gives the same bytes: nothing of the time or of the place is in them.
    save(build(), tokenizer, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "best")
    assert load_tokenizer(tmp_path / "best")(TEXTS).token_ids.tolist() == tokenizer(TEXTS).token_ids.tolist()


def test_weights_that_are_views(tmp_path, tokenizer):
    """A transposed matrix, and rows of a larger one: each is written out as it reads."""
    model = build()
    ffn, W_Q = model.encoder.layers[0].ffn, model.encoder.layers[0].attention.W_Q
    W_Q.weight = torch.nn.Parameter(W_Q.weight.detach().T)
    both = torch.randn(2, 48, generator=torch.Generator().manual_seed(1))
    ffn.W_1.bias, model.encoder.layers[1].ffn.W_1.bias = (torch.nn.Parameter(row) for row in both)
    save(model, tokenizer, tmp_path / "best")
    back = load(tmp_path / "best", head="classification").state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(back[name], tensor), name


def test_all_files_of_an_older_save_are_replaced_and_no_others(tmp_path, tokenizer):
    folder = tmp_path / "best"
    save(build(), tokenizer, folder, {"task": "classification"})
    (folder / "notes.txt").write_text("not written by minitf")
    model = build(labels=("a", "b"))
    save(model, tokenizer, folder)
    assert os.listdir(tmp_path) == ["best"]
    assert sorted(contents(folder)) == sorted(
        ["config.json", "model.safetensors", "notes.txt", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]
    )
    assert (folder / "notes.txt").read_text() == "not written by minitf"
    assert load(folder, head="classification").config.labels == ("a", "b")


def test_a_model_may_replace_the_folder_that_it_came_from(tmp_path, tokenizer):
    """Its weights may still lie in the file that is being replaced."""
    folder = tmp_path / "best"
    save(build(), tokenizer, folder)
    model = load(folder, head="classification")
    for _ in range(2):
        save(model, load_tokenizer(folder), folder)
    wanted = build().state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.state_dict().items())
    assert all(torch.equal(t, wanted[name]) for name, t in load(folder, head="classification").state_dict().items())


# Failures


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def full_for_safetensors(*_, **__):
    """As the library words it: its own error, without a number."""
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def interrupt(*_, **__):
    raise KeyboardInterrupt


def break_off(monkeypatch, tokenizer, where, how):
    """Let a save fail at one of its steps, after the steps before have written their files."""
    if where == "model.safetensors":
        monkeypatch.setattr(saving, "save_file", how)
    elif where in ("config.json", "tokenizer.json", "vocab.txt", "minitf.json"):
        write_text = Path.write_text
        patched = lambda path, *rest, **named: (how if path.name == where else write_text)(path, *rest, **named)  # noqa: E731
        monkeypatch.setattr(Path, "write_text", patched)
    else:
        monkeypatch.setattr(os, "rename", how)


FULL = [
    ("config.json", full),
    ("model.safetensors", full),
    ("model.safetensors", full_for_safetensors),
    ("tokenizer.json", full),
    ("vocab.txt", full),
    ("minitf.json", full),
    ("rename", full),
]


@pytest.mark.parametrize(("where", "how"), FULL, ids=lambda x: getattr(x, "__name__", x))
@pytest.mark.parametrize("older", [True, False], ids=["over an older", "the first"])
def test_a_full_disk(tmp_path, tokenizer, monkeypatch, where, how, older):
    folder = tmp_path / "run" / "best"
    if older:
        save(build(), tokenizer, folder, {"older": True})
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        break_off(patch, tokenizer, where, how)
        with pytest.raises(InputError) as caught:
            save(build(labels=("a", "b")), tokenizer, folder, {"older": False})
    message = str(caught.value)
    assert "\n" not in message and str(folder) in message
    assert message.startswith(f"{folder}: cannot be written (no space left on the disk)")
    assert contents(tmp_path) == before
    assert os.listdir(folder.parent) == ["best"] * older
    save(build(labels=("a", "b")), tokenizer, folder)  # once there is room
    assert load(folder, head="classification").config.labels == ("a", "b")


@pytest.mark.parametrize("where", ["config.json", "model.safetensors", "vocab.txt", "minitf.json", "rename"])
def test_an_interrupt_passes_through_and_leaves_all_as_it_was(tmp_path, tokenizer, monkeypatch, where):
    save(build(), tokenizer, tmp_path / "best", {"older": True})
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        break_off(patch, tokenizer, where, interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(build(labels=("a", "b")), tokenizer, tmp_path / "best", {"older": False})
    assert contents(tmp_path) == before
    assert os.listdir(tmp_path) == ["best"]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()], ids=repr)
def test_a_failure_between_the_two_renames(tmp_path, tokenizer, monkeypatch, error):
    """The older folder has been moved aside, the new one cannot take its place: the older one comes back."""
    folder = tmp_path / "best"
    save(build(), tokenizer, folder, {"older": True})
    before, rename = contents(tmp_path), os.rename

    def only_aside(source, target):
        if Path(target) == folder and json.loads((Path(source) / "minitf.json").read_text()) == {"older": False}:
            raise error
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", only_aside)
        with pytest.raises((InputError, KeyboardInterrupt)):
            save(build(labels=("a", "b")), tokenizer, folder, {"older": False})
    assert contents(tmp_path) == before
    assert os.listdir(tmp_path) == ["best"]


@contextmanager
def largest_file(size):
    """No file of this process may grow beyond `size` bytes: the disk that fills, by the system itself."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "reached"), [(100, "config.json"), (20_000, "model.safetensors"), (300_000, "tokenizer.json")]
)
def test_a_write_that_the_system_refuses(tmp_path, minilm, size, reached):
    """Each library's own error, as it comes: Python's, safetensors', tokenizers'."""
    tokenizer, folder = load_tokenizer(minilm), tmp_path / "best"
    save(build(), tokenizer, tmp_path / "sizes")
    sizes = {name: len(content) for name, content in contents(tmp_path / "sizes").items()}
    order = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]
    assert next(name for name in order if sizes[name] > size) == reached
    with largest_file(size), pytest.raises(InputError) as caught:
        save(build(), tokenizer, folder)
    message = str(caught.value)
    assert "\n" not in message
    assert f"{folder}: cannot be written" in message and "too large" in message
    assert os.listdir(tmp_path) == ["sizes"]


def test_a_place_that_cannot_be(tmp_path, tokenizer):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError) as caught:
        save(build(), tokenizer, tmp_path / "file" / "best")
    assert "\n" not in str(caught.value) and str(tmp_path / "file" / "best") in str(caught.value)
    assert contents(tmp_path) == {"file": b"in the way"}


def test_an_error_of_another_kind_is_not_called_the_disks(tmp_path):
    def write_half():
        with replacing_folder(tmp_path / "best") as partial:
            (partial / "half").write_text("written")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert os.listdir(tmp_path) == []


def test_until_the_block_ends_the_older_folder_stands(tmp_path):
    folder = tmp_path / "best"
    with replacing_folder(folder) as partial:
        (partial / "a").write_text("first")
        assert not folder.exists() and partial.parent == folder.parent
    with replacing_folder(folder) as partial:
        (partial / "b").write_text("second")
        assert contents(folder) == {"a": b"first"}
    assert contents(tmp_path) == {"best/b": b"second"}
    assert os.listdir(tmp_path) == ["best"]
