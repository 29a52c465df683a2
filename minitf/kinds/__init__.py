"""What each --task means to a command: how its table is read, checked and split, and the task that learns from it.

Nothing heavy is imported until a task is made.
"""

import argparse
from pathlib import Path

from minitf.errors import InputError
from minitf.kinds.kind import Kind, Table
from minitf.kinds.texts import CLASSIFICATION, MULTILABEL, REGRESSION, read_sets
from minitf.kinds.words import QA, TAGGING
from minitf.text import conll, label_sets, squad

__all__ = ["CLASSIFICATION", "KINDS", "MULTILABEL", "QA", "REGRESSION", "TAGGING", "Kind", "Table", "choose"]

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
    name, why = label_sets.likely_task(read_sets(arguments.train, **columns))
    print(f"--task auto: {name}, for {why}")
    return KINDS[name]
