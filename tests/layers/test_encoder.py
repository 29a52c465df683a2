"""The encoder of Vaswani et al. 2017, built from `layers` alone, against `torch.nn` in float64, with gradients."""

import math as python_math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from minitf.equations.mask import causal_mask
from minitf.layers import (
    Decoder,
    Encoder,
    EncoderLayer,
    IdentityLayer,
    LayerParts,
    SinusoidalEmbeddings,
    padding_mask,
)
from minitf.mathematics import EQUATIONS, KERNELS

BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
B, S, D, H, WIDE, L, N = 2, 5, 12, 3, 20, 3, 17
IDS = torch.randint(N, (B, S), generator=torch.Generator().manual_seed(0))
REAL = torch.tensor([[True] * 5, [True, True, True, False, False]])
MASK = REAL[:, None, None, :]
X = torch.randn(B, S, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def redraw(module):
    """Weights far from where training starts: no scale 1, no bias 0."""
    random = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        scale = 0.4 if parameter.dim() > 1 else 1.0
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=random) * scale
    return module


def vaswani(math, activation="relu", **numbers):
    return nn.ModuleDict(
        {
            "embeddings": SinusoidalEmbeddings(N, D, math=math),
            "encoder": Encoder(L, D, H, WIDE, activation, eps=1e-5, math=math, **numbers),
        }
    ).double()


def pytorchs(model, activation):
    """`torch.nn`'s encoder with the weights of `model`; left in training mode, where it does not use its fast path."""
    layer = nn.TransformerEncoderLayer(
        D, H, WIDE, dropout=0.0, activation=activation, layer_norm_eps=1e-5, batch_first=True, norm_first=False
    )
    theirs = nn.TransformerEncoder(layer, L, enable_nested_tensor=False).double()
    for ours, its in zip(model["encoder"].layers, theirs.layers, strict=True):
        its.load_state_dict({name: torch.cat(parts) for name, parts in pieces(ours, lambda p: p.data).items()})
    return theirs


def pieces(layer, of):
    """PyTorch's name of each parameter of an encoder layer -> `of` our parameters that make it up."""
    attention, ffn = layer.attention, layer.ffn
    projections = (attention.W_Q, attention.W_K, attention.W_V)
    return {
        "self_attn.in_proj_weight": [of(part.weight) for part in projections],
        "self_attn.in_proj_bias": [of(part.bias) for part in projections],
        "self_attn.out_proj.weight": [of(attention.W_O.weight)],
        "self_attn.out_proj.bias": [of(attention.W_O.bias)],
        "linear1.weight": [of(ffn.W_1.weight)],
        "linear1.bias": [of(ffn.W_1.bias)],
        "linear2.weight": [of(ffn.W_2.weight)],
        "linear2.bias": [of(ffn.W_2.bias)],
        "norm1.weight": [of(layer.attention_norm.gamma)],
        "norm1.bias": [of(layer.attention_norm.beta)],
        "norm2.weight": [of(layer.ffn_norm.gamma)],
        "norm2.bias": [of(layer.ffn_norm.beta)],
    }


