"""What a checkpoint forces and forbids: outputs equal those of the reference with the same generation config."""

import collections

import pytest
import torch
from transformers import generation

from minitf.errors import CheckpointError
from minitf.generation import rules
from minitf.generation.beam_search import beam_search
from minitf.generation.decoding import Request
from minitf.generation.greedy import greedy
from minitf.generation.rules import Rules
from tests.support.reference_generation import LIMIT, both, decoding, generated, prompts


class Stated:
    vocab_size, end_id, pad_id = 30, 1, 0

    def __init__(self, **stated):
        self.generation = stated


EXAMPLES = {
    "the start and the end are forced": {"forced_bos_token_id": 7, "forced_eos_token_id": 1},
    "Marian": {"bad_words_ids": [[0]], "forced_eos_token_id": 1, "renormalize_logits": True},
    "BART's summaries": {
        "min_length": 4,
        "no_repeat_ngram_size": 3,
        "forced_eos_token_id": 1,
        "forced_bos_token_id": 5,
    },
    "words of several tokens": {"bad_words_ids": [[3], [4, 5], [6, 7, 8], [1]], "min_new_tokens": 3},
    "no token twice": {"no_repeat_ngram_size": 1, "suppress_tokens": [9, 10], "begin_suppress_tokens": [1, 11]},
    "no pair twice": {"no_repeat_ngram_size": 2, "begin_suppress_tokens": [1, 2], "forced_bos_token_id": 4},
    "several ends": {"eos_token_id": [1, 3, 4]},
}


@pytest.mark.parametrize("kind", ["bart", "gpt2"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_outputs_under_the_rules_of_a_checkpoint(kind, name, monkeypatch):
    stated = EXAMPLES[name]
    if kind == "gpt2" and "forced_bos_token_id" in stated:
        stated = {key: value for key, value in stated.items() if key != "forced_bos_token_id"}
    (model, _), given = both(kind), prompts(kind, 40)
    config = Stated(**stated)
    config.end_id = tuple(stated.get("eos_token_id", [1]))
    batch = Request(decoding(kind, *given), Rules.of(config), LIMIT)
    found = collections.deque(greedy(batch), maxlen=1)[0].outputs()
    end = set(config.end_id)
    expected = generated(model, *given, monkeypatch, end=end, **stated)
    assert [out.token_ids for out in found] == [ids for ((ids, _),) in expected]
    found = beam_search(Request(decoding(kind, *given), Rules.of(config), LIMIT), 3)
    expected = generated(model, *given, monkeypatch, 3, end=end, num_beams=3, **stated)
    assert [[out.token_ids for out in text] for text in found] == [[ids for ids, _ in text] for text in expected]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_forbid_repetition(size):
    generator = torch.Generator().manual_seed(size)
    for length in range(1, 12):
        ids = torch.randint(4, (8, length), generator=generator)
        log_p = torch.randn(8, 4, generator=generator)
        expected = generation.NoRepeatNGramLogitsProcessor(size)(ids, log_p.clone())
        assert torch.equal(rules.forbid_repetition(log_p, ids, size), expected)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"repetition_penalty": 1.2}, "repetition_penalty = 1.2 in its generation config is not supported"),
        ({"stop_strings": ["."]}, "stop_strings"),
        ({"forced_bos_token_id": 30}, "forced_bos_token_id must be token ids below vocab_size 30, not 30"),
        ({"forced_eos_token_id": -1}, "forced_eos_token_id"),
        ({"bad_words_ids": 3}, "bad_words_ids must be a list of lists"),
        ({"bad_words_ids": [[]]}, "bad_words_ids must be a list of lists"),
        ({"bad_words_ids": [[True]]}, "bad_words_ids must be token ids"),
        ({"min_length": "5"}, "min_length must be a whole number"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size must be a whole number"),
    ],
)
def test_invalid_rules(stated, message):
    with pytest.raises(CheckpointError, match=message):
        Rules.of(Stated(**stated))


def test_a_vocabulary_without_an_end_token():
    config = Stated()
    config.end_id = None
    with pytest.raises(CheckpointError, match="has no end token"):
        Rules.of(config)


@pytest.mark.parametrize("name", rules.NOT_SUPPORTED)
def test_what_changes_nothing_is_accepted(name):
    assert Rules.of(Stated(**{name: rules.NOT_SUPPORTED[name]})) == Rules((1,), 0)
