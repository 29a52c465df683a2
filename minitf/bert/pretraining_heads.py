"""The heads of pre-training: masked language modelling and next-sentence prediction."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from minitf.bert.config import BertConfig
from minitf.bert.head import Head
from minitf.layers import LayerNorm, Linear
from minitf.mathematics import Mathematics


class MaskedLMHead(Head):
    """LayerNorm(act(X Wᵀ + b)) Eᵀ + b_N; logits `[B, S, N]` over the vocabulary.

    The decoder weights are the word embeddings E ("tied weights"), so the head owns no matrix of N rows.
    Source: Devlin et al. 2019, §3.1 (task 1); the transform before the decoder: their code.
    """

    def __init__(self, config: BertConfig, math: Mathematics, activation: str | None = None):
        super().__init__()
        D = config.hidden_size
        self.math, self.activation = math, getattr(math, activation or config.activation)
        self.W = Linear(D, D, math)
        self.norm = LayerNorm(D, config.layer_norm_eps, math)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, X: Tensor, pooled: Tensor | None, E: Tensor) -> Tensor:
        T = self.norm(self.activation(self.W(X)))
        logits: Tensor = self.math.linear(T, E, self.bias)
        return logits


class RobertaMaskedLMHead(MaskedLMHead):
    """Its activation function is erf-GELU for any `hidden_act`. Source: Liu et al. 2019's code."""

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__(config, math, activation="gelu")


class NextSentenceHead(Head):
    """pooled Wᵀ + b; logits `[B, 2]`: column 0: the second text follows the first; column 1: it does not.

    Source: Devlin et al. 2019, §3.1 (task 2).
    """

    reads_pooled = reads_cls_only = True

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__()
        self.W = Linear(config.hidden_size, 2, math)

    def forward(self, X: Tensor, pooled: Tensor, E: Tensor) -> Tensor:
        logits: Tensor = self.W(pooled)
        return logits


class PretrainingLogits(NamedTuple):
    """The logits of both pre-training tasks."""

    masked_lm: Tensor  # [B, S, N]
    next_sentence: Tensor  # [B, 2]


class PretrainingHead(Head):
    """Both pre-training tasks. Source: Devlin et al. 2019, §3.1."""

    reads_pooled = True

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__()
        self.masked_lm = MaskedLMHead(config, math)
        self.next_sentence = NextSentenceHead(config, math)

    def forward(self, X: Tensor, pooled: Tensor, E: Tensor) -> PretrainingLogits:
        return PretrainingLogits(self.masked_lm(X, pooled, E), self.next_sentence(X, pooled, E))