@BOTH
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("padded", [False, True])
def test_vaswanis_encoder_is_pytorchs(math, activation, padded):
    model = redraw(vaswani(math, activation))
    theirs = pytorchs(model, activation)
    table = model["embeddings"].word.weight.detach().clone().requires_grad_()

    states, _ = model["encoder"](model["embeddings"](IDS), MASK if padded else None)
    angle = torch.arange(S).double()[:, None] / 10000 ** (torch.arange(0, D, 2).double() / D)
    PE = torch.zeros(S, D, dtype=torch.float64)
    PE[:, 0::2], PE[:, 1::2] = angle.sin(), angle.cos()
    Y = F.embedding(IDS, table) * python_math.sqrt(D) + PE
    expected = [Y]
    for layer in theirs.layers:
        Y = layer(Y, src_key_padding_mask=~REAL if padded else None)
        expected.append(Y)

    assert len(states) == L + 1
    for ours, its in zip(states, expected, strict=True):
        assert (ours - its).abs().max() < 1e-10

    c = torch.randn(B, S, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    c = c * REAL[..., None] if padded else c
    (states[-1] * c).sum().backward()
    (expected[-1] * c).sum().backward()
    assert (model["embeddings"].word.weight.grad - table.grad).abs().max() < 1e-10
    for ours, its in zip(model["encoder"].layers, theirs.layers, strict=True):
        gradients = pieces(ours, lambda p: p.grad)
        for name, parameter in its.named_parameters():
            assert (torch.cat(gradients[name]) - parameter.grad).abs().max() < 1e-10, name
        assert parameter.grad.abs().max() > 1e-3  # the comparison is not of zeros


@BOTH
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("mask", ["none", "padding", "causal"])
def test_the_pre_norm_encoder_is_pytorchs(math, activation, mask):
    """With the causal mask this is GPT-2's stack."""
    parts = LayerParts(placement="pre_norm")
    encoder = redraw(Encoder(L, D, H, WIDE, activation, eps=1e-5, math=math, parts=parts, final_norm=True).double())
    layer = nn.TransformerEncoderLayer(
        D, H, WIDE, 0.0, activation, layer_norm_eps=1e-5, batch_first=True, norm_first=True
    )
    theirs = nn.TransformerEncoder(layer, L, nn.LayerNorm(D, 1e-5), enable_nested_tensor=False).double()
    for ours, its in zip(encoder.layers, theirs.layers, strict=True):
        its.load_state_dict({name: torch.cat(parts) for name, parts in pieces(ours, lambda p: p.data).items()})
    theirs.norm.load_state_dict({"weight": encoder.final_norm.gamma, "bias": encoder.final_norm.beta})
    x, y = X.clone().requires_grad_(), X.clone().requires_grad_()
    states, _ = encoder(x, {"none": None, "padding": MASK, "causal": causal_mask(S)}[mask])
    options = {
        "none": {},
        "padding": {"src_key_padding_mask": ~REAL},
        "causal": {"mask": ~causal_mask(S)},
    }[mask]
    expected = theirs(y, **options)
    assert (states[-1] - expected).abs().max() < 1e-10
    c = torch.randn(B, S, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    (states[-1] * c).sum().backward()
    (expected * c).sum().backward()
    assert (x.grad - y.grad).abs().max() < 1e-10
    for ours, its in zip(encoder.layers, theirs.layers, strict=True):
        gradients = pieces(ours, lambda p: p.grad)
        for name, parameter in its.named_parameters():
            assert (torch.cat(gradients[name]) - parameter.grad).abs().max() < 1e-10, name


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
def test_the_layer_of_bert_computes_as_before_there_were_parts_to_the_bit(math, need_attention):
    """The statements of the layer before it could be built of other parts, in training: outputs and all gradients."""
    layer = redraw(EncoderLayer(D, H, WIDE, "gelu", 0.3, 0.2, math=math, dropout_after_attention=0.1).double()).train()

    def before(X):
        attention = layer.attention
        Q, K, V = (math.split_heads(W(X), H) for W in (attention.W_Q, attention.W_K, attention.W_V))
        context, A = math.attend(Q, K, V, MASK, 0.2, need_attention)
        attended = attention.W_O(math.merge_heads(context))
        X = layer.attention_norm(X + layer.dropout_after_attention(attended))
        X = layer.ffn_norm(X + layer.dropout_after_ffn(layer.ffn.W_2(math.gelu(layer.ffn.W_1(X)))))
        return X, A

    results = []
    for f in (before, lambda X: layer(X, MASK, need_attention)):
        torch.manual_seed(5)
        layer.zero_grad()
        x = X.clone().requires_grad_()
        Y, A = f(x)
        Y.square().sum().backward()
        results.append(
            [Y, x.grad, torch.rand(2), *(p.grad.clone() for p in layer.parameters()), *([A] if need_attention else [])]
        )
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@BOTH
def test_of_a_pre_norm_layer_the_memory_is_normalized_by_the_caller(math):
    layer = redraw(EncoderLayer(D, H, WIDE, "gelu", math=math, parts=LayerParts(placement="pre_norm")).double())
    whole, A = layer(X, MASK, need_attention=True)
    row, A_0 = layer(X[:, :1], MASK, need_attention=True, memory=layer.attention_norm(X))
    assert (row - whole[:, :1]).abs().max() < 1e-12 and (A_0 - A[:, :, :1]).abs().max() < 1e-12


def layer_by_hand(layer, X, mask, p, p_attention):
    """One layer in training mode by PyTorch's functions: where each dropout is, and in which order they draw."""
    attention = layer.attention

    def heads(Y):
        return Y.unflatten(-1, (H, D // H)).transpose(1, 2)

    Q, K, V = (heads(F.linear(X, W.weight, W.bias)) for W in (attention.W_Q, attention.W_K, attention.W_V))
    A = ((Q @ K.mT) * (D // H) ** -0.5).masked_fill(~mask, float("-inf")).softmax(-1)
    context = (F.dropout(A, p_attention) @ V).transpose(1, 2).flatten(2)
    attended = F.dropout(F.linear(context, attention.W_O.weight, attention.W_O.bias), p)
    X = F.layer_norm(X + attended, (D,), layer.attention_norm.gamma, layer.attention_norm.beta, 1e-12)
    inner = F.gelu(F.linear(X, layer.ffn.W_1.weight, layer.ffn.W_1.bias))
    fed = F.dropout(F.linear(inner, layer.ffn.W_2.weight, layer.ffn.W_2.bias), p)
    return F.layer_norm(X + fed, (D,), layer.ffn_norm.gamma, layer.ffn_norm.beta, 1e-12)


@BOTH
def test_in_training_the_layer_drops_where_bert_does(math):
    """With `need_attention`, so that both mathematics draw the dropout of A as the equation does."""
    layer = redraw(EncoderLayer(D, H, WIDE, "gelu", dropout=0.3, attention_dropout=0.2, math=math).double())
    torch.manual_seed(5)
    ours, _ = layer.train()(X, MASK, need_attention=True)
    torch.manual_seed(5)
    expected = layer_by_hand(layer, X, MASK, 0.3, 0.2)
    assert (ours - expected).abs().max() < 1e-12
    undropped, _ = layer.eval()(X, MASK)
    assert (undropped - layer_by_hand(layer, X, MASK, 0.0, 0.0)).abs().max() < 1e-12
    assert (ours - undropped).abs().max() > 0.1


@BOTH
def test_memory_x_is_the_layer_without_memory(math):
    """To the bit, in train mode with the same random numbers."""
    layer = redraw(EncoderLayer(D, H, WIDE, "gelu", dropout=0.3, attention_dropout=0.2, math=math).double()).train()
    for need_attention in (False, True):
        torch.manual_seed(5)
        Y, A = layer(X, MASK, need_attention)
        torch.manual_seed(5)
        again, again_A = layer(X, MASK, need_attention, memory=X)
        assert torch.equal(again, Y)
        assert (A is None and again_A is None) or torch.equal(again_A, A)


@BOTH
def test_queries_and_residual_are_from_x_and_keys_and_values_from_memory(math):
    """Against the sub-layers one by one, with a memory of another length and its padding mask."""
    layer = redraw(EncoderLayer(D, H, WIDE, "gelu", math=math).double()).eval()
    queries, memory = X[:, :2], X.flip(1)
    mask = padding_mask(REAL.flip(1).long())
    Y, A = layer(queries, mask, need_attention=True, memory=memory)
    attended, expected_A = layer.attention(queries, mask, need_attention=True, memory=memory)
    Z = layer.attention_norm(queries + attended)
    assert torch.equal(Y, layer.ffn_norm(Z + layer.ffn(Z))) and torch.equal(A, expected_A)
    assert Y.shape == (B, 2, D) and A.shape == (B, H, 2, S)
    spoiled = memory.clone()
    spoiled[1, :2] = 100.0  # padding of the memory
    assert torch.equal(layer(queries, mask, memory=spoiled)[0], layer(queries, mask, memory=memory)[0])


def test_the_residual_dropout_of_attention_can_have_a_rate_of_its_own():
    """Neither the rate on A nor the one after the feed-forward network changes; dropouts have no state."""
    usual = EncoderLayer(D, H, WIDE, dropout=0.3, attention_dropout=0.2)
    other = EncoderLayer(D, H, WIDE, dropout=0.3, attention_dropout=0.2, dropout_after_attention=0.0)
    rates = [
        (layer.attention.dropout, layer.dropout_after_attention.p, layer.dropout_after_ffn.p)
        for layer in (usual, other)
    ]
    assert rates == [(0.2, 0.3, 0.3), (0.2, 0.0, 0.3)]
    assert not any("dropout" in name for name in usual.state_dict())


def test_an_identity_layer_returns_x():
    for arguments in ({}, {"need_attention": True}, {"memory": torch.zeros(B, 3, D)}):
        Y, A = IdentityLayer()(X, MASK, **arguments)
        assert Y is X and A is None


@BOTH
def test_encoder_returns_all_states_and_the_requested_attentions(math):
    encoder = redraw(Encoder(L, D, H, WIDE, math=math).double())
    states, attentions = encoder(X, MASK, need_attention=True)
    assert len(states) == L + 1 and states[0] is X
    assert [A.shape for A in attentions] == [(B, H, S, S)] * L
    again, none = encoder(X, MASK)
    assert none == ()
    state = X
    for i, layer in enumerate(encoder.layers):
        state, A = layer(state, MASK, need_attention=True)
        assert torch.equal(state, states[i + 1]) and torch.equal(A, attentions[i])
        assert (again[i + 1] - state).abs().max() < 1e-12
        assert (A[1, :, :, 3:] == 0.0).all()


@BOTH
def test_padding_changes_no_real_token(math):
    encoder = redraw(Encoder(L, D, H, WIDE, math=math).double())
    together, _ = encoder(X, MASK)
    alone, _ = encoder(X[1:, :3])
    assert all((a[1, :3] - b[0]).abs().max() < 1e-12 for a, b in zip(together, alone, strict=True))


@BOTH
def test_a_forward_pass_leaves_nothing_behind(math):
    encoder = redraw(Encoder(L, D, H, WIDE, dropout=0.1, attention_dropout=0.1, math=math).double())
    before = [(module, dict(vars(module))) for module in encoder.modules()]
    weights = {name: value.clone() for name, value in encoder.state_dict().items()}
    x = X.clone()
    encoder.train()(x, MASK, need_attention=True)
    assert torch.equal(x, X)
    assert all(vars(module) == attributes for module, attributes in before)
    assert all(torch.equal(value, weights[name]) for name, value in encoder.state_dict().items())


def test_the_encoder_of_the_package_s_own_example_runs():
    embeddings = SinusoidalEmbeddings(N=32_000, D=512)
    encoder = Encoder(L=1, D=512, H=8, F=2048, activation="relu")
    token_ids = torch.tensor([[31_999, 5, 0]])
    mask = torch.tensor([[1, 1, 0]])
    states, attentions = encoder(embeddings(token_ids), padding_mask(mask), need_attention=True)
    assert states[-1].shape == (1, 3, 512) and attentions[0].shape == (1, 8, 3, 3)
    assert (attentions[0][..., 2] == 0.0).all()
    decoder = Decoder(L=1, D=512, H=8, F=2048, activation="relu")
    target_ids = torch.tensor([[1, 7]])
    targets, _, _ = decoder(embeddings(target_ids), states[-1], causal_mask(target_ids.shape[1]), padding_mask(mask))
    assert targets[-1].shape == (1, 2, 512)
