"""Both kinds of embeddings against their formulas, row by row."""

import math as python_math

import pytest
import torch
import torch.nn.functional as F

from minitf.layers import BertEmbeddings, SinusoidalEmbeddings
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
