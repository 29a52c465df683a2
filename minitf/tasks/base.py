"""The protocol of a task: what the training loop, the evaluation and the prediction need of it."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TextIO

from torch import Tensor, nn

from minitf.text.batches import Batch, Examples
from minitf.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One example with a wrong prediction."""

    row: int  # of its file
    text: str
    pair: str | None
    true: str
    said: str  # the prediction; the name is a key of report.json
    loss: float  # of this example


def worst(mistakes: Sequence[Mistake], most: int) -> list[Mistake]:
    """The `most` mistakes with the largest loss, the largest first."""
    return sorted(mistakes, key=lambda mistake: -mistake.loss)[:most]


class Metrics(Protocol):
    """The metrics of the predictions for a data set, as fields. `to_dict` has every name of the spec's `metrics`."""

    @property
    def loss(self) -> float: ...

    @property
    def scores(self) -> Mapping[str, float]:
        """The scores for the line of an epoch, the most important first; without the loss."""

    def table(self) -> str:
        """More than fits on a line, for people: precision and recall of each class, say; may be empty."""

    def to_dict(self) -> dict[str, Any]: ...


class Task(Protocol):
    """Labels to targets, logits and targets to a loss, logits to metrics. A task reads `Examples` it has encoded."""

    name: ClassVar[str]  # of its spec
    head: ClassVar[str]  # that the model needs
    problem_type: ClassVar[str | None]  # for the config of a saved model

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the logits, in order; () if they have none."""

    def encode(self, table: Any, tokenizer: Tokenizer, max_length: int) -> Examples:
        """Turn the rows of a table into tokens and targets, at most `max_length` tokens each. Raises DataError."""

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Run the model on `batch`; the result is what `loss` and `unpad` take."""

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """A scalar: a mean over `weight(targets)`."""

    def weight(self, targets: Tensor) -> float:
        """The denominator of `loss`: the number of targets, or the sum of their class weights.

        A batch can be computed in parts if each part's loss is multiplied by its share of the whole weight.
        """

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        """The logits of each example of the batch, without padding."""

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> Metrics:
        """The metrics over all of `examples`, from their unpadded logits in the same order."""

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Any) -> list[Mistake]:
        """The examples with a wrong prediction, with their texts from the `table` they were encoded from."""

    def learned(self, metrics: Any, examples: Examples) -> bool:
        """Whether the metrics beat the baseline: some runs fail to learn (Mosbach et al. 2021)."""

    def baseline(self, examples: Examples) -> str:
        """What the simplest prediction that reads no text would score, in words."""


class Prediction(Protocol):
    """The predictions for one request, made a part at a time, so that a file of any length fits in memory."""

    def records(self) -> Iterator[dict[str, Any]]:
        """One dictionary per input, for Python."""

    def write(self, out: TextIO, *, as_table: bool) -> None:
        """Write them for a person, or (`as_table`) for a program."""
