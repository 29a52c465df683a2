"""What a command has to know of a task, whichever it is."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from minitf.text import check_table
from minitf.text.checks import Finding

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Task
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
