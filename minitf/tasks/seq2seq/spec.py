"""The spec of seq2seq: a target text for each source text. Imports no torch."""

from typing import TYPE_CHECKING

from minitf.datasets.dataset import Dataset
from minitf.datasets.split import split
from minitf.tasks.seq2seq.data import check_pairs, describe, pair_rows, read_pairs, recognize
from minitf.tasks.spec import Loaded, TaskSettings, TaskSpec
from minitf.tasks.whole_text.inputs import TextSource, read_texts

if TYPE_CHECKING:
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Prediction, Task


def _split(train: Dataset, seed: int = 0) -> tuple[Dataset, Dataset]:
    return split(train, seed=seed, stratify=False)


def _task(source: object, settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.seq2seq.library_scores import check_libraries
    from minitf.tasks.seq2seq.task import Seq2Seq

    if settings.bleu_rouge:
        check_libraries()
    return Seq2Seq(math, settings.label_smoothing, settings.bleu_rouge)


def _predict(loaded: Loaded, texts: TextSource) -> "Prediction":
    from minitf.tasks.generated_text.generating import GeneratedTexts

    return GeneratedTexts(loaded, texts)


SEQ2SEQ = TaskSpec(
    name="seq2seq",
    head="language-model",
    model="encoder-decoder",
    metrics=("chrf", "exact_match", "token_accuracy", "loss"),
    read=read_pairs,
    check=check_pairs,
    split=_split,
    describe=describe,
    create=_task,
    restore=_task,
    read_inputs=read_texts,
    predict=_predict,
    rows=pair_rows,
    texts=lambda table: (table.texts, None),
    recognize=recognize,
    unused=("pair", "long_text", "stride", "class_weights", "augment", "hidden_act", "reinit_top"),
    target_texts=True,
    unit="pairs",
    batch_unit="pairs",
)
