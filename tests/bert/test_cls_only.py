"""The last layer computed for [CLS] only: the logits, gradients and dropout of the whole model, in less work."""

import dataclasses

import pytest
import torch

from minitf.bert import Bert, BertConfig
from minitf.bert.cls_only import logits_of_first_token
from minitf.errors import InputError
from minitf.layers import EncoderLayer, IdentityLayer
from minitf.mathematics import EQUATIONS, KERNELS

BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
HIDDEN, ATTENTION, HEAD = 0.1, 0.25, 0.4  # three different rates, so that a mix-up shows
CONFIG = BertConfig(
    vocab_size=20,
    hidden_size=12,
    num_hidden_layers=3,
    num_attention_heads=3,
    intermediate_size=20,
    max_position_embeddings=9,
    hidden_dropout_prob=HIDDEN,
    attention_probs_dropout_prob=ATTENTION,
    classifier_dropout=HEAD,
    labels=("a", "b", "c"),
)


def build(math, config=CONFIG, seed=0):
    """A model in float64 and eval mode, every weight drawn far from where training starts."""
    generator = torch.Generator().manual_seed(seed)
    model = Bert(config, "classification", math).double()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * 0.4 + name.endswith("gamma"))
    return model.eval()


def draw(lengths, S=9, seed=0):
    """Ids, segments and mask `[B, S]`; the ids at padding are random too, because they must not matter."""
    generator = torch.Generator().manual_seed(seed)
    token_ids = torch.randint(0, 20, (len(lengths), S), generator=generator)
    segment_ids = torch.randint(0, 2, (len(lengths), S), generator=generator)
    mask = (torch.arange(S) < torch.tensor(lengths)[:, None]).long()
    return token_ids, segment_ids, mask


def gradients(model, logits):
    """Of a loss with a different weight for every logit."""
    model.zero_grad(set_to_none=True)
    (logits * torch.linspace(-1.0, 2.0, logits.numel(), dtype=logits.dtype).view_as(logits)).sum().backward()
    return {name: p.grad for name, p in model.named_parameters()}


def assert_same(model, batch):
    """Logits and every gradient are those of the whole model."""
    whole, short = model(*batch).logits, logits_of_first_token(model, *batch)
    torch.testing.assert_close(short, whole, rtol=0, atol=1e-12)
    theirs, ours = gradients(model, whole), gradients(model, short)
    for name, gradient in theirs.items():
        assert gradient is not None and ours[name] is not None, name
        torch.testing.assert_close(
            ours[name], gradient, rtol=1e-12, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}"
        )
    assert sum(float(g.abs().max()) > 1e-3 for g in theirs.values()) > 0.7 * len(theirs)


@BOTH
@pytest.mark.parametrize("lengths", [[9, 9], [9, 4, 1, 7], [1], [2, 2]])
def test_logits_and_gradients(math, lengths):
    assert_same(build(math), draw(lengths))


@BOTH
def test_one_layer_alone_and_other_activations(math):
    for L, act in ((1, "gelu"), (2, "relu"), (2, "gelu_tanh")):
        config = dataclasses.replace(CONFIG, num_hidden_layers=L, hidden_act=act)
        assert_same(build(math, config), draw([9, 5]))


@BOTH
def test_a_text_without_a_token_gives_the_same_logits(math):
    assert_same(build(math), draw([0, 3]))


@BOTH
def test_row_0_of_a_layer(math):
    """`layer(X[:, :1], mask, memory=X)` is row 0 of `layer(X, mask)`, with a different mask for each text."""
    generator = torch.Generator().manual_seed(3)
    layer = EncoderLayer(12, 3, 20, "gelu", math=math).double().eval()
    X = torch.randn(4, 7, 12, dtype=torch.float64, generator=generator)
    mask = torch.rand(4, 1, 1, 7, generator=generator) < 0.6
    y, _ = layer(X[:, :1], mask, memory=X)
    assert y.shape == (4, 1, 12)
    torch.testing.assert_close(y, layer(X, mask)[0][:, :1], rtol=0, atol=1e-12)


def first_token_step_by_step(layer, X, mask):
    """`EncoderLayer.forward` written out for one query, as minitf computed it before `memory` existed."""
    attention, math = layer.attention, layer.attention.math
    x = X[:, :1]
    Q = math.split_heads(attention.W_Q(x), attention.H)
    K = math.split_heads(attention.W_K(X), attention.H)
    V = math.split_heads(attention.W_V(X), attention.H)
    p = attention.dropout if layer.training else 0.0
    context, _ = math.attend(Q, K, V, mask, p, False)
    x = layer.attention_norm(x + layer.dropout_after_attention(attention.W_O(math.merge_heads(context))))
    return layer.ffn_norm(x + layer.dropout_after_ffn(layer.ffn(x)))


