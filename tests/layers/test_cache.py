"""Keys and values that are kept: the same states as without a cache, for every way to cut a sequence into steps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.equations.mask import causal_mask
from minitf.layers import (
    Decoder,
    Encoder,
    GatedFeedForward,
    KeyValueCache,
    LayerParts,
    MemoryCache,
    RelativePositionBias,
    RMSNorm,
    StackCache,
    padding_mask,
)
from minitf.mathematics import EQUATIONS, KERNELS

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=15)
BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
B, S, D, H, WIDE, L = 3, 4, 8, 2, 12, 2
PRE_NORM = LayerParts(placement="pre_norm")
T5 = LayerParts("pre_norm", RMSNorm, GatedFeedForward, bias=False, d_k=5, scale=1.0)
EVERY_PARTS = {"post-norm": LayerParts(), "pre-norm": PRE_NORM, "T5": T5}
each_parts = pytest.mark.parametrize("parts", EVERY_PARTS.values(), ids=EVERY_PARTS)


def draw(*shape, seed):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def redraw(module):
    random = torch.Generator().manual_seed(3)
    module = module.double()
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=random) * 0.5
    return module


def build(cls, math, parts):
    activation = "gated_gelu" if parts.feed_forward is GatedFeedForward else "gelu_tanh"
    return redraw(cls(L, D, H, WIDE, activation, eps=1e-5, math=math, parts=parts, final_norm=True))


MEMORY = draw(B, S, D, seed=1)
MEMORY_MASK = padding_mask(torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]))


@BOTH
@each_parts
@PROPERTY
@given(steps=st.lists(st.integers(1, 4), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_a_decoder_with_a_cache_gives_the_states_without_one(math, parts, steps, seed):
    """The states, both kinds of attention weights and T5's bias, for steps of any lengths; left padding too."""
    decoder, table = build(Decoder, math, parts), redraw(RelativePositionBias(H, False, 8, 20, math))
    T = sum(steps)
    X = draw(B, T, D, seed=seed)
    real = torch.arange(T) >= torch.tensor([[0], [1], [T // 2]])
    mask, bias = causal_mask(T) & padding_mask(real), table(T, T)
    states, of_self, of_cross = decoder(X, MEMORY, mask, MEMORY_MASK, need_attention=True, bias=bias)
    cache, start = StackCache(L), 0
    for step in steps:
        end = start + step
        assert cache.length == start
        now = causal_mask(step, end) & padding_mask(real[:, :end])
        part = decoder(X[:, start:end], MEMORY, now, MEMORY_MASK, True, bias=table(step, end), cache=cache)
        for whole, piece in zip(states, part[0], strict=True):
            assert (whole[:, start:end] - piece).abs().max() < 1e-10
        for whole, piece in zip(of_self, part[1], strict=True):
            assert (whole[:, :, start:end, :end] - piece).abs().max() < 1e-10
        for whole, piece in zip(of_cross, part[2], strict=True):
            assert (whole[:, :, start:end] - piece).abs().max() < 1e-10
        start = end
    assert cache.length == T


@BOTH
@each_parts
@PROPERTY
@given(steps=st.lists(st.integers(1, 4), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_an_encoder_with_a_causal_mask_and_a_cache_gives_the_states_without_one(math, parts, steps, seed):
    """This is GPT-2's stack."""
    stack, T = build(Encoder, math, parts), sum(steps)
    X = draw(B, T, D, seed=seed)
    states, attentions = stack(X, causal_mask(T), need_attention=True)
    cache, start = StackCache(L), 0
    for step in steps:
        end = start + step
        pieces, weights = stack(X[:, start:end], causal_mask(step, end), True, cache=cache)
        assert all((a[:, start:end] - b).abs().max() < 1e-10 for a, b in zip(states, pieces, strict=True))
        assert all((a[:, :, start:end, :end] - b).abs().max() < 1e-10 for a, b in zip(attentions, weights, strict=True))
        start = end
    assert cache.length == T
    assert all(of_memory.length == 0 for _, of_memory in cache.layers)


@BOTH
@each_parts
@pytest.mark.parametrize("rows", [[2, 0, 1], [1, 1, 1], [0, 0, 1, 1, 2, 2], [2]], ids=str)
def test_a_reordered_cache_continues_the_chosen_rows(math, parts, rows):
    """As beam search needs it: rows exchanged, repeated, expanded to beams, or fewer than before."""
    decoder, rows = build(Decoder, math, parts), torch.tensor(rows)
    X, following = draw(B, 3, D, seed=5), draw(len(rows), 1, D, seed=6)
    cache = StackCache(L)
    decoder(X, MEMORY, causal_mask(3), MEMORY_MASK, cache=cache)
    cache.reorder(rows)
    memory, memory_mask = MEMORY[rows], MEMORY_MASK[rows]
    ours = decoder(following, memory, causal_mask(1, 4), memory_mask, cache=cache)[0][-1]
    whole = torch.cat([X[rows], following], dim=1)
    expected = decoder(whole, memory, causal_mask(4), memory_mask)[0][-1][:, -1:]
    assert ours.shape == (len(rows), 1, D)
    assert (ours - expected).abs().max() < 1e-10


def test_an_empty_cache_has_length_0_and_can_be_reordered():
    cache = StackCache(L)
    cache.reorder(torch.tensor([0]))
    assert cache.length == 0 and StackCache(0).length == 0
    assert len(cache.layers) == L


@BOTH
def test_the_keys_and_values_of_the_memory_are_computed_once(math):
    """Later calls do not look at the memory, only at what the first call computed."""
    decoder, X = build(Decoder, math, LayerParts()), draw(B, 2, D, seed=7)
    calls = []
    attention = decoder.layers[0].cross_attention
    attention.W_K.register_forward_hook(lambda *_: calls.append("K"))
    cache = StackCache(L)
    decoder(X[:, :1], MEMORY, None, MEMORY_MASK, cache=cache)
    ours = decoder(X[:, 1:], torch.full_like(MEMORY, 7.0), None, MEMORY_MASK, cache=cache)[0][-1]
    assert calls == ["K"]
    expected = decoder(X, MEMORY, causal_mask(2), MEMORY_MASK)[0][-1][:, 1:]
    assert (ours - expected).abs().max() < 1e-10


def test_a_cache_of_another_number_of_layers_is_refused():
    with pytest.raises(ValueError, match="zip"):
        build(Decoder, EQUATIONS, LayerParts())(draw(B, 1, D, seed=7), MEMORY, cache=StackCache(L + 1))


def test_the_two_caches_on_numbers():
    def step(x):
        return lambda: (torch.full((1, 1, 1, 1), x), torch.full((1, 1, 1, 1), -x))

    growing, once = KeyValueCache(), MemoryCache()
    for x in (1.0, 2.0, 3.0):
        K, V = growing.keys_and_values(step(x))
        fixed, _ = once.keys_and_values(step(x))
        assert fixed.flatten().tolist() == [1.0]
    assert K.flatten().tolist() == [1.0, 2.0, 3.0] and V.flatten().tolist() == [-1.0, -2.0, -3.0]
    assert (growing.length, once.length) == (3, 1)


# --- planted mistakes: the comparison with the states without a cache must see each


def never_reorder(cache):
    cache.reorder = lambda rows: None


def reorder_keys_only(cache):
    def reorder(rows):
        for pair in cache.layers:
            for own in pair:
                own.K = own.K.index_select(0, rows)

    cache.reorder = reorder


def reorder_self_attention_only(cache):
    def reorder(rows):
        for own, _ in cache.layers:
            own.reorder(rows)

    cache.reorder = reorder


def newest_first(cache):
    """Without positions in the keys the order does not matter; the causal mask and T5's bias make it matter."""
    for own, _ in cache.layers:

        def keys_and_values(project, own=own):
            K, V = project()
            own.K = K if own.K is None else torch.cat([K, own.K], dim=2)
            own.V = V if own.V is None else torch.cat([V, own.V], dim=2)
            return own.K, own.V

        own.keys_and_values = keys_and_values


def forget(cache):
    """Only the newest key is attended to, at every place."""
    for own, _ in cache.layers:
        calls = []

        def keys_and_values(project, calls=calls):
            calls.append(None)
            return [x.expand(-1, -1, len(calls), -1) for x in project()]

        own.keys_and_values = keys_and_values


WRONG_CACHES = {
    "the caches are not reordered": never_reorder,
    "only the keys are reordered": reorder_keys_only,
    "only the self-attention is reordered": reorder_self_attention_only,
    "the newest keys come first": newest_first,
    "the earlier keys are forgotten": forget,
}


def deviation(change, mask=None, wrong_bias=False):
    """Two targets, an exchange of rows, and a third target, with a bias; against all three at once."""
    decoder, table = build(Decoder, EQUATIONS, T5), redraw(RelativePositionBias(H, False, 8, 20))
    X, rows = draw(B, 3, D, seed=8), torch.tensor([2, 0, 1])
    cache = StackCache(L)
    change(cache)
    for t in range(2):
        decoder(X[:, t : t + 1], MEMORY, None, MEMORY_MASK, bias=table(1, t + 1), cache=cache)
    cache.reorder(rows)
    last, memory, memory_mask = draw(B, 1, D, seed=9), MEMORY[rows], MEMORY_MASK[rows]
    bias = table(3, 3)[:, :, :1] if wrong_bias else table(1, 3)
    ours = decoder(last, memory, mask, memory_mask, bias=bias, cache=cache)[0][-1]
    whole = torch.cat([X[rows, :2], last], dim=1)
    expected = decoder(whole, memory, causal_mask(3), memory_mask, bias=table(3, 3))[0][-1][:, -1:]
    return (ours - expected).abs().max()


def test_no_mistake_is_accepted():
    assert deviation(lambda cache: None) < 1e-10


@pytest.mark.parametrize("name", WRONG_CACHES)
def test_a_wrong_cache_is_rejected(name):
    assert deviation(WRONG_CACHES[name]) > 1e-4


def test_a_wrong_mask_or_bias_of_the_newest_target_is_rejected():
    """As of the first target: the mask hides the earlier ones, and the bias counts from the beginning."""
    assert deviation(lambda cache: None, mask=causal_mask(3)[:1]) > 1e-4
    assert deviation(lambda cache: None, wrong_bias=True) > 1e-4
