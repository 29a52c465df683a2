"""Exercises: losses."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from minitf.equations import loss
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw, numbers
from minitf.exercises.known_mistakes import known_mistakes

LOG_SOFTMAX = Exercise(
    "log_softmax",
    loss.log_softmax,
    (
        Case("two numbers", (numbers(1.0, 2.0),)),
        Case("two rows", (numbers([0.0, 1.0, 2.0], [3.0, 3.0, -1.0]),)),
        Case("three axes", (draw(2, 3, 4, seed=1),)),
        Case("huge numbers", (numbers(1000.0, -1000.0, 998.0),), kind="huge"),
        Case("numbers far apart", (numbers(3000.0, 2999.0, -3000.0),), kind="huge"),
        Case("rows of very different size", (numbers([1000.0, 1001.0], [-1000.0, -1001.0]),), kind="huge"),
    ),
    (
        WrongAnswer(
            "overflow",
            "exp of a huge number overflows: subtract the largest number first",
            lambda z: z - z.exp().sum(-1, keepdim=True).log(),
        ),
        WrongAnswer(
            "log of 0", "the logarithm of a softmax that underflows to 0 is −∞", lambda z: torch.softmax(z, -1).log()
        ),
        WrongAnswer(
            "largest of all",
            "the largest number of the whole tensor is subtracted, not that of each row",
            lambda z: (z - z.max()) - (z - z.max()).exp().sum(-1, keepdim=True).log(),
        ),
        WrongAnswer(
            "mean subtracted",
            "the mean is subtracted, not the largest number: exp still overflows if the numbers are far apart",
            lambda z: (shifted := z - z.mean(-1, keepdim=True)) - shifted.exp().sum(-1, keepdim=True).log(),
        ),
        WrongAnswer("softmax", "the logarithm is missing: this is softmax", lambda z: torch.softmax(z, -1)),
        WrongAnswer("sign", "the sign is wrong", lambda z: -torch.log_softmax(z, -1)),
        WrongAnswer("base 2", "the logarithm has the base 2", lambda z: torch.log_softmax(z, -1) / math.log(2.0)),
        WrongAnswer(
            "first axis", "it is computed over the first axis, not the last", lambda z: torch.log_softmax(z, 0)
        ),
    ),
)


def _probability(logits: Tensor, labels: Tensor) -> Tensor:
    return -torch.softmax(logits, -1).gather(-1, labels[:, None]).mean()


def _unstable(logits: Tensor, labels: Tensor) -> Tensor:
    return -torch.softmax(logits, -1).log().gather(-1, labels[:, None]).mean()


def _overflowing(logits: Tensor, labels: Tensor) -> Tensor:
    e = logits.exp()
    return -(e / e.sum(-1, keepdim=True)).log().gather(-1, labels[:, None]).mean()


def _mean_of_weighted(
    logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    w = 1.0 if class_weights is None else class_weights[labels]
    return (w * F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)).mean()


def _classes_of_labels(
    logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    C = int(labels.max()) + 1
    w = None if class_weights is None else class_weights[:C]
    return F.cross_entropy(logits[:, :C], labels, weight=w, label_smoothing=label_smoothing)


def _smoothed_over_others(
    logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    C = logits.shape[-1]
    return F.cross_entropy(logits, labels, weight=class_weights, label_smoothing=label_smoothing * C / (C - 1))


CROSS_ENTROPY = Exercise(
    "cross_entropy",
    loss.cross_entropy,
    (
        Case("one text, two classes", (numbers([1.0, 2.0]), torch.tensor([1]))),
        Case("three texts", (numbers([1.0, 2.0, 0.0], [0.0, -1.0, 3.0], [1.0, 1.0, 1.0]), torch.tensor([0, 2, 1]))),
        Case("a batch", (draw(8, 4, seed=1, scale=2.0), torch.tensor([0, 1, 2, 3, 3, 2, 1, 0]))),
        Case(
            "class weights", (draw(4, 3, seed=2), torch.tensor([0, 1, 2, 2])), {"class_weights": numbers(1.0, 2.0, 5.0)}
        ),
        Case("label smoothing", (draw(4, 3, seed=3), torch.tensor([0, 1, 2, 2])), {"label_smoothing": 0.2}),
        Case(
            "class weights and label smoothing",
            (draw(4, 3, seed=4), torch.tensor([2, 0, 1, 2])),
            {"class_weights": numbers(1.0, 2.0, 5.0), "label_smoothing": 0.2},
            kind="corner",
        ),
        Case("classes without texts", (draw(3, 5, seed=5), torch.tensor([1, 0, 1])), kind="corner"),
        Case(
            "classes without texts, with label smoothing",
            (draw(3, 5, seed=6), torch.tensor([1, 0, 1])),
            {"label_smoothing": 0.2},
            kind="corner",
        ),
        Case("huge logits", (numbers([1000.0, -1000.0], [-1000.0, 800.0]), torch.tensor([1, 1])), kind="huge"),
        Case(
            "texts whose logits differ much in size",
            (numbers([1000.0, 1001.0], [-1000.0, -1001.0]), torch.tensor([0, 1])),
            kind="huge",
        ),
    ),
    (
        *known_mistakes("cross_entropy"),
        WrongAnswer(
            "every column of labels",
            "z[:, y] takes the columns of all labels in every row: take from each row the column of its own label",
            lambda z, y: -torch.log_softmax(z, -1)[:, y].mean(),
        ),
        WrongAnswer("log of 0", "the logarithm of a softmax that underflows to 0 is −∞: use log-softmax", _unstable),
        WrongAnswer("overflow", "exp of a huge logit overflows", _overflowing),
        WrongAnswer("no logarithm", "the logarithm is missing: this is minus the probability", _probability),
        WrongAnswer(
            "sign",
            "the minus sign is missing: a better prediction gives a larger loss",
            lambda z, y: -F.cross_entropy(z, y),
        ),
        WrongAnswer(
            "softmax twice",
            "softmax is applied twice: the loss takes logits",
            lambda z, y: F.cross_entropy(torch.softmax(z, -1), y),
        ),
        WrongAnswer(
            "base 2", "the logarithm has the base 2: bits, not nats", lambda z, y: F.cross_entropy(z, y) / math.log(2.0)
        ),
        WrongAnswer(
            "not averaged",
            "one loss per text is returned, not their mean",
            lambda z, y: F.cross_entropy(z, y, reduction="none"),
        ),
        WrongAnswer(
            "no normaliser",
            "only the label's logit is used: the log of the sum of exponentials is missing",
            lambda z, y: -z.gather(-1, y[:, None]).mean(),
        ),
        WrongAnswer(
            "divided by B",
            "with class weights, the sum is divided by the number of texts, not by the sum of their weights",
            _mean_of_weighted,
        ),
        WrongAnswer(
            "C from the labels",
            "the number of classes is taken from the labels, not from the logits: a class can have no text",
            _classes_of_labels,
        ),
        WrongAnswer(
            "smoothed over the others", "ε is distributed over the other classes, not over all C", _smoothed_over_others
        ),
    ),
    in_bert="cross_entropy",
)


def _unstable_sigmoid(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    return -(targets * p.log() + (1.0 - targets) * (1.0 - p).log()).mean()


def _only_positives(logits: Tensor, targets: Tensor) -> Tensor:
    return -(targets * F.logsigmoid(logits)).mean()


BINARY_CROSS_ENTROPY = Exercise(
    "binary_cross_entropy",
    loss.binary_cross_entropy,
    (
        Case("one label", (numbers([0.5]), numbers([1.0]))),
        Case("one text, three labels", (numbers([2.0, -1.0, 0.5]), numbers([1.0, 0.0, 1.0]))),
        Case("a batch", (draw(4, 3, seed=1, scale=2.0), (draw(4, 3, seed=2) > 0).double())),
        Case("targets between 0 and 1", (numbers([1.0, -2.0]), numbers([0.3, 0.9]))),
        Case("huge logits", (numbers([1000.0, -1000.0, 800.0]), numbers([0.0, 1.0, 1.0])), kind="huge"),
    ),
    (
        WrongAnswer("log of 0", "the logarithm of a sigmoid that is rounded to 0 or 1 is infinite", _unstable_sigmoid),
        WrongAnswer(
            "summed",
            "the losses are summed, not averaged",
            lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="sum"),
        ),
        WrongAnswer("only the present", "the term of absent labels, (1 − t) log(1 − σ), is missing", _only_positives),
        WrongAnswer("sign", "the minus sign is missing", lambda z, t: -F.binary_cross_entropy_with_logits(z, t)),
        WrongAnswer(
            "sigmoid twice",
            "the sigmoid is applied twice: the loss takes logits",
            lambda z, t: F.binary_cross_entropy_with_logits(torch.sigmoid(z), t),
        ),
        WrongAnswer(
            "softmax for sigmoid",
            "softmax is used instead of the sigmoid: the labels are independent",
            lambda z, t: -(t * torch.log_softmax(z, -1)).mean(),
        ),
        WrongAnswer(
            "targets turned",
            "the targets are exchanged: 1 is present, 0 is absent",
            lambda z, t: F.binary_cross_entropy_with_logits(z, 1.0 - t),
        ),
        WrongAnswer(
            "summed over labels",
            "the losses of a text are summed, then averaged over the texts",
            lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none").sum(-1).mean(),
        ),
    ),
    in_bert="binary_cross_entropy",
)

MEAN_SQUARED_ERROR = Exercise(
    "mean_squared_error",
    loss.mean_squared_error,
    (
        Case("one number", (numbers(3.0), numbers(1.0))),
        Case("three numbers", (numbers(1.0, 2.0, 4.0), numbers(1.5, 0.0, 4.0))),
        Case("a batch", (draw(6, seed=1), draw(6, seed=2))),
        Case("two axes", (draw(4, 3, seed=3), draw(4, 3, seed=4))),
        Case(
            "large numbers with small differences",
            (numbers(100000.3, 100001.1, 99996.7), numbers(100000.1, 100003.4, 99996.7)),
            kind="huge",
        ),
    ),
    (
        WrongAnswer("summed", "the squares are summed, not averaged", lambda y, t: (y - t).square().sum()),
        WrongAnswer(
            "multiplied out",
            "it is computed as mean(y²) − 2 mean(y t) + mean(t²): for large numbers these terms cancel and precision"
            " is lost; subtract before squaring",
            lambda y, t: (y.square().sum() - 2.0 * (y * t).sum() + t.square().sum()) / y.numel(),
        ),
        WrongAnswer(
            "divided by the rows",
            "the sum is divided by the number of rows, not by the number of all elements",
            lambda y, t: (y - t).square().sum() / len(y),
        ),
        WrongAnswer("halved", "the mean is halved", lambda y, t: (y - t).square().mean() / 2.0),
        WrongAnswer("absolute error", "the absolute error is taken, not the square", lambda y, t: (y - t).abs().mean()),
        WrongAnswer("rooted", "the square root of the mean is returned", lambda y, t: (y - t).square().mean().sqrt()),
        WrongAnswer("not averaged", "the squares are returned, not their mean", lambda y, t: (y - t).square()),
        WrongAnswer(
            "squared mean", "the mean is squared: errors of opposite sign cancel", lambda y, t: (y - t).mean().square()
        ),
    ),
    in_bert="mean_squared_error",
)

EXERCISES = (LOG_SOFTMAX, CROSS_ENTROPY, BINARY_CROSS_ENTROPY, MEAN_SQUARED_ERROR)
