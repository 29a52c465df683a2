"""Tasks that look into a text: a tag for each word, out of CoNLL columns; an answer's place, out of SQuAD's JSON."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minitf.kinds.kind import Kind
from minitf.text import conll, question_checks, squad, tag_checks

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Task


def _tag_counts(train: conll.TaggedTable) -> str:
    found = tag_checks.type_counts(train)
    words = sum(len(sentence.words) for sentence in train.examples)
    return f"{words} words, {', '.join(f'{name} {n}' for name, n in sorted(found.items())) or 'nothing marked'}"


def _tagging(train: conll.TaggedTable, arguments: argparse.Namespace, math: "Mathematics") -> "Task":
    from minitf.tasks.classification import balanced_weights
    from minitf.tasks.tagging import Tagging

    names = tag_checks.tag_names(train)
    weights = None
    if arguments.class_weights == "balanced":
        tags = [names.index(tag) for sentence in train.examples for tag in sentence.tags or ()]
        weights = balanced_weights(tags, len(names)).float()
    return Tagging(names, weights, math, arguments.label_smoothing, arguments.stride)


def _saved_tagging(config: "BertConfig", note: Mapping[str, Any], math: "Mathematics") -> "Task":
    from minitf.tasks.tagging import Tagging

    return Tagging(config.labels, None, math, stride=note.get("stride"))


TAGGING = Kind(
    "tagging",
    conll.read_tagged,
    tag_checks.check_tagging,
    tag_checks.split,
    _tag_counts,
    "a tenth of them",
    _tagging,
    _saved_tagging,
    texts=lambda table: (table.texts, None),
    cuts=False,
    rows=tag_checks.rows,
    metrics=("f1", "accuracy", "macro_f1", "loss"),
    unit="sentences",
    rows_are="sentences",
    step="sentences",
    idle=("text", "pair", "label", "long_text"),
)


def _question_counts(train: squad.QuestionTable) -> str:
    return f"{question_checks.paragraphs(train)} paragraphs of {question_checks.articles(train)} articles"


def _question_answering(train: squad.QuestionTable, arguments: argparse.Namespace, math: "Mathematics") -> "Task":
    from minitf.tasks.question_answering import QuestionAnswering

    return QuestionAnswering(math, arguments.stride)


def _saved_question_answering(config: "BertConfig", note: Mapping[str, Any], math: "Mathematics") -> "Task":
    from minitf.tasks.question_answering import QuestionAnswering

    return QuestionAnswering(math, note.get("stride"))


QA = Kind(
    "qa",
    squad.read_squad,
    question_checks.check_questions,
    question_checks.split,
    _question_counts,
    "a tenth of them, whole paragraphs",
    _question_answering,
    _saved_question_answering,
    cuts=False,
    rows=question_checks.rows,
    metrics=("f1", "exact_match", "loss"),
    unit="questions",
    rows_are="questions",
    step="windows",
    max_length=384,
    idle=("text", "pair", "label", "long_text", "class_weights", "label_smoothing"),
)
