"""minitf against `transformers`, tensor by tensor, in float64, with weights far from their initial values."""

import dataclasses

import pytest
import torch
import transformers

from minitf.mathematics import EQUATIONS, KERNELS
from minitf.proof.divergence import TOLERANCES, compare, compare_models, first_divergence
from minitf.proof.reference import open_pair, stand_in
from minitf.text.batches import Batch
from tests.support import google_layout
from tests.support.batches_to_compare import TIGHT, padded_batch


@pytest.fixture
def folder(write_bert):
    return write_bert(transformers.BertForSequenceClassification, num_labels=3)[0]


def test_tolerance_of_float64_is_the_promised_one():
    assert TOLERANCES[torch.float64] == TIGHT


@pytest.mark.parametrize("math", ["equations", "kernels"])
def test_everything_is_equal_in_eval_mode(folder, math):
    batch, targets = padded_batch()
    rows = compare_models(open_pair(folder, math, num_labels=3), batch, targets, tolerance=TIGHT)
    assert first_divergence(rows) is None
    stages = [row.stage for row in rows]
    assert stages.count("forward") == (5 + 3 * 12 + 3) + (3 + 1)  # with A requested, and without
    assert stages.count("gradient") == stages.count("weight") == 5 + 3 * 16 + 4


def test_everything_is_equal_in_train_mode_with_equal_seeds(folder):
    batch, targets = padded_batch(1)
    rows = compare_models(open_pair(folder, "equations", num_labels=3), batch, targets, train_seed=5, tolerance=TIGHT)
    assert first_divergence(rows) is None
    assert "encoder.layers.0.AV" in [row.label for row in rows]


