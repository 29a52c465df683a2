"""Official weights in: every value in its place, whatever the layout; and one error that says all that is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import minitf
from minitf.bert import BertConfig
from minitf.checkpoints.load import load, load_tokenizer, load_with_report
from minitf.checkpoints.sources import Source
from minitf.errors import CheckpointError, InputError

ROOT = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize("math", ["equations", "kernels"])
CLASSIFIER = transformers.BertForSequenceClassification
LABELS = {"id2label": {0: "bad", 1: "so so", 2: "good"}, "label2id": {"bad": 0, "so so": 1, "good": 2}}

# Where each tensor belongs, told independently of the table in `names`: by replacements, in this order.
REPLACEMENTS = [
    ("bert.", ""),
    ("word_embeddings", "word"),
    ("token_type_embeddings", "segment"),
    ("position_embeddings", "position"),
    ("embeddings.LayerNorm", "embeddings.norm"),
    ("encoder.layer.", "encoder.layers."),
    ("attention.self.query", "attention.W_Q"),
    ("attention.self.key", "attention.W_K"),
    ("attention.self.value", "attention.W_V"),
    ("attention.output.LayerNorm", "attention_norm"),
    ("attention.output.dense", "attention.W_O"),
    ("intermediate.dense", "ffn.W_1"),
    ("output.LayerNorm", "ffn_norm"),
    ("output.dense", "ffn.W_2"),
    ("pooler.dense", "pooler.W"),
    ("classifier", "head.W"),
    ("norm.weight", "norm.gamma"),
    ("norm.bias", "norm.beta"),
]


def our_name(official):
    for theirs, ours in REPLACEMENTS:
        official = official.replace(theirs, ours)
    return official


def official_tensors(folder):
    """Of a folder that `write_bert` wrote."""
    return load_file(folder / "model.safetensors")


def rewrite(folder, tensors, layout="model.safetensors"):
    """The folder with these tensors instead, in one of the four layouts."""
    (folder / "model.safetensors").unlink()
    tensors = {name: t.contiguous() for name, t in tensors.items()}
    suffix = "safetensors" if "safetensors" in layout else "bin"
    files = {layout: tensors}
    if layout.endswith(".json"):
        stem, names = layout.split(".")[0], list(tensors)
        parts = [names[i::3] for i in range(3)]  # no shard holds a layer's tensors together
        files = {f"{stem}-0000{i}-of-00003.{suffix}": {n: tensors[n] for n in part} for i, part in enumerate(parts, 1)}
        weight_map = {name: file for file, part in files.items() for name in part}
        (folder / layout).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    for file, part in files.items():
        save_file(part, folder / file, {"format": "pt"}) if suffix == "safetensors" else torch.save(part, folder / file)


def edit_config(folder, without=(), **changes):
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({key: config[key] for key in config if key not in without}))


def draw(lengths=(9, 4, 1), S=9, N=60):
    """Ids, segments and mask `[B, S]`, drawn also where there is padding."""
    generator = torch.Generator().manual_seed(1)
    token_ids = torch.randint(0, N, (len(lengths), S), generator=generator)
    segment_ids = torch.randint(0, 2, (len(lengths), S), generator=generator)
    return token_ids, segment_ids, (torch.arange(S) < torch.tensor(lengths)[:, None]).long()


def assert_every_value(model, reference):
    """Each of our tensors is the one of the reference that belongs there; none is left over on either side."""
    theirs = {our_name(name): t for name, t in reference.state_dict().items() if not name.startswith("cls.")}
    ours = model.state_dict()
    assert sorted(ours) == sorted(theirs)
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor.to(ours[name].dtype)), name


def close(ours, theirs, atol):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


def assert_same_outputs(model, reference, batch, atol=1e-10):
    """States of real tokens, attention of real queries, pooled vector and logits, as the reference gives them."""
    token_ids, segment_ids, mask = batch
    with torch.no_grad():
        ours = model(token_ids, segment_ids, mask, need_attention=True)
        theirs = reference(
            input_ids=token_ids,
            token_type_ids=segment_ids,
            attention_mask=mask,
            output_hidden_states=True,
            output_attentions=True,
        )
    real = mask.bool()
    assert len(ours.hidden_states) == len(theirs.hidden_states)
    for X, Y in zip(ours.hidden_states, theirs.hidden_states, strict=True):
        close(X[real], Y[real], atol)
    for A, C in zip(ours.attentions, theirs.attentions, strict=True):
        close(A.transpose(1, 2)[real], C.transpose(1, 2)[real], atol)
    if "pooler_output" in theirs:
        close(ours.pooled, theirs.pooler_output, atol)
    if "logits" in theirs:
        close(ours.logits, theirs.logits, atol)
    else:
        assert ours.logits is None


def refused(error, call, *parts, lines=1):
    """The message of the error that `call` raises; it holds all `parts`, in so many lines (None: in any number)."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    for part in parts:
        assert str(part) in message, message
    assert lines is None or message.count("\n") == lines - 1, message
    return message


