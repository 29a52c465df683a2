"""Greedy decoding and beam search equal `transformers.generate` token by token, whatever the model; sampling by statistics."""

import collections

import pytest
import torch

from minitf.generation.beam_search import beam_search
from minitf.generation.decoding import Task
from minitf.generation.greedy import greedy
from minitf.generation.rules import Rules
from minitf.generation.sequences import Sequences
from tests.support import reference_generation
from tests.support.reference_generation import LIMIT, ReferenceDecoding, generated, prompts

KINDS = ["marian", "bart", "t5", "t5-v1.1", "gpt2"]


def last(steps) -> Sequences:
    return collections.deque(steps, maxlen=1)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_greedy(kind, monkeypatch):
    model, (ids, mask) = reference_generation.reference(kind), prompts(kind, 200)
    task = Task(ReferenceDecoding(model, ids, mask), Rules((1,), 0), LIMIT)
    found = last(greedy(task)).outputs()
    expected = generated(model, ids, mask, monkeypatch)
    assert [out.token_ids for out in found] == [best for ((best, _),) in expected]
    print(sum(o.ended for o in found), len({tuple(o.token_ids) for o in found}))


@pytest.mark.parametrize("early_stopping", [True, False, "never"])
@pytest.mark.parametrize("length_penalty", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_beam_search(kind, length_penalty, early_stopping, monkeypatch):
    model, (ids, mask) = reference_generation.reference(kind), prompts(kind, 200)
    task = Task(ReferenceDecoding(model, ids, mask), Rules((1,), 0), LIMIT)
    found = beam_search(task, 4, length_penalty, early_stopping)
    expected = generated(
        model, ids, mask, monkeypatch, 4, num_beams=4, length_penalty=length_penalty, early_stopping=early_stopping
    )
    for outputs, (*best,) in zip(found, expected, strict=True):
        assert [out.token_ids for out in outputs] == [ids for ids, _ in best]
        torch.testing.assert_close([out.score for out in outputs], [score for _, score in best])
    print(sum(o.ended for os in found for o in os), len({tuple(o.token_ids) for os in found for o in os}), collections.Counter(len(o[0].token_ids) for o in found))
