"""Rollout, gradient × attention, integrated gradients and erasure, each against an independent computation."""

import math

import captum.attr
import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.attention_maps import attribution
from minitf.attention_maps.attribution import attribute, rollout, spearman
from minitf.attention_maps.collect import collect
from minitf.attention_maps.model import encode, open_model
from minitf.errors import InputError
from tests.support.tiny import write_vocabulary

TEXT, PAIR = "the film was great , so great", "a hotel room"
PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)


@pytest.fixture
def opened(write_member):
    folder, _ = write_member("bert", "classification", num_labels=3)
    write_vocabulary(folder)
    return open_model(folder, "equations", torch.float64)


def logit(opened, batch, label):
    with torch.no_grad():
        return float(opened.model(batch.token_ids, batch.segment_ids, batch.mask).logits[0, label])


def test_rollout_by_an_independent_loop(opened):
    A = collect(opened, TEXT, PAIR).A
    L, H, S, _ = A.shape
    flow = [[float(q == k) for k in range(S)] for q in range(S)]
    for layer in range(L):
        mixed = [
            [0.5 * sum(A[layer, h, q, k] for h in range(H)) / H + 0.5 * (q == k) for k in range(S)] for q in range(S)
        ]
        flow = [[sum(mixed[q][j] * flow[j][k] for j in range(S)) for k in range(S)] for q in range(S)]
        np.testing.assert_allclose(rollout(A)[layer], flow, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rollout(A).sum(axis=-1), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("pair", [None, PAIR])
def test_integrated_gradients_as_captum(opened, label, pair):
    model, tokenizer = opened.model, opened.tokenizer
    batch = encode(opened, TEXT, pair, None)
    mine, residual = attribution.integrated_gradients(
        model, batch, label, tokenizer.pad_id, tokenizer.special_ids, steps=50
    )
    words = torch.tensor([[i not in tokenizer.special_ids for i in batch.token_ids[0].tolist()]])
    baseline = torch.where(words, tokenizer.pad_id, batch.token_ids)
    theirs, delta = captum.attr.LayerIntegratedGradients(
        lambda ids: model(ids, batch.segment_ids, batch.mask).logits, model.embeddings.word
    ).attribute(
        batch.token_ids,
        baselines=baseline,
        target=label,
        n_steps=50,
        method="gausslegendre",
        return_convergence_delta=True,
    )
    np.testing.assert_allclose(mine, theirs.sum(dim=-1)[0].detach().numpy(), rtol=0, atol=1e-6)
    assert abs(residual - float(delta)) < 1e-6


def test_completeness(opened):
    """The residual is the difference of sum and logits, and more steps make it smaller."""
    batch, tokenizer = encode(opened, TEXT, None, None), opened.tokenizer
    words = torch.tensor([[i not in tokenizer.special_ids for i in batch.token_ids[0].tolist()]])
    empty = type(batch)(torch.where(words, tokenizer.pad_id, batch.token_ids), batch.segment_ids, batch.mask)
    residuals = []
    for steps in (4, 300):
        scores, residual = attribution.integrated_gradients(
            opened.model, batch, 1, tokenizer.pad_id, tokenizer.special_ids, steps
        )
        assert abs(scores.sum() - (logit(opened, batch, 1) - logit(opened, empty, 1)) - residual) < 1e-10
        residuals.append(abs(residual))
    assert residuals[1] < 1e-3 < residuals[0]
    assert scores[0] == scores[-1] == 0.0  # [CLS] and [SEP] are the same in both texts


def test_gradient_attention_by_differences(opened):
    """Against finite differences: change one weight of A at a time."""
    model, batch = opened.model, encode(opened, TEXT, None, None)
    A = collect(opened, TEXT).A
    L, H, S, _ = A.shape
    by_hand = np.zeros(S)
    for layer in range(L):
        for h in range(H):
            for k in range(S):
                slope = sum(s * changed_logit(model, batch, layer, h, k, s * 1e-5) for s in (1, -1)) / 2e-5
                by_hand[k] += max(0.0, A[layer, h, 0, k] * slope)
    np.testing.assert_allclose(attribution.gradient_attention(model, batch, 2), by_hand, rtol=1e-5, atol=1e-8)


def changed_logit(model, batch, layer, head, key, by):
    """The logit of class 2 after adding `by` to one attention weight of [CLS]."""
    part = model.encoder.layers[layer].attention
    plain = part.math

    def softmax(scores):
        A = plain.softmax(scores).clone()
        A[0, head, 0, key] += by
        return A

    part.math = plain.overlay(softmax=softmax)
    try:
        with torch.no_grad():
            return float(model(batch.token_ids, batch.segment_ids, batch.mask).logits[0, 2])
    finally:
        part.math = plain


@pytest.mark.parametrize("size", [1, 3, 100])
def test_erasure_one_at_a_time(opened, size):
    batch = encode(opened, TEXT, PAIR, None)
    whole, S = logit(opened, batch, 1), batch.token_ids.shape[1]
    scores = attribution.erasure(opened.model, batch, 1, opened.tokenizer.special_ids, size)
    for s in range(S):
        mask = batch.mask.clone()
        mask[0, s] = 0
        hidden = type(batch)(batch.token_ids, batch.segment_ids, mask)
        special = int(batch.token_ids[0, s]) in opened.tokenizer.special_ids
        expected = 0.0 if special else whole - logit(opened, hidden, 1)
        assert abs(scores[s] - expected) < 1e-10


def test_all_together(opened):
    found = attribute(opened, TEXT, PAIR)
    maps = collect(opened, TEXT, PAIR)
    best = int(np.argmax(maps.probabilities))
    assert (found.label, found.tokens) == (maps.labels[best], maps.tokens)
    assert abs(found.probability - maps.probabilities[best]) < 1e-10
    np.testing.assert_allclose(found.rollout, rollout(maps.A)[-1, 0], rtol=0, atol=1e-12)
    assert abs(found.residual) < 1e-3
    words = ~np.array(found.special)
    for (a, b), value in found.correlations().items():
        x, y = found.scores()[a][words], found.scores()[b][words]
        if "rollout" in (a, b):  # rollout has no sign
            x, y = abs(x), abs(y)
        assert abs(value - scipy.stats.spearmanr(x, y).statistic) < 1e-12
    assert len(found.correlations()) == 6
    other = attribute(opened, TEXT, PAIR, label=maps.labels[(best + 1) % 3])
    assert not np.allclose(other.erasure, found.erasure)
    np.testing.assert_array_equal(other.rollout, found.rollout)  # the same for every class


def test_refusals(opened, write_member):
    with pytest.raises(InputError, match="`label` nice: the model has no such class; it has LABEL_0, LABEL_1, LABEL_2"):
        attribute(opened, TEXT, label="nice")
    folder, _ = write_member("bert", "pretraining", name="other")
    write_vocabulary(folder)
    with pytest.raises(InputError, match="needs a model with a classifier, and this one has none"):
        attribute(open_model(folder), TEXT)


VALUES = st.lists(st.integers(-5, 5).map(float), min_size=0, max_size=12)


@PROPERTY
@given(VALUES, st.randoms(use_true_random=False))
def test_spearman(x, draw):
    """Against SciPy, with ties; NaN for fewer than three values and for constant values."""
    y = [draw.choice(x) for _ in x]
    mine = spearman(np.array(x), np.array(y))
    if len(x) < 3 or len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(mine)
    else:
        assert abs(mine - scipy.stats.spearmanr(x, y).statistic) < 1e-12