# Layouts and names

LAYOUTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


@BOTH
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("prefix", ["", "bert."], ids=["bare", "prefixed"])
def test_every_layout_with_the_prefix_and_without(write_bert, layout, prefix, math):
    folder, reference = write_bert(dtype=torch.float64)
    rewrite(folder, {prefix + name: t for name, t in official_tensors(folder).items()}, layout)
    model = load(folder, math=math, dtype=torch.float64)
    assert_every_value(model, reference)
    assert_same_outputs(model, reference, draw())


@pytest.mark.parametrize("size", ["20KB", "1GB"])
@pytest.mark.parametrize(
    "cls", [transformers.BertModel, transformers.BertForPreTraining, transformers.BertForMaskedLM, CLASSIFIER]
)
def test_as_transformers_shards_it(write_bert, tmp_path, cls, size):
    _, reference = write_bert(cls, dtype=torch.float64)
    folder = tmp_path / "sharded"
    reference.save_pretrained(folder, max_shard_size=size)
    assert (folder / "model.safetensors.index.json").is_file() is (size == "20KB")
    head = "classification" if cls is CLASSIFIER else None
    model = load(folder, head=head, dtype=torch.float64)
    assert_every_value(model, reference)
    assert_same_outputs(model, reference if head else getattr(reference, "bert", reference), draw())


@pytest.mark.parametrize("act", ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
@BOTH
def test_every_activation(write_bert, act, math):
    folder, reference = write_bert(dtype=torch.float64, hidden_act=act)
    assert_same_outputs(load(folder, math=math, dtype=torch.float64), reference, draw())


def test_other_shapes(write_bert):
    """One head, one layer, one segment; a width unlike any other number; a large ε."""
    folder, reference = write_bert(
        dtype=torch.float64,
        num_attention_heads=1,
        num_hidden_layers=1,
        hidden_size=31,
        intermediate_size=7,
        type_vocab_size=1,
        max_position_embeddings=9,
        layer_norm_eps=0.1,
    )
    token_ids, segment_ids, mask = draw()
    assert_same_outputs(load(folder, dtype=torch.float64), reference, (token_ids, segment_ids * 0, mask))


def test_more_than_ten_layers(write_bert):
    folder, reference = write_bert(dtype=torch.float64, num_hidden_layers=12)
    model = load(folder, dtype=torch.float64)
    assert_every_value(model, reference)
    assert_same_outputs(model, reference, draw())


@pytest.mark.parametrize("layout", ["model.safetensors", "pytorch_model.bin"])
def test_the_first_files_names(write_bert, layout):
    """γ and β of LayerNorm, numbered positions, pre-training heads: as the first converted files had them."""
    folder, reference = write_bert(transformers.BertForPreTraining, dtype=torch.float64)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in official_tensors(folder).items()
    }
    assert sum(name.endswith("LayerNorm.gamma") for name in old) == 8  # one in the heads, two a layer, one below
    old["bert.embeddings.position_ids"] = torch.arange(64)[None]
    old["cls.predictions.decoder.weight"] = old["bert.embeddings.word_embeddings.weight"].clone()
    rewrite(folder, old, layout)
    model, report = load_with_report(folder, dtype=torch.float64)
    assert_every_value(model, reference)
    assert_same_outputs(model, reference.bert, draw())
    assert report.new == ()
    assert sorted(report.left_out) == sorted(
        ["bert.embeddings.position_ids", *(name for name in old if name.startswith("cls."))]
    )


