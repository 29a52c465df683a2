"""The list of the likeliest words."""

import pytest
import torch

from minitf.tasks.masked_lm.words import likeliest_words
from minitf.text.tokenizer import Tokenizer
from tests.support.tiny import VOCABULARY, write_vocabulary


@pytest.mark.parametrize("k", [1, 3, 1000])
def test_the_likeliest_words(write_bert, k):
    """By a slow sort, for two rows; no more words than the vocabulary has."""
    folder, _ = write_bert()
    write_vocabulary(folder)
    p = torch.randn(2, len(VOCABULARY), generator=torch.Generator().manual_seed(0)).double().softmax(-1)
    for row, words in zip(p.tolist(), likeliest_words(p, Tokenizer.from_folder(folder), k), strict=True):
        expected = sorted(zip(VOCABULARY, row, strict=True), key=lambda pair: -pair[1])[:k]
        assert [(word.removeprefix("##"), value) for word, value in words] == [
            (word.removeprefix("##"), value) for word, value in expected
        ]
