"""The pooler, and the base class of the heads."""

import torch
from torch import Tensor, nn

from minitf.layers import Linear
from minitf.mathematics import Mathematics


class Pooler(nn.Module):
    """tanh(W x_[CLS] + b); `[B, S, D] -> [B, D]`. Source: Devlin et al. 2019's code (C in their §3)."""

    def __init__(self, D: int, math: Mathematics):
        super().__init__()
        self.W = Linear(D, D, math)

    def forward(self, X: Tensor) -> Tensor:
        return torch.tanh(self.W(X[:, 0]))


def mean_pooled(X: Tensor, mask: Tensor) -> Tensor:
    """The mean over real tokens, scaled to length 1; `X [B, S, D]`, `mask [B, S]` -> `[B, D]`.

    all-MiniLM-L6-v2 was trained so that the cosine of two such vectors measures the similarity of two sentences
    (Reimers & Gurevych 2019). A classifier still reads [CLS]: fine-tuning changes every weight, so [CLS] learns
    what the task needs, and other BERT libraries can open the saved model.
    """
    weight = mask.unsqueeze(-1).to(X.dtype)  # [B, S, 1]
    mean = (X * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
    unit: Tensor = mean / mean.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return unit


class Head(nn.Module):
    """Base class: maps the encoder's output to the logits of a task.

    Called with the last hidden states `X [B, S, D]`, the pooled vector `[B, D]` (None in a model without a pooler) and
    the word embeddings `E [N, D]`; returns logits.
    """

    reads_pooled = False  # True: the model needs a pooler
    reads_cls_only = False  # True: no token but [CLS] matters, in X or through the pooler