@BOTH
def test_a_classifier(write_bert, math):
    folder, reference = write_bert(CLASSIFIER, dtype=torch.float64, **LABELS)
    model, report = load_with_report(folder, head="classification", math=math, dtype=torch.float64)
    assert_every_value(model, reference)
    assert_same_outputs(model, reference, draw())
    assert model.config.labels == ("bad", "so so", "good")
    assert report.new == report.left_out == ()
    assert list(report.loaded) == [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("stored", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_any_precision_from_any(write_bert, dtype, stored):
    folder, reference = write_bert(dtype=stored)
    model = load(folder, dtype=dtype)
    assert {t.dtype for t in model.state_dict().values()} == {dtype}
    assert_every_value(model, reference)


def test_a_loaded_model_is_ready_to_answer_and_to_learn(write_bert):
    folder, _ = write_bert(CLASSIFIER, **LABELS)
    model = load(folder, head="classification")
    assert not any(module.training for module in model.modules())
    assert all(p.requires_grad and p.is_leaf and p.device.type == "cpu" for p in model.parameters())
    before = official_tensors(folder)
    model(*draw()).logits.sum().backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= p.grad
    after = official_tensors(folder)
    assert all(torch.equal(before[name], after[name]) for name in before)  # the files are not the model's memory


def test_tensors_that_share_memory_in_a_file_do_not_in_the_model(write_bert):
    folder, _ = write_bert()
    tensors = official_tensors(folder)
    name = "encoder.layer.{}.output.dense.weight".format
    rewrite(folder, tensors, "pytorch_model.bin")
    tensors[name(1)] = tensors[name(0)]
    torch.save(tensors, folder / "pytorch_model.bin")
    layers = load(folder).encoder.layers
    assert torch.equal(layers[0].ffn.W_2.weight, layers[1].ffn.W_2.weight)
    with torch.no_grad():
        layers[0].ffn.W_2.weight.zero_()
    assert layers[1].ffn.W_2.weight.count_nonzero() > 0


# Pooler and head: there, absent, unwanted, new


def without(folder, *parts):
    """The folder less the tensors whose name has one of the parts; returns their names."""
    tensors = official_tensors(folder)
    gone = [name for name in tensors if any(part in name for part in parts)]
    rewrite(folder, {name: t for name, t in tensors.items() if name not in gone})
    return gone


def test_no_pooler_and_no_head(write_bert):
    folder, _ = write_bert(dtype=torch.float64)
    assert without(folder, "pooler.") == ["pooler.dense.bias", "pooler.dense.weight"]
    reference = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager")
    model, report = load_with_report(folder, dtype=torch.float64)
    assert model.pooler is None and report.new == ()
    out = model(*draw())
    assert out.pooled is None and out.logits is None
    with torch.no_grad():
        theirs = reference(*draw()[:1], attention_mask=draw()[2], token_type_ids=draw()[1]).last_hidden_state
    real = draw()[2].bool()
    close(out.hidden_states[-1][real], theirs[real], 1e-10)


def test_no_pooler_but_a_head_that_needs_one(write_bert):
    """As for masked-language models: pooler and head are new, and said to be."""
    folder, _ = write_bert(transformers.BertForMaskedLM)
    model, report = load_with_report(folder, head="classification", num_labels=3)
    assert report.new == ("pooler.W.weight", "pooler.W.bias", "head.W.weight", "head.W.bias")
    assert model(*draw()).logits.shape == (3, 3)


def test_a_new_head_is_drawn_as_bert_draws_and_nothing_else_is(write_bert):
    folder, reference = write_bert(hidden_size=64, initializer_range=0.05)
    torch.manual_seed(3)
    model, report = load_with_report(folder, head="classification", num_labels=40)
    assert report.new == ("head.W.weight", "head.W.bias")
    head = model.head.W
    assert head.bias.count_nonzero() == 0
    assert head.weight.abs().max() <= 0.1  # cut off at two standard deviations …
    assert 0.04 < head.weight.std() < 0.048  # … which leaves 0.88 of the deviation
    close(model.pooler.W.weight, reference.pooler.dense.weight, 0)
    torch.manual_seed(3)
    assert torch.equal(load(folder, head="classification", num_labels=40).head.W.weight, head.weight)
    assert not torch.equal(load(folder, head="classification", num_labels=40).head.W.weight, head.weight)


def test_loading_what_is_there_draws_nothing(write_bert):
    folder, _ = write_bert(CLASSIFIER, **LABELS)
    state = torch.get_rng_state()
    load(folder)
    load(folder, head="classification")
    assert torch.equal(torch.get_rng_state(), state)


def test_a_head_not_asked_for_is_left_out_on_purpose(write_bert):
    folder, reference = write_bert(CLASSIFIER, dtype=torch.float64, **LABELS)
    model, report = load_with_report(folder, dtype=torch.float64)
    assert model.head is None
    assert sorted(report.left_out) == ["classifier.bias", "classifier.weight"]
    assert_same_outputs(model, reference.bert, draw())


def test_labels_from_the_shape_where_the_config_names_none(write_bert):
    folder, reference = write_bert(CLASSIFIER, **LABELS)
    edit_config(folder, without=("id2label", "label2id"))
    model, report = load_with_report(folder, head="classification")
    assert model.config.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert_every_value(model, reference)
    assert report.new == ()


@pytest.mark.parametrize(
    ("asked", "labels"),
    [
        ({"num_labels": 3}, ("bad", "so so", "good")),
        ({"labels": ("bad", "so so", "good")}, ("bad", "so so", "good")),
        ({"labels": ["bad", "so so", "good"], "num_labels": 3}, ("bad", "so so", "good")),
    ],
)
def test_a_head_for_as_many_labels_stays(write_bert, asked, labels):
    folder, reference = write_bert(CLASSIFIER, **LABELS)
    model, report = load_with_report(folder, head="classification", **asked)
    assert model.config.labels == labels
    assert_every_value(model, reference)
    assert report.new == report.left_out == ()


def test_rows_follow_their_labels(write_bert):
    """The same names in another order: what was trained to say "good" still does."""
    folder, reference = write_bert(CLASSIFIER, **LABELS)
    model, report = load_with_report(folder, head="classification", labels=("good", "bad", "so so"))
    assert model.config.labels == ("good", "bad", "so so") and report.new == ()
    close(model.head.W.weight, reference.classifier.weight[[2, 0, 1]], 0)
    close(model.head.W.bias, reference.classifier.bias[[2, 0, 1]], 0)


def test_other_names_get_rows_of_their_own(write_bert):
    folder, _ = write_bert(CLASSIFIER, **LABELS)
    model, report = load_with_report(folder, head="classification", labels=("x", "y", "z"))
    assert model.config.labels == ("x", "y", "z")
    assert report.new == ("head.W.weight", "head.W.bias")


def test_names_for_rows_that_had_none(write_bert):
    folder, reference = write_bert(CLASSIFIER, num_labels=3)
    model, report = load_with_report(folder, head="classification", labels=("x", "y", "z"))
    assert model.config.labels == ("x", "y", "z") and report.new == ()
    close(model.head.W.weight, reference.classifier.weight, 0)


@pytest.mark.parametrize(
    ("asked", "labels"),
    [({"num_labels": 2}, ("LABEL_0", "LABEL_1")), ({"labels": ("a", "b", "c", "d")}, ("a", "b", "c", "d"))],
)
def test_a_head_for_another_number_of_labels_is_replaced(write_bert, asked, labels):
    folder, reference = write_bert(CLASSIFIER, **LABELS)
    model, report = load_with_report(folder, head="classification", **asked)
    assert model.config.labels == labels
    assert model.head.W.weight.shape == (len(labels), 32)
    assert report.new == ("head.W.weight", "head.W.bias")
    assert sorted(report.left_out) == ["classifier.bias", "classifier.weight"]
    assert not any(name.startswith("head.") for name in report.loaded)
    close(model.pooler.W.weight, reference.bert.pooler.dense.weight, 0)


def test_a_head_without_labels_anywhere(write_bert):
    folder, _ = write_bert()
    edit_config(folder, without=("id2label", "label2id"))
    refused(InputError, lambda: load(folder, head="classification"), folder, "classifier")


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ({"head": "nonsense"}, ["no head is called 'nonsense'", "classification"]),
        ({"head": "classification", "num_labels": 0}, ["num_labels", "0"]),
        ({"head": "classification", "num_labels": -1}, ["num_labels", "-1"]),
        ({"head": "classification", "num_labels": 2, "labels": ("a",)}, ["1 label", "num_labels = 2"]),
        ({"head": "classification", "labels": ()}, ["label"]),
        ({"math": "nonsense"}, ["nonsense", "equations", "kernels"]),
    ],
)
def test_arguments_that_cannot_be(write_bert, asked, parts):
    folder, _ = write_bert()
    refused(InputError, lambda: load(folder, **asked), *parts)


