"""Exercises of lesson 9: metrics of a classifier."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minitf.exercises.exercise import Case, Exercise, WrongAnswer
from minitf.tasks.classification.metrics import classification_metrics
from minitf.tasks.metrics import f1_score

Array = Any  # a NumPy array


def confusion_matrix(predicted: Array, actual: Array, C: int) -> Array:
    """Count the texts of each true class (rows) by predicted class (columns): `[n], [n] -> [C, C]`."""
    names = [str(c) for c in range(C)]
    return np.array(classification_metrics(names, actual.tolist(), predicted.tolist(), 0.0).confusion)


def _among_those_seen(predicted: Array, actual: Array, C: int) -> Array:
    counts = confusion_matrix(predicted, actual, C)
    seen = np.union1d(predicted, actual)
    return counts[np.ix_(seen, seen)]


def _set_not_counted(predicted: Array, actual: Array, C: int) -> Array:
    counts = np.zeros((C, C), dtype=int)
    counts[actual, predicted] += 1  # equal pairs of indices count once
    return counts


CONFUSION = Exercise(
    "confusion_matrix",
    confusion_matrix,
    (
        Case("three texts, two classes", (np.array([0, 1, 1]), np.array([0, 0, 1]), 2)),
        Case(
            "nine texts, three classes",
            (np.array([0, 0, 1, 1, 1, 1, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1, 1, 2, 2]), 3),
        ),
        Case("the same pair several times", (np.array([1, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 0]), 2), kind="corner"),
        Case("classes in the middle that do not occur", (np.array([0, 3, 0]), np.array([0, 0, 3]), 4), kind="corner"),
        Case("last classes that do not occur", (np.array([0, 1, 1]), np.array([0, 0, 2]), 5), kind="corner"),
        Case("texts of the first class only", (np.array([0, 0]), np.array([0, 0]), 3), kind="corner"),
    ),
    (
        WrongAnswer(
            "transposed",
            "rows are the predicted classes and columns the true ones: transpose the matrix",
            lambda predicted, actual, C: confusion_matrix(predicted, actual, C).T,
        ),
        WrongAnswer(
            "marked, not counted",
            "a pair that occurs twice is counted once: with arrays as indices, += adds only once to each cell",
            _set_not_counted,
        ),
        WrongAnswer(
            "only what occurs",
            "classes that do not occur have no row and column: the matrix always has C of each",
            _among_those_seen,
        ),
        WrongAnswer(
            "up to the largest",
            "the size of the matrix is taken from the largest class that occurs: it is always C",
            lambda predicted, actual, C: confusion_matrix(predicted, actual, 1 + max(*predicted, *actual)),
        ),
        WrongAnswer(
            "one row for all",
            "all rows are the same list: [[0] * C] * C repeats one row, so that each count appears in every row",
            lambda predicted, actual, C: np.tile(confusion_matrix(predicted, actual, C).sum(axis=0), (C, 1)),
        ),
        WrongAnswer(
            "shares",
            "the rows are divided by their sums: return counts, not shares",
            lambda predicted, actual, C: (
                (counts := confusion_matrix(predicted, actual, C)) / np.maximum(counts.sum(1, keepdims=True), 1)
            ),
        ),
        WrongAnswer(
            "right ones only",
            "only correct predictions are counted: the matrix is 0 outside its diagonal",
            lambda predicted, actual, C: np.diag(np.diag(confusion_matrix(predicted, actual, C))),
        ),
    ),
    gradients=False,
)


def macro_f1(confusion: Array) -> float:
    """Average 2 · hits / (predicted + true) over the classes, 0 for a class without texts or predictions; `[C, C]`."""
    predicted, true = confusion.sum(axis=0), confusion.sum(axis=1)
    scores = [f1_score(confusion[c, c], predicted[c], true[c]) for c in range(len(confusion))]
    return float(sum(scores)) / len(scores)


def _ratio(hits: Array, of: Array) -> Array:
    return np.divide(hits, of, out=np.zeros(len(of)), where=of > 0)


def _f1(confusion: Array) -> Array:
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.divide(2.0 * np.diag(confusion), both, out=np.full(len(both), np.nan), where=both > 0)


def _f1_of_means(confusion: Array) -> float:
    hits = np.diag(confusion)
    p, r = _ratio(hits, confusion.sum(axis=0)).mean(), _ratio(hits, confusion.sum(axis=1)).mean()
    return float(2 * p * r / (p + r)) if p + r else 0.0


def _weighted(confusion: Array) -> float:
    return float((np.nan_to_num(_f1(confusion)) * confusion.sum(axis=1)).sum() / confusion.sum())


MACRO_F1 = Exercise(
    "macro_f1",
    macro_f1,
    (
        Case("two classes", (np.array([[3, 1], [0, 2]]),)),
        Case("three classes, one never predicted", (np.array([[2, 1, 0], [1, 3, 0], [0, 2, 0]]),)),
        Case("a rare class", (np.array([[90, 2, 0], [1, 5, 1], [0, 1, 1]]),)),
        Case("a class without texts and predictions", (np.array([[4, 1, 0], [2, 3, 0], [0, 0, 0]]),), kind="corner"),
        Case("a class without texts that is predicted", (np.array([[3, 2], [0, 0]]),), kind="corner"),
    ),
    (
        WrongAnswer(
            "nothing divided by nothing",
            "0 is divided by 0 for a class without texts and predictions: its F1 is 0",
            lambda confusion: float(_f1(confusion).mean()),
        ),
        WrongAnswer(
            "left out",
            "a class without texts and predictions is left out of the mean: in minitf its F1 is 0 and counts",
            lambda confusion: float(np.nanmean(_f1(confusion))),
        ),
        WrongAnswer(
            "accuracy",
            "correct predictions are divided by the number of texts: this is the accuracy, also called micro F1",
            lambda confusion: float(np.trace(confusion) / confusion.sum()),
        ),
        WrongAnswer(
            "weighted by support",
            "each class is weighted by its number of texts: in macro F1 all classes have the same weight",
            _weighted,
        ),
        WrongAnswer(
            "F1 of the means",
            "precision and recall are averaged first, and F1 is computed from the two means",
            _f1_of_means,
        ),
        WrongAnswer(
            "mean of the two",
            "F1 is computed as (precision + recall) / 2: it is their harmonic mean",
            lambda confusion: float(
                (
                    (_ratio(np.diag(confusion), confusion.sum(0)) + _ratio(np.diag(confusion), confusion.sum(1))) / 2
                ).mean()
            ),
        ),
        WrongAnswer(
            "recall",
            "this is the mean recall: precision is missing",
            lambda confusion: float(_ratio(np.diag(confusion), confusion.sum(axis=1)).mean()),
        ),
        WrongAnswer(
            "precision",
            "this is the mean precision: recall is missing",
            lambda confusion: float(_ratio(np.diag(confusion), confusion.sum(axis=0)).mean()),
        ),
    ),
    gradients=False,
    tolerance=1e-6,  # a tensor of Python numbers is float32
)


def accuracy_interval(correct: int, n: int) -> tuple[float, float]:
    """Compute p ± 1.96 √(p (1 − p) / n), clipped to [0, 1], with p = correct / n."""
    return _interval(correct, n)


def _interval(
    correct: int, n: int, sd: Callable[[float, int], float] = lambda p, n: math.sqrt(p * (1 - p) / n), z: float = 1.96
) -> tuple[float, float]:
    p = correct / n
    return max(0.0, p - z * sd(p, n)), min(1.0, p + z * sd(p, n))


def _uncut(correct: int, n: int) -> tuple[float, float]:
    p = correct / n
    half = 1.96 * math.sqrt(p * (1 - p) / n)
    return p - half, p + half


INTERVAL = Exercise(
    "accuracy_interval",
    accuracy_interval,
    (
        Case("half of 100 right", (50, 100)),
        Case("132 of 200 right", (132, 200)),
        Case("1 of 50 right", (1, 50), kind="corner"),
        Case("49 of 50 right", (49, 50), kind="corner"),
        Case("all of 8 right", (8, 8), kind="corner"),
        Case("none of 5 right", (0, 5), kind="corner"),
    ),
    (
        WrongAnswer("not cut", "the ends are not limited to 0 and 1, the range of an accuracy", _uncut),
        WrongAnswer(
            "of one text",
            "p (1 − p) is not divided by n: this is the standard deviation of a single text, not of the mean",
            lambda correct, n: _interval(correct, n, lambda p, n: math.sqrt(p * (1 - p))),
        ),
        WrongAnswer(
            "no root",
            "the square root is missing: p (1 − p) / n is a variance",
            lambda correct, n: _interval(correct, n, lambda p, n: p * (1 - p) / n),
        ),
        WrongAnswer(
            "root of n missing",
            "√(p (1 − p)) is divided by n, not by √n: n belongs inside the square root",
            lambda correct, n: _interval(correct, n, lambda p, n: math.sqrt(p * (1 - p)) / n),
        ),
        WrongAnswer(
            "one deviation",
            "the factor 1.96 is missing: ± one standard deviation covers only about 68 %",
            lambda correct, n: _interval(correct, n, z=1.0),
        ),
        WrongAnswer(
            "the worst p",
            "p (1 − p) is replaced by 1/4, its value for p = 1/2",
            lambda correct, n: _interval(correct, n, lambda p, n: math.sqrt(0.25 / n)),
        ),
    ),
    gradients=False,
    tolerance=1e-6,  # a tensor of Python numbers is float32
)

EXERCISES: tuple[Exercise, ...] = (CONFUSION, MACRO_F1, INTERVAL)
