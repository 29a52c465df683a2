"""Greedy decoding and beam search equal `transformers.generate` token by token; sampling by statistics."""

import collections
from collections.abc import Iterable

import pytest
import torch
from transformers.generation import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from minitf.generation.beam_search import beam_search
from minitf.generation.decoding import Request
from minitf.generation.greedy import greedy
from minitf.generation.rules import Rules
from minitf.generation.sampling import draw, keep_top_k, keep_top_p, sample
from minitf.generation.sequences import Sequences
from tests.support.reference_generation import KINDS, LIMIT, VOCABULARY, both, decoding, generated, prompts

END = Rules(end_ids=(1,), pad_id=0)


def last(steps: Iterable[Sequences]) -> Sequences:
    return collections.deque(steps, maxlen=1)[0]


def task(kind: str, count: int, rules: Rules = END, limit: int = LIMIT, seed: int = 0) -> Request:
    return Request(decoding(kind, *prompts(kind, count, seed)), rules, limit)


@pytest.mark.parametrize("kind", KINDS)
def test_cached_and_uncached_logits(kind):
    """While rows are repeated and reordered as in a beam search."""
    cached, uncached = (decoding(kind, *prompts(kind, 6), cached=cached) for cached in (True, False))
    generator = torch.Generator().manual_seed(0)
    for each in (cached, uncached):
        each.repeat(3)
    ids = cached.prompt
    for _ in range(LIMIT):
        torch.testing.assert_close(cached.next_logits(ids), uncached.next_logits(ids), rtol=0, atol=1e-10)
        rows = torch.arange(0, 18, 3)[:, None] + torch.randint(3, (6, 3), generator=generator)
        for each in (cached, uncached):
            each.reorder(rows.flatten())
        ids = torch.cat([ids[rows.flatten()], torch.randint(VOCABULARY, (18, 1), generator=generator)], 1)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy(kind, monkeypatch):
    batch = task(kind, 200)
    found = last(greedy(batch)).outputs()
    expected = generated(both(kind)[0], *prompts(kind, 200), monkeypatch)
    assert [out.token_ids for out in found] == [ids for ((ids, _),) in expected]
    assert 5 < sum(out.ended for out in found) < 195
    assert len({tuple(out.token_ids) for out in found}) > 20


