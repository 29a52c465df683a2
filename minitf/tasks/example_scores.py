"""The main score of a task as a function of single examples, so that the examples of a group can be scored alone."""

import dataclasses
from collections.abc import Callable

from torch import Tensor


@dataclasses.dataclass(frozen=True)
class ExampleScores:
    """What the main score needs of each example (a text, a sentence, a question): `values [n, k]`, in float64.

    `score` maps the values of any examples, `[m, k]`, to their score, a scalar. `is_share` says whether it is the share
    of right examples.
    """

    values: Tensor
    score: Callable[[Tensor], Tensor]
    is_share: bool = False


def mean(values: Tensor) -> Tensor:
    """The mean of `values [m, 1]`, such as the accuracy of right (1) and wrong (0) answers."""
    return values.sum() / len(values)


def f1_of_counts(values: Tensor) -> Tensor:
    """2 · hits / (predicted + true); a row of `values [m, 3]` has these counts in one example. 0 if all are 0."""
    hits, predicted, true = values.sum(dim=0)
    f1: Tensor = 2.0 * hits / (predicted + true).clamp(min=1.0)
    return f1


def pearson(values: Tensor) -> Tensor:
    """The correlation of the two columns of `values [m, 2]`; 0 where one is constant."""
    centred = values - values.mean(dim=0)
    scaled = centred / centred.abs().amax(dim=0).clamp(min=1e-300)
    scaled = scaled * (values != values[0]).any(dim=0)  # the rounding error of a constant column is no deviation
    x, y = scaled.unbind(dim=-1)
    length = (x.square().sum() * y.square().sum()).sqrt()
    return ((x * y).sum() / length.clamp(min=1e-300)).clamp(-1.0, 1.0)
