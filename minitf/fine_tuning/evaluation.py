"""The evaluation of a trained model on a labelled table: what `evaluate`, `prune` and `minitf.score` do."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.checkpoints.metadata import read_metadata
from minitf.datasets.checks import empty_rows
from minitf.datasets.columns import columns_of_training
from minitf.datasets.dataset import Dataset
from minitf.datasets.groups import with_groups
from minitf.errors import InputError
from minitf.fine_tuning.provenance import machine
from minitf.fine_tuning.saved import ModelOptions, length_for, open_model, spec_by_name
from minitf.fine_tuning.seen_data import warn_of_seen_data
from minitf.fine_tuning.terminal import Say, silent
from minitf.tasks import registry
from minitf.tasks.spec import Columns, Table, TaskSettings, TaskSpec, say_if_cut
from minitf.tasks.whole_text.checks import with_default_names

if TYPE_CHECKING:
    from torch import Tensor

    from minitf.fine_tuning.slices import Slices
    from minitf.fine_tuning.token_counts import AnyTokenizer
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Metrics, Mistake, Task
    from minitf.text.batches import Examples

BATCH_SIZE = 64
MOST = 100  # mistakes in the report


@dataclasses.dataclass(frozen=True)
class LabelledModel:
    """A model and a labelled table, encoded for the model."""

    model: Any
    tokenizer: "AnyTokenizer"
    metadata: Mapping[str, Any]  # of a minitf run; {} for other models
    spec: TaskSpec
    table: Table
    task: "Task"
    examples: "Examples"

    def logits(self, batch_size: int) -> "Sequence[Tensor]":
        """Compute the logits of the model for the table. Raises InputError if one is NaN or infinite."""
        from minitf.tasks.inference import check_finite, predict_logits

        return [check_finite(z) for z in predict_logits(self.model, self.task, self.examples, batch_size)]

    def measure(self, batch_size: int) -> "Metrics":
        """Measure the model on the table."""
        return self.task.measure(self.logits(batch_size), self.examples)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation."""

    spec: TaskSpec
    table: Table
    metrics: "Metrics"
    baseline: str
    mistakes: "list[Mistake]"  # with the largest loss first
    details: Mapping[str, Any]  # what only the report shows, by key: see `Task.report_details`
    seconds: float
    machine: Mapping[str, Any]  # on which it was computed
    slices: "Slices | None" = None  # scores by group, if `by` is set


@dataclasses.dataclass(frozen=True)
class Labelled:
    """A labelled table: its file or records, its columns, and the task (default: that of the model).

    `delimiter` is the delimiter of a CSV or TSV (default: recognized). `strict` counts only entities that break no rule
    of their tagging scheme. `by` is a column; the score is also reported for each group with the same value in it.
    `bleu_rouge` also measures BLEU and ROUGE-L of generated texts.
    """

    data: Any
    task: str | None = None
    text: str | None = None
    pair: str | None = None
    label: str | None = None
    delimiter: str | None = None
    strict: bool = False
    by: str | None = None
    bleu_rouge: bool = False


def open_labelled(
    source: str,
    labelled: Labelled,
    options: ModelOptions,
    say: Say,
    around: "Callable[[Mathematics], Mathematics]" = lambda math: math,
) -> LabelledModel:
    """Read the table, load the model, encode. `around` can replace functions of the model. Raises InputError."""
    metadata = read_metadata(Path(source))
    name = labelled.task or metadata.get("task")
    spec = spec_by_name(name) if name else None
    table = _read(spec, labelled, metadata) if spec else None  # reports errors before torch is loaded

    from minitf.checkpoints.load import STORED_HEAD
    from minitf.fine_tuning.models import kind_of
    from minitf.mathematics import mathematics

    math = around(mathematics(options.math))
    model, loaded = open_model(source, STORED_HEAD, options, say, math, spec.model if spec else None)
    tokenizer = loaded.checked_tokenizer(say)
    spec = spec or registry.of_checkpoint(source, model.head_name, model.config, kind_of(model))
    if table is None:
        table = _read(spec, labelled, metadata)
    for message in empty_rows([table] if isinstance(table, Dataset) else []):
        say(f"minitf: warning: {message}")
    if labelled.strict and not spec.entities:
        raise InputError(f"`strict` is for metrics of entities, and `task` {spec.name} has none; leave it out")
    if labelled.bleu_rouge and not spec.target_texts:
        raise InputError(f"`bleu_rouge` compares texts, and `task` {spec.name} has no target texts; leave it out")
    settings = dataclasses.replace(TaskSettings.saved(metadata), strict=labelled.strict, bleu_rouge=labelled.bleu_rouge)
    task = spec.restore(model.config, settings, math)
    table, replaced = with_default_names(table, task.labels)
    if replaced:
        say(f"minitf: {replaced}")
    if task.head != model.head_name:
        raise InputError(f"{source}: `task` {spec.name} needs a {task.head} head, the model has {model.head_name}")
    max_length = length_for(spec, options, metadata, loaded)
    examples = task.encode(table, tokenizer, max_length)
    if options.max_length is None:
        say_if_cut(sum(row.cut for row in examples.tokens), len(examples), max_length, say)
    return LabelledModel(model, tokenizer, metadata, spec, table, task, examples)


