"""What stands on the encoder: the pooler, and one head per task.

A head is called with the last hidden states `[B, S, D]` and the pooled vector `[B, D]` and gives logits.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from minitf.bert.config import BertConfig
from minitf.layers import Dropout, Linear
from minitf.mathematics import Mathematics


class Pooler(nn.Module):
    """tanh(W x_[CLS] + b); `[B, S, D] -> [B, D]`. Source: Devlin et al. 2019's code (C in their §3)."""

    def __init__(self, D: int, math: Mathematics):
        super().__init__()
        self.W = Linear(D, D, math)

    def forward(self, X: Tensor) -> Tensor:
        return torch.tanh(self.W(X[:, 0]))


def mean_pooled(X: Tensor, mask: Tensor) -> Tensor:
    """The mean over real tokens, of length 1; `X [B, S, D]`, `mask [B, S]` -> `[B, D]`.

    all-MiniLM-L6-v2 was trained so that the cosine of two such vectors says how alike two sentences are (Reimers &
    Gurevych 2019). A classifier reads [CLS] all the same: fine-tuning moves every weight, so [CLS] learns to gather
    what the task needs, and what is saved is the model that every other BERT library knows.
    """
    weight = mask.unsqueeze(-1).to(X.dtype)  # [B, S, 1]
    mean = (X * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
    unit: Tensor = mean / mean.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return unit


class ClassificationHead(nn.Module):
    """Dropout(pooled) Wᵀ + b; logits `[B, C]`. Source: Devlin et al. 2019, §4.1 (W there without a bias)."""

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__()
        self.dropout = Dropout(config.head_dropout, math)
        self.W = Linear(config.hidden_size, config.num_labels, math)

    def forward(self, X: Tensor, pooled: Tensor) -> Tensor:
        logits: Tensor = self.W(self.dropout(pooled))
        return logits


HEADS: dict[str, Callable[[BertConfig, Mathematics], nn.Module]] = {"classification": ClassificationHead}