# The report


def test_the_report_says_what_was_loaded(write_bert):
    folder, _ = write_bert(transformers.BertForPreTraining)
    _, report = load_with_report(folder, head="classification", num_labels=2)
    parameters = sum(t.numel() for n, t in official_tensors(folder).items() if n.startswith("bert.")) + 2 * 32 + 2
    lines = str(report).split("\n")
    size = f"{4 * parameters / 1000:.0f} kB"
    assert lines[0] == f"{folder}: 55 tensors loaded, {parameters:,} parameters, {size}; from folder given"
    assert lines[1] == "  bert: 3 layers, width 32, 4 heads; head: classification; activation: GELU (erf)"
    assert lines[2] == "  vocabulary: 65 tokens, uncased, not one that minitf knows"
    assert lines[3] == "  randomly initialized, to be trained: head.W.weight, head.W.bias"
    assert lines[4].startswith("  not loaded on purpose: cls.predictions.bias, ")
    assert lines[5].startswith("  config.json keys that do not matter here: architectures, ")
    assert len(lines) == 6
    assert report.parameters == parameters and report.size == 4 * parameters
    assert report.source == Source(folder=folder, name=str(folder), origin="folder given")


def test_a_report_of_nothing_remarkable_is_three_lines(write_bert):
    folder, reference = write_bert()
    edit_config(folder, without=set(reference.config.to_dict()) - {"vocab_size", "hidden_size", "num_hidden_layers"})
    edit_config(folder, num_attention_heads=4, intermediate_size=48, max_position_embeddings=64, hidden_act="gelu_new")
    _, report = load_with_report(folder)
    assert str(report).count("\n") == 2
    assert "GELU (tanh)" in str(report)


