"""Multi-head attention against `torch.nn.MultiheadAttention` in float64, with gradients; masks and memory."""

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
MASKS["per head"][..., 0] = True  # PyTorch returns NaN for a query that may look nowhere


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
    # Adding one vector to every key adds one number to all scores of a query, which softmax ignores.
    assert ours.W_K.bias.grad.abs().max() < 1e-12


S_K = 7
MEMORY = torch.randn(B, S_K, D, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
MEMORY_MASKS = {
    "none": None,
    "padding": torch.tensor([[True] * 7, [True, True, True, True, False, False, False]])[:, None, None, :],
    "each query": torch.ones(S, S_K, dtype=torch.bool).tril(),
}


def by_loops(attention, X, memory, mask):
    """Attention from X to `memory`, one query and one head at a time."""
    mask = torch.ones(B, 1, S, S_K, dtype=torch.bool) if mask is None else mask.expand(B, 1, S, S_K)
    d_k = D // H
    Y, A = torch.zeros(B, S, D, dtype=torch.float64), torch.zeros(B, H, S, S_K, dtype=torch.float64)
    for b in range(B):
        for q in range(S):
            for h in range(H):
                columns = slice(h * d_k, (h + 1) * d_k)
                query, keys, values = (
                    x @ W.weight[columns].T + W.bias[columns]
                    for x, W in ((X[b, q], attention.W_Q), (memory[b], attention.W_K), (memory[b], attention.W_V))
                )
                scores = torch.stack([(query * key).sum() / d_k**0.5 for key in keys])
                A[b, h, q] = scores.masked_fill(~mask[b, 0, q], -torch.inf).softmax(0)
                Y[b, q, columns] = sum(a * value for a, value in zip(A[b, h, q], values, strict=True))
    return Y @ attention.W_O.weight.T + attention.W_O.bias, A


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
@pytest.mark.parametrize("mask", MEMORY_MASKS)
def test_cross_attention_is_pytorchs_and_the_loop(math, mask, need_attention):
    """Queries from X, keys and values from a memory of another length; the gradients of both, too."""
    ours, mask = build(math), MEMORY_MASKS[mask]
    theirs = pytorchs(ours)
    hidden = None if mask is None else ~mask.expand(B, H, S, S_K).reshape(B * H, S, S_K)
    x, y = X.clone().requires_grad_(), X.clone().requires_grad_()
    m, n = MEMORY.clone().requires_grad_(), MEMORY.clone().requires_grad_()
    Y, A = ours(x, mask, need_attention, memory=m)
    expected, expected_A = theirs(y, n, n, attn_mask=hidden, average_attn_weights=False)
    looped, looped_A = by_loops(ours, X, MEMORY, mask)
    assert Y.shape == (B, S, D)
    assert (Y - expected).abs().max() < 1e-12 and (Y - looped).abs().max() < 1e-12
    assert (A is not None) == need_attention
    if need_attention:
        assert A.shape == (B, H, S, S_K)
        assert (A - expected_A).abs().max() < 1e-12 and (A - looped_A).abs().max() < 1e-12
    c = torch.randn(Y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    (Y * c).sum().backward()
    (expected * c).sum().backward()
    assert (x.grad - y.grad).abs().max() < 1e-12
    assert (m.grad - n.grad).abs().max() < 1e-12
    assert x.grad.abs().max() > 1e-3 and m.grad.abs().max() > 1e-3


@BOTH
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("need_attention", [False, True])
def test_x_as_its_own_memory_is_self_attention(math, mask, need_attention):
    """To the bit: output, A and gradients, in train mode with the same random numbers."""
    attention, results = build(math, dropout=0.3).train(), []
    for give_memory in (False, True):
        x = X.clone().requires_grad_()
        attention.zero_grad()
        torch.manual_seed(6)
        Y, A = attention(x, MASKS[mask], need_attention, **({"memory": x} if give_memory else {}))
        Y.square().sum().backward()
        gradients = [p.grad.clone() for p in attention.parameters()]
        results.append([Y, x.grad, *gradients, torch.rand(()), *([A] if need_attention else [])])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


@BOTH
def test_masked_tokens_have_no_influence(math):
    attention = build(math)
    Y, A = attention(X, MASKS["padding"], need_attention=True)
    assert (A[1, :, :, 3:] == 0.0).all() and (A[1, :, :, :3] > 0.0).all()
    other = X.clone()
    other[1, 3:] = 100.0
    again, _ = attention(other, MASKS["padding"])
    assert (again[PADDING] - Y[PADDING]).abs().max() < 1e-13
    # The same sentence alone, without padding, gives the same output.
    alone, _ = attention(X[1:, :3])
    assert (alone[0] - Y[1, :3]).abs().max() < 1e-13


@BOTH
def test_a_sentence_without_visible_tokens_gives_the_output_bias(math):
    attention = build(math)
    Y, _ = attention(X, torch.zeros(B, 1, 1, S, dtype=torch.bool))
    assert torch.equal(Y, attention.W_O.bias.expand(B, S, D))


@BOTH
def test_attention_is_permutation_equivariant(math):
    """Permuting the tokens permutes the output in the same way: attention does not see positions."""
    attention, order = build(math), torch.tensor([3, 0, 4, 1, 2])
    assert (attention(X[:, order])[0] - attention(X)[0][:, order]).abs().max() < 1e-13


@BOTH
def test_dropout_is_on_the_weights_and_in_training_only(math):
    attention = build(math, dropout=0.5)
    undropped, _ = attention.eval()(X)
    assert torch.equal(attention(X)[0], undropped)
    assert (build(math)(X)[0] - undropped).abs().max() < 1e-15
    torch.manual_seed(4)
    Y, A = attention.train()(X, need_attention=True)
    assert (Y - undropped).abs().max() > 0.1
    assert (A.sum(-1) - 1.0).abs().max() < 1e-14  # A is before dropout


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


def test_weights_have_the_names_of_the_paper():
    shapes = {name: tuple(p.shape) for name, p in build(EQUATIONS).named_parameters()}
    assert shapes == {f"W_{x}.{part}": shape for x in "QKVO" for part, shape in (("weight", (D, D)), ("bias", (D,)))}


def without_biases(attention):
    for part in (attention.W_Q, attention.W_K, attention.W_V, attention.W_O):
        assert part.bias is None
        part.register_parameter("bias", nn.Parameter(torch.zeros(part.weight.shape[0], dtype=torch.float64)))
    return attention


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
def test_attention_without_biases_is_attention_with_biases_of_0(math, need_attention):
    torch.manual_seed(0)
    bare = MultiHeadAttention(D, H, 0.0, math, bias=False).double()
    for parameter in bare.parameters():
        nn.init.normal_(parameter, std=0.7)
    assert {name for name, _ in bare.named_parameters()} == {f"W_{x}.weight" for x in "QKVO"}
    Y, A = bare(X, MASKS["padding"], need_attention)
    expected, expected_A = pytorchs(without_biases(bare))(
        X, X, X, key_padding_mask=~PADDING, average_attn_weights=False
    )
    assert (Y - expected).abs().max() < 1e-12
    assert not need_attention or (A - expected_A).abs().max() < 1e-12


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
@pytest.mark.parametrize("d_k", [1, 4, 7])
def test_a_head_width_of_its_own_a_scale_and_a_bias_of_the_scores(math, need_attention, d_k):
    """One head after the other; with another width even H = 5 is possible, which does not divide D = 12."""
    torch.manual_seed(0)
    heads, scale = 5, 0.6
    attention = MultiHeadAttention(D, heads, 0.0, math, d_k=d_k, scale=scale).double()
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.7)
    bias = torch.randn(1, heads, S, S_K, dtype=torch.float64)
    Y, A = attention(X, MEMORY_MASKS["padding"], need_attention, memory=MEMORY, bias=bias)
    outputs = []
    for h in range(heads):
        rows = slice(h * d_k, (h + 1) * d_k)
        q, k, v = (
            x @ W.weight[rows].T + W.bias[rows]
            for x, W in ((X, attention.W_Q), (MEMORY, attention.W_K), (MEMORY, attention.W_V))
        )
        scores = (scale * q @ k.mT + bias[:, h]).masked_fill(~MEMORY_MASKS["padding"][:, 0], -torch.inf)
        outputs.append(scores.softmax(-1) @ v)
        assert not need_attention or (A[:, h] - scores.softmax(-1)).abs().max() < 1e-12
    expected = torch.cat(outputs, -1) @ attention.W_O.weight.T + attention.W_O.bias
    assert attention.W_O.weight.shape == (D, heads * d_k)
    assert (Y - expected).abs().max() < 1e-12


def test_the_number_of_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"D = 10 is not divisible by the number of heads H = 3"):
        MultiHeadAttention(10, 3)
