"""What the commands know about a task without loading torch: how its data is read, checked and split, and its metrics.

There is one `TaskSpec` per task, in `tasks/<task>/spec.py`; `registry` lists them.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from minitf.datasets.findings import Finding, Rows
from minitf.datasets.table_writer import TableFormat
from minitf.text.windows import LongText, Method

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Prediction, Task

Table = Any  # what `read` returns: it has `path`, `examples` (each with its `row`), `digest`
Columns = Mapping[str, str | None]  # "text", "pair", "label" -> the name of the column, None to find it
Texts = tuple[Sequence[str], Sequence[str] | None]  # texts, and the second texts of pairs
LOWER_IS_BETTER = frozenset({"loss"})  # of the metrics, unless a task has more of them


@dataclasses.dataclass(frozen=True)
class TaskSettings:
    """The settings of a run that a task reads. The metadata of a saved model has the first two."""

    long_text: str = "truncate"
    stride: int | None = None
    class_weights: str = "none"
    label_smoothing: float = 0.0
    strict: bool = False  # of an evaluation: whether only entities that break no rule count
    bleu_rouge: bool = False  # of an evaluation: whether BLEU and ROUGE-L are measured too

    def long_text_handling(self) -> LongText:
        """Return how long texts are handled, for tasks that predict for whole texts."""
        return LongText(cast(Method, self.long_text), self.stride)

    @classmethod
    def saved(cls, metadata: Mapping[str, Any]) -> "TaskSettings":
        """Return the settings of a saved model, from its `minitf.json`."""
        return cls(metadata.get("long_text", "truncate"), metadata.get("stride"))


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The inputs of a prediction: texts (each with its second text, if any), or a file and its columns."""

    texts: Sequence[str] = ()
    pairs: Sequence[str] | None = None
    path: str | None = None
    text: str | None = None
    pair: str | None = None
    delimiter: str | None = None  # of a CSV or TSV; None: by the file ending


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model that is ready to predict."""

    model: Any  # a Bert, or of the kind of model that the task needs
    tokenizer: Any  # a Tokenizer, or a SequenceTokenizer for a model that generates text
    settings: TaskSettings
    max_length: int
    batch_size: int
    say: Callable[[str], None] = lambda line: None  # gets warnings
    table: TableFormat = dataclasses.field(default_factory=TableFormat)  # of the predictions for whole texts
    labels_shown: int | None = 3  # with their probabilities, for a text on the terminal; None: all


def say_if_cut(cut: int, count: int, max_length: int, say: Callable[[str], None]) -> None:
    """Say how many of `count` texts were longer than `max_length` tokens and were cut, if any."""
    if cut:
        say(f"minitf: warning: {cut} of {count} texts are longer than `max_length` {max_length} tokens and were cut")


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """One task. `metrics` are numbers that its `measure` returns, the default first; each can choose the best epoch."""

    name: str  # the value of the setting `task`
    head: str  # the head that the model needs
    metrics: tuple[str, ...]
    # source, text=…, pair=…, label=… (columns or None), delimiter=… (only if set) -> the table; raises DataError
    read: Callable[..., Table]
    check: Callable[..., list[Finding]]  # train, valid, test (the last two may be None) -> errors and warnings
    split: Callable[..., tuple[Table, Table]]  # train, seed=… -> (kept, held out)
    describe: Callable[[Table], str]  # the counts of a training table, for one line
    create: "Callable[[Table, TaskSettings, Mathematics], Task]"  # the task of a new model
    restore: "Callable[[BertConfig, TaskSettings, Mathematics], Task]"  # the task of a saved model
    read_inputs: Callable[[Inputs, Mapping[str, Any]], Any]  # inputs and metadata -> a request; raises InputError
    predict: "Callable[[Loaded, Any], Prediction]"  # the predictions for such a request
    held_out: str = "10 %"  # what `split` holds out
    rows: Callable[[Table, Table], Rows] = lambda table, train: {}  # rows about the labels, for the data check
    texts: Callable[[Table], Texts] = lambda table: (table.texts, table.pairs)
    recognize: Callable[[str, Columns], str | None] = lambda path, columns: None  # why a file is for this task
    unused: tuple[str, ...] = ()  # settings without a meaning for this task
    truncates: bool = True  # whether a long text is cut, unless `long_text` says otherwise
    max_length: int = 128  # the default of the setting
    tabular: bool = True  # whether its predictions for a file are a table with a row per text
    model: Literal["bert", "encoder-decoder", "decoder"] = "bert"  # the kind of model; the last two generate text
    entities: bool = False  # whether its metrics count entities, which have a strict mode
    target_texts: bool = False  # whether its metrics compare generated texts with targets
    unit: str = "texts"  # what the examples of a table are called
    batch_unit: str = "texts"  # what `batch_size` counts
    lower_is_better: frozenset[str] = LOWER_IS_BETTER  # which of the metrics

    def problem(self, settings: Mapping[str, Any]) -> str | None:
        """Return what is wrong with these settings for this task; None if nothing is."""
        for name in self.unused:
            if settings[name] not in (None, "none", "truncate", 0.0):
                return f"`{name}` has no meaning for `task` {self.name}; leave it out"
        if self.truncates and settings["stride"] is not None and settings["long_text"] != "windows":
            return f"`stride` needs `long_text` windows, not {settings['long_text']}"
        if settings["metric"] is not None and settings["metric"] not in self.metrics:
            return (
                f"`metric` {settings['metric']}: `task` {self.name} has the metrics {', '.join(self.metrics)};"
                " choose one of them"
            )
        return None
