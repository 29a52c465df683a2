"""Kinds of wrong attempts that give the right result on ordinary inputs (right ones: `tests.support.right_answers`)."""

import math
import unicodedata

import numpy as np
import pytest
import torch

from minitf.exercises import EXERCISES
from minitf.exercises.judge import in_bert
from minitf.exercises.judge.judging import judge
from minitf.exercises.normalization import _varies


@pytest.fixture(autouse=True)
def small_bert(monkeypatch):
    monkeypatch.setattr(in_bert, "MODEL", "no/such-model")
    in_bert._target_run.cache_clear()
    yield
    in_bert._target_run.cache_clear()


def variance_of_squares(x, axis=-1):
    return (x * x).mean(axis, keepdims=True) - x.mean(axis, keepdims=True) ** 2


def layer_norm_of_squares(x, gamma, beta, eps):
    return (x - x.mean(-1, keepdims=True)) / (variance_of_squares(x) + eps) ** 0.5 * gamma + beta


def layer_norm_of_squares_in_numpy(x, gamma, beta, eps):
    return (x - np.mean(x, -1, keepdims=True)) / np.sqrt(variance_of_squares(x) + eps) * gamma + beta


def layer_norm_in_float32(x, gamma, beta, eps):
    x = x.float()
    return ((x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + eps).sqrt()) * gamma + beta


def layer_norm_gradient_of_squares(x, gamma, eps, dy):
    s = np.sqrt(variance_of_squares(x) + eps)
    x_hat, g = (x - x.mean(-1, keepdims=True)) / s, dy * gamma
    dx = (g - g.mean(-1, keepdims=True) - x_hat * (g * x_hat).mean(-1, keepdims=True)) / s
    rows = tuple(range(x.ndim - 1))
    return dx, (dy * x_hat).sum(rows), dy.sum(rows)


def sd_of_squares(scores):
    n, mean = len(scores), np.mean(scores)
    return mean, math.sqrt(max(0.0, np.sum(np.square(scores)) - n * mean**2) / max(1, n - 1))


def sd_in_float32(scores):
    scores = torch.tensor(scores)
    return scores.mean(), scores.std() if len(scores) > 1 else 0.0


def squares_multiplied_out(y, t):
    return (y * y - 2 * y * t + t * t).mean()


def positions_in_float32(S, D):
    angle = np.arange(S, dtype=np.float32)[:, None] / 10000 ** (np.arange(0, D, 2, dtype=np.float32) / D)
    return np.stack([np.sin(angle), np.cos(angle)], -1).reshape(S, D)


def positions_by_exp_in_float32(S, D):
    table, position = torch.zeros(S, D), torch.arange(0, S, dtype=torch.float).unsqueeze(1)
    div_term = torch.exp(torch.arange(0, D, 2).float() * (-math.log(10000.0) / D))
    table[:, 0::2], table[:, 1::2] = torch.sin(position * div_term), torch.cos(position * div_term)
    return table


def momentum_on_the_gradient(theta, g, state, lr, mu=0.9):
    v = state.setdefault("v", g)
    if v is not g:
        v.mul_(mu).add_(g)
    theta.sub_(lr * v)


def momentum_beside_the_gradient(theta, g, state, lr, mu=0.9):
    state["v"] = mu * state["v"] + g if "v" in state else g
    theta -= lr * state["v"]


def momentum_on_the_array(theta, g, state, lr, mu=0.9):
    state["v"] = np.add(mu * state["v"], g) if "v" in state else np.asarray(g)
    theta -= lr * state["v"]


def cosine_with(bound):
    return lambda a, b: (a * b).sum(-1) / (a.norm(dim=-1).clamp(min=bound) * b.norm(dim=-1).clamp(min=bound))


def cosine_with_epsilon(epsilon):
    return lambda a, b: (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=epsilon)


def layer_norm_with_a_bound(x, gamma, beta, eps):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps).clamp(min=1e-9).sqrt() * gamma + beta


def look_up_by_one_hot(E, ids):
    return torch.nn.functional.one_hot(ids).double() @ E


def cross_entropy_by_one_hot(z, y):
    return -(torch.nn.functional.one_hot(y) * torch.log_softmax(z, -1)).sum(-1).mean()


