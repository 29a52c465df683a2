"""The decoder of Vaswani et al. 2017 against `torch.nn` in float64, with gradients; causality, memory, parts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from minitf.equations.mask import causal_mask
from minitf.layers import Decoder, DecoderLayer, Encoder, GatedFeedForward, LayerParts, RMSNorm, padding_mask
from minitf.mathematics import EQUATIONS, KERNELS

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=25)
BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
B, S, T, D, H, WIDE, L = 2, 5, 4, 12, 3, 20, 2
SOURCE_IS_REAL = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
TARGET_IS_REAL = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
MASK = causal_mask(T) & padding_mask(TARGET_IS_REAL)
MEMORY_MASK = padding_mask(SOURCE_IS_REAL)
PRE_NORM = LayerParts(placement="pre_norm")
T5 = LayerParts("pre_norm", RMSNorm, GatedFeedForward, bias=False, d_k=5, scale=1.0)
EVERY_PARTS = {"post-norm": LayerParts(), "pre-norm": PRE_NORM, "T5": T5}
each_parts = pytest.mark.parametrize("parts", EVERY_PARTS.values(), ids=EVERY_PARTS)


def draw(*shape, seed):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, MEMORY = draw(B, T, D, seed=1), draw(B, S, D, seed=2)


def redraw(module):
    """Weights far from where training starts: no scale 1, no bias 0."""
    random = torch.Generator().manual_seed(3)
    module = module.double()
    for parameter in module.parameters():
        scale = 0.4 if parameter.dim() > 1 else 1.0
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=random) * scale
    return module


def build(math, parts, **numbers):
    activation = "gated_gelu" if parts.feed_forward is GatedFeedForward else "relu"
    final_norm = parts.placement == "pre_norm"
    return redraw(
        Decoder(L, D, H, WIDE, activation, eps=1e-5, math=math, parts=parts, final_norm=final_norm, **numbers)
    )


def of_attention(prefix, attention):
    projections = (attention.W_Q, attention.W_K, attention.W_V)
    return {
        f"{prefix}.in_proj_weight": [part.weight for part in projections],
        f"{prefix}.in_proj_bias": [part.bias for part in projections],
        f"{prefix}.out_proj.weight": [attention.W_O.weight],
        f"{prefix}.out_proj.bias": [attention.W_O.bias],
    }


def of_rest(layer, norms):
    named = {"linear1.weight": [layer.ffn.W_1.weight], "linear1.bias": [layer.ffn.W_1.bias]}
    named |= {"linear2.weight": [layer.ffn.W_2.weight], "linear2.bias": [layer.ffn.W_2.bias]}
    for i, norm in enumerate(norms, start=1):
        named |= {f"norm{i}.weight": [norm.gamma], f"norm{i}.bias": [norm.beta]}
    return named


def of_decoder_layer(layer):
    """PyTorch's name of each parameter -> our parameters that it consists of."""
    attentions = of_attention("self_attn", layer.self_attention) | of_attention("multihead_attn", layer.cross_attention)
    return attentions | of_rest(layer, (layer.self_attention_norm, layer.cross_attention_norm, layer.ffn_norm))


def of_encoder_layer(layer):
    return of_attention("self_attn", layer.attention) | of_rest(layer, (layer.attention_norm, layer.ffn_norm))


def copy_weights(ours, theirs, names):
    theirs.load_state_dict({name: torch.cat([p.data for p in parts]) for name, parts in names(ours).items()})


def assert_equal_gradients(ours, theirs, names):
    expected = dict(theirs.named_parameters())
    for name, parts in names(ours).items():
        assert (torch.cat([p.grad for p in parts]) - expected[name].grad).abs().max() < 1e-10, name
    assert max(p.grad.abs().max() for p in expected.values()) > 1e-3  # the comparison is not of zeros


def pytorchs_decoder(decoder, parts):
    layer = nn.TransformerDecoderLayer(
        D, H, WIDE, 0.0, layer_norm_eps=1e-5, batch_first=True, norm_first=parts.placement == "pre_norm"
    )
    norm = nn.LayerNorm(D, 1e-5) if parts.placement == "pre_norm" else None
    theirs = nn.TransformerDecoder(layer, L, norm).double()
    for ours, its in zip(decoder.layers, theirs.layers, strict=True):
        copy_weights(ours, its, of_decoder_layer)
    if norm is not None:
        theirs.norm.load_state_dict({"weight": decoder.final_norm.gamma, "bias": decoder.final_norm.beta})
    return theirs


