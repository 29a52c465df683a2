"""Class weights against scikit-learn's, and their effect on a loss."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from minitf.tasks.class_weights import balanced_weights
from minitf.tasks.classification.task import Classification

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=40)


def every_class(C: int) -> st.SearchStrategy[list[int]]:
    """Targets in which each class occurs."""
    return st.lists(st.integers(0, C - 1), max_size=30).map(lambda more: [*range(C), *more])


@PROPERTY
@given(st.integers(2, 5).flatmap(lambda C: st.tuples(st.just(C), every_class(C))))
def test_balanced_weights_as_scikit_learn(case: tuple[int, Sequence[int]]) -> None:
    C, targets = case
    ours = balanced_weights(targets, C).tolist()
    theirs = compute_class_weight("balanced", classes=np.arange(C), y=np.array(targets))
    assert ours == pytest.approx(list(theirs), rel=1e-12)
    # Every class has the same share of the sum of the losses.
    assert [w * targets.count(c) for c, w in enumerate(ours)] == pytest.approx([len(targets) / C] * C)


def test_balanced_weights_weigh_rare_classes_up() -> None:
    """Three texts of one class, one of the other: an error on the rare one costs as much as three on the common one."""
    assert balanced_weights([0, 0, 0, 1], 2).tolist() == pytest.approx([4 / 6, 4 / 2])
    task = Classification(("common", "rare"), balanced_weights([0, 0, 0, 1], 2))
    indifferent = torch.zeros(4, 2, dtype=torch.float64)
    assert task.loss(indifferent, torch.tensor([0, 0, 0, 1])).item() == pytest.approx(math.log(2))
    always_common = torch.tensor([[5.0, 0.0]], dtype=torch.float64).expand(4, 2)
    plain = Classification(("common", "rare")).loss(always_common, torch.tensor([0, 0, 0, 1]))
    assert task.loss(always_common, torch.tensor([0, 0, 0, 1])).item() > 1.9 * plain.item()
