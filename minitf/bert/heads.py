"""The table of heads: for each model type the head of each name, with its width and dropout rate."""

from collections.abc import Callable, Mapping

import torch

from minitf.bert.config import BertConfig
from minitf.bert.head import Head
from minitf.bert.pretraining_heads import MaskedLMHead, NextSentenceHead, PretrainingHead, RobertaMaskedLMHead
from minitf.bert.task_heads import FirstTokenHead, PooledHead, TokenHead
from minitf.errors import InputError
from minitf.mathematics import Mathematics

Heads = Mapping[str, Callable[[BertConfig, Mathematics], Head]]

BERT: Heads = {
    "masked-lm": MaskedLMHead,
    "next-sentence": NextSentenceHead,
    "pretraining": PretrainingHead,
    "classification": lambda c, math: PooledHead(c.hidden_size, c.num_labels, c.head_dropout, math),
    "multiple-choice": lambda c, math: PooledHead(c.hidden_size, 1, c.head_dropout, math),
    "tagging": lambda c, math: TokenHead(c.hidden_size, c.num_labels, c.head_dropout, math),
    "qa": lambda c, math: TokenHead(c.hidden_size, 2, c.qa_dropout, math),
}
# Only BERT was pre-trained with next-sentence prediction.
_WITHOUT_PAIRS = {name: head for name, head in BERT.items() if name not in ("next-sentence", "pretraining")}
ROBERTA: Heads = _WITHOUT_PAIRS | {
    "masked-lm": RobertaMaskedLMHead,
    "classification": lambda c, math: FirstTokenHead(
        c.hidden_size, c.num_labels, c.head_dropout, math, torch.tanh, dropout_in=c.head_dropout
    ),
    # Uses the dropout rate of the layers, not the classifier's; DistilBERT's tagging head does too.
    "multiple-choice": lambda c, math: PooledHead(c.hidden_size, 1, c.hidden_dropout_prob, math),
}
DISTILBERT: Heads = _WITHOUT_PAIRS | {
    "classification": lambda c, math: FirstTokenHead(c.hidden_size, c.num_labels, c.head_dropout, math, math.relu),
    "multiple-choice": lambda c, math: FirstTokenHead(c.hidden_size, 1, c.head_dropout, math, math.relu),
    "tagging": lambda c, math: TokenHead(c.hidden_size, c.num_labels, c.hidden_dropout_prob, math),
}

# By `model_type`.
HEADS: Mapping[str, Heads] = {"bert": BERT, "roberta": ROBERTA, "xlm-roberta": ROBERTA, "distilbert": DISTILBERT}

LABELLED = ("classification", "tagging")  # these heads have one logit for each label of the config


def check_head(head: str | None, model_type: str = "bert") -> None:
    """Raises InputError unless `head` is None or a head of this model type."""
    if head is not None and head not in HEADS.get(model_type, BERT):
        where = f" in a {model_type} model" if head in BERT else ""
        raise InputError(f"no head is called {head!r}{where}; choose from: {', '.join(HEADS[model_type])}")
