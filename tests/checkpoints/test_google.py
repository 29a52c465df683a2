"""Google's own BERT, opened without TensorFlow: folder, prefix and zip, every head; and beside Google's own outputs.

What Google's code computed lies in ../shared; those tests are marked `shared`.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import minitf
from minitf.bert import Bert, BertConfig
from minitf.checkpoints import storage
from minitf.checkpoints.load import STORED_HEAD, load, load_tokenizer, load_with_report
from minitf.checkpoints.renaming import PYTORCH
from minitf.errors import CheckpointError
from minitf.text.tokenizer import Tokenizer
from tests.support import google_layout
from tests.support.family import SIZES, reference_class, reference_config
from tests.support.tiny import VOCABULARY, write_vocabulary

SHARED = Path(minitf.__file__).parents[2] / "shared" / "checkpoints"
HEADS = [None, "masked-lm", "next-sentence", "pretraining", "classification", "multiple-choice", "tagging", "qa"]


@pytest.fixture
def write_google(write_member, tmp_path):
    """A function that writes a tiny BERT in Google's layout: its folder, and the reference model."""

    def write(head="pretraining", name="google", config=None, **layout):
        labels = {"num_labels": 3} if head in ("classification", "tagging") else {}
        _, model = write_member("bert", head, **labels, **(config or {}))
        folder = google_layout.write(tmp_path / name, model, **layout)
        (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
        return folder, model.float()

    return write


def bits(model: Bert) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in model.named_parameters()}


def assert_loaded(model: Bert, reference, head) -> None:
    """Bit for bit, whatever the tables say: by the order of the reference's own state."""
    theirs = dict(reference.named_parameters())
    official = {PYTORCH["bert"].official_name(name, head): p for name, p in bits(model).items()}
    assert official.keys() == theirs.keys()
    assert all(torch.equal(official[name], theirs[name].detach()) for name in theirs)


@pytest.mark.parametrize("form", ["folder", "prefix", "index", "shard", "meta", "zip", "flat zip", "stored zip"])
@pytest.mark.parametrize("head", HEADS)
def test_every_head_in_every_form(write_google, tmp_path, head, form):
    folder, reference = write_google(head, shards=2 if form == "shard" else 1)
    (folder / "bert_model.ckpt.meta").write_bytes(b"a graph, which nobody reads")
    (folder / "checkpoint").write_text('model_checkpoint_path: "bert_model.ckpt"')
    source = {
        "folder": lambda: folder,
        "prefix": lambda: folder / "bert_model.ckpt",
        "index": lambda: folder / "bert_model.ckpt.index",
        "shard": lambda: folder / "bert_model.ckpt.data-00001-of-00002",
        "meta": lambda: folder / "bert_model.ckpt.meta",
        "zip": lambda: google_layout.zipped(folder, tmp_path / "uncased.zip"),
        "flat zip": lambda: google_layout.zipped(folder, tmp_path / "flat.zip", inside=""),
        "stored zip": lambda: google_layout.zipped(folder, tmp_path / "stored.zip", compression=zipfile.ZIP_STORED),
    }[form]()
    model, report = load_with_report(source, head, num_labels=3 if head in ("classification", "tagging") else None)
    assert_loaded(model, reference, head)
    assert report.new == ()
    slots = [name for name in report.left_out if name.endswith(("/adam_m", "/adam_v"))]
    assert len(slots) == 2 * len(dict(reference.named_parameters()))
    assert "global_step" in report.left_out
    assert load_tokenizer(source, model=model).encode(["the good film"]) == Tokenizer.from_folder(folder).encode(
        ["the good film"]
    )
    assert "65 tokens, uncased" in str(report)


@pytest.mark.parametrize("prefix", ["", "module/"])
@pytest.mark.parametrize("layout", [{"snappy": True, "per_block": 5}, {"interval": 2}, {"shards": 3}])
def test_as_others_save_it(write_google, prefix, layout):
    folder, reference = write_google("pretraining", prefix=prefix, **layout)
    model, report = load_with_report(folder, STORED_HEAD)
    assert report.head == "pretraining"
    assert_loaded(model, reference, "pretraining")


