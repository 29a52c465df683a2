"""Exercises of lesson 10: learning rates by layer, early stopping, mean and standard deviation of several runs."""

import math
import statistics
from collections.abc import Callable, Sequence

from minitf.exercises.exercise import Case, Exercise, WrongAnswer
from minitf.fine_tuning.seeds import Summary
from minitf.tasks.metrics import is_better
from minitf.training.loop import Epoch, Plan, Progress, is_done
from minitf.training.strategy import Strategy


def layer_rate(lr: float, decay: float, layer: int, L: int) -> float:
    """Compute the learning rate of a layer: η ξ^(L − ℓ) for the depth ℓ = `layer` up to L, η above."""
    name = {0: "embeddings", L + 1: "pooler", L + 2: "head"}.get(layer, f"encoder.layers.{layer - 1}")
    return lr * Strategy(layer_decay=decay).scale(L)(name)


def _rate(power: Callable[[int, int], float]) -> Callable[[float, float, int, int], float]:
    return lambda lr, decay, layer, L: lr * decay ** power(layer, L)


LAYER_RATE = Exercise(
    "layer_rate",
    layer_rate,
    (
        Case("the layer below the top", (1.0, 0.5, 2, 3)),
        Case("the top layer", (1.0, 0.5, 3, 3)),
        Case("the lowest layer of twelve", (2.0, 0.9, 1, 12)),
        Case("the embeddings, depth 0", (1.0, 0.8, 0, 6)),
        Case("the pooler, depth L + 1", (1.0, 0.5, 7, 6), kind="corner"),
        Case("the head, depth L + 2", (1.0, 0.5, 8, 6), kind="corner"),
        Case("no decay", (3.0, 1.0, 2, 6), kind="corner"),
    ),
    (
        WrongAnswer(
            "turned",
            "the learning rate decreases towards the top: the top layer must have η, the lowest layers the smallest",
            _rate(min),
        ),
        WrongAnswer(
            "beyond the rate",
            "the exponent is negative above layer L, so that pooler and head have more than η: they must have η",
            _rate(lambda layer, L: L - layer),
        ),
        WrongAnswer(
            "from the head",
            "the exponent is counted from the head: pooler, head and layer L must all have η",
            _rate(lambda layer, L: L + 2 - layer),
        ),
        WrongAnswer(
            "layers from 0",
            "layers are counted from 0: depth 0 is the embeddings, depth L the top layer",
            _rate(lambda layer, L: max(0, L - 1 - layer)),
        ),
        WrongAnswer(
            "one too many",
            "the learning rate of the top layer is reduced: the exponent of ξ is L − ℓ, 0 at the top",
            _rate(lambda layer, L: max(0, L + 1 - layer)),
        ),
        WrongAnswer(
            "in a line",
            "ξ is multiplied by L − ℓ, not raised to the power L − ℓ",
            lambda lr, decay, layer, L: lr * (decay * max(0, L - layer) if layer < L else 1.0),
        ),
        WrongAnswer("ξ forgotten", "every layer has the learning rate η: ξ is not used", _rate(lambda layer, L: 0)),
    ),
    gradients=False,
)


def stop_at(losses: Sequence[float], patience: int) -> int:
    """Return the epoch, from 1, after which training ends, given the validation loss of each, as in `training.loop`."""
    at = Progress()
    for number, loss in enumerate(losses, start=1):
        better = at.best is None or is_better("loss", {"loss": loss}, at.best.valid)
        at.history.append(Epoch(number, 0.0, {"loss": loss}, {}, better, 0.0))
        if is_done(at, Plan(len(losses), 1, 0, patience=patience)):
            break
    return len(at.history)


def _stopping(
    worse: Callable[[float, Sequence[float]], bool], most: int = 0, reset: bool = True
) -> Callable[[Sequence[float], int], int]:
    """Make a rule that stops after patience + `most` epochs that are `worse` than the epochs before them."""

    def stop(losses: Sequence[float], patience: int) -> int:
        bad = 0
        for n in range(1, len(losses)):
            if worse(losses[n], losses[:n]):
                bad += 1
            elif reset:
                bad = 0
            if bad >= patience + most:
                return n + 1
        return len(losses)

    return stop


def _patience_epochs_ago(losses: Sequence[float], patience: int) -> int:
    ends = (n + 1 for n in range(patience, len(losses)) if losses[n] >= losses[n - patience])
    return next(ends, len(losses))


def _kept(losses: Sequence[float], patience: int) -> int:
    seen = losses[: stop_at(losses, patience)]
    return seen.index(min(seen)) + 1


