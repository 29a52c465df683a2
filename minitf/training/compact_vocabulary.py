"""Train without the rows of the word embedding that the data never uses: an optimization, exact up to rounding.

Such a row has no gradient, so no update rule changes it, except for AdamW's weight decay, which multiplies it by 1 − ηλ
at every step. The product of these factors is known. So the table is trained without these rows; they are decayed and
put back when the model is saved. The word embedding has half of MiniLM's weights and nine tenths of BERT-Tiny's, and a
data set of a few thousand sentences uses a small part of it.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import nn

from minitf.mathematics import EQUATIONS, KERNELS, Mathematics
from minitf.text.batches import Examples
from minitf.training.optimizer import RULES, Optimizer, Recipe


class WordTable(Protocol):
    """The word embedding: a module with a `weight`."""

    weight: nn.Parameter


class CompactVocabulary:
    """Removes the rows that no text of `data` uses from the word embedding: replaces its `weight [N, D]`.

    With `data` None it does nothing.
    """

    def __init__(self, word: WordTable, data: Iterable[Examples] | None):
        self.word = word
        self.whole_table = word.weight.detach()
        self.idle = data is None
        if data is None:
            return
        data = list(data)
        used = {i for examples in data for tokens in examples.tokens for i in tokens.ids}
        # The padding token must keep its id, and so must the rows before it.
        used |= set(range(max((examples.pad_id for examples in data), default=0) + 1))
        self.used = torch.tensor(sorted(used), device=self.whole_table.device)
        self._number = {i: n for n, i in enumerate(self.used.tolist())}
        word.weight = nn.Parameter(self.whole_table[self.used])

    def renumber(self, examples: Examples) -> Examples:
        """Return the same texts with the ids of the compact table."""
        if self.idle:
            return examples
        tokens = [dataclasses.replace(t, ids=[self._number[i] for i in t.ids]) for t in examples.tokens]
        return dataclasses.replace(examples, tokens=tokens)

    @contextmanager
    def restored(self, optimizer: Optimizer) -> Iterator[None]:
        """Inside the block the word embedding has its whole table, as after training with all rows."""
        if self.idle:
            yield
            return
        compact = self.word.weight
        # The optimizer does not have a frozen table.
        decay = [optimizer.shrinkage[name] for name, p in optimizer.parameters.items() if p is compact]
        table = self.whole_table * math.prod(decay)
        table[self.used] = compact.detach()
        self.word.weight = nn.Parameter(table)
        try:
            yield
        finally:
            self.word.weight = compact


def is_exact(recipe: Recipe, mathematics: Mathematics) -> bool:
    """Whether only weight decay changes a row without gradient: a penalty changes it too, and a user's own rule may."""
    name = RULES[recipe.rule]
    known = getattr(mathematics, name) in (getattr(EQUATIONS, name), getattr(KERNELS, name))
    return known and not recipe.l1 and not recipe.l2