# One error that lists all that is wrong


def test_everything_wrong_is_said_at_once(write_bert):
    folder, _ = write_bert(transformers.BertForPreTraining)
    tensors = official_tensors(folder)
    for name in ("bert.embeddings.LayerNorm.weight", "bert.encoder.layer.2.attention.self.key.bias"):
        del tensors[name]
    strangers = [f"adapter.{i}.weight" for i in range(9)]
    tensors |= {name: torch.ones(2) for name in strangers}
    tensors["bert.encoder.layer.3.output.dense.bias"] = torch.ones(32)  # a layer too many
    tensors["bert.encoder.layer.1.output.dense.weight"] = torch.ones(48, 32)  # transposed
    tensors["bert.embeddings.position_embeddings.weight"] = torch.ones(10, 32)
    tensors["bert.encoder.layer.0.output.dense.bias"] = torch.ones(32, dtype=torch.int64)
    rewrite(folder, tensors)
    message = refused(
        CheckpointError,
        lambda: load(folder),
        folder,
        "[48, 32]",
        "[32, 48]",
        "[10, 32]",
        "[64, 32]",
        "int64",
        *strangers,
        lines=None,
    )
    # Each by either side's name: a reader needs to know which, not whose.
    for ours, theirs in [
        ("embeddings.norm.gamma", "embeddings.LayerNorm.weight"),
        ("encoder.layers.2.attention.W_K.bias", "encoder.layer.2.attention.self.key.bias"),
        ("encoder.layers.3.ffn.W_2.bias", "encoder.layer.3.output.dense.bias"),
        ("encoder.layers.1.ffn.W_2.weight", "encoder.layer.1.output.dense.weight"),
        ("embeddings.position.weight", "embeddings.position_embeddings.weight"),
        ("encoder.layers.0.ffn.W_2.bias", "encoder.layer.0.output.dense.bias"),
    ]:
        assert ours in message or theirs in message
    for kind in ("missing", "unexpected", "wrong shape", "wrong type"):
        assert kind in message


@pytest.mark.parametrize("kept", ["weight", "bias"])
def test_half_a_pooler_is_none(write_bert, kept):
    folder, _ = write_bert()
    lost = {"weight": "bias", "bias": "weight"}[kept]
    without(folder, f"pooler.dense.{lost}")
    refused(CheckpointError, lambda: load(folder), folder, "missing", f"pooler.W.{lost}", lines=None)


