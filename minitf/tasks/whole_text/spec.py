"""Shared by the specs of the tasks for whole texts. Imports no torch."""

from typing import TYPE_CHECKING

from minitf.tasks.spec import Loaded
from minitf.tasks.whole_text.inputs import TextSource

if TYPE_CHECKING:
    from minitf.tasks.base import Prediction

CLASS_SETTINGS = ("class_weights", "label_smoothing")  # have a meaning only for tasks with classes


def predict(loaded: Loaded, texts: TextSource) -> "Prediction":
    """Return the predictions of a classification head; the model's config defines what its logits mean."""
    from minitf.tasks.whole_text.prediction import TextPrediction

    return TextPrediction.of(loaded, texts)
