"""A whole text as tokens, or as windows of tokens, and one row of logits for it."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.bert import Bert
from minitf.bert.cls_only import logits_of_first_token
from minitf.datasets.dataset import Dataset
from minitf.text import long_texts
from minitf.text.batches import Batch, Examples
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import LongText

ROWS = 64  # windows per forward pass without gradients: a long text has dozens


class WholeTextTask:
    """Base class of the tasks for whole texts: one row of logits per text, from a classification head."""

    head: ClassVar[str] = "classification"

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Compute the logits of each text, `[B, C]`; `model` is a Bert with a classification head."""
        return logits_of_texts(model, batch)

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        return list(logits)

    def report_details(self, logits: Sequence[Tensor], examples: Examples, table: Any, most: int) -> dict[str, Any]:
        return {}


def encode_texts(
    dataset: Dataset, targets: Tensor, tokenizer: Tokenizer, max_length: int, long_text: LongText
) -> Examples:
    """Encode the texts (or pairs) of a table in rows of at most `max_length` tokens. Raises InputError."""
    tokens, rows = long_texts.encode(tokenizer, dataset.texts, dataset.pairs, max_length, long_text)
    return Examples(tokens, targets, tokenizer.pad_id, rows)


def logits_of_texts(model: nn.Module, batch: Batch) -> Tensor:
    """Compute the logits of each text, the mean over its windows; `[B, C]`. The head of `model` reads [CLS]."""
    assert isinstance(model, Bert)
    R = len(batch.token_ids)
    size = R if batch.text_of_row is None or torch.is_grad_enabled() else ROWS
    parts = [
        logits_of_first_token(model, *(t[i : i + size] for t in (batch.token_ids, batch.segment_ids, batch.mask)))
        for i in range(0, R, size)
    ]
    return mean_of_windows(parts[0] if len(parts) == 1 else torch.cat(parts), batch)


def mean_of_windows(logits: Tensor, batch: Batch) -> Tensor:
    """Average the logits over the windows of each text: `[rows, C] -> [B, C]`; unchanged without windows."""
    if batch.text_of_row is None:
        return logits
    B = int(batch.text_of_row[-1]) + 1
    total = logits.new_zeros(B, logits.shape[-1]).index_add(0, batch.text_of_row, logits)
    return total / batch.text_of_row.bincount(minlength=B).unsqueeze(-1)