def evaluate(
    source: str, labelled: Labelled, options: ModelOptions, say: Say, batch_size: int = BATCH_SIZE
) -> Evaluation:
    """Evaluate the model of `source` on a table. Raises InputError."""
    from minitf.fine_tuning.slices import score_interval, slices_of
    from minitf.tasks.base import worst

    start = time.perf_counter()
    opened = open_labelled(source, labelled, options, say)
    for message in warn_of_seen_data(source, opened.table):
        say(f"minitf: warning: {message}")
    logits = opened.logits(batch_size)
    mistakes = opened.task.mistakes(logits, opened.examples, opened.table)
    metrics, baseline = opened.task.measure(logits, opened.examples), opened.task.baseline(opened.examples)
    scores, metric = opened.task.example_scores(logits, opened.examples), next(iter(metrics.scores))
    details = opened.task.report_details(logits, opened.examples, opened.table, MOST)
    details |= {"intervals": {metric: score_interval(scores)}}
    return Evaluation(
        spec=opened.spec,
        table=opened.table,
        metrics=metrics,
        baseline=baseline,
        mistakes=worst(mistakes, len(mistakes)),
        details=details,
        seconds=time.perf_counter() - start,
        machine=machine(next(opened.model.parameters()).device),
        slices=slices_of(labelled.by, scores, metric, opened.spec, opened.table, opened.tokenizer),
    )


def score(
    model: str | Path,
    data: Any,
    *,
    task: str | None = None,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    delimiter: str | None = None,
    strict: bool = False,
    bleu_rouge: bool = False,
    batch_size: int = BATCH_SIZE,
    **options: Any,
) -> "Metrics":
    """Measure a fine-tuned model on a labelled table; return the metrics of its task.

        minitf.score("runs/a/best", data="held_out.csv").accuracy

    `model` is the best/ of a run or any source of a model with a trained head; `data` is a file or a list of records;
    `text`, `pair` and `label` name columns (default: as in training); `delimiter` separates the cells of a CSV or TSV;
    `strict` counts only entities that break no rule of their tagging scheme; `bleu_rouge` adds BLEU and ROUGE-L for
    generated texts, and needs the extra `scores`; `options` are those of `ModelOptions`.
    Raises InputError.
    """
    labelled = Labelled(data, task, text, pair, label, delimiter, strict, bleu_rouge=bleu_rouge)
    return evaluate(str(model), labelled, ModelOptions(**options), silent, batch_size).metrics


def _read(spec: TaskSpec, labelled: Labelled, metadata: Mapping[str, Any]) -> Table:
    """Read the table; the default columns are those used in training, unless the task finds its own."""
    given: Columns = {"text": labelled.text, "pair": labelled.pair, "label": labelled.label}
    names = {name: column or (None if name in spec.unused else metadata.get(name)) for name, column in given.items()}
    delimiter = {} if labelled.delimiter is None else {"delimiter": labelled.delimiter}
    with columns_of_training({name: column for name, column in names.items() if not given[name]}):
        table = spec.read(labelled.data, **names, **delimiter)
    return table if labelled.by is None else with_groups(table, labelled.data, labelled.by, labelled.delimiter)
