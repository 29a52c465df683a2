"""What a --task promises before anything heavy is loaded is what its task does."""

import importlib

import pytest

from minitf.tasks import registry
from minitf.tasks.metrics import HIGHER_IS_BETTER

TASKS = {
    "classification": "classification.Classification",
    "multilabel": "multilabel.MultiLabel",
    "regression": "regression.Regression",
    "tagging": "tagging.Tagging",
    "qa": "question_answering.QuestionAnswering",
}


@pytest.mark.parametrize("name", registry.KINDS)
def test_metrics(name):
    module, cls = TASKS[name].split(".")
    task = getattr(importlib.import_module(f"minitf.tasks.{module}"), cls)
    assert registry.KINDS[name].metrics == task.metrics
    assert set(task.metrics) <= set(HIGHER_IS_BETTER)
    assert task.name == name