@pytest.mark.parametrize("early_stopping", [True, False, "never"])
@pytest.mark.parametrize("length_penalty", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("kind", ["marian", "bart", "t5", "gpt2"])
def test_beam_search(kind, length_penalty, early_stopping, monkeypatch):
    """The four best of each text, and their scores: 210 prompts for each kind and penalty."""
    seed = [True, False, "never"].index(early_stopping)
    batch = task(kind, 70, seed=seed)
    settings = {"length_penalty": length_penalty, "early_stopping": early_stopping}
    found = beam_search(batch, 4, **settings)
    expected = generated(both(kind)[0], *prompts(kind, 70, seed), monkeypatch, 4, num_beams=4, **settings)
    assert [[out.token_ids for out in text] for text in found] == [[ids for ids, _ in text] for text in expected]
    scores = [[[score for _, score in text] for text in expected], [[out.score for out in text] for text in found]]
    torch.testing.assert_close(torch.tensor(scores[1]), torch.tensor(scores[0]), rtol=0, atol=1e-10)
    assert length_penalty > 0.6 or any(out.ended for text in found for out in text)


@pytest.mark.parametrize("kind", KINDS)
def test_without_changing_the_reference(kind):
    """As it is, the reference rounds logits and scores to float32: the same outputs, and scores within 1e-5."""
    batch = task(kind, 30)
    expected = generated(both(kind)[0], *prompts(kind, 30), None, 2, num_beams=4)
    found = [text[:2] for text in beam_search(batch, 4)]
    assert [[out.token_ids for out in text] for text in found] == [[ids for ids, _ in text] for text in expected]
    for text, reference in zip(found, expected, strict=True):
        assert [out.score for out in text] == pytest.approx([score for _, score in reference], abs=1e-5)


def test_one_beam_is_greedy():
    batch = task("bart", 50)
    outputs = last(greedy(batch)).outputs()
    assert [text[0].token_ids for text in beam_search(task("bart", 50), 1)] == [out.token_ids for out in outputs]
    scores = [text[0].score for text in beam_search(task("bart", 50), 1)]
    assert scores == pytest.approx([out.score for out in outputs], abs=1e-12)


def test_beams_that_do_not_exist_are_left_out():
    """Of outputs of one token there are as many as tokens: 30; with the others, 2 · 20 beams find more than that."""
    outputs = beam_search(task("bart", 3, limit=1), 40)
    assert [len(text) for text in outputs] == [30, 30, 30]
    assert all(len({tuple(out.token_ids) for out in text}) == 30 for text in outputs)


def test_an_output_does_not_depend_on_the_others_of_its_batch():
    """Nor on their padding."""
    for kind in ("t5", "gpt2"):
        ids, mask = prompts(kind, 5)
        together = beam_search(Request(decoding(kind, ids, mask), END, LIMIT), 3)
        for row, text in enumerate(together):
            real = mask[row].bool()
            alone = Request(decoding(kind, ids[row, real][None], mask[row, real][None]), END, LIMIT)
            assert [out.token_ids for out in beam_search(alone, 3)[0]] == [out.token_ids for out in text]


def test_a_decoder_that_never_ends_stops_at_its_limit():
    never = Rules(end_ids=(1,), pad_id=0, forbidden=(1,))
    for outputs in (
        last(greedy(task("t5", 5, never))).outputs(),
        last(sample(task("t5", 5, never), range(5))).outputs(),
        [out for text in beam_search(task("t5", 5, never), 3) for out in text],
    ):
        assert all(len(out.token_ids) == LIMIT and not out.ended for out in outputs)


def test_an_end_that_is_forced_at_the_limit_is_not_the_models():
    forced = Rules(end_ids=(1,), pad_id=0, forbidden=(1,), last_ids=(1,))
    outputs = last(greedy(task("t5", 5, forced))).outputs()
    assert all(out.token_ids[-1] == 1 and len(out.token_ids) == LIMIT and not out.ended for out in outputs)


# Sampling -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 7, 29, 30, 31, None])
@pytest.mark.parametrize("p", [0.0, 1e-3, 0.3, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 3.0])
def test_the_tokens_that_are_kept(k, p, temperature):
    """The sets of the reference, which takes the same steps in the same order."""
    scores = torch.randn(50, VOCABULARY, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 3
    scores[:, 3] = -torch.inf
    expected = TemperatureLogitsWarper(temperature)(None, scores)
    if k is not None:
        expected = TopKLogitsWarper(k)(None, expected)
    if p < 1:
        expected = TopPLogitsWarper(p)(None, expected)
    assert torch.equal(keep_top_p(keep_top_k(scores / temperature, k), p), expected)


def test_tokens_are_drawn_with_their_probabilities():
    """χ² of 40,000 draws from 8 tokens, of which one is impossible; 7 degrees of freedom less one."""
    P = torch.tensor([0.3, 0.2, 0.15, 0.0, 0.15, 0.1, 0.06, 0.04], dtype=torch.float64)
    generators = [torch.Generator().manual_seed(seed) for seed in range(200)]
    tokens = torch.cat([draw(P.expand(200, -1), generators) for _ in range(200)])
    observed, expected = tokens.bincount(minlength=8), P * len(tokens)
    assert observed[3] == 0
    possible = P > 0
    statistic = ((observed - expected) ** 2 / expected)[possible].sum().item()
    assert statistic < 22.46  # the quantile 0.999 of χ² with 6 degrees of freedom


def test_sampled_outputs_have_the_probabilities_of_the_model():
    """χ² over the first two tokens of 4,000 outputs for one prompt, against the exact probabilities."""
    batch = decoding("bart", *prompts("bart", 1))
    batch.repeat(4000)
    settings = {"temperature": 1.5, "top_k": 4, "top_p": 0.9}
    outputs = last(sample(Request(batch, END, 2), range(4000), **settings)).outputs()
    observed = collections.Counter(tuple(out.token_ids) for out in outputs)
    expected: dict[tuple[int, ...], float] = {}
    one = decoding("bart", *prompts("bart", 1), cached=False)

    def restricted(prefix: list[int]) -> torch.Tensor:
        scores = one.next_logits(torch.tensor([prefix])) / settings["temperature"]
        return TopPLogitsWarper(settings["top_p"])(None, TopKLogitsWarper(settings["top_k"])(None, scores)).softmax(-1)[
            0
        ]

    start = one.prompt[0].tolist()
    for first, p in enumerate(restricted(start).tolist()):
        for second, q in enumerate(restricted([*start, first]).tolist()) if p and first != 1 else [(None, 1.0)]:
            if p * q:
                expected[(first,) if second is None else (first, second)] = 4000 * p * q
    assert set(observed) <= set(expected)
    assert len(expected) >= 6
    rare = sum(count for count in expected.values() if count < 5)
    classes = [(observed[key], count) for key, count in expected.items() if count >= 5]
    classes.append((4000 - sum(found for found, _ in classes), rare)) if rare else None
    statistic = sum((found - count) ** 2 / count for found, count in classes)
    freedom = len(classes) - 1
    assert statistic < freedom + 3.1 * (2 * freedom) ** 0.5 + 7  # above the quantile 0.999 for up to 30


def test_equal_seeds_give_equal_outputs_in_any_batch():
    first = last(sample(task("bart", 20), range(20))).outputs()
    assert last(sample(task("bart", 20), range(20))).outputs() == first
    assert last(sample(task("bart", 20), range(1, 21))).outputs() != first
    alone = last(sample(task("bart", 5), range(5))).outputs()
    assert [out.token_ids for out in alone] == [out.token_ids for out in first[:5]]


def test_the_score_of_a_sampled_output_is_that_of_the_model():
    """Before temperature, top-k and top-p; with top-k 1, the tokens are those of greedy decoding."""
    found = last(sample(task("bart", 20), range(20), temperature=0.5, top_k=1)).outputs(0.6)
    assert found == last(greedy(task("bart", 20))).outputs(0.6)