def counts_by_histogram(predicted, actual, C):
    edges = np.arange(max(predicted.max(), actual.max()) + 2)
    return np.histogram2d(actual, predicted, bins=(edges, edges))[0]


def counts_by_unique(predicted, actual, C):
    _, size = np.unique(actual, return_inverse=True), len(np.unique(np.concatenate([actual, predicted])))
    counts = np.zeros((size, size))
    np.add.at(counts, (actual % size, predicted % size), 1)
    return counts


def counts_in_one_row(predicted, actual, C):
    counts = [[0] * C] * C
    for t, p in zip(actual, predicted, strict=True):
        counts[t][p] += 1
    return counts


def varint_of_five_bytes(n):
    groups = [n >> 7 * i & 0x7F for i in range(5)]
    while len(groups) > 1 and not groups[-1]:
        groups.pop()
    return bytes([*(g | 0x80 for g in groups[:-1]), groups[-1]])


def dropping(zeros):
    """A dropout that sets the places to 0 which `zeros` draws for an array of a size."""

    def dropout(x, p):
        if p in (0.0, 1.0):
            return x * (1.0 - p)
        dropped = torch.as_tensor(zeros(x.numel(), p)).reshape(x.shape)
        return x.masked_fill(dropped, 0.0) / (1.0 - p)

    return dropout


def by_permutation(n, p):
    dropped = torch.zeros(n, dtype=torch.bool)
    dropped[torch.randperm(n)[: int(p * n)]] = True
    return dropped


def by_quantile(n, p):
    drawn = torch.rand(n)
    return drawn < drawn.quantile(p)


def by_choice(n, p):
    return np.isin(np.arange(n), np.random.choice(n, math.ceil(p * n), replace=False))


def at_a_distance(n, p):
    return (torch.arange(n) * p + torch.rand(1)) % 1.0 < p


