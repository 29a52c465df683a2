"""Greedy decoding and beam search equal `transformers.generate` token by token; sampling by statistics."""

import collections
from collections.abc import Iterable

import pytest
import torch

from minitf.generation.beam_search import beam_search
from minitf.generation.decoding import Task
from minitf.generation.greedy import greedy
from minitf.generation.rules import Rules
from minitf.generation.sampling import draw, keep_top_k, keep_top_p, sample
from minitf.generation.sequences import Sequences
from tests.support import reference_generation
from tests.support.reference_generation import LIMIT, VOCABULARY, ReferenceDecoding, generated, prompts

KINDS = ("marian", "bart", "t5", "t5-v1.1", "gpt2")
END = Rules(end_ids=(1,), pad_id=0)


def last(steps: Iterable[Sequences]) -> Sequences:
    return collections.deque(steps, maxlen=1)[0]


def task(kind: str, count: int, rules: Rules = END, limit: int = LIMIT, seed: int = 0, **config) -> Task:
    model = reference_generation.reference(kind, **config)
    return Task(ReferenceDecoding(model, *prompts(kind, count, seed)), rules, limit)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy(kind, monkeypatch):
    batch = task(kind, 200)
    found = last(greedy(batch)).outputs()
    expected = generated(batch.decoding.model, *prompts(kind, 200), monkeypatch)
    assert [out.token_ids for out in found] == [ids for ((ids, _),) in expected]
    assert 5 < sum(out.ended for out in found) < 195
    assert len({tuple(out.token_ids) for out in found}) > 20


@pytest.mark.parametrize("early_stopping", [True, False, "never"])
@pytest.mark.parametrize("length_penalty", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_beam_search(kind, length_penalty, early_stopping, monkeypatch):
    """The four best of each text, and their scores: 210 prompts for each kind and penalty."""
    seed = [True, False, "never"].index(early_stopping)
    batch = task(kind, 70, seed=seed)
    settings = {"length_penalty": length_penalty, "early_stopping": early_stopping}
    found = beam_search(batch, 4, **settings)
    expected = generated(
        batch.decoding.model, *prompts(kind, 70, seed), monkeypatch, 4, num_beams=4, **settings
    )
    assert [[out.token_ids for out in text] for text in found] == [[ids for ids, _ in text] for text in expected]
    scores = [[[score for _, score in text] for text in expected], [[out.score for out in text] for text in found]]
    torch.testing.assert_close(torch.tensor(scores[1]), torch.tensor(scores[0]), rtol=0, atol=1e-10)
    assert any(out.ended for text in found for out in text)
    print(kind, settings, collections.Counter(len(t[0].token_ids) for t in found))