@pytest.mark.parametrize("head", HEADS)
def test_the_head_that_it_holds(write_google, head):
    """Google's names are the same for the heads over labels; whether there is a pooler says whether it tags."""
    folder, _ = write_google(head)
    model, report = load_with_report(folder, STORED_HEAD)
    assert report.head == ("classification" if head == "multiple-choice" else head)
    assert set(report.loaded) == set(bits(model))


@pytest.mark.parametrize("act", ["gelu", "gelu_tanh", "relu"])
def test_the_activation_can_be_chosen_and_is_said(write_google, act):
    folder, _ = write_google()
    model, report = load_with_report(folder, hidden_act=act)
    assert model.config.activation == act
    assert {"gelu": "GELU (erf)", "gelu_tanh": "GELU (tanh)", "relu": "ReLU"}[act] in str(report)
    assert ("Google's own code uses GELU (tanh)" in str(report)) == (act == "gelu")
    assert load(folder).config.activation == "gelu"
    with pytest.raises(CheckpointError, match="hidden_act 'silu' is not supported"):
        load(folder, hidden_act="silu")


def test_what_lies_as_it_is_used_is_mapped_and_the_rest_copied(write_google, monkeypatch):
    folder, _ = write_google("masked-lm", slots=False)
    mapped = []

    class Watched(storage._MappedFile):
        def __init__(self, path):
            super().__init__(path)
            mapped.append(self._bytes)

    monkeypatch.setattr(storage, "_MappedFile", Watched)
    model = load(folder, "masked-lm")
    (content,) = mapped
    before = (folder / "bert_model.ckpt.data-00000-of-00001").read_bytes()
    for name, p in model.named_parameters():
        turned = name.endswith(".weight") and "embeddings" not in name
        assert np.shares_memory(p.detach().numpy(), content) == (not turned), name
        assert p.is_contiguous()
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(3.0)  # writing to the model changes no file
    assert (folder / "bert_model.ckpt.data-00000-of-00001").read_bytes() == before


def test_a_flipped_bit_is_found_and_no_verify_lets_it_pass(write_google):
    folder, _ = write_google(slots=False)
    shard = folder / "bert_model.ckpt.data-00000-of-00001"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"\.data-00000-of-00001: corrupt: 'bert/.*fetch it again"):
        load(folder)
    load(folder, verify=False)