@pytest.mark.parametrize("kept", ["weight", "bias"])
def test_half_a_head_is_none(write_bert, kept):
    folder, _ = write_bert(CLASSIFIER, **LABELS)
    lost = {"weight": "bias", "bias": "weight"}[kept]
    without(folder, f"classifier.{lost}")
    for asked in ({}, {"num_labels": 3}):
        call = lambda asked=asked: load(folder, head="classification", **asked)  # noqa: E731
        refused(CheckpointError, call, folder, "missing", f"head.W.{lost}", lines=None)
    assert load(folder).head is None  # not asked for, not missed


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex64])
def test_numbers_that_are_not_real(write_bert, dtype):
    folder, _ = write_bert()
    tensors = official_tensors(folder)
    tensors["encoder.layer.0.intermediate.dense.weight"] = torch.ones(48, 32).to(dtype)
    rewrite(folder, tensors, "pytorch_model.bin")
    refused(CheckpointError, lambda: load(folder), folder, "encoder.layers.0.ffn.W_1.weight", str(dtype), lines=None)


def test_a_head_that_is_no_matrix(write_bert):
    folder, _ = write_bert(CLASSIFIER, **LABELS)
    tensors = official_tensors(folder)
    tensors["classifier.weight"] = torch.ones(3, 32, 1)
    rewrite(folder, tensors)
    refused(CheckpointError, lambda: load(folder, head="classification"), folder, "[3, 32, 1]", "[3, 32]", lines=None)


def test_one_tensor_under_two_names(write_bert):
    folder, _ = write_bert()
    tensors = official_tensors(folder)
    tensors["bert.pooler.dense.bias"] = torch.zeros(32)
    rewrite(folder, tensors)
    refused(CheckpointError, lambda: load(folder), folder, "pooler.dense.bias", lines=None)


def test_another_architecture(write_bert):
    folder, _ = write_bert()
    rewrite(folder, {f"roberta.{name}": t for name, t in official_tensors(folder).items()})
    refused(CheckpointError, lambda: load(folder), folder, "none of the 55 tensors has a name of bert", "roberta.")


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 64},
        {"intermediate_size": 49},
        {"vocab_size": 64},
        {"max_position_embeddings": 63},
        {"type_vocab_size": 1},
        {"num_hidden_layers": 2},
        {"num_hidden_layers": 4},
    ],
)
def test_a_config_that_does_not_fit_the_weights(write_bert, change):
    folder, _ = write_bert()
    edit_config(folder, **change)
    refused(CheckpointError, lambda: load(folder), folder, "do not fit config.json", lines=None)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"hidden_size": -32}, ["hidden_size", "-32"]),
        ({"hidden_size": 32.0}, ["hidden_size", "32.0"]),
        ({"hidden_size": 33}, ["hidden_size 33", "num_attention_heads 4"]),
        ({"hidden_act": "silu"}, ["hidden_act", "silu"]),
        ({"hidden_act": ["gelu"]}, ["hidden_act"]),
        ({"position_embedding_type": "relative_key"}, ["position_embedding_type", "relative_key"]),
        ({"is_decoder": True}, ["is_decoder"]),
        ({"model_type": "gptj"}, ["model_type", "gptj"]),
        ({"layer_norm_eps": float("inf")}, ["layer_norm_eps", "inf"]),
        ({"id2label": "bad"}, ["id2label", "bad"]),
    ],
)
def test_a_config_that_cannot_be(write_bert, change, parts):
    folder, _ = write_bert()
    edit_config(folder, **change)
    refused(CheckpointError, lambda: load(folder), folder, *parts)


@pytest.mark.parametrize(
    "change",
    [
        {"vocab_size": 10**30},
        {"vocab_size": 2**63},
        {"hidden_size": 4 * 10**10},
        {"max_position_embeddings": 2**62},
    ],
)
def test_a_config_beyond_all_measure(write_bert, change):
    folder, _ = write_bert()
    edit_config(folder, **change)
    refused(CheckpointError, lambda: load(folder), folder, lines=None)


def test_a_million_layers_are_not_built_to_find_them_missing(write_bert):
    """In a process of its own, which can be given up."""
    folder, _ = write_bert()
    edit_config(folder, num_hidden_layers=10**6)
    program = f"import minitf; minitf.load({str(folder)!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert "CheckpointError" in done.stderr


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_file_cut_off(write_bert, file):
    folder, _ = write_bert()
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    refused(CheckpointError, lambda: load(folder), folder / file, "fetch it again")


def test_a_folder_that_is_no_checkpoint(tmp_path):
    refused(CheckpointError, lambda: load(tmp_path), tmp_path, "config.json")
    refused(CheckpointError, lambda: load_tokenizer(tmp_path), tmp_path, "config.json")