@pytest.mark.parametrize("base", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
def test_everything_is_equal_in_train_mode_with_a_stand_in_for_dropout(folder, base):
    batch, targets = padded_batch(2)
    pair = open_pair(folder, base.overlay(dropout=stand_in), num_labels=3)
    assert first_divergence(compare_models(pair, batch, targets, fixed_dropout=True, tolerance=TIGHT)) is None


def test_train_mode_is_not_eval_mode(folder):
    """Otherwise the two tests above would not test dropout."""
    batch, targets = padded_batch(2)
    pair = open_pair(folder, EQUATIONS.overlay(dropout=stand_in), num_labels=3)
    pair.theirs.config.hidden_dropout_prob = 0.0
    for module in pair.theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    assert first_divergence(compare_models(pair, batch, targets, fixed_dropout=True, tolerance=TIGHT)) is not None


@pytest.mark.parametrize("act", ["gelu", "gelu_new", "relu"])
def test_every_activation_of_the_official_files(write_bert, act):
    folder, _ = write_bert(transformers.BertForSequenceClassification, num_labels=2, hidden_act=act, seed=3)
    batch, targets = padded_batch(3)
    assert first_divergence(compare_models(open_pair(folder), batch, targets % 2, tolerance=TIGHT)) is None


@pytest.mark.parametrize("seed", range(4))
def test_other_shapes(write_bert, seed):
    generator = torch.Generator().manual_seed(seed)
    pick = lambda *options: options[int(torch.randint(len(options), (1,), generator=generator))]  # noqa: E731
    H = pick(1, 2, 3, 5)
    numbers = {
        "num_attention_heads": H,
        "hidden_size": H * pick(2, 8),
        "num_hidden_layers": pick(1, 2, 4),
        "intermediate_size": pick(7, 64),
        "layer_norm_eps": pick(1e-12, 1e-5),
        "type_vocab_size": pick(2, 3),
    }
    folder, _ = write_bert(transformers.BertForSequenceClassification, num_labels=3, seed=seed, **numbers)
    batch, targets = padded_batch(seed, lengths=(1, 20, 5, 2))
    assert first_divergence(compare_models(open_pair(folder, num_labels=3), batch, targets, tolerance=TIGHT)) is None


def test_fifty_steps_stay_equal(folder):
    batch, targets = padded_batch(4)
    rows = compare_models(open_pair(folder, num_labels=3), batch, targets, steps=50, tolerance=TIGHT)
    assert first_divergence(rows) is None


def test_a_spoiled_layer_is_named(write_bert):
    """A mistake in layer 4 only is reported at layer 4, at the tensor that it changes."""
    folder, _ = write_bert(transformers.BertForSequenceClassification, num_labels=3, num_hidden_layers=6)
    pair = open_pair(folder, num_labels=3)
    layer = pair.ours.encoder.layers[4]
    with torch.no_grad():
        layer.ffn.W_1.bias[0] += 1e-6
    batch, targets = padded_batch(5)
    first = first_divergence(compare_models(pair, batch, targets, tolerance=TIGHT))
    assert first is not None
    assert (first.stage, first.label) == ("forward", "encoder.layers.4.W_1")


def test_compare_is_not_fooled():
    x = torch.tensor([1.0, -2.0, torch.inf])
    assert compare("forward", "x", x, x.clone(), 1e-10).within_tolerance
    assert not compare("forward", "x", x, torch.tensor([1.0, -2.0, -torch.inf]), 1e-10).within_tolerance
    assert not compare("forward", "x", x, torch.tensor([1.0, -2.0, 3.0]), 1e-10).within_tolerance
    assert not compare(
        "forward", "x", torch.tensor([torch.nan, 1.0]), torch.tensor([torch.nan, 1.0]), 1e-10
    ).within_tolerance
    assert not compare("forward", "x", torch.ones(2), torch.ones(2, 1), 1e-10).within_tolerance
    row = compare("forward", "x", torch.tensor([1.0, 4.0]), torch.tensor([1.0, 5.0]), 1e-10)
    assert (row.absolute, row.relative) == (1.0, 0.2)
    floored = compare("gradient", "x", torch.tensor([1e-9]), torch.tensor([2e-9]), 1e-10)
    assert floored.relative == pytest.approx(1e-6)


def test_rows_are_frozen():
    row = compare("forward", "x", torch.ones(1), torch.ones(1), 1e-10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.absolute = 0.0


def test_the_fused_attention_is_compared(folder, monkeypatch):
    """KERNELS use the equation if A is requested. The comparison must also run the fused kernel, backward too."""
    fused, calls = torch.nn.functional.scaled_dot_product_attention, []

    def spoiled(Q, K, V, **settings):
        calls.append(Q.requires_grad)
        return fused(Q, K, V, **settings) * (1.0 + 1e-6)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spoiled)
    batch, targets = padded_batch(6)
    first = first_divergence(
        compare_models(open_pair(folder, "kernels", num_labels=3), batch, targets, tolerance=TIGHT)
    )
    assert any(calls)
    assert first is not None
    assert first.label == "encoder.layers.0.ffn_norm/without-A"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_coarse_mistakes_are_seen_in_short_types_too(folder, dtype):
    from minitf.proof.mistakes import MISTAKES

    seen = ["no scaling", "pre-norm", "LayerNorm over tokens"]
    for name in seen + ["no bias correction"] * (dtype is torch.float32):
        mistake = next(m for m in MISTAKES if m.name == name)
        pair = open_pair(folder, EQUATIONS.overlay(**mistake.overlay), dtype, num_labels=3)
        mistake.change_model(pair.ours)
        assert first_divergence(compare_models(pair, *padded_batch(8))) is not None, name
    assert (
        first_divergence(compare_models(open_pair(folder, "equations", dtype, num_labels=3), *padded_batch(8))) is None
    )


# What is zero in theory


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scale", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(2))
def test_what_is_zero_in_theory_is_never_judged_relatively(write_bert, seed, scale, dtype):
    """Key biases of 0 have a gradient of rounding error alone, which large weights make larger than Adam's ε."""
    folder, model = write_bert(transformers.BertForSequenceClassification, num_labels=3, seed=seed)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("key.bias"):
                p.zero_()
            elif p.dim() == 2:
                p.copy_(torch.randn(p.shape, generator=random) * scale)
    model.save_pretrained(folder)
    for math in ("equations", "kernels"):
        rows = compare_models(open_pair(folder, math, dtype, num_labels=3), *padded_batch(seed))
        assert [row for row in rows if row.label.endswith("W_K.bias") and not row.within_tolerance] == []
        if dtype is torch.float64 or scale < 1.0:
            assert first_divergence(rows) is None


def test_a_key_bias_beyond_the_reach_of_adam_is_reported():
    zero, moved = torch.zeros(3, dtype=torch.float64), torch.tensor([0.0, 4e-10, -4e-4], dtype=torch.float64)
    assert not compare("weight", "W_K.bias", moved, zero, 1e-10).within_tolerance
    assert compare("weight", "W_K.bias", moved, zero, 1e-10, reach=5e-4).within_tolerance
    assert not compare("weight", "W_K.bias", 2 * moved, zero, 1e-10, reach=5e-4).within_tolerance
    large = torch.full((3,), 100.0, dtype=torch.float64)
    assert not compare("weight", "W_K.bias", large + 2 * moved, large, 1e-10, reach=5e-4).within_tolerance


@pytest.mark.parametrize("each_step", [1e-4, 1e-9])
def test_a_key_bias_that_is_moved_by_more_than_rounding_is_reported(folder, each_step):
    def move(optimizer):
        correct = optimizer.step

        def step():
            norm = correct()
            with torch.no_grad():
                optimizer.parameters["encoder.layers.1.attention.W_K.bias"] += each_step
            return norm

        optimizer.step = step

    batch, targets = padded_batch(9)
    rows = compare_models(open_pair(folder, num_labels=3), batch, targets, tolerance=TIGHT, change_optimizer=move)
    first = first_divergence(rows)
    assert (first.stage, first.label) == ("weight", "encoder.layers.1.attention.W_K.bias")


# The family


FAMILY = ["bert", "roberta", "xlm-roberta", "distilbert"]


def family_batch(model_type):
    batch, targets = padded_batch()
    if "roberta" not in model_type:
        return batch, targets
    real = batch.mask.bool()  # its padding is 1, and it has one segment
    ids = torch.where(real, batch.token_ids.clamp(min=2), 1)
    return Batch(ids, torch.zeros_like(ids), batch.mask), targets


@pytest.mark.parametrize("math", ["equations", "kernels"])
@pytest.mark.parametrize("model_type", FAMILY)
def test_every_member_is_compared(write_member, model_type, math):
    folder, _ = write_member(model_type, "classification", num_labels=3)
    rows = compare_models(open_pair(folder, math, num_labels=3), *family_batch(model_type), tolerance=TIGHT)
    assert first_divergence(rows) is None
    labels = [row.label for row in rows if row.stage == "forward"]
    for part in (
        "embeddings.position",
        "encoder.layers.2.QKᵀ/√d_k",
        "encoder.layers.1.AV",
        "encoder.layers.0.activation",
    ):
        assert part in labels
    assert ("embeddings.segment" in labels) == (model_type != "distilbert")
    assert ("pooler" in labels) == (model_type == "bert")


@pytest.mark.parametrize("model_type", FAMILY)
@pytest.mark.parametrize("part", ["embeddings.position", "encoder.layers.1.AV", "encoder.layers.2.activation"])
def test_a_mistake_in_a_member_is_found_where_it_is(write_member, model_type, part):
    """A changed weight is reported in each of the modules that differ between members of the family."""
    folder, _ = write_member(model_type, "classification", num_labels=3)
    pair = open_pair(folder, num_labels=3)
    changed = {
        "embeddings.position": pair.ours.embeddings.position,
        "encoder.layers.1.AV": pair.ours.encoder.layers[1].attention.W_V,
        "encoder.layers.2.activation": pair.ours.encoder.layers[2].ffn.W_1,
    }[part]
    with torch.no_grad():
        changed.weight[5] += 1e-6
    first = first_divergence(compare_models(pair, *family_batch(model_type), steps=0, tolerance=TIGHT))
    found = {"encoder.layers.1.AV": "encoder.layers.1.W_V", "encoder.layers.2.activation": "encoder.layers.2.W_1"}
    assert first.label == found.get(part, part)


def test_a_tensorflow_checkpoint_is_compared(write_member, tmp_path):
    """The reference cannot open one: it opens our model, saved."""
    _, model = write_member("bert", "classification", num_labels=3)
    folder = google_layout.write(tmp_path / "google", model)
    rows = compare_models(open_pair(folder, num_labels=3), *padded_batch(), tolerance=TIGHT)
    assert first_divergence(rows) is None
    assert rows
