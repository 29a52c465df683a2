"""The paper's own model against `torch.nn.Transformer`, weights copied, float64, and what the paper says of it."""

import math

import pytest
import torch
from torch import nn

from minitf.equations.position import sinusoidal_positions
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.transformer import EncoderDecoder, EncoderDecoderConfig
from tests.support.tiny import redraw
from tests.support.transformer_models import PAD, N, pairs

D, H, F, EPS = 24, 3, 40, 1e-5


def copy(layer, theirs, attentions, norms):
    """Copy the weights; the reference has biases in its attention, which the paper has not: they are 0."""
    for ours, name in attentions:
        other = getattr(theirs, name)
        other.in_proj_weight.copy_(torch.cat([ours.W_Q.weight, ours.W_K.weight, ours.W_V.weight]))
        other.in_proj_bias.zero_()
        other.out_proj.weight.copy_(ours.W_O.weight)
        other.out_proj.bias.zero_()
    for ours, name in norms:
        getattr(theirs, name).weight.copy_(ours.gamma)
        getattr(theirs, name).bias.copy_(ours.beta)
    for ours, other in ((layer.ffn.W_1, theirs.linear1), (layer.ffn.W_2, theirs.linear2)):
        other.weight.copy_(ours.weight)
        other.bias.copy_(ours.bias)


@pytest.mark.parametrize("functions", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
def test_against_torchs_transformer(functions):
    config = EncoderDecoderConfig(N, D, 2, 3, H, H, F, F, pad_token_id=PAD, decoder_start_token_id=PAD)
    ours = EncoderDecoder(config, functions).double().eval()
    redraw(ours)
    sizes = {"dropout": 0.0, "batch_first": True, "layer_norm_eps": EPS, "dtype": torch.float64}
    theirs = nn.Transformer(  # the paper has no norm after the last layer
        custom_encoder=nn.TransformerEncoder(
            nn.TransformerEncoderLayer(D, H, F, **sizes), 2, norm=None, enable_nested_tensor=False
        ),
        custom_decoder=nn.TransformerDecoder(nn.TransformerDecoderLayer(D, H, F, **sizes), 3, norm=None),
        d_model=D,
        nhead=H,
        batch_first=True,
    )
    with torch.no_grad():
        for layer, other in zip(ours.encoder.layers, theirs.encoder.layers, strict=True):
            norms = [(layer.attention_norm, "norm1"), (layer.ffn_norm, "norm2")]
            copy(layer, other, [(layer.attention, "self_attn")], norms)
        for layer, other in zip(ours.decoder.layers, theirs.decoder.layers, strict=True):
            norms = [(layer.self_attention_norm, "norm1"), (layer.cross_attention_norm, "norm2")]
            attentions = [(layer.self_attention, "self_attn"), (layer.cross_attention, "multihead_attn")]
            copy(layer, other, attentions, [*norms, (layer.ffn_norm, "norm3")])
    p, E = pairs(PAD), ours.word.weight

    def embed(ids):  # §3.4 and §3.5
        return math.sqrt(D) * E[ids] + sinusoidal_positions(ids.shape[1], D, torch.float64)

    T = p.inputs.shape[1]
    hidden = theirs(
        embed(p.source),
        embed(p.inputs),
        tgt_mask=torch.triu(torch.ones(T, T, dtype=torch.bool), diagonal=1),
        src_key_padding_mask=p.mask == 0,
        memory_key_padding_mask=p.mask == 0,
        tgt_is_causal=False,
    )
    logits = ours(p.source, p.inputs, p.mask).logits
    torch.testing.assert_close(logits, hidden @ E.T, rtol=0, atol=1e-10)
    gradients = torch.autograd.grad((hidden @ E.T).square().sum(), [theirs.encoder.layers[0].linear1.weight, E])
    logits.square().sum().backward()
    for mine, their in zip((ours.encoder.layers[0].ffn.W_1.weight.grad, E.grad), gradients, strict=True):
        scale = float(their.abs().max())
        torch.testing.assert_close(mine / scale, their / scale, rtol=0, atol=1e-10)


def test_the_base_model_has_the_papers_number_of_parameters():
    """Table 3: 65 million, with a vocabulary of about 37,000 tokens (§5.1), and no parameters of positions."""
    with torch.device("meta"):
        model = EncoderDecoder(EncoderDecoderConfig(37_000))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(65e6, rel=0.05)
    assert not any("position" in name for name, _ in model.named_parameters())


def test_biases_are_those_of_the_paper():
    """The equations of §3.2.2 have none; FFN(x) in §3.3 has b₁ and b₂; §3.4 ties the logits to the embeddings."""
    model = EncoderDecoder(EncoderDecoderConfig(N, D, 1, 1, H, H, F, F))
    biases = {
        name.rpartition(".")[0].rpartition(".")[2] for name, _ in model.named_parameters() if name.endswith("bias")
    }
    assert biases == {"W_1", "W_2"}
    assert not list(model.head.parameters())