def test_it_needs_no_tensorflow(write_google):
    folder, _ = write_google()
    script = (
        f"import minitf, sys; minitf.load({str(folder)!r}); "
        "print([m for m in ('tensorflow', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# What is wrong is said


def test_without_its_config(write_google, tmp_path):
    folder, _ = write_google()
    (folder / "bert_config.json").unlink()
    for source in (folder, folder / "bert_model.ckpt", google_layout.zipped(folder, tmp_path / "x.zip")):
        with pytest.raises(CheckpointError, match=r"no bert_config\.json beside bert_model\.ckpt\.index; add it"):
            load(source)
    (folder / "config.json").write_text(json.dumps(SIZES))
    load(folder)  # the name that later files have


def test_without_its_data(write_google, tmp_path):
    folder, _ = write_google()
    (folder / "bert_model.ckpt.data-00000-of-00001").unlink()
    for source in (folder, google_layout.zipped(folder, tmp_path / "x.zip")):
        with pytest.raises(CheckpointError, match=r"bert_model\.ckpt\.data-00000-of-00001 is missing beside"):
            load(source)


def test_without_a_vocabulary(write_google):
    folder, _ = write_google()
    (folder / "vocab.txt").unlink()
    _, report = load_with_report(folder)
    assert "vocabulary: no tokenizer files beside the weights" in str(report)
    with pytest.raises(CheckpointError, match=r"no tokenizer\.json and no vocab\.txt"):
        load_tokenizer(folder)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_vocabulary_of_another_model(write_google, change):
    folder, _ = write_google()
    words = [*VOCABULARY, "more"][: len(VOCABULARY) + change]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    model, report = load_with_report(folder)
    assert f"warning: the vocabulary has {65 + change} tokens, the word embedding 65 rows" in str(report)
    if change > 0:
        message = "66 tokens, the word embedding 65 rows: some tokens have no embedding"
        with pytest.raises(CheckpointError, match=message):
            load_tokenizer(folder, model=model)


def test_everything_wrong_at_once(write_member, tmp_path):
    _, model = write_member("bert", None)
    folder = google_layout.write(tmp_path / "google", model)
    tensors = google_layout.google_tensors(model)
    tensors["pooler/dense/kernel"] = tensors["pooler/dense/kernel"][:, :-1]
    google_layout.tensor_bundles.write(folder / "bert_model.ckpt", google_layout.raw(tensors))
    config = json.loads((folder / "bert_config.json").read_text())
    (folder / "bert_config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    said = str(caught.value)
    assert "missing: encoder.layers.3.ffn.W_2.weight [32, 48]" in said
    assert "wrong shape: pooler.W.weight is [31, 32], must be [32, 32]" in said


def test_a_tensor_that_no_bert_has(write_member, tmp_path):
    _, model = write_member("bert", None)
    folder = google_layout.write(tmp_path / "google", model)
    tensors = google_layout.google_tensors(model) | {"bert/encoder/gate": np.zeros(3, np.float32)}
    google_layout.tensor_bundles.write(folder / "bert_model.ckpt", google_layout.raw(tensors))
    with pytest.raises(CheckpointError, match="unexpected: bert/encoder/gate"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "File is not a zip file"),
        (b"PK\x03\x04" + bytes(100), "File is not a zip file"),
        ({"readme.txt": b"nothing here"}, r"must hold one TensorFlow checkpoint \(\.index\); it holds none"),
        ({"a/x.index": b"", "b/y.index": b""}, "it holds 2 of them"),
        ({"a/x.index": b"", "a/y.index": b""}, r"has several checkpoints \(x, y\)"),
        ({"a/x.index": b"nonsense", "a/bert_config.json": json.dumps(SIZES).encode()}, "x.index: truncated or corrupt"),
        ({"a/x.index": b"", "a/bert_config.json": b"{"}, "bert_config.json: truncated or corrupt"),
        ({"a/x.index": b"", "a/bert_config.json": b"{,}"}, "bert_config.json: cannot be read as JSON"),
        ({"a/x.index": b"", "a/bert_config.json": b" " * (3 << 20)}, "bert_config.json: more than 2097152 bytes"),
    ],
)
def test_a_zip_that_is_none_of_googles(tmp_path, content, said):
    path = tmp_path / "model.zip"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    with pytest.raises(CheckpointError, match=said) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_what_macos_adds_to_a_zip(write_google, tmp_path):
    folder, reference = write_google()
    path = google_layout.zipped(folder, tmp_path / "x.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/uncased_L-3_H-32_A-4/._bert_model.ckpt.index", b"x")
        archive.writestr("uncased_L-3_H-32_A-4/._bert_config.json", b"x")
    assert_loaded(load(path, "pretraining"), reference, "pretraining")


def test_a_zip_of_the_hubs_layout(write_member, tmp_path):
    folder, _ = write_member("bert", None)
    path = google_layout.zipped(folder, tmp_path / "x.zip")
    with pytest.raises(CheckpointError, match=r"it holds none, but a config\.json: unpack it and give the folder"):
        load(path)


def test_a_slip_in_the_prefix(write_google):
    folder, _ = write_google()
    message = r"does not exist; the TensorFlow checkpoints in .* are: bert_model\.ckpt$"
    with pytest.raises(CheckpointError, match=message):
        load(folder / "bert_modle.ckpt")