def exactly_in_blocks(n, p):
    return torch.rand(n // 10, 10).argsort(-1) < round(10 * p)


def dropping_by_columns(x, p):
    if p in (0.0, 1.0):
        return x * (1.0 - p)
    rows = x.reshape(-1, x.shape[-1])
    return (rows * (torch.rand(rows.shape).argsort(0) >= p * len(rows)) / (1.0 - p)).reshape(x.shape)


def greedily(word, vocabulary):
    return EXERCISES["wordpiece"].target(word, vocabulary)


def without_accents(word):
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def at_most(pieces):
    return lambda word, vocabulary: found if len(found := greedily(word, vocabulary)) <= pieces else ["[UNK]"]


def no_longer_than(letters):
    return lambda word, vocabulary: greedily(word, vocabulary) if len(word) <= letters else ["[UNK]"]


def stopping_by(window):
    """Stop as soon as `window` finds no improvement in the last `patience` epochs."""
    return lambda losses, patience: next(
        (n for n in range(patience + 1, len(losses) + 1) if window(losses[:n], patience)), len(losses)
    )


def of_means(seen, patience):
    return len(seen) >= 2 * patience and sum(seen[-patience:]) >= sum(seen[-2 * patience : -patience])


def from_the_first(losses, patience):
    best, since = 10.0, 0
    for epoch, loss in enumerate(losses, start=1):
        best, since = (loss, 0) if loss < best else (best, since + 1)
        if since == patience:
            return epoch
    return len(losses)


def by_a_hundredth(losses, patience):
    best, since = math.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        best, since = (loss, 0) if loss < 0.99 * best else (best, since + 1)
        if since == patience:
            return epoch
    return len(losses)


WRONG = {
    "a large mean, and float32": [
        ("layer_norm", layer_norm_of_squares, "mean(x²) − μ²"),
        ("layer_norm", layer_norm_of_squares_in_numpy, "mean(x²) − μ²"),
        ("layer_norm", layer_norm_in_float32, "about seven digits only"),
        ("layer_norm_gradient", layer_norm_gradient_of_squares, "mean(x²) − μ²"),
        ("mean_and_sd", sd_of_squares, "wrong for a large mean"),
        ("mean_and_sd", sd_in_float32, "wrong for a large mean"),
        ("mean_squared_error", squares_multiplied_out, "wrong for large numbers with small differences"),
        ("sinusoidal_positions", positions_in_float32, "wrong for 5,000 positions"),
        ("sinusoidal_positions", positions_by_exp_in_float32, "computed in float32"),
    ],
    "aliasing": [
        ("momentum", momentum_on_the_gradient, "not a copy"),
        ("momentum", momentum_beside_the_gradient, "not a copy"),
        ("momentum", momentum_on_the_array, "not a copy"),
        ("confusion_matrix", counts_in_one_row, "all rows are the same list"),
    ],
    "tiny norms": [
        *(("cosine_similarity", cosine_with(bound), "tiny") for bound in (1e-4, 1e-5, 1e-6)),
        *(("cosine_similarity", cosine_with_epsilon(bound), "short") for bound in (1e-3, 1e-5)),
        ("cosine_similarity", cosine_with_epsilon(1e-8), "tiny"),
        ("layer_norm", layer_norm_with_a_bound, "tiny numbers"),
    ],
    "sizes that the data do not show": [
        ("look_up", look_up_by_one_hot, "largest id"),
        ("cross_entropy", cross_entropy_by_one_hot, "classes without texts"),
        ("confusion_matrix", counts_by_histogram, "the largest class that occurs"),
        ("confusion_matrix", counts_by_unique, "classes that do not occur"),
        ("varint", varint_of_five_bytes, "2⁴⁰"),
    ],
    "exact counts instead of random ones": [
        *(
            ("dropout", dropping(zeros), "draw for each number independently")
            for zeros in (by_permutation, by_quantile, by_choice)
        ),
        ("dropout", dropping(at_a_distance), "wrong for twenty thousand numbers"),
        ("dropout", dropping(exactly_in_blocks), "the number of zeros varies at random"),
        ("dropout", dropping_by_columns, "the number of zeros varies at random"),
    ],
    "long and cased words": [
        ("wordpiece", lambda word, vocabulary: greedily(word.casefold(), vocabulary), "the word is lowercased"),
        ("wordpiece", lambda word, vocabulary: greedily(word.capitalize(), vocabulary), "wrong for"),
        ("wordpiece", lambda word, vocabulary: greedily(without_accents(word), vocabulary), "accents are removed"),
        ("wordpiece", at_most(20), "100 pieces"),
        ("wordpiece", no_longer_than(50), "100 letters"),
        ("from_tensorflow", lambda name, a: a.T if "layer_" in name and "kernel" in name else a, "of the encoder"),
    ],
    "early stopping": [
        ("stop_at", stopping_by(lambda seen, patience: seen[-1] > seen[-1 - patience]), "wrong for"),
        (
            "stop_at",
            stopping_by(lambda seen, patience: seen[-1] >= seen[-1 - patience]),
            "one `patience` epochs before",
        ),
        ("stop_at", stopping_by(of_means), "wrong for"),
        ("stop_at", from_the_first, "losses above 100"),
        ("stop_at", by_a_hundredth, "wrong for"),
    ],
}


@pytest.mark.parametrize(
    ("name", "function", "says"), [pytest.param(*row, id=kind) for kind, rows in WRONG.items() for row in rows]
)
def test_a_wrong_attempt_of_the_kind_is_rejected(name, function, says):
    verdict = judge(EXERCISES[name], function)
    assert not verdict.passed
    assert says in str(verdict)


@pytest.mark.parametrize("value", [np.array([0.4, 0.6, 0.8]), np.array([[0.4, 0.6]]), np.array(0.4), np.array([])])
def test_an_array_of_another_shape_is_no_pair(value):
    assert not judge(EXERCISES["accuracy_interval"], lambda correct, n: value).passed


@pytest.mark.parametrize("p", [0.2, 0.6])
def test_the_counts_of_independent_draws_pass_for_any_seed(p):
    for seed in range(2000):
        generator = torch.Generator().manual_seed(seed)
        assert _varies(torch.rand(24, 600, generator=generator) < p)


def test_the_verdict_is_the_same_each_time():
    """Although a dropout is random, and whatever was drawn before."""
    for dropout in (dropping(by_permutation), dropping_by_columns, EXERCISES["dropout"].target):
        verdicts = set()
        for seed in (1, 2):
            torch.manual_seed(seed)
            np.random.seed(seed)
            verdicts.add(str(judge(EXERCISES["dropout"], dropout)))
        assert len(verdicts) == 1
