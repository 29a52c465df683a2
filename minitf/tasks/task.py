"""What the loop asks of a task, whichever it is."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from minitf.tasks.mistakes import Mistake
from minitf.text.batches import Batch, Examples
from minitf.text.tokenizer import Tokenizer


class Metrics(Protocol):
    """How good the answers to a data set are: fields, of which the task's `metrics` names those to choose by."""

    @property
    def loss(self) -> float: ...

    @property
    def scores(self) -> Mapping[str, float]:
        """What a line about an epoch says, the most telling first; `loss` is said apart."""

    def to_dict(self) -> dict[str, Any]: ...


class Task(Protocol):
    """Between a model and what is learned. A task reads `Examples` that it encoded itself."""

    name: ClassVar[str]  # as --task has it
    head: ClassVar[str]  # the head that the model needs
    metrics: ClassVar[
        tuple[str, ...]
    ]  # of what `measure` gives, by which the best epoch may be chosen; the default first
    problem_type: ClassVar[str | None]  # what the config of a saved model says of its logits

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the logits, in their order; () where they have none."""

    def encode(self, table: Any, tokenizer: Tokenizer, max_length: int) -> Examples:
        """The rows of a table as a model reads them, cut to `max_length` tokens. Raises DataError."""

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """What the model says of `batch`, as `loss` and `answers` take it."""

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """A scalar: a mean over `weight(targets)`."""

    def weight(self, targets: Tensor) -> float:
        """How much there is to learn from in these targets: the denominator of `loss`.

        A batch in parts is learned as one if each part's loss counts by its share of the whole weight.
        """

    def answers(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        """The logits of each example of the batch by itself, without padding."""

    def measure(self, answers: Sequence[Tensor], examples: Examples) -> Metrics:
        """How good the answers to all of `examples` are, in their order."""

    def mistakes(self, answers: Sequence[Tensor], examples: Examples, table: Any) -> list[Mistake]:
        """The examples that were answered wrongly, with their texts from the `table` that they were encoded from."""

    def learned(self, metrics: Any, examples: Examples) -> bool:
        """Whether what `measure` gave is better than that guess: some runs fail to learn (Mosbach et al. 2021)."""

    def baseline(self, examples: Examples) -> str:
        """What the simplest guess that reads no text would score, in words."""