STOP_AT = Exercise(
    "stop_at",
    stop_at,
    (
        Case("one worse epoch", ([1.0, 0.5, 0.6, 0.4], 1)),
        Case("the best is not reached again", ([0.7, 0.6, 0.65, 0.62, 0.5], 2)),
        Case("a new best in time", ([0.7, 0.6, 0.65, 0.55, 0.6, 0.7, 0.5], 2)),
        Case("patience 3", ([0.9, 0.8, 0.85, 0.84, 0.79, 0.8, 0.81, 0.82, 0.83, 0.84], 3)),
        Case("a bad epoch before a new best", ([1.0, 0.9, 0.3, 0.95, 0.2, 0.25, 0.1], 2)),
        Case("losses above 100", ([900.0, 700.0, 710.0, 650.0, 660.0, 670.0, 600.0], 2), kind="corner"),
        Case("losses below zero", ([-1.0, -1.2, -1.1, -1.3, -1.25, -1.28, -1.4], 2), kind="corner"),
        Case("tiny improvements", ([0.5, 0.499999, 0.499998, 0.499997], 1), kind="corner"),
        Case("always better", ([0.9, 0.8, 0.7], 2), kind="corner"),
        Case("as good as the best", ([0.5, 0.5, 0.5, 0.4], 2), kind="corner"),
        Case("worse from the beginning", ([0.4, 0.5, 0.6, 0.3], 2), kind="corner"),
        Case("fewer epochs than patience", ([0.5, 0.6], 3), kind="corner"),
    ),
    (
        WrongAnswer(
            "the epoch before",
            "an epoch is compared with the one before it: it must beat the best so far",
            _stopping(lambda loss, before: loss >= before[-1]),
        ),
        WrongAnswer(
            "`patience` epochs ago",
            "an epoch is compared with the one `patience` epochs before it: it must beat the best so far",
            _patience_epochs_ago,
        ),
        WrongAnswer(
            "best from 1",
            "the best loss so far starts at 1, so that larger losses are never the best: start with infinity",
            _stopping(lambda loss, before: loss >= min(1.0, *before)),
        ),
        WrongAnswer(
            "least improvement",
            "a small improvement does not count: every loss below the best is a new best",
            _stopping(lambda loss, before: loss > min(before) - 1e-4),
        ),
        WrongAnswer(
            "not in a row",
            "all epochs without a new best are counted together: a new best resets the count",
            _stopping(lambda loss, before: loss >= min(before), reset=False),
        ),
        WrongAnswer(
            "one too late",
            "training ends an epoch too late: it ends after `patience` epochs without a new best",
            _stopping(lambda loss, before: loss >= min(before), most=1),
        ),
        WrongAnswer(
            "ties count",
            "an epoch that equals the best counts as a new best: its loss must be lower",
            _stopping(lambda loss, before: loss > min(before)),
        ),
        WrongAnswer(
            "the kept one",
            "this is the best epoch: return the epoch after which training ends",
            _kept,
        ),
        WrongAnswer(
            "never", "training runs through all epochs: `patience` is not used", lambda losses, patience: len(losses)
        ),
    ),
    gradients=False,
)


def mean_and_sd(scores: Sequence[float]) -> tuple[float, float]:
    """Compute x̄ and √(Σ (xᵢ − x̄)² / (n − 1)), 0 for a single score, as in `training.seeds`."""
    summary = Summary("accuracy", "test", {str(n): score for n, score in enumerate(scores)}, ())
    return summary.mean, summary.sd


def _mean_of_squares(scores: Sequence[float]) -> tuple[float, float]:
    n, mean = len(scores), math.fsum(scores) / len(scores)
    variance = sum(x * x for x in scores) / n - mean * mean
    return mean, math.sqrt(max(0.0, variance) * n / max(1, n - 1))


MEAN_AND_SD = Exercise(
    "mean_and_sd",
    mean_and_sd,
    (
        Case("two runs", ([0.6, 0.8],)),
        Case("five runs", ([0.62, 0.58, 0.71, 0.66, 0.63],)),
        Case("three equal scores", ([0.5, 0.5, 0.5],), kind="corner"),
        Case("one run", ([0.7],), kind="corner"),
        Case("a large mean", ([10000001.0, 10000002.0, 10000004.0],), kind="huge"),
    ),
    (
        WrongAnswer(
            "divided by n",
            "the sum of squares is divided by n, not by n − 1: it is computed around the mean of the same scores",
            lambda scores: (statistics.fmean(scores), statistics.pstdev(scores)),
        ),
        WrongAnswer(
            "variance",
            "the square root is missing: this is the variance",
            lambda scores: (statistics.fmean(scores), mean_and_sd(scores)[1] ** 2),
        ),
        WrongAnswer(
            "mean of squares",
            "the variance is computed as mean(x²) − x̄²: if the mean is large, the two terms cancel and precision is"
            " lost; use the mean of (x − x̄)²",
            _mean_of_squares,
        ),
        WrongAnswer(
            "of the mean",
            "it is divided by √n: this is the standard error of the mean, not the standard deviation of a run",
            lambda scores: (statistics.fmean(scores), mean_and_sd(scores)[1] / math.sqrt(len(scores))),
        ),
        WrongAnswer(
            "one run",
            "for one run it is divided by n − 1 = 0: in minitf the standard deviation is then 0",
            lambda scores: (*mean_and_sd(scores)[:1], mean_and_sd(scores)[1] if len(scores) > 1 else math.nan),
        ),
        WrongAnswer(
            "one run fails",
            "for one run it raises an exception (n − 1 = 0): in minitf the standard deviation is then 0",
            lambda scores: (statistics.fmean(scores), statistics.stdev(scores)),
        ),
        WrongAnswer(
            "one run divided",
            "for one run it divides by n − 1 = 0: in minitf the standard deviation is then 0",
            lambda scores: (
                m := statistics.fmean(scores),
                math.sqrt(sum((x - m) ** 2 for x in scores) / (len(scores) - 1)),
            ),
        ),
        WrongAnswer(
            "middle",
            "the first number is the median, not the mean",
            lambda scores: (statistics.median(scores), mean_and_sd(scores)[1]),
        ),
        WrongAnswer(
            "absolute distances",
            "this is the mean absolute deviation: use the square root of the mean of squares",
            lambda scores: (
                m := statistics.fmean(scores),
                sum(abs(x - m) for x in scores) / len(scores),
            ),
        ),
    ),
    gradients=False,
    tolerance=1e-6,  # a tensor of Python numbers is float32
)

EXERCISES: tuple[Exercise, ...] = (LAYER_RATE, STOP_AT, MEAN_AND_SD)
