"""The protocol of a task: what the training loop, the evaluation and the prediction need from it."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TextIO, runtime_checkable

from torch import Tensor, nn

from minitf.datasets.lines import Line
from minitf.datasets.strings import cut
from minitf.tasks.example_scores import ExampleScores
from minitf.text.batches import Batch, Examples

LONGEST = 100_000  # characters of a text in a report


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One example with a wrong prediction."""

    row: int  # in its file
    text: str
    pair: str | None
    true: str
    said: str  # the prediction; the name is a key of report.json
    loss: float  # of this example
    answers: Mapping[str, tuple[int, int]] | None = None  # "true" and "predicted": characters start … end − 1 of `pair`

    def to_dict(self) -> dict[str, Any]:
        """Return the mistake for report.json; `answers` and `spreadsheet_row` only if there are any."""
        content = dataclasses.asdict(self) | {"row": int(self.row)}
        if isinstance(self.row, Line):
            content["spreadsheet_row"] = self.row.spreadsheet_row
        if self.answers is None:
            del content["answers"]
        return content


def worst(mistakes: Sequence[Mistake], most: int) -> list[Mistake]:
    """Return at most `most` mistakes, the largest loss first. Very long texts are cut."""
    return [_cut(mistake) for mistake in sorted(mistakes, key=lambda mistake: -mistake.loss)[:most]]


def _cut(mistake: Mistake) -> Mistake:
    """Cut very long texts; a paragraph with answers stays whole."""
    pair = mistake.pair if mistake.pair is None or mistake.answers else cut(mistake.pair, LONGEST)
    return dataclasses.replace(mistake, text=cut(mistake.text, LONGEST), pair=pair)


class Metrics(Protocol):
    """The metrics of the predictions for a data set, as fields. `to_dict` has every name in the spec's `metrics`."""

    @property
    def loss(self) -> float: ...

    @property
    def scores(self) -> Mapping[str, float]:
        """The scores that are printed after each epoch, the most important first; without the loss."""

    def table(self) -> str:
        """Return details that do not fit on one line, such as precision and recall per class; may be empty."""

    def to_dict(self) -> dict[str, Any]: ...


class Task(Protocol):
    """Turns labels into targets, logits and targets into a loss, and logits into metrics.

    The methods that take `Examples` take those that `encode` returned.
    """

    name: ClassVar[str]  # of its spec
    head: ClassVar[str]  # that the model needs
    problem_type: ClassVar[str | None]  # for the config of a saved model

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the logits, in order; () if they have no names."""

    def encode(self, table: Any, tokenizer: Any, max_length: int) -> Examples:
        """Turn the rows of a table into tokens, at most `max_length` each, and targets. Raises DataError.

        The tokenizer is a `SequenceTokenizer` for a task that generates text, else a `Tokenizer`.
        """

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Run the model on `batch` and return the logits that `loss` and `unpad` take."""

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss, a scalar: a mean over `weight(targets)`."""

    def weight(self, targets: Tensor) -> float:
        """Return the denominator of `loss`: the number of targets, or the sum of their class weights.

        It allows computing a batch in parts: the loss of each part is multiplied by its share of the total weight.
        """

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        """Return the logits of each example in the batch, without padding."""

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> Metrics:
        """Compute the metrics over all `examples` from their unpadded logits, in the same order.

        A task whose logits are too large to keep, or are not all that its metrics need, is an `OwnOutputs`: this and
        the methods below get its outputs instead.
        """

    def example_scores(self, logits: Sequence[Tensor], examples: Examples) -> ExampleScores:
        """Return what the first of the metrics' `scores` is computed from, for each example of the table, in order."""

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Any) -> list[Mistake]:
        """Return the examples with a wrong prediction, with their texts from `table`, which `encode` was given."""

    def report_details(self, logits: Sequence[Tensor], examples: Examples, table: Any, most: int) -> dict[str, Any]:
        """Return what only the report shows, by its key in report.json, with at most `most` single examples."""

    def learned(self, metrics: Any, examples: Examples) -> bool:
        """Return whether the metrics beat the baseline; some runs fail to learn (Mosbach et al. 2021)."""

    def baseline(self, examples: Examples) -> str:
        """Describe the score of the best prediction that ignores the text."""


@runtime_checkable
class OwnOutputs(Protocol):
    """A task that computes what its metrics need of a batch itself, instead of the unpadded logits."""

    def outputs(self, model: nn.Module, batch: Batch) -> Sequence[Tensor]:
        """Return what the metrics need of each example in the batch. The model is in eval mode."""


class Prediction(Protocol):
    """The predictions for one request. They are computed in parts, so that a file of any length fits in memory."""

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield one dictionary per input, for Python."""

    def write(self, out: TextIO, *, as_table: bool) -> None:
        """Write the predictions for a person, or for a program if `as_table`."""
