"""The next token of a text, after each of its tokens, with a decoder (Radford et al. 2018, §3.1)."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.datasets.dataset import Dataset
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.example_scores import ExampleScores
from minitf.tasks.generated_text.teacher_forcing import teacher_forced
from minitf.tasks.language_model.metrics import LanguageModelMetrics, language_model_metrics
from minitf.text.batches import IGNORED, Batch, Examples, Tokens
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.transformer import DecoderModel
from minitf.transformer.encoder_decoder import HEAD


@dataclasses.dataclass(frozen=True)
class TextBlocks(Examples):
    """The blocks of all texts. `targets` are the next tokens: a list of tensors `[S]`, the last one IGNORED."""

    text_of: Sequence[int] = ()  # for each block, the index of its text


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """A text and its end token are cut into blocks of `max_length` tokens.

    The first token of a block is the last one of the block before, so that each token is predicted once. The first
    token of a text is not predicted: nothing is before it.
    """

    math: Mathematics = EQUATIONS
    label_smoothing: float = 0.0
    labels: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str] = "language-model"
    head: ClassVar[str] = HEAD
    problem_type: ClassVar[str | None] = None

    def encode(self, table: Dataset, tokenizer: SequenceTokenizer, max_length: int) -> TextBlocks:
        """Turn the texts into blocks. Raises InputError if `max_length` is 1 or all texts have a single token."""
        if max_length < 2:
            raise InputError(f"`max_length` {max_length} is too small: a token is predicted from the one before it")
        tokens, targets, text_of = [], [], []
        for n, ids in enumerate(tokenizer.encode_targets(table.texts)):
            for start in range(0, max(1, len(ids) - 1), max_length - 1):
                block = ids[start : start + max_length]
                tokens.append(Tokens(block, [0] * len(block)))
                targets.append(torch.tensor([*block[1:], IGNORED]))
                text_of.append(n)
        if all(len(block) < 2 for block in tokens):
            raise InputError(f"{table.path}: no text has two tokens, so there is no next token to predict")
        return TextBlocks(tokens, targets, tokenizer.pad_id, text_of=text_of)

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Compute the logits of the token after each token, `[B, S, N]`."""
        assert isinstance(model, DecoderModel)
        logits: Tensor = model(batch.token_ids, batch.mask).logits
        return logits

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy of the tokens, a scalar; `logits [B, S, N]`, `targets [B, S]`."""
        loss: Tensor = self.math.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), label_smoothing=self.label_smoothing, ignore_index=IGNORED
        )
        return loss

    def weight(self, targets: Tensor) -> float:
        """The number of predicted tokens."""
        return float((targets != IGNORED).sum())

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        return [row[: int(n)] for row, n in zip(logits, batch.mask.sum(dim=1), strict=True)]

    def outputs(self, model: nn.Module, batch: Batch) -> Sequence[Tensor]:
        """Return −log P of each predicted token of a block, and whether it is the most probable: `[S − 1, 2]`."""
        following = batch.token_ids[:, 1:]
        losses, right = teacher_forced(self.logits(model, batch)[:, :-1], following)
        columns = torch.stack([losses.double(), right.double()], dim=-1)
        return [row[: int(n) - 1] for row, n in zip(columns, batch.mask.sum(dim=1), strict=True)]

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> LanguageModelMetrics:
        """Compute the metrics from `outputs`."""
        losses, right = torch.cat(list(logits)).unbind(dim=-1)
        return language_model_metrics(float(losses.mean()), int(right.sum()), len(losses))

    def example_scores(self, logits: Sequence[Tensor], examples: Examples) -> ExampleScores:
        """The sum of the losses of each text, and the number of its tokens; the score is the perplexity."""
        return ExampleScores(_sums(logits, examples), perplexity_of)

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Dataset) -> list[Mistake]:
        """Return no mistakes: the next token of a text is rarely certain."""
        return []

    def report_details(self, logits: Sequence[Tensor], examples: Examples, table: Dataset, most: int) -> dict[str, Any]:
        return {}

    def baseline(self, examples: Examples) -> str:
        return f"the frequencies of the tokens: perplexity {_frequencies(examples):.4g}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, LanguageModelMetrics)
        return metrics.perplexity < _frequencies(examples)


def perplexity_of(values: Tensor) -> Tensor:
    """exp of the mean loss; the rows of `values [m, 2]` are a sum of losses and their number."""
    losses, counts = values.sum(dim=0)
    perplexity: Tensor = (losses / counts.clamp(min=1.0)).exp()
    return perplexity


def _sums(logits: Sequence[Tensor], examples: Examples) -> Tensor:
    assert isinstance(examples, TextBlocks)
    blocks = torch.stack([torch.stack([block[:, 0].sum(), block.new_tensor(len(block))]) for block in logits])
    texts = torch.tensor(examples.text_of)
    return blocks.new_zeros(int(texts.max()) + 1, 2).index_add(0, texts, blocks)


def _frequencies(examples: Examples) -> float:
    """Return the perplexity of the frequencies of the predicted tokens: the best prediction that ignores the text."""
    counts = Counter(i for target in examples.targets for i in target.tolist() if i != IGNORED)
    n = counts.total()
    return math.exp(-sum(c / n * math.log(c / n) for c in counts.values()))
