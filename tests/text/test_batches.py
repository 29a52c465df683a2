"""Batches: padded to their own longest, each text once, neighbours of like length, another order every epoch."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.text.batches import Examples, Tokens, by_length, pad, shuffled

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=100)
LENGTHS = st.lists(st.integers(1, 50), max_size=200)


@st.composite
def texts(draw):
    ids = st.integers(0, 30_000)
    return [
        Tokens(row, draw(st.lists(st.integers(0, 1), min_size=len(row), max_size=len(row))))
        for row in draw(st.lists(st.lists(ids, min_size=1, max_size=12), min_size=1, max_size=6))
    ]


def padding(batches, lengths):
    """How many places of padding these batches hold."""
    return sum(len(b) * max(lengths[i] for i in b) - sum(lengths[i] for i in b) for b in batches)


@given(texts(), st.integers(0, 9))
@PROPERTY
def test_pad(rows, pad_id):
    batch = pad(rows, pad_id)
    longest = max(len(row.ids) for row in rows)
    for t in (batch.token_ids, batch.segment_ids, batch.mask):
        assert t.shape == (len(rows), longest) and t.dtype == torch.long
    for i, row in enumerate(rows):
        empty = longest - len(row)
        assert batch.token_ids[i].tolist() == row.ids + [pad_id] * empty
        assert batch.segment_ids[i].tolist() == row.segments + [0] * empty
        assert batch.mask[i].tolist() == [1] * len(row) + [0] * empty


def test_pad_nothing():
    assert pad([]).token_ids.shape == (0, 0)


def test_examples_by_their_indices():
    tokens = [Tokens([i] * (i + 1), [0] * (i + 1)) for i in range(5)]
    examples = Examples(tokens, torch.tensor([10, 11, 12, 13, 14]), pad_id=7)
    assert examples.lengths() == [1, 2, 3, 4, 5]
    batch, targets = examples.batch([3, 0, 3])
    assert batch.token_ids.tolist() == [[3, 3, 3, 3], [0, 7, 7, 7], [3, 3, 3, 3]]
    assert batch.mask.sum(dim=1).tolist() == [4, 1, 4]
    assert targets.tolist() == [13, 10, 13]


def test_targets_of_several_numbers_each():
    examples = Examples([Tokens([1], [0])] * 3, torch.arange(6.0).view(3, 2))
    assert examples.batch([2, 1])[1].tolist() == [[4.0, 5.0], [2.0, 3.0]]


def test_to_moves_all_three():
    batch = pad([Tokens([1, 2], [0, 1])]).to("meta")
    assert {t.device.type for t in (batch.token_ids, batch.segment_ids, batch.mask)} == {"meta"}


@given(LENGTHS, st.integers(1, 40), st.integers(0, 10**9), st.integers(0, 10), st.integers(1, 5))
@PROPERTY
def test_shuffled_holds_each_once(lengths, batch_size, seed, epoch, pool):
    batches = shuffled(lengths, batch_size, seed, epoch, pool)
    assert sorted(i for b in batches for i in b) == list(range(len(lengths)))
    assert all(1 <= len(b) <= batch_size for b in batches)
    assert len(batches) == -(-len(lengths) // batch_size)  # as few as can be: steps are counted so beforehand


@given(LENGTHS, st.integers(1, 40))
@PROPERTY
def test_by_length_holds_each_once_longest_first(lengths, batch_size):
    batches = by_length(lengths, batch_size)
    order = [i for b in batches for i in b]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[i] for i in order] == sorted(lengths, reverse=True)
    assert [len(b) for b in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert len(batches) == -(-len(lengths) // batch_size)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 10**9), st.integers(0, 10))
@PROPERTY
def test_the_order_is_fixed_by_seed_and_epoch_alone(lengths, batch_size, seed, epoch):
    first = shuffled(lengths, batch_size, seed, epoch)
    random.seed(1)
    torch.manual_seed(1)
    state, torch_state = random.getstate(), torch.get_rng_state()
    assert shuffled(lengths, batch_size, seed, epoch) == first
    assert random.getstate() == state and torch.equal(torch.get_rng_state(), torch_state)  # nobody else's draws


def test_the_order_is_the_same_on_every_machine():
    """Written down once: whatever changes it (the algorithm, Python's `random`) changes every seeded run."""
    assert shuffled([3, 1, 4, 1, 5, 9, 2, 6], 3, seed=1, epoch=1) == [[3, 6, 4], [1, 2, 5], [0, 7]]


def text_lengths(n, seed=7):
    """As of real sentences: most are short, a few long, none beyond 128."""
    draw = random.Random(seed)
    return [min(128, 3 + int(draw.expovariate(1 / 25))) for _ in range(n)]


@pytest.mark.parametrize("n", [400, 1000, 5000])
def test_every_seed_and_epoch_has_another_order_and_other_neighbours(n):
    lengths, runs = text_lengths(n), ((0, 1), (0, 2), (1, 1), (1, 2), (11, 2))
    orders = [shuffled(lengths, 16, seed, epoch) for seed, epoch in runs]
    assert all(orders[i] != orders[j] for i in range(len(runs)) for j in range(i))
    # Of the pairs that share a batch, fewer than half share one again.
    pairs = [{frozenset((i, j)) for b in order for i in b for j in b if i < j} for order in orders]
    for other in pairs[1:]:
        assert len(pairs[0] & other) < 0.5 * len(pairs[0])


def test_the_long_texts_are_spread_over_the_epoch():
    """Sorted batches in a sorted order would train on short texts first: the mean length of each half is alike."""
    draw = random.Random(0)
    lengths = [draw.randint(5, 120) for _ in range(4000)]
    batches = shuffled(lengths, 16, seed=0, epoch=1)
    halves = [[lengths[i] for b in part for i in b] for part in (batches[:125], batches[125:])]
    means = [sum(half) / len(half) for half in halves]
    assert abs(means[0] - means[1]) < 10  # of 62 on average; sorted, it would be 58


@pytest.mark.parametrize("n", [400, 2000])
def test_neighbours_are_of_like_length(n):
    """Of the padding that a random order would need, less than a quarter is left; sorting everything leaves least."""
    lengths, order = text_lengths(n), list(range(n))
    random.Random(0).shuffle(order)
    at_random = padding([order[i : i + 16] for i in range(0, n, 16)], lengths)
    dealt = padding(shuffled(lengths, 16, seed=0, epoch=1), lengths)
    assert dealt < 0.25 * at_random
    assert padding(by_length(lengths, 16), lengths) <= dealt


def test_a_smaller_pool_mixes_more_and_pads_more():
    lengths = text_lengths(2000)
    waste = [padding(shuffled(lengths, 16, 0, 1, pool), lengths) for pool in (1, 4, 64)]
    assert waste[0] > waste[1] > waste[2]
