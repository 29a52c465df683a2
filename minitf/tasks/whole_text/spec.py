"""What the specs of the tasks for whole texts share. Torch-free."""

from typing import TYPE_CHECKING

from minitf.tasks.spec import Loaded
from minitf.tasks.whole_text.inputs import TextSource

if TYPE_CHECKING:
    from minitf.tasks.base import Prediction

# Settings that only tasks with classes have.
OF_CLASSES = ("class_weights", "label_smoothing")


def predict(loaded: Loaded, texts: TextSource) -> "Prediction":
    """The predictions of a classification head; what its logits mean is in the model's config."""
    from minitf.tasks.whole_text.prediction import TextPrediction

    return TextPrediction.of(loaded, texts)
