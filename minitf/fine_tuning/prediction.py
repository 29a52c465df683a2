"""Predictions of a fine-tuned model: `minitf.predictor`, and what the command `predict` does."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.checkpoints.metadata import read_metadata
from minitf.errors import InputError
from minitf.fine_tuning.saved import ModelOptions, length_for, open_model, spec_by_name, stored_spec
from minitf.fine_tuning.terminal import Say, silent
from minitf.tasks import registry
from minitf.tasks.spec import Inputs, Loaded, TaskSettings, TaskSpec

if TYPE_CHECKING:
    from minitf.checkpoints.report import LoadReport

BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A loaded model. Called with texts, it returns a list of records, one per text."""

    spec: TaskSpec
    metadata: Mapping[str, Any]
    loaded: Loaded

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | str | None = None) -> list[dict[str, Any]]:
        """Predict. `pairs` are the second texts, one per text or one for all (in question answering: the context).

        The keys of a record depend on the task. Classification: `label`, `probabilities`; multilabel: `labels`,
        `probabilities`; regression: `number`; tagging: `words`, `tags`, `entities`; question answering: `answer`,
        `start`, `end`, `probability`; seq2seq and language-model: `generated`. Raises InputError.
        """
        if isinstance(texts, str):
            raise InputError("give a list of texts, not one text")
        seconds = [pairs] * len(texts) if isinstance(pairs, str) else pairs
        if seconds is not None and len(seconds) != len(texts):
            raise InputError(f"{len(texts)} texts, but {len(seconds)} second texts")
        request = self.spec.read_inputs(Inputs(texts=list(texts), pairs=seconds), self.metadata)
        return list(self.spec.predict(self.loaded, request).records())


def predictor(model: str | Path, batch_size: int = BATCH_SIZE, **options: Any) -> Predictor:
    """Load a fine-tuned model for predictions.

        predict = minitf.predictor("runs/a/best")
        predict(["I loved it.", "The soup was cold."])[0]["label"]

    `model` is the best/ of a run or any source of a model with a trained head; `options` are those of `ModelOptions`.
    Raises InputError.
    """
    chosen, metadata = ModelOptions(**options), read_metadata(Path(model))
    spec = choose_spec(str(model), metadata, chosen, silent)
    return Predictor(spec, metadata, open_predictor(str(model), spec, metadata, chosen, batch_size, silent))


def choose_spec(source: str, metadata: Mapping[str, Any], options: ModelOptions, say: Say) -> TaskSpec:
    """Return the task of a model: from its metadata, else by the head in its files."""
    if name := metadata.get("task"):
        return spec_by_name(name)
    return stored_spec(source, options, say) or registry.SPECS["classification"]


def open_predictor(
    source: str, spec: TaskSpec, metadata: Mapping[str, Any], options: ModelOptions, batch_size: int, say: Say
) -> Loaded:
    """Load the model with its trained head. Raises InputError if it has none."""
    loaded, report = open_head(source, spec.head, metadata, options, batch_size, say, spec)
    if report.has_new_head:
        held = report.files.stored_head()
        instead = f"its head is {held}" if held else "fine-tune it first"
        raise InputError(f"{source}: has no trained classifier; {instead}, or use `embed`")
    return loaded


def open_fill(source: str, metadata: Mapping[str, Any], options: ModelOptions, batch_size: int, say: Say) -> Loaded:
    """Load the model with its masked-LM head. Raises InputError if it has none."""
    loaded, report = open_head(source, "masked-lm", metadata, options, batch_size, say)
    if report.has_new_head:
        held = report.files.stored_head()
        raise InputError(
            f"{source}: cannot predict masked words: it has no masked-LM head ({held or 'nor any other'});"
            " use a pre-trained checkpoint that has one, such as bert-base-uncased"
        )
    return loaded


def open_head(
    source: str,
    head: str | None,
    metadata: Mapping[str, Any],
    options: ModelOptions,
    batch_size: int,
    say: Say,
    spec: TaskSpec | None = None,
) -> "tuple[Loaded, LoadReport]":
    """Load the model with the head called `head`, or without one; return it and the load report."""
    model, report = open_model(source, head, options, say, kind=spec.model if spec else "bert")
    report.check_head()
    max_length = length_for(spec, options, metadata, report)
    tokenizer = report.checked_tokenizer(say)
    settings = TaskSettings.saved(metadata)
    warn = say if options.max_length is None else silent  # a requested length needs no warning
    return Loaded(model, tokenizer, settings, max_length, batch_size, warn), report
