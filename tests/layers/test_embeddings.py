"""The embeddings against their formulas, row by row, and T5's relative positions against `transformers`."""

import math as python_math

import pytest
import torch
import torch.nn.functional as F
from transformers import T5Config
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding
from transformers.models.t5.modeling_t5 import T5Attention

from minitf.layers import BertEmbeddings, RelativePositionBias, SinusoidalEmbeddings
from minitf.mathematics import EQUATIONS, KERNELS

BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
N, D, S_MAX = 11, 6, 5
TOKENS = torch.tensor([[1, 10, 4, 0], [7, 7, 7, 2]])
SEGMENTS = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 0]])


def build(cls=BertEmbeddings, **numbers):
    torch.manual_seed(0)
    embeddings = cls(N=N, D=D, **numbers).double()
    for parameter in embeddings.parameters():
        torch.nn.init.normal_(parameter)
    return embeddings.eval()


@BOTH
@pytest.mark.parametrize("eps", [1e-12, 0.1])
def test_bert_embeddings_are_the_norm_of_three_rows(math, eps):
    embeddings = build(S_max=S_MAX, eps=eps, math=math)
    X = embeddings(TOKENS, SEGMENTS)
    assert X.shape == (2, 4, D)
    for b in range(2):
        for s in range(4):
            row = embeddings.word.weight[TOKENS[b, s]] + embeddings.segment.weight[SEGMENTS[b, s]]
            row = row + embeddings.position.weight[s]  # the first token has position 0
            expected = F.layer_norm(row, (D,), embeddings.norm.gamma, embeddings.norm.beta, eps)
            assert (X[b, s] - expected).abs().max() < 1e-13


def test_tables_have_a_row_for_each_word_segment_and_position():
    shapes = {name: tuple(p.shape) for name, p in build(S_max=S_MAX, segments=3).named_parameters()}
    assert shapes == {
        "word.weight": (N, D),
        "segment.weight": (3, D),
        "position.weight": (S_MAX, D),
        "norm.gamma": (D,),
        "norm.beta": (D,),
    }
    assert {name: tuple(p.shape) for name, p in build(SinusoidalEmbeddings).named_parameters()} == {
        "word.weight": (N, D)
    }


def test_too_long_a_text_is_an_error():
    embeddings = build(S_max=S_MAX)
    long = torch.zeros(1, S_MAX + 1, dtype=torch.long)
    assert embeddings(long[:, 1:], long[:, 1:]).shape == (1, S_MAX, D)
    with pytest.raises(ValueError, match=r"6 tokens, but this model has only 5 positions"):
        embeddings(long, long)


@BOTH
@pytest.mark.parametrize("S", [1, 4, 50])
def test_sinusoidal_embeddings_are_the_papers(math, S):
    embeddings = build(SinusoidalEmbeddings, math=math)
    ids = torch.arange(S).remainder(N)[None]
    X = embeddings(ids)
    assert X.shape == (1, S, D) and X.dtype == torch.float64
    for s in range(S):
        for i in range(D):
            angle = s / 10000 ** ((i - i % 2) / D)
            wave = python_math.cos(angle) if i % 2 else python_math.sin(angle)
            expected = python_math.sqrt(D) * embeddings.word.weight[ids[0, s], i].item() + wave
            assert abs(X[0, s, i].item() - expected) < 1e-13


@BOTH
@pytest.mark.parametrize("cls", [BertEmbeddings, SinusoidalEmbeddings])
def test_dropout_comes_last_and_in_training_only(cls, math):
    inputs = (TOKENS, SEGMENTS) if cls is BertEmbeddings else (TOKENS,)
    embeddings = build(cls, dropout=0.5, math=math)
    undropped = embeddings(*inputs)
    torch.manual_seed(1)
    dropped = embeddings.train()(*inputs)
    torch.manual_seed(1)
    assert torch.equal(dropped, F.dropout(undropped, 0.5))
    assert (dropped == 0.0).any()


@BOTH
def test_the_gradient_of_a_row_is_the_sum_over_its_uses(math):
    embeddings = build(SinusoidalEmbeddings, math=math)
    embeddings(TOKENS).sum().backward()
    times = torch.bincount(TOKENS.flatten(), minlength=N)
    expected = times[:, None].double().expand(N, D) * python_math.sqrt(D)
    assert (embeddings.word.weight.grad - expected).abs().max() < 1e-14


@BOTH
def test_marians_embeddings_have_the_sines_first(math):
    embeddings = build(SinusoidalEmbeddings, math=math, positions="half_sinusoidal_positions", scale=1.0)
    X = embeddings(TOKENS)
    PE = MarianSinusoidalPositionalEmbedding(4, D).create_weight().double()
    assert torch.equal(X, embeddings.word.weight[TOKENS] + PE)


@BOTH
@pytest.mark.parametrize("positions", ["sinusoidal_positions", "half_sinusoidal_positions"])
def test_embeddings_of_a_continued_text_start_at_its_position(math, positions):
    embeddings = build(SinusoidalEmbeddings, math=math, positions=positions)
    whole = embeddings(TOKENS)
    for start in range(4):
        assert torch.equal(embeddings(TOKENS[:, start:], start), whole[:, start:])


@BOTH
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("S_q", "S_k"), [(6, 6), (1, 6), (2, 9)])
def test_the_relative_position_bias_is_t5s(math, bidirectional, S_q, S_k):
    """Also of a decoder that has computed the earlier positions before."""
    config = T5Config(
        num_heads=3,
        is_decoder=not bidirectional,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=20,
    )
    theirs = T5Attention(config, has_relative_attention_bias=True, layer_idx=0).double()
    ours = RelativePositionBias(3, bidirectional, 8, 20, math).double()
    assert {name: tuple(p.shape) for name, p in ours.named_parameters()} == {"table.weight": (8, 3)}
    ours.table.weight.data = theirs.relative_attention_bias.weight.data
    expected = theirs.compute_bias(S_q, S_k, past_seen_tokens=S_k - S_q)
    assert torch.equal(ours(S_q, S_k), expected)
