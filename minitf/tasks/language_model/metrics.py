"""Perplexity and accuracy of predicted tokens. They are plain numbers, not tensors."""

import dataclasses
import math
from typing import Any


@dataclasses.dataclass(frozen=True)
class LanguageModelMetrics:
    loss: float  # mean cross-entropy of the tokens
    perplexity: float  # exp(loss): as unsure as among so many equally likely tokens
    token_accuracy: float  # share of the tokens that were the most probable ones
    tokens: int

    @property
    def scores(self) -> dict[str, float]:
        return {"perplexity": self.perplexity, "accuracy": self.token_accuracy}

    def table(self) -> str:
        return f"  {self.tokens:,} tokens, each predicted from those before it"

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def language_model_metrics(loss: float, right: int, tokens: int) -> LanguageModelMetrics:
    """Compute the metrics from the mean loss, and how many of the tokens are right."""
    return LanguageModelMetrics(loss, perplexity(loss), right / tokens, tokens)


def perplexity(loss: float) -> float:
    """exp(loss); infinite where that is too large for a float."""
    return math.exp(loss) if loss < 700.0 else math.inf
