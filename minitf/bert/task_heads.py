"""The heads of fine-tuning: a text's class, one of several choices, a tag for each token, where an answer stands."""

from collections.abc import Callable

import torch
from torch import Tensor

from minitf.bert.config import BertConfig
from minitf.bert.head import Head
from minitf.layers import Dropout, Linear
from minitf.mathematics import Mathematics


class ClassificationHead(Head):
    """Dropout(pooled) Wᵀ + b; logits `[B, C]`. Source: Devlin et al. 2019, §4.1 (W there without a bias)."""

    reads_pooled = reads_first_alone = True

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__()
        self.dropout = Dropout(config.head_dropout, math)
        self.W = Linear(config.hidden_size, config.num_labels, math)

    def forward(self, X: Tensor, pooled: Tensor, E: Tensor) -> Tensor:
        logits: Tensor = self.W(self.dropout(pooled))
        return logits


class MultipleChoiceHead(Head):
    """Dropout(pooled) wᵀ + b, one score `[B, 1]` for each pair of a question and a choice.

    The choices of one question are rows of the batch: `logits.view(-1, choices)` sets them side by side, and a softmax
    over those says which one it is. Source: Devlin et al. 2019, §4.4 (SWAG).
    """

    reads_pooled = reads_first_alone = True

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__()
        self.dropout = Dropout(config.head_dropout, math)
        self.W = Linear(config.hidden_size, 1, math)

    def forward(self, X: Tensor, pooled: Tensor, E: Tensor) -> Tensor:
        logits: Tensor = self.W(self.dropout(pooled))
        return logits


class RobertaMultipleChoiceHead(MultipleChoiceHead):
    """It drops as the layers do, whatever the rate before a classifier. Source: the reference's code."""

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__(config, math)
        self.dropout = Dropout(config.hidden_dropout_prob, math)


class FirstTokenHead(Head):
    """Dropout(act(Dropout(x_[CLS]) W_poolᵀ + b_pool)) Wᵀ + b; logits `[B, C]`: a classifier with its own pooler.

    RoBERTa's has tanh and drops twice, DistilBERT's ReLU and drops once. Source: their code, not the papers.
    """

    reads_first_alone = True

    def __init__(self, D: int, C: int, activation: Callable[[Tensor], Tensor], first: Dropout, second: Dropout):
        super().__init__()
        self.activation, self.dropout_in, self.dropout = activation, first, second
        math = first.math
        self.W_pool = Linear(D, D, math)
        self.W = Linear(D, C, math)

    def forward(self, X: Tensor, pooled: Tensor | None, E: Tensor) -> Tensor:
        x = self.activation(self.W_pool(self.dropout_in(X[:, 0])))
        logits: Tensor = self.W(self.dropout(x))
        return logits


class RobertaClassificationHead(FirstTokenHead):
    """With tanh, and dropout before each map. Source: Liu et al. 2019's code."""

    def __init__(self, config: BertConfig, math: Mathematics):
        p = config.head_dropout
        super().__init__(config.hidden_size, config.num_labels, torch.tanh, Dropout(p, math), Dropout(p, math))


class DistilBertClassificationHead(FirstTokenHead):
    """With ReLU, and dropout before the last map alone. Source: Sanh et al. 2019's code."""

    def __init__(self, config: BertConfig, math: Mathematics):
        first, second = Dropout(0.0, math), Dropout(config.head_dropout, math)
        super().__init__(config.hidden_size, config.num_labels, math.relu, first, second)


class DistilBertMultipleChoiceHead(FirstTokenHead):
    """One score for each row, as MultipleChoiceHead, in DistilBERT's way."""

    def __init__(self, config: BertConfig, math: Mathematics):
        first, second = Dropout(0.0, math), Dropout(config.head_dropout, math)
        super().__init__(config.hidden_size, 1, math.relu, first, second)


class TaggingHead(Head):
    """Dropout(X) Wᵀ + b, for every token; logits `[B, S, C]`. Source: Devlin et al. 2019, §5.3."""

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__()
        self.dropout = Dropout(config.head_dropout, math)
        self.W = Linear(config.hidden_size, config.num_labels, math)

    def forward(self, X: Tensor, pooled: Tensor | None, E: Tensor) -> Tensor:
        logits: Tensor = self.W(self.dropout(X))
        return logits


class DistilBertTaggingHead(TaggingHead):
    """It drops as the layers do; the rate before a classifier is for whole texts. Source: Sanh et al. 2019's code."""

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__(config, math)
        self.dropout = Dropout(config.hidden_dropout_prob, math)


class QuestionAnsweringHead(Head):
    """Dropout(X) Wᵀ + b with two rows; logits `[B, S, 2]`: that the answer starts here, that it ends here.

    Only DistilBERT drops. Source: Devlin et al. 2019, §4.2 (the vectors S and E are the rows of W).
    """

    def __init__(self, config: BertConfig, math: Mathematics):
        super().__init__()
        self.dropout = Dropout(config.qa_dropout, math)
        self.W = Linear(config.hidden_size, 2, math)

    def forward(self, X: Tensor, pooled: Tensor | None, E: Tensor) -> Tensor:
        logits: Tensor = self.W(self.dropout(X))
        return logits
