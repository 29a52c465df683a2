"""Multi-head attention against `torch.nn.MultiheadAttention` in float64, gradients too; what its mask promises."""

import pytest
import torch
from torch import nn

from minitf.layers import MultiHeadAttention
from minitf.mathematics import EQUATIONS, KERNELS

BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
B, S, D, H = 2, 5, 12, 3


def build(math, dropout=0.0):
    torch.manual_seed(0)
    attention = MultiHeadAttention(D, H, dropout, math).double()
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.7)
    return attention


def pytorchs(attention):
    theirs = nn.MultiheadAttention(D, H, batch_first=True).double()
    parts = (attention.W_Q, attention.W_K, attention.W_V)
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([part.weight for part in parts]),
            "in_proj_bias": torch.cat([part.bias for part in parts]),
            "out_proj.weight": attention.W_O.weight,
            "out_proj.bias": attention.W_O.bias,
        }
    )
    return theirs


X = torch.randn(B, S, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
PADDING = torch.tensor([[True] * 5, [True, True, True, False, False]])
MASKS = {
    "none": None,
    "padding": PADDING[:, None, None, :],
    "causal": torch.ones(S, S, dtype=torch.bool).tril(),
    "per head": torch.rand(B, H, S, S, generator=torch.Generator().manual_seed(2)) > 0.4,
}
MASKS["per head"][..., 0] = True  # PyTorch answers a row with nothing to look at with NaN


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_multi_head_attention_is_pytorchs(math, mask, need_attention):
    ours, mask = build(math), MASKS[mask]
    theirs = pytorchs(ours)
    hidden = None if mask is None else ~mask.expand(B, H, S, S).reshape(B * H, S, S)

    x, y = X.clone().requires_grad_(), X.clone().requires_grad_()
    Y, A = ours(x, mask, need_attention)
    expected, expected_A = theirs(y, y, y, attn_mask=hidden, average_attn_weights=False)
    assert Y.shape == (B, S, D)
    assert (Y - expected).abs().max() < 1e-12
    if need_attention:
        assert A.shape == (B, H, S, S)
        assert (A - expected_A).abs().max() < 1e-12
    else:
        assert A is None

    c = torch.randn(Y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    (Y * c).sum().backward()
    (expected * c).sum().backward()
    assert (x.grad - y.grad).abs().max() < 1e-12
    for name, pair in {
        "W": ([part.weight.grad for part in (ours.W_Q, ours.W_K, ours.W_V)], theirs.in_proj_weight.grad),
        "b": ([part.bias.grad for part in (ours.W_Q, ours.W_K, ours.W_V)], theirs.in_proj_bias.grad),
        "W_O": ([ours.W_O.weight.grad], theirs.out_proj.weight.grad),
        "b_O": ([ours.W_O.bias.grad], theirs.out_proj.bias.grad),
    }.items():
        assert (torch.cat(pair[0]) - pair[1]).abs().max() < 1e-12, name
    # Adding one vector to every key adds one number to all scores of a query, which softmax does not see.
    assert ours.W_K.bias.grad.abs().max() < 1e-12


@BOTH
def test_what_is_masked_cannot_be_read(math):
    attention = build(math)
    Y, A = attention(X, MASKS["padding"], need_attention=True)
    assert (A[1, :, :, 3:] == 0.0).all() and (A[1, :, :, :3] > 0.0).all()
    other = X.clone()
    other[1, 3:] = 100.0
    again, _ = attention(other, MASKS["padding"])
    assert (again[PADDING] - Y[PADDING]).abs().max() < 1e-13
    # And a sentence alone, without its padding, comes out the same.
    alone, _ = attention(X[1:, :3])
    assert (alone[0] - Y[1, :3]).abs().max() < 1e-13


@BOTH
def test_a_sentence_that_sees_nothing_gives_the_output_bias(math):
    attention = build(math)
    Y, _ = attention(X, torch.zeros(B, 1, 1, S, dtype=torch.bool))
    assert torch.equal(Y, attention.W_O.bias.expand(B, S, D))


@BOTH
def test_attention_knows_no_order(math):
    """Exchange the tokens and the answers are exchanged: where a token stands must be in X."""
    attention, order = build(math), torch.tensor([3, 0, 4, 1, 2])
    assert (attention(X[:, order])[0] - attention(X)[0][:, order]).abs().max() < 1e-13


@BOTH
def test_dropout_is_on_the_weights_and_in_training_only(math):
    attention = build(math, dropout=0.5)
    calm, _ = attention.eval()(X)
    assert torch.equal(attention(X)[0], calm)
    assert (build(math)(X)[0] - calm).abs().max() < 1e-15
    torch.manual_seed(4)
    Y, A = attention.train()(X, need_attention=True)
    assert (Y - calm).abs().max() > 0.1
    assert (A.sum(-1) - 1.0).abs().max() < 1e-14  # A is what softmax gave


@BOTH
def test_a_forward_pass_leaves_nothing_behind(math):
    attention = build(math)
    before, weights = dict(vars(attention)), {name: p.clone() for name, p in attention.named_parameters()}
    x = X.clone()
    first, _ = attention(x, MASKS["padding"], need_attention=True)
    second, _ = attention(x, MASKS["padding"], need_attention=True)
    assert torch.equal(first, second) and torch.equal(x, X)
    assert vars(attention) == before
    assert all(torch.equal(p, weights[name]) for name, p in attention.named_parameters())


def test_weights_bear_the_papers_names():
    shapes = {name: tuple(p.shape) for name, p in build(EQUATIONS).named_parameters()}
    assert shapes == {f"W_{x}.{part}": shape for x in "QKVO" for part, shape in (("weight", (D, D)), ("bias", (D,)))}


def test_heads_must_share_out_the_width():
    with pytest.raises(ValueError, match=r"D = 10 cannot be shared out evenly among H = 3 heads"):
        MultiHeadAttention(10, 3)
