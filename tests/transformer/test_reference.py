"""Every model against `transformers`: float64, redrawn weights, padded batches, both mathematics, from the files that
`transformers` wrote, through the production loader. Compared are outputs, attention weights, the loss, gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor

from minitf.checkpoints.kinds import TRANSFORMER
from minitf.checkpoints.load import load
from minitf.checkpoints.tensors import divide
from minitf.equations.loss import cross_entropy
from tests.support.transformer_models import ENCODER_DECODERS, PATCHES, pairs, untouched, write_reference

MATH = pytest.mark.parametrize("math", ["equations", "kernels"])


def opened(tmp_path, name: str, math: str, **changes: Any) -> tuple[Any, Any]:
    theirs = write_reference(tmp_path / name, name, **changes)
    return load(tmp_path / name, math=math, dtype=torch.float64), theirs


def assert_close(ours: Tensor, theirs: Tensor, what: str, atol: float = 1e-10) -> None:
    assert ours.shape == theirs.shape, what
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol, msg=lambda text: f"{what}: {text}")


def assert_same_gradients(ours: Any, theirs: Any, name: str, atol: float = 1e-10) -> None:
    """Compare every gradient; a scale above 1 is divided out."""
    table = TRANSFORMER[name]
    rename = table.renamer(ours.head_name)
    other: dict[str, Tensor] = {}
    gradients = {official: p.grad for official, p in theirs.named_parameters() if p.requires_grad}
    for official, gradient in divide(table, gradients):
        our_name = rename(official)[1]
        other[our_name.removesuffix("ᵀ")] = gradient.T if our_name.endswith("ᵀ") else gradient
    assert set(other) == {our_name for our_name, _ in ours.named_parameters()}
    for our_name, p in ours.named_parameters():
        scale = max(1.0, float(other[our_name].abs().max()))
        assert_close(p.grad / scale, other[our_name] / scale, our_name, atol)


def assert_same_maps(ours: tuple, theirs: tuple, real: Tensor, what: str, atol: float = 1e-10) -> None:
    """Compare the attention weights of real queries; `real` `[B, S_q]`."""
    assert len(ours) == len(theirs) > 0
    for layer, (mine, their) in enumerate(zip(ours, theirs, strict=True)):
        assert_close(mine.transpose(1, 2)[real], their.transpose(1, 2)[real], f"{what} {layer}", atol)


def compare_encoder_decoder(ours: Any, theirs: Any, name: str, atol: float = 1e-10) -> None:
    p = pairs(ours.config.start_id)
    real, real_target = p.mask.bool(), p.target_mask.bool()
    out = ours(p.source, p.inputs, p.mask, p.target_mask, need_attention=True)
    other = theirs(
        input_ids=p.source,
        attention_mask=p.mask,
        decoder_input_ids=p.inputs,
        decoder_attention_mask=p.target_mask,
        labels=p.labels,
        output_attentions=True,
        output_hidden_states=True,
    )
    assert_close(out.logits[real_target], other.logits[real_target], "logits", atol)
    for states, their_states, rows in (
        (out.encoder_states, other.encoder_hidden_states, real),
        (out.decoder_states, other.decoder_hidden_states, real_target),
    ):
        for layer, (mine, their) in enumerate(zip(states, their_states, strict=True)):
            assert_close(mine[rows], their[rows], f"state {layer}", atol)
    assert_same_maps(out.encoder_attentions, other.encoder_attentions, real, "encoder A", atol)
    assert_same_maps(out.decoder_attentions, other.decoder_attentions, real_target, "decoder A", atol)
    assert_same_maps(out.cross_attentions, other.cross_attentions, real_target, "cross A", atol)
    loss = cross_entropy(out.logits.flatten(0, 1), p.labels.flatten(), ignore_index=-100)
    assert_close(loss, other.loss, "loss", atol)
    without = ours(p.source, p.inputs, p.mask, p.target_mask)
    assert_close(without.logits[real_target], other.logits[real_target], "logits without A", atol)
    assert without.cross_attentions == without.encoder_attentions == without.decoder_attentions == ()
    loss.backward()
    other.loss.backward()
    assert_same_gradients(ours, theirs, name, atol)


@MATH
@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_encoder_decoders(tmp_path, name, math):
    ours, theirs = opened(tmp_path, name, math)
    with PATCHES.get(name, untouched)():
        compare_encoder_decoder(ours, theirs, name)


@pytest.mark.parametrize("name", ["t5", "t5-v1.1"])
def test_t5_against_the_untouched_reference(tmp_path, name):
    """Its RMSNorm computes the variance in float32. Small matrices do not amplify the rounding."""
    ours, theirs = opened(tmp_path, name, "kernels", shrink=0.3)
    compare_encoder_decoder(ours, theirs, name, atol=1e-6)


@MATH
def test_gpt2(tmp_path, math):
    ours, theirs = opened(tmp_path, "gpt2", math)
    p = pairs(0)
    labels, real = p.source.masked_fill(p.mask == 0, -100), p.mask.bool()
    out = ours(p.source, p.mask, need_attention=True)
    other = theirs(
        input_ids=p.source, attention_mask=p.mask, labels=labels, output_attentions=True, output_hidden_states=True
    )
    assert_close(out.logits[real], other.logits[real], "logits")
    for layer, (mine, their) in enumerate(zip(out.hidden_states, other.hidden_states, strict=True)):
        assert_close(mine[real], their[real], f"state {layer}")
    assert_same_maps(out.attentions, other.attentions, real, "A")
    # The reference computes the loss of GPT-2 in float32; this is its formula in float64.
    theirs_loss = torch.nn.functional.cross_entropy(other.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    assert_close(theirs_loss.float(), other.loss, "loss in float32", 1e-6)
    loss = cross_entropy(out.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    assert_close(loss, theirs_loss, "loss")
    loss.backward()
    theirs_loss.backward()
    assert_same_gradients(ours, theirs, "gpt2")


@MATH
def test_gpt2_with_padding_on_the_left(tmp_path, math):
    """Positions count real tokens, as in generation."""
    ours, theirs = opened(tmp_path, "gpt2", math)
    p = pairs(0)
    ids, mask = p.source.flip(1), p.mask.flip(1)
    positions = (mask.cumsum(1) - 1) * mask
    other = theirs(input_ids=ids, attention_mask=mask, position_ids=positions)
    assert_close(ours(ids, mask).logits[mask.bool()], other.logits[mask.bool()], "logits")
