"""The class of model that a task needs. Imports torch."""

from typing import Any

from minitf.bert import Bert
from minitf.checkpoints.kinds import Model
from minitf.checkpoints.load import load_model, load_with_report
from minitf.checkpoints.report import LoadReport
from minitf.errors import CheckpointError
from minitf.generation.rules import Rules
from minitf.transformer import DecoderModel, EncoderDecoder

CLASSES: dict[str, type[Model]] = {"bert": Bert, "encoder-decoder": EncoderDecoder, "decoder": DecoderModel}
NO_LIMIT = 100_000  # tokens of a text, for a model without a limit (T5)


def load_kind(kind: str | None, source: Any, head: str | None = None, **settings: Any) -> tuple[Model, LoadReport]:
    """Load the model of `source`, a Bert with `head`. `kind` is that of `TaskSpec.model`, None for any.

    Raises InputError for a model of another kind, and for an encoder-decoder that cannot generate: every task of such a
    model generates, be it in the validation after an epoch.
    """
    if kind is None:
        model, report = load_with_report(source, head=head, **settings)
    else:
        model, report = load_model(source, CLASSES[kind], head=head if kind == "bert" else None, **settings)
    if isinstance(model, EncoderDecoder):
        try:
            Rules.of(model.config)
        except CheckpointError as error:
            raise CheckpointError(f"{source}: {error}") from None
    return model, report


def kind_of(model: Model) -> str:
    """Return the kind of the model, as a `TaskSpec` has it."""
    return next(name for name, kind in CLASSES.items() if isinstance(model, kind))


def longest_of(model: Model) -> int:
    """Return how many tokens a text may have."""
    return model.config.longest or NO_LIMIT