# Ways in


def test_from_scratch_takes_the_shape_alone(write_bert):
    folder, reference = write_bert()
    state = torch.get_rng_state()
    model, report = load_with_report(folder, head="classification", num_labels=2, from_scratch=True)
    assert report.loaded == () and report.left_out == ()
    assert list(report.new) == [name for name, _ in model.named_parameters()]
    assert not torch.equal(torch.get_rng_state(), state)
    norm = model.encoder.layers[1].ffn_norm
    assert (norm.gamma == 1).all() and (norm.beta == 0).all()
    assert model.embeddings.word.weight.std() < 0.02 < reference.embeddings.word_embeddings.weight.std()
    assert model(*draw()).logits.isfinite().all()


def test_from_scratch_reads_no_weights(write_bert):
    folder, _ = write_bert()
    (folder / "model.safetensors").write_bytes(b"spoilt")
    load_with_report(folder, from_scratch=True)
    refused(CheckpointError, lambda: load_with_report(folder), folder / "model.safetensors")


def test_numbers_of_the_config_changed_on_the_way(write_bert):
    folder, reference = write_bert(dtype=torch.float64)
    reference.config.hidden_act = "relu"
    for layer in reference.encoder.layer:
        layer.intermediate.intermediate_act_fn = torch.nn.ReLU()

    def change(config):
        return BertConfig(**(vars(config) | {"hidden_act": "relu", "hidden_dropout_prob": 0.5}))

    model, report = load_with_report(folder, dtype=torch.float64, change=change)
    assert "ReLU" in str(report) and model.config.hidden_dropout_prob == 0.5
    assert_same_outputs(model, reference, draw())


def test_the_python_face(write_bert):
    folder, reference = write_bert(CLASSIFIER, dtype=torch.float64, **LABELS)
    model = minitf.load(str(folder), head="classification", num_labels=3, math="kernels", dtype=torch.float64)
    batch = minitf.load_tokenizer(str(folder))(["the film was good", "not bad"], ["again", "never"], max_length=16)
    assert_same_outputs(model, reference, (batch.token_ids, batch.segment_ids, batch.mask))
    alone = model(batch.token_ids)  # all real, all of the first segment
    with torch.no_grad():
        close(alone.logits, reference(batch.token_ids).logits, 1e-10)
    assert alone.attentions == ()


# The default model

REVIEWS = [
    "The staff could not have been kinder, and the room was spotless.",
    "I waited forty minutes for a cold soup.",
    "Not bad at all - in fact, rather wonderful!",
    "Great, another update that deletes my settings.",
    "It works.",
    "",
    "The plot is thin; still, the two leads carry it from the first scene to the last, and I would watch them again.",
    "Überraschend gut für 12,50 €, aber zu laut.",
    "Would I buy it again? No. Would I recommend it? Never.",
    "我喜欢这本书。",
    "5/5 stars 👍 would stay again",
    "Half of what they promised, twice what they charged: " * 4,
]


@BOTH
def test_the_default_model_in_single_precision(minilm, math):
    """The claim that users read: hidden states of real tokens within 1e-5 of the reference's."""
    batch = load_tokenizer(minilm)(REVIEWS, max_length=128)
    reference = transformers.AutoModel.from_pretrained(minilm, attn_implementation="eager").eval()
    assert reference.dtype == torch.float32
    model, report = load_with_report("all-MiniLM-L6-v2", math=math)
    assert report.parameters == 22_713_216
    assert report.new == ()
    assert_every_value(model, reference)
    assert_same_outputs(model, reference, (batch.token_ids, batch.segment_ids, batch.mask), atol=1e-5)


@pytest.mark.parametrize(
    "asked",
    [
        {"num_labels": "3"},
        {"num_labels": 2.0},
        {"num_labels": True},
        {"labels": "ab"},
        {"labels": ("a", "a")},
        {"dtype": torch.int64},
        {"dtype": "float32"},
        {"device": "nonsense"},
        {"device": 3.5},
        {"math": 5},
    ],
)
def test_arguments_of_the_wrong_kind(write_bert, asked):
    folder, _ = write_bert()
    with pytest.raises(InputError) as caught:
        load(folder, head="classification", **({"num_labels": 2} | asked))
    assert next(iter(asked)) in str(caught.value)
    assert str(folder) not in str(caught.value)  # the checkpoint is not to blame
