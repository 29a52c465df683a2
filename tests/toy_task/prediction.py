"""The predicted level of each text, with the probability of every level."""

import dataclasses
from typing import Any

from torch import Tensor

from minitf.tasks.spec import Loaded
from minitf.tasks.whole_text.inputs import TextSource
from minitf.tasks.whole_text.labels import with_probabilities
from minitf.tasks.whole_text.prediction import TextPrediction
from tests.toy_task.task import predicted_level


@dataclasses.dataclass(frozen=True)
class LevelReading:
    """Presents the logits `z [3]` of one text."""

    labels: tuple[str, ...]

    def columns(self) -> list[str]:
        return ["level", "number", *(f"p_{label}" for label in self.labels)]

    def cells(self, z: Tensor) -> list[str]:
        number = predicted_level(z)
        return [self.labels[number], str(number), *(f"{p:.6f}" for p in self._probabilities(z))]

    def line(self, z: Tensor) -> str:
        return f"{self.labels[predicted_level(z)]}  ({with_probabilities(self.labels, self._probabilities(z))})"

    def record(self, z: Tensor) -> dict[str, Any]:
        return {"level": self.labels[predicted_level(z)], "number": predicted_level(z)}

    def _probabilities(self, z: Tensor) -> list[float]:
        probabilities: list[float] = z.double().softmax(dim=-1).tolist()
        return probabilities


def predict(loaded: Loaded, texts: TextSource) -> TextPrediction:
    """Return the predictions for the texts."""
    return TextPrediction(loaded, texts, LevelReading(loaded.model.config.labels))
