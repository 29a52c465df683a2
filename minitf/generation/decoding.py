"""What a strategy needs of a model: log-probabilities of the next token, for a batch of rows that grow."""

import dataclasses
from typing import Protocol

from torch import Tensor

from minitf.generation.rules import Rules


class Decoding(Protocol):
    """A model that reads the rows of a batch, one per text or several per text.

    It may keep keys and values of what it has read (a cache); the strategies do not see them.
    """

    prompt: Tensor  # [R, T], what every row begins with, padded on the left

    def next_logits(self, ids: Tensor) -> Tensor:
        """Return the logits [R, N] of the next token after `ids` [R, T]: the prompt and all tokens since."""

    def repeat(self, times: int) -> None:
        """Make `times` rows of each row, next to each other. Only before the first token is generated."""

    def reorder(self, rows: Tensor) -> None:
        """Let row r continue what row rows[r] has read. Both have the same prompt."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A batch to generate: the model with its prompts, the rules of its checkpoint, and the limit on new tokens."""

    decoding: Decoding
    rules: Rules
    limit: int

    def log_p(self, ids: Tensor) -> Tensor:
        """Return log P(next token | ids) under the rules, [R, N]."""
        log_p = self.decoding.next_logits(ids).log_softmax(-1)
        return self.rules.apply(log_p, ids, self.decoding.prompt.shape[1], self.limit)
