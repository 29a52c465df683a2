"""The spec of language-model: the next token of a text. Imports no torch."""

from typing import TYPE_CHECKING

from minitf.datasets.dataset import Dataset
from minitf.datasets.split import split
from minitf.tasks.language_model.data import check_texts, describe, read_texts
from minitf.tasks.spec import LOWER_IS_BETTER, Loaded, TaskSettings, TaskSpec
from minitf.tasks.whole_text import inputs

if TYPE_CHECKING:
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Prediction, Task


def _split(train: Dataset, seed: int = 0) -> tuple[Dataset, Dataset]:
    return split(train, seed=seed, stratify=False)


def _task(source: object, settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.language_model.task import LanguageModel

    return LanguageModel(math, settings.label_smoothing)


def _predict(loaded: Loaded, texts: inputs.TextSource) -> "Prediction":
    from minitf.tasks.generated_text.generating import GeneratedTexts

    return GeneratedTexts(loaded, texts)


LANGUAGE_MODEL = TaskSpec(
    name="language-model",
    head="language-model",
    model="decoder",
    metrics=("loss", "perplexity", "token_accuracy"),
    read=read_texts,
    check=check_texts,
    split=_split,
    describe=describe,
    create=_task,
    restore=_task,
    read_inputs=inputs.read_texts,
    predict=_predict,
    texts=lambda table: (table.texts, None),
    unused=("pair", "label", "long_text", "stride", "class_weights", "augment", "hidden_act", "reinit_top"),
    truncates=False,
    batch_unit="blocks",
    lower_is_better=LOWER_IS_BETTER | {"perplexity"},
)