def test_both_layouts_in_one_folder(write_google, write_member):
    """The hub's if it is complete, else TensorFlow's; a prefix says which."""
    folder, _ = write_google("masked-lm")
    hub, _ = write_member("bert", None, name="hub", seed=5)
    shutil.copy(hub / "model.safetensors", folder)
    assert load_with_report(folder)[1].source.tensorflow is not None
    shutil.copy(hub / "config.json", folder)
    assert load_with_report(folder)[1].source.tensorflow is None
    assert load_with_report(folder / "bert_model.ckpt")[1].source.tensorflow is not None


def test_whether_it_is_cased_can_be_said(write_google):
    """Google's files do not say it; a tokenizer_config.json beside them does."""
    folder, _ = write_google()
    assert load_tokenizer(folder).lower_case
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert not load_tokenizer(folder).lower_case


def test_a_zip_cut_off_or_damaged(write_google, tmp_path):
    folder, _ = write_google(slots=False)
    path = google_layout.zipped(folder, tmp_path / "x.zip")
    whole = path.read_bytes()
    for damaged in (whole[:-30], whole[: len(whole) // 2], whole[:3000] + bytes(200) + whole[3200:]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"x\.zip"):
            load(path)


def test_a_zip_that_claims_more_than_it_holds(write_google, tmp_path, monkeypatch):
    folder, _ = write_google(slots=False)
    path = google_layout.zipped(folder, tmp_path / "x.zip")
    monkeypatch.setattr(storage, "LARGEST_RATIO", 0)
    with pytest.raises(CheckpointError, match=r"claims \d+ bytes, more than it can hold"):
        load(path)


def test_in_the_weights_folder_by_name(write_google, tmp_path, monkeypatch):
    """Unpacked or not, under our name for it or Google's."""
    folder, reference = write_google("pretraining")
    monkeypatch.setenv("MINITF_WEIGHTS", str(tmp_path / "weights"))
    for place in ("bert-tiny", "bert-tiny.zip", "uncased_L-2_H-128_A-2", "uncased_L-2_H-128_A-2.zip"):
        (tmp_path / "weights").mkdir()
        if place.endswith(".zip"):
            google_layout.zipped(folder, tmp_path / "weights" / place)
        else:
            shutil.copytree(folder, tmp_path / "weights" / place)
        for name in ("bert-tiny", "google/bert_uncased_L-2_H-128_A-2"):
            model, report = load_with_report(name, "pretraining", offline=True)
            assert report.source.origin == f"weights/{place}"
            assert_loaded(model, reference, "pretraining")
        shutil.rmtree(tmp_path / "weights")


def test_a_roberta_in_tensorflows_layout(write_google):
    folder, _ = write_google()
    config = json.loads((folder / "bert_config.json").read_text())
    (folder / "bert_config.json").write_text(json.dumps(config | {"model_type": "roberta"}))
    with pytest.raises(CheckpointError, match="has model_type roberta; TensorFlow checkpoints are read for bert only"):
        load(folder)


# Beside what Google's own code computed

shared = pytest.mark.shared
FILES = {"tf1-l3-h48": "pretraining", "tf1-l2-h4": None}


def official(name: str, gelu: str):
    outputs = np.load(SHARED / name / "official_outputs.npz")
    batch = [torch.from_numpy(outputs[key]).long() for key in ("input_ids", "segment_ids", "input_mask")]
    return {key.removeprefix(f"{gelu}_"): outputs[key] for key in outputs.files if key.startswith(gelu)}, batch


def farthest(ours: torch.Tensor, theirs: np.ndarray, real: torch.Tensor | None = None) -> float:
    difference = (ours.double() - torch.from_numpy(theirs).double()).abs()
    return float((difference if real is None else difference[real]).max())


@shared
@pytest.mark.parametrize("math", ["equations", "kernels"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("gelu", "act"), [("erf", "gelu"), ("tanh", "gelu_tanh")])
@pytest.mark.parametrize("name", FILES)
def test_as_googles_own_code_computes(name, gelu, act, dtype, math):
    expected, (ids, segments, mask) = official(name, gelu)
    model = load(SHARED / name, FILES[name], hidden_act=act, dtype=dtype, math=math)
    with torch.no_grad():
        out = model(ids, segments, mask)
    real = mask.bool()
    assert farthest(out.hidden_states[0], expected["embedding_output"], real) < 2e-6
    assert len(out.hidden_states) == 1 + len(expected["layers"])
    for state, layer in zip(out.hidden_states[1:], expected["layers"], strict=True):
        assert farthest(state, layer, real) < 2e-6
    assert farthest(out.pooled, expected["pooled_output"]) < 2e-6
    if FILES[name] == "pretraining":
        masked_lm, next_sentence = (t.log_softmax(dim=-1) for t in out.logits)
        assert farthest(next_sentence, expected["next_sentence_log_probs"]) < 5e-6
        assert farthest(masked_lm, expected["masked_lm_log_probs"], real) < 2e-5
    # The other GELU is another function, where the weights are not tiny: such a test can fail.
    other, _ = official(name, "tanh" if gelu == "erf" else "erf")
    assert name == "tf1-l2-h4" or farthest(out.hidden_states[-1], other["layers"][-1], real) > 1e-5


@shared
def test_a_trained_encoder_beside_its_published_logits():
    """BERT-tiny fine-tuned on SST-2, from the embeddings' output on."""
    saved = np.load(SHARED / "bert-tiny-sst2-encoder" / "encoder.npz")
    config = BertConfig(8, 128, 2, 2, intermediate_size=512, labels=("negative", "positive"))
    model = Bert(config, "classification").double().eval()
    rename = PYTORCH["bert"].renamer("classification")
    tensors = {name: torch.from_numpy(saved[name]) for name in saved.files if name.startswith(("bert.", "classifier."))}
    weights = {rename(name)[1]: t for name, t in tensors.items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert unexpected == [] and all(name.startswith("embeddings.") for name in missing)
    X = torch.from_numpy(saved["embedding_output_nuovo_cinema"]).double().unsqueeze(0)
    with torch.no_grad():
        states, _ = model.encoder(X)
        _, logits = model.read_out(states[-1])
    assert farthest(logits[0], saved["exact_ln_logits"]) < 1e-5


@shared
def test_real_indices_without_their_data(tmp_path):
    """The official BERT-tiny's, and one with a snappy-compressed block and Adam's slots: what is missing is named."""
    files = {"bert-tiny": (2, 128, 30522), "covbert-snappy": None}
    shutil.copy(SHARED / "index-only" / "bert-tiny.ckpt.index", tmp_path / "bert_model.ckpt.index")
    shutil.copy(SHARED / "index-only" / "bert-tiny.bert_config.json", tmp_path / "bert_config.json")
    with pytest.raises(CheckpointError, match=r"bert_model\.ckpt\.data-00000-of-00001 is missing beside"):
        load(tmp_path)
    assert set(files) == {path.name.removesuffix(".ckpt.index") for path in (SHARED / "index-only").glob("*.index")}


def test_the_writer_names_what_the_reference_has():
    """The oracle of this file, held against names copied from Google's README and scripts."""
    model = reference_class("bert", "pretraining")(reference_config("bert"))
    names = set(google_layout.google_tensors(model))
    assert {
        "bert/embeddings/word_embeddings",
        "bert/embeddings/LayerNorm/beta",
        "bert/encoder/layer_2/attention/self/query/kernel",
        "bert/encoder/layer_0/attention/output/LayerNorm/gamma",
        "bert/encoder/layer_1/intermediate/dense/bias",
        "bert/pooler/dense/kernel",
        "cls/predictions/transform/dense/kernel",
        "cls/predictions/transform/LayerNorm/gamma",
        "cls/predictions/output_bias",
        "cls/seq_relationship/output_weights",
        "cls/seq_relationship/output_bias",
    } <= names
    assert len(names) == 5 + 3 * 16 + 2 + 5 + 2


def test_the_vocabulary_of_the_tests_is_that_of_the_models(tmp_path):
    write_vocabulary(tmp_path)
    assert len(VOCABULARY) == SIZES["vocab_size"]
