"""The class of model that a task needs. Imports torch."""

from typing import Any

from minitf.bert import Bert
from minitf.checkpoints.kinds import Model
from minitf.checkpoints.load import load_model, load_with_report
from minitf.checkpoints.report import LoadReport
from minitf.transformer import DecoderModel, EncoderDecoder

CLASSES: dict[str, type[Model]] = {"bert": Bert, "encoder-decoder": EncoderDecoder, "decoder": DecoderModel}
NO_LIMIT = 100_000  # tokens of a text, for a model without a limit (T5)


def load_kind(kind: str | None, source: Any, head: str | None = None, **settings: Any) -> tuple[Model, LoadReport]:
    """Load the model of `source`, a Bert with `head`. `kind` is that of `TaskSpec.model`, None for any.

    Raises InputError for a model of another kind.
    """
    if kind is None:
        return load_with_report(source, head=head, **settings)
    return load_model(source, CLASSES[kind], head=head if kind == "bert" else None, **settings)


def kind_of(model: Model) -> str:
    """Return the kind of the model, as a `TaskSpec` has it."""
    return next(name for name, kind in CLASSES.items() if isinstance(model, kind))


def longest_of(model: Model) -> int:
    """Return how many tokens a text may have."""
    return model.config.longest or NO_LIMIT
