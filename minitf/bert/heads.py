"""Which heads there are: by the member of the family, and by name."""

from collections.abc import Callable, Mapping

from minitf.bert.config import BertConfig
from minitf.bert.head import Head
from minitf.bert.pretraining_heads import MaskedLMHead, NextSentenceHead, PretrainingHead, RobertaMaskedLMHead
from minitf.bert.task_heads import (
    ClassificationHead,
    DistilBertClassificationHead,
    DistilBertMultipleChoiceHead,
    DistilBertTaggingHead,
    MultipleChoiceHead,
    QuestionAnsweringHead,
    RobertaClassificationHead,
    RobertaMultipleChoiceHead,
    TaggingHead,
)
from minitf.errors import InputError
from minitf.mathematics import Mathematics

Heads = Mapping[str, Callable[[BertConfig, Mathematics], Head]]

BERT: Heads = {
    "masked-lm": MaskedLMHead,
    "next-sentence": NextSentenceHead,
    "pretraining": PretrainingHead,
    "classification": ClassificationHead,
    "multiple-choice": MultipleChoiceHead,
    "tagging": TaggingHead,
    "qa": QuestionAnsweringHead,
}
_WITHOUT_PAIRS = {name: head for name, head in BERT.items() if name not in ("next-sentence", "pretraining")}
ROBERTA: Heads = _WITHOUT_PAIRS | {
    "masked-lm": RobertaMaskedLMHead,
    "classification": RobertaClassificationHead,
    "multiple-choice": RobertaMultipleChoiceHead,
}
DISTILBERT: Heads = _WITHOUT_PAIRS | {
    "classification": DistilBertClassificationHead,
    "multiple-choice": DistilBertMultipleChoiceHead,
    "tagging": DistilBertTaggingHead,
}

LABELLED = ("classification", "tagging")  # these give a logit for each of the config's labels

# The heads of each member of the family, by `model_type`; only BERT was trained on pairs of sentences.
HEADS: Mapping[str, Heads] = {"bert": BERT, "roberta": ROBERTA, "xlm-roberta": ROBERTA, "distilbert": DISTILBERT}


def check_head(head: str | None, model_type: str = "bert") -> None:
    """Raises InputError unless this member of the family has a head of this name."""
    if head is not None and head not in HEADS.get(model_type, HEADS["bert"]):
        whose = f" in a {model_type} model" if head in HEADS["bert"] else ""
        raise InputError(f"no head is called {head!r}{whose}; there are: {', '.join(HEADS[model_type])}")