def logits_step_by_step(model, token_ids, segment_ids, mask):
    may_look = mask[:, None, None, :].bool()
    X = model.embeddings(token_ids, segment_ids)
    *lower, last = model.encoder.layers
    for layer in lower:
        X, _ = layer(X, may_look)
    return model.read_out(first_token_step_by_step(last, X, may_look))[1]


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("training", [False, True])
def test_the_bits_are_those_of_the_written_out_computation(math, dtype, training):
    """Logits, gradients and the random state after the dropout draws: equal to the last bit."""
    model, batch, results = build(math).to(dtype).train(training), draw([9, 4, 1, 7]), []
    for compute in (logits_of_first_token, logits_step_by_step):
        torch.manual_seed(8)
        logits = compute(model, *batch)
        results.append((logits, torch.get_rng_state(), gradients(model, logits)))
    (logits, state, ours), (expected, expected_state, theirs) = results
    assert torch.equal(logits, expected) and torch.equal(state, expected_state)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    torch.manual_seed(8)
    assert torch.equal(torch.get_rng_state(), state) != training  # dropout draws in train mode only


@BOTH
def test_a_frozen_last_layer_is_skipped(math):
    """With all layers frozen, the first row goes from the replaced embeddings straight to the head."""
    model, batch = build(math), draw([9, 4])
    expected = model.read_out(model.embeddings(*batch[:2]))[1]
    model.encoder.layers = torch.nn.ModuleList(IdentityLayer() for _ in range(3))
    torch.testing.assert_close(logits_of_first_token(model, *batch), expected, rtol=0, atol=1e-12)


def deterministic_dropout(x, p):
    """Dropout without randomness: a factor for each index of the last axis, so the same for row 0 alone or not."""
    return x * (1.0 + p * torch.cos(torch.arange(x.shape[-1], dtype=x.dtype)))


@BOTH
@pytest.mark.parametrize("lengths", [[9, 9], [9, 4, 1]])
def test_dropout_is_at_the_same_places_with_the_same_rates(math, lengths):
    model = build(math.overlay(dropout=deterministic_dropout))
    undropped = logits_of_first_token(model, *draw(lengths))
    model.train()
    assert_same(model, draw(lengths))
    assert (logits_of_first_token(model, *draw(lengths)) - undropped).abs().max() > 1e-2


@BOTH
def test_every_dropout_in_order(math):
    """Shape and rate of each dropout: one row in the last layer, all rows elsewhere."""
    seen = []

    def note(x, p):
        seen.append((tuple(x.shape), p))
        return x

    model = build(math.overlay(dropout=note))
    batch = draw([9, 4])
    B, S, D, H = 2, 9, 12, 3
    layers = [[((B, H, q, S), ATTENTION), ((B, q, D), HIDDEN), ((B, q, D), HIDDEN)] for q in (S, S, 1)]
    model.train()
    logits_of_first_token(model, *batch)
    assert seen == [((B, S, D), HIDDEN), *layers[0], *layers[1], *layers[2], ((B, D), HEAD)]
    model.eval()
    seen.clear()
    logits_of_first_token(model, *batch)
    assert {p for _, p in seen} == {0.0}


def test_a_fused_attention_gets_the_rate_in_training_only():
    """The fused kernel does its own dropout: an overlay cannot see it, only the rate that is passed."""
    rates = []

    def attend(Q, K, V, mask=None, dropout=0.0, need_attention=False):
        rates.append((Q.shape[2], dropout))
        return KERNELS.scaled_dot_product_attention(Q, K, V, mask, dropout, need_attention)

    model = build(KERNELS.overlay(scaled_dot_product_attention=attend))
    for training, p in ((True, ATTENTION), (False, 0.0)):
        model.train(training)
        logits_of_first_token(model, *draw([9, 4]))
        assert rates == [(9, p), (9, p), (1, p)]
        rates.clear()


@BOTH
def test_the_distribution_under_dropout_is_that_of_the_whole_model(math):
    """Mean and standard deviation of the logits over many draws: one text, repeated in every row of a batch."""
    config = dataclasses.replace(CONFIG, num_hidden_layers=1)
    model, n = build(math, config).train(), 8_000
    batch = [t.expand(n, -1) for t in draw([6])]
    torch.manual_seed(5)
    with torch.no_grad():
        whole, short = model(*batch).logits, logits_of_first_token(model, *batch)
    deviation = whole.std(dim=0)
    assert (deviation > 0.1).all()
    error = deviation * (2 / n) ** 0.5  # of the difference of two means
    assert ((whole.mean(dim=0) - short.mean(dim=0)).abs() < 5 * error).all()
    assert ((short.std(dim=0) / deviation - 1).abs() < 0.05).all()
    # The test can fail: without dropout on A, or with twice the rate, the standard deviation differs.
    for p in (0.0, 2 * ATTENTION):
        model.encoder.layers[0].attention.dropout = p
        with torch.no_grad():
            other = logits_of_first_token(model, *batch)
        assert ((other.std(dim=0) / deviation - 1).abs() > 0.05).any()


@pytest.mark.parametrize("head", [None, "masked-lm", "pretraining", "tagging", "qa"])
def test_a_head_that_needs_more_than_the_first_token(head):
    with pytest.raises(InputError, match=rf"computing only \[CLS\] needs a head that reads only \[CLS\], not {head}"):
        logits_of_first_token(Bert(CONFIG, head), *draw([3]))


def test_it_does_less_work():
    """The last layer computes one row: counted in multiplications by W_1."""
    rows = []

    def linear(X, W, b=None):
        if W.shape[0] == CONFIG.intermediate_size:
            rows.append(X.shape[1])
        return EQUATIONS.linear(X, W, b)

    model = build(EQUATIONS.overlay(linear=linear))
    logits_of_first_token(model, *draw([9]))
    assert rows == [9, 9, 1]