# --- against PyTorch


@BOTH
@pytest.mark.parametrize("parts", [LayerParts(), PRE_NORM], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("need_attention", [False, True])
def test_the_decoder_is_pytorchs(math, parts, padded, need_attention):
    """Every state, the attention weights, and the gradients of X, the memory and all weights."""
    decoder = build(math, parts)
    theirs = pytorchs_decoder(decoder, parts)
    x, y, m, n = (t.clone().requires_grad_() for t in (X, X, MEMORY, MEMORY))
    mask, memory_mask = (MASK, MEMORY_MASK) if padded else (causal_mask(T), None)
    states, self_attentions, cross_attentions = decoder(x, m, mask, memory_mask, need_attention)
    options = {"tgt_mask": ~causal_mask(T)}
    if padded:
        options |= {"tgt_key_padding_mask": TARGET_IS_REAL == 0, "memory_key_padding_mask": SOURCE_IS_REAL == 0}
    expected, state = [y], y
    for layer in theirs.layers:
        state = layer(state, n, **options)
        expected.append(state)
    expected[-1] = expected[-1] if theirs.norm is None else theirs.norm(state)
    assert len(states) == L + 1
    for ours, its in zip(states, expected, strict=True):
        assert (ours - its).abs().max() < 1e-10
    assert len(self_attentions) == len(cross_attentions) == (L if need_attention else 0)
    if need_attention:
        first = X if parts.placement == "post_norm" else theirs.layers[0].norm1(X)
        hidden = ~(mask.expand(B, 1, T, T).repeat_interleave(H, 1).reshape(B * H, T, T))
        _, A = theirs.layers[0].self_attn(first, first, first, attn_mask=hidden, average_attn_weights=False)
        assert (self_attentions[0] - A).abs().max() < 1e-10
        assert [A.shape for A in cross_attentions] == [(B, H, T, S)] * L
        assert all((A.sum(-1) - 1.0).abs().max() < 1e-12 for A in (*self_attentions, *cross_attentions))
        assert all((A[..., ~causal_mask(T)] == 0.0).all() for A in self_attentions)
        assert not padded or all((A[1, ..., 3:] == 0.0).all() for A in cross_attentions)
    c = draw(B, T, D, seed=4)
    (states[-1] * c).sum().backward()
    (expected[-1] * c).sum().backward()
    assert (x.grad - y.grad).abs().max() < 1e-10 and (m.grad - n.grad).abs().max() < 1e-10
    assert m.grad.abs().max() > 1e-3
    for ours, its in zip(decoder.layers, theirs.layers, strict=True):
        assert_equal_gradients(ours, its, of_decoder_layer)


@BOTH
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_and_decoder_are_pytorchs_transformer(math, activation):
    """`nn.Transformer` has post-norm layers, and still one more norm after each stack."""
    encoder = redraw(Encoder(L, D, H, WIDE, activation, eps=1e-5, math=math, final_norm=True))
    decoder = redraw(Decoder(L, D, H, WIDE, activation, eps=1e-5, math=math, final_norm=True))
    theirs = nn.Transformer(D, H, L, L, WIDE, 0.0, activation, batch_first=True).double()
    for ours, its in zip(encoder.layers, theirs.encoder.layers, strict=True):
        copy_weights(ours, its, of_encoder_layer)
    for ours, its in zip(decoder.layers, theirs.decoder.layers, strict=True):
        copy_weights(ours, its, of_decoder_layer)
    for ours, its in ((encoder, theirs.encoder), (decoder, theirs.decoder)):
        its.norm.load_state_dict({"weight": ours.final_norm.gamma, "bias": ours.final_norm.beta})
    source, target, y, z = (t.clone().requires_grad_() for t in (MEMORY, X, MEMORY, X))
    memory = encoder(source, MEMORY_MASK)[0][-1]
    ours = decoder(target, memory, MASK, MEMORY_MASK)[0][-1]
    hidden = {"src_key_padding_mask": SOURCE_IS_REAL == 0, "memory_key_padding_mask": SOURCE_IS_REAL == 0}
    expected = theirs(y, z, tgt_mask=~causal_mask(T), tgt_key_padding_mask=TARGET_IS_REAL == 0, **hidden)
    assert (ours - expected).abs().max() < 1e-10
    c = draw(B, T, D, seed=4)
    (ours * c).sum().backward()
    (expected * c).sum().backward()
    assert (source.grad - y.grad).abs().max() < 1e-10 and (target.grad - z.grad).abs().max() < 1e-10
    for layer, its in zip(encoder.layers, theirs.encoder.layers, strict=True):
        assert_equal_gradients(layer, its, of_encoder_layer)
    for layer, its in zip(decoder.layers, theirs.decoder.layers, strict=True):
        assert_equal_gradients(layer, its, of_decoder_layer)


@BOTH
@each_parts
def test_in_training_dropout_follows_every_sublayer(math, parts):
    """Against the sub-layers one by one, with the same random numbers."""
    activation = "gated_gelu" if parts.feed_forward is GatedFeedForward else "relu"
    layer = redraw(DecoderLayer(D, H, WIDE, activation, 0.3, 0.2, 1e-5, math, parts=parts)).train()
    torch.manual_seed(5)
    Y, A_self, A_cross = layer(X, MEMORY, MASK, MEMORY_MASK, need_attention=True)
    torch.manual_seed(5)
    pre = parts.placement == "pre_norm"
    Z, weights = X, []
    for norm, sublayer in (
        (layer.self_attention_norm, lambda Z: layer.self_attention(Z, MASK, True)),
        (layer.cross_attention_norm, lambda Z: layer.cross_attention(Z, MEMORY_MASK, True, memory=MEMORY)),
        (layer.ffn_norm, lambda Z: (layer.ffn(Z), None)),
    ):
        added, A = sublayer(norm(Z) if pre else Z)
        Z = Z + nn.functional.dropout(added, 0.3)
        Z = Z if pre else norm(Z)
        weights.append(A)
    assert torch.equal(Y, Z)
    assert torch.equal(A_self, weights[0]) and torch.equal(A_cross, weights[1])
    assert (layer.eval()(X, MEMORY, MASK, MEMORY_MASK)[0] - Y).abs().max() > 0.1


# --- properties


@BOTH
@each_parts
@PROPERTY
@given(seed=st.integers(0, 2**32), t=st.integers(0, 5), size=st.sampled_from([1e-6, 1.0, 1e3]))
def test_changing_a_later_target_moves_no_earlier_state(math, parts, seed, t, size):
    """Whatever the change, and in no layer; the changed target itself moves."""
    decoder, length = build(math, parts), 6
    target = draw(1, length, D, seed=seed)
    changed = target.clone()
    changed[:, t:] += size * draw(1, length - t, D, seed=seed + 1)
    before, after = (decoder(x, MEMORY[:1], causal_mask(length))[0] for x in (target, changed))
    for a, b in zip(before, after, strict=True):
        assert torch.equal(a[:, :t], b[:, :t])
        assert not torch.equal(a[:, t], b[:, t])


@BOTH
@each_parts
def test_no_gradient_reaches_a_later_target_or_the_padding_of_the_source(math, parts):
    x, m = X.clone().requires_grad_(), MEMORY.clone().requires_grad_()
    states, _, _ = build(math, parts)(x, m, MASK, MEMORY_MASK)
    for t in range(T):
        gx, gm = torch.autograd.grad(states[-1][:, t].square().sum(), (x, m), retain_graph=True)
        assert (gx[:, t + 1 :] == 0.0).all() and (gx[:, t] != 0.0).any()
        assert (gm[1, 3:] == 0.0).all() and (gm[1, :3] != 0.0).any()


@BOTH
@each_parts
def test_without_the_causal_mask_a_later_target_does_move_an_earlier_state(math, parts):
    """The layers add no mask of their own. So the property test above can fail."""
    decoder, changed = build(math, parts), X.clone()
    changed[:, -1] = -changed[:, -1]  # adding a number would not do: pre-norm does not see it
    before, after = (decoder(x, MEMORY)[0][-1] for x in (X, changed))
    assert (before[:, 0] - after[:, 0]).abs().max() > 1e-6


@BOTH
@each_parts
def test_padding_changes_no_real_target(math, parts):
    decoder = build(math, parts)
    together, _, _ = decoder(X, MEMORY, MASK, MEMORY_MASK)
    alone, _, _ = decoder(X[1:], MEMORY[1:, :3], causal_mask(T))
    assert all((a[1:] - b).abs().max() < 1e-12 for a, b in zip(together, alone, strict=True))


@BOTH
def test_a_bias_reaches_the_self_attention_only(math):
    """A bias of −∞ above the diagonal is a causal mask; on the cross-attention it could not even be added."""
    decoder = build(math, T5)
    bias = torch.zeros(1, H, T, T, dtype=torch.float64).masked_fill(~causal_mask(T), -torch.inf)
    by_bias = decoder(X, MEMORY, need_attention=True, bias=bias)
    by_mask = decoder(X, MEMORY, causal_mask(T), need_attention=True)
    for ours, theirs in zip(by_bias, by_mask, strict=True):
        assert all((a - b).abs().max() < 1e-12 for a, b in zip(ours, theirs, strict=True))
    per_head = draw(1, H, T, T, seed=7)
    assert (decoder(X, MEMORY, causal_mask(T), bias=per_head)[0][-1] - by_mask[0][-1]).abs().max() > 1e-3


# --- names and shapes


def test_weights_of_the_papers_decoder_layer():
    shapes = {name: tuple(p.shape) for name, p in DecoderLayer(D, H, WIDE).named_parameters()}
    expected = {}
    for attention in ("self_attention", "cross_attention"):
        for W in "QKVO":
            expected |= {f"{attention}.W_{W}.weight": (D, D), f"{attention}.W_{W}.bias": (D,)}
        expected |= {f"{attention}_norm.gamma": (D,), f"{attention}_norm.beta": (D,)}
    expected |= {"ffn.W_1.weight": (WIDE, D), "ffn.W_1.bias": (WIDE,), "ffn.W_2.weight": (D, WIDE)}
    expected |= {"ffn.W_2.bias": (D,), "ffn_norm.gamma": (D,), "ffn_norm.beta": (D,)}
    assert shapes == expected


def test_weights_of_t5s_decoder_layer():
    """No biases, a head width of its own, a gain for each norm, two maps in front of the gate."""
    layer = DecoderLayer(D, H, WIDE, "gated_gelu", parts=T5)
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    expected = {}
    for attention in ("self_attention", "cross_attention"):
        expected |= {f"{attention}.W_{W}.weight": (H * 5, D) for W in "QKV"} | {f"{attention}.W_O.weight": (D, H * 5)}
        expected |= {f"{attention}_norm.gamma": (D,)}
    expected |= {"ffn.W_gate.weight": (WIDE, D), "ffn.W_1.weight": (WIDE, D), "ffn.W_2.weight": (D, WIDE)}
    assert shapes == expected | {"ffn_norm.gamma": (D,)}


@pytest.mark.parametrize("final_norm", [False, True])
def test_a_final_norm_is_applied_to_the_last_state_only(final_norm):
    stacks = (Encoder(L, D, H, WIDE, final_norm=final_norm), Decoder(L, D, H, WIDE, final_norm=final_norm))
    for stack, arguments in zip(stacks, ((X,), (X, MEMORY)), strict=True):
        names = [name for name, _ in stack.named_parameters() if "final" in name]
        assert names == (["final_norm.gamma", "final_norm.beta"] if final_norm else [])
        redraw(stack)
        states = stack(*arguments)[0]
        last = stack.layers[-1](states[-2], *arguments[1:])[0]
        assert torch.equal(states[-1], stack.final_norm(last))
        assert torch.equal(states[-1], last) != final_norm


# --- planted mistakes: the comparison with PyTorch must see each


def set_forward(module, forward):
    object.__setattr__(module, "forward", forward)


def attend_to_target_twice(decoder):
    for layer in decoder.layers:
        cross = layer.cross_attention.forward
        set_forward(
            layer.cross_attention,
            lambda X, mask, need, *, memory, cache, cross=cross: cross(X, causal_mask(T), need, memory=X, cache=cache),
        )


def cross_attention_first(decoder):
    for layer in decoder.layers:

        def forward(X, memory, mask, memory_mask, need, *, bias, cache, layer=layer):
            for name in ("cross_attention", "self_attention"):
                given = (memory_mask, False) if name == "cross_attention" else (mask, False)
                of = {"memory": memory} if name == "cross_attention" else {}
                attention, norm = getattr(layer, name), getattr(layer, f"{name}_norm")
                X = layer.connect(X, lambda Y, a=attention, g=given, m=of: a(Y, *g, **m)[0], norm)
            return layer.connect(X, layer.ffn, layer.ffn_norm), None, None

        set_forward(layer, forward)


def share_the_norms(decoder):
    for layer in decoder.layers:
        layer.cross_attention_norm = layer.self_attention_norm


def swap_the_norms(decoder):
    for layer in decoder.layers:
        norms = layer.self_attention_norm, layer.cross_attention_norm
        layer.cross_attention_norm, layer.self_attention_norm = norms


def swap_the_attentions(decoder):
    for layer in decoder.layers:
        attentions = layer.self_attention, layer.cross_attention
        layer.cross_attention, layer.self_attention = attentions


def other_placement(decoder):
    for layer in decoder.layers:
        layer.connect = EQUATIONS.post_norm if layer.connect is EQUATIONS.pre_norm else EQUATIONS.pre_norm


def no_residual_around_cross_attention(decoder):
    for layer in decoder.layers:
        connect = layer.connect

        def faulty(X, sublayer, norm, connect=connect, cross=layer.cross_attention_norm):
            Y = connect(X, sublayer, norm)
            return Y - X if norm is cross else Y

        layer.connect = faulty


def no_final_norm(decoder):
    decoder.final_norm = nn.Identity()


def values_of_the_keys(decoder):
    for layer in decoder.layers:
        layer.cross_attention.W_V = layer.cross_attention.W_K


NOTHING = torch.ones(T, T, dtype=torch.bool)
WRONG_MASKS = {
    "no causal mask": NOTHING,
    "causal mask upside down": NOTHING.triu(),
    "causal mask that shows the next target": NOTHING.tril(1),
    "causal mask that hides the target itself": NOTHING.tril(-1),
}
WRONG_DECODERS = {
    "cross-attention attends to the target": attend_to_target_twice,
    "cross-attention first": cross_attention_first,
    "one norm for both attentions": share_the_norms,
    "norms exchanged": swap_the_norms,
    "attentions exchanged": swap_the_attentions,
    "norm at the other place": other_placement,
    "no residual around cross-attention": no_residual_around_cross_attention,
    "no final norm": no_final_norm,
    "values computed by W_K": values_of_the_keys,
}


def deviation(parts, change=lambda decoder: None, mask=MASK, memory_mask=MEMORY_MASK):
    """The largest difference of the real targets from PyTorch's, with a mistake in our decoder only."""
    decoder = build(EQUATIONS, parts)
    theirs = pytorchs_decoder(decoder, parts)
    hidden = {"tgt_key_padding_mask": TARGET_IS_REAL == 0, "memory_key_padding_mask": SOURCE_IS_REAL == 0}
    expected = theirs(X, MEMORY, tgt_mask=~causal_mask(T), **hidden)
    change(decoder)
    ours = decoder(X, MEMORY, mask, memory_mask)[0][-1]
    return (ours - expected)[TARGET_IS_REAL == 1].abs().max()


each_placement = pytest.mark.parametrize("parts", [LayerParts(), PRE_NORM], ids=["post-norm", "pre-norm"])


@each_placement
def test_no_mistake_is_accepted(parts):
    assert deviation(parts) < 1e-10


@each_placement
@pytest.mark.parametrize("name", WRONG_MASKS)
def test_a_wrong_causal_mask_is_rejected(parts, name):
    assert deviation(parts, mask=WRONG_MASKS[name] & padding_mask(TARGET_IS_REAL)) > 1e-4


@each_placement
def test_a_missing_or_wrong_memory_mask_is_rejected(parts):
    assert deviation(parts, memory_mask=None) > 1e-4
    assert deviation(parts, memory_mask=~MEMORY_MASK) > 1e-4
    assert deviation(parts, memory_mask=padding_mask(SOURCE_IS_REAL.flip(0))) > 1e-4


@each_placement
@pytest.mark.parametrize("name", WRONG_DECODERS)
def test_a_wrong_decoder_is_rejected(parts, name):
    if name == "no final norm":
        parts = PRE_NORM  # a post-norm decoder has none
    assert deviation(parts, WRONG_DECODERS[name]) > 1e-4
