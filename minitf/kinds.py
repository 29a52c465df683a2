"""What each --task means to a command: how its table is read, checked and split, and the task that learns from it.

Nothing heavy is imported until a task is made.
"""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.errors import InputError
from minitf.text import (
    check_table,
    checks,
    conll,
    datasets,
    label_sets,
    question_checks,
    squad,
    tag_checks,
    task_checks,
)
from minitf.text.checks import Finding

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Task
    from minitf.text.long_texts import LongText
    from minitf.text.token_checks import Texts

Table = Any  # what `read` gives: it has `path`, `examples` (each with its `row`), `digest`


@dataclasses.dataclass(frozen=True)
class Kind:
    """One --task."""

    name: str
    read: Callable[..., Table]  # path, text=…, pair=…, label=… (columns, or None) -> the table; raises DataError
    check: Callable[..., list[Finding]]  # train, valid, test (the last two may be None) -> what is wrong or odd
    split: Callable[..., tuple[Table, Table]]  # train, seed=… -> what is left of it, what validates
    counts: Callable[[Table], str]  # what there is to learn from, in words
    portion: str  # what part of the training rows `split` sets aside, in words
    make: "Callable[[Table, argparse.Namespace, Mathematics], Task]"  # the task as the training table has it
    saved: "Callable[[BertConfig, Mapping[str, Any], Mathematics], Task]"  # that of a trained model and its note
    texts: "Callable[[Table], Texts]" = lambda table: (table.texts, table.pairs)
    cuts: bool = True  # whether a text too long is cut, unless --long-text says otherwise
    rows: Callable[[Table, Table], check_table.Rows] = lambda table, train: {}  # for the data check, of labels
    metrics: tuple[str, ...] = ()  # those of the task: known here, so that --metric is checked before all else
    unit: str = "texts"  # what the table's examples are
    rows_are: str = "rows"  # and what they are called where a part of them is set aside
    step: str = "texts"  # what a batch counts
    max_length: int = 128  # where none is given
    idle: tuple[str, ...] = ()  # flags that mean nothing to it


def _class_counts(train: Table) -> str:
    labels: Sequence[str] = train.labels
    return ", ".join(f"{name} {labels.count(name)}" for name in checks.label_names(train))


def _classification(train: Table, arguments: argparse.Namespace, math: "Mathematics") -> "Task":
    from minitf.tasks.classification import Classification, balanced_weights

    names = checks.label_names(train)
    weights = None
    if arguments.class_weights == "balanced":
        weights = balanced_weights([names.index(label) for label in train.labels], len(names)).float()
    return Classification(names, weights, math, arguments.label_smoothing, _long_text(arguments))


def _long_text(arguments: argparse.Namespace) -> "LongText":
    from minitf.text.long_texts import LongText

    return LongText(arguments.long_text, arguments.stride)


def _noted(note: Mapping[str, Any]) -> "LongText":
    from minitf.text.long_texts import LongText

    return LongText(note.get("long_text", "truncate"), note.get("stride"))


def _saved_classification(config: "BertConfig", note: Mapping[str, Any], math: "Mathematics") -> "Task":
    from minitf.tasks.classification import Classification

    return Classification(config.labels, None, math, long_text=_noted(note))


def _saved_multilabel(config: "BertConfig", note: Mapping[str, Any], math: "Mathematics") -> "Task":
    from minitf.tasks.multilabel import MultiLabel

    return MultiLabel(config.labels, math, _noted(note))


def _saved_regression(config: "BertConfig", note: Mapping[str, Any], math: "Mathematics") -> "Task":
    from minitf.tasks.regression import Regression

    return Regression(math, _noted(note))


def _no_classes(arguments: argparse.Namespace, task: str) -> None:
    if arguments.class_weights != "none":
        raise InputError(f"--class-weights weighs classes, of which --task {task} has none; leave it out")
    if arguments.label_smoothing:
        raise InputError(f"--label-smoothing spreads a target over classes, not for --task {task}; leave it out")


def _read_sets(path: str, text: str | None, pair: str | None, label: str | None) -> Table:
    return datasets.read_table(path, text, pair, label, read_label=label_sets.several_labels)


def _set_counts(train: Table) -> str:
    borne = [name for example in train.examples for name in label_sets.labels_in(example.label)]
    none = sum(not example.label for example in train.examples)
    return ", ".join([*(f"{name} {borne.count(name)}" for name in label_sets.set_names(train)), f"no label {none}"])


def _multilabel(train: Table, arguments: argparse.Namespace, math: "Mathematics") -> "Task":
    from minitf.tasks.multilabel import MultiLabel

    _no_classes(arguments, "multilabel")
    return MultiLabel(label_sets.set_names(train), math, _long_text(arguments))


def _read_numbers(path: str, text: str | None, pair: str | None, label: str | None) -> Table:
    return datasets.read_table(path, text, pair, label, read_label=label_sets.finite_number)


def _split_numbers(train: Table, seed: int) -> tuple[Table, Table]:
    return datasets.split(train, seed=seed, stratify=False)


def _number_range(train: Table) -> str:
    return f"{train.label_column} {task_checks.range_of(label_sets.numbers_in(train))}"


def _regression(train: Table, arguments: argparse.Namespace, math: "Mathematics") -> "Task":
    from minitf.tasks.regression import Regression

    _no_classes(arguments, "regression")
    return Regression(math, _long_text(arguments))


CLASSIFICATION = Kind(
    "classification",
    datasets.read_table,
    checks.check_classification,
    datasets.split,
    _class_counts,
    "a tenth of each class",
    _classification,
    _saved_classification,
    rows=check_table.class_rows,
    metrics=("accuracy", "macro_f1", "matthews", "loss"),
)
MULTILABEL = Kind(
    "multilabel",
    _read_sets,
    task_checks.check_multilabel,
    label_sets.split_sets,
    _set_counts,
    "a tenth, each row counted for its rarest label",
    _multilabel,
    _saved_multilabel,
    rows=check_table.set_rows,
    metrics=("micro_f1", "macro_f1", "accuracy", "loss"),
)
REGRESSION = Kind(
    "regression",
    _read_numbers,
    task_checks.check_regression,
    _split_numbers,
    _number_range,
    "a tenth of them",
    _regression,
    _saved_regression,
    rows=check_table.number_rows,
    metrics=("pearson", "spearman", "rmse", "loss"),
)


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
KINDS = {kind.name: kind for kind in (CLASSIFICATION, MULTILABEL, REGRESSION, TAGGING, QA)}


def choose(arguments: argparse.Namespace) -> Kind:
    """The task that is asked for, or that the data speak for: then it is printed why.

    Chooses --metric where none is given. Raises DataError, and InputError for a flag that does not fit the task.
    """
    kind = KINDS[arguments.task] if arguments.task != "auto" else _likely(arguments)
    for name in kind.idle:
        if getattr(arguments, name) not in (None, "none", "truncate", 0.0):
            raise InputError(f"--{name.replace('_', '-')} means nothing to --task {kind.name}; leave it out")
    if kind.cuts and arguments.stride is not None and arguments.long_text != "windows":
        raise InputError(f"--stride belongs to --long-text windows, not to {arguments.long_text}")
    arguments.metric = arguments.metric or kind.metrics[0]
    if arguments.metric not in kind.metrics:
        raise InputError(
            f"--metric {arguments.metric}: --task {kind.name} measures {', '.join(kind.metrics)}; give one of them"
        )
    return kind


def _likely(arguments: argparse.Namespace) -> Kind:
    if arguments.train is None:
        return CLASSIFICATION
    if (ending := Path(arguments.train).suffix.lower()) in conll.ENDINGS:
        print(f"--task auto: tagging, for {ending} files hold words and their tags")
        return TAGGING
    if squad.looks_like_squad(arguments.train):
        print("--task auto: qa, for the file is in SQuAD's JSON")
        return QA
    columns = {name: getattr(arguments, name) for name in ("text", "pair", "label")}
    name, why = label_sets.likely_task(_read_sets(arguments.train, **columns))
    print(f"--task auto: {name}, for {why}")
    return KINDS[name]
