"""The flags that several commands share, as parent parsers."""

import argparse
import dataclasses
import os
from collections.abc import Iterable

from minitf.cli.console import argument_type, number, words
from minitf.datasets.dialect import parse_delimiter
from minitf.errors import InputError
from minitf.fine_tuning.evaluation import Labelled
from minitf.fine_tuning.saved import ModelOptions
from minitf.fine_tuning.settings import Text
from minitf.tasks import registry

BATCH_SIZE_HELP = "texts per batch; changes speed and memory only (default: %(default)s)"
ACTIVATIONS = ("gelu", "gelu_tanh", "relu")


def model_flags(
    *, math: str = "kernels", device: str = "auto", max_length: str = "tokens per text (default: as in training)"
) -> argparse.ArgumentParser:
    """Make the parent parser of every command that runs a model.

    `math` and `device` are the defaults of these flags, `max_length` is the help of that flag.
    """
    p = argparse.ArgumentParser(add_help=False)
    group = p.add_argument_group("model")
    group.add_argument("--max-length", type=number(1, 1_000_000, whole=True), metavar="N", help=max_length)
    group.add_argument(
        "--math",
        default=math,
        metavar="WHICH",
        help=f"functions to compute with: kernels (fast), equations (readable), or your .py file (default: {math})",
    )
    group.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default=device, help=f"where the model runs (default: {device})"
    )
    _checkpoint_flags(group)
    return p


def checkpoint_flags() -> argparse.ArgumentParser:
    """Make the parent parser of a command that reads a checkpoint and does not run the model."""
    p = argparse.ArgumentParser(add_help=False)
    _checkpoint_flags(p.add_argument_group("model"))
    return p


def _checkpoint_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--hidden-act", choices=ACTIVATIONS, help="activation function (default: the checkpoint's)")
    group.add_argument("--no-verify", action="store_true", help="skip the checksums of a TensorFlow checkpoint")
    group.add_argument("--revision", metavar="REV", help="branch, tag or commit on huggingface.co (default: main)")
    group.add_argument("--offline", action="store_true", help="use no network")


def labelled_flags() -> argparse.ArgumentParser:
    """Make the parent parser of a command that evaluates a trained model on a labelled table."""
    p = argparse.ArgumentParser(add_help=False, parents=[model_flags()])
    p.add_argument("model", metavar="DIR", help="folder of a run, or any model with a trained head")
    data = p.add_argument_group("data")
    data.add_argument(
        "--data", metavar="FILE", required=True, help="labelled examples, in any format that finetune takes (required)"
    )
    data.add_argument(
        "--task", choices=sorted(registry.SPECS), help="what is predicted (default: the task of the model)"
    )
    data.add_argument("--text", type=words, metavar="COL", help="column of the text (default: as in training)")
    data.add_argument(
        "--pair", type=words, metavar="COL", help="column of the second text of a pair (default: as in training)"
    )
    data.add_argument("--label", type=words, metavar="COL", help="column of the label (default: as in training)")
    add_delimiter(data)
    data.add_argument(
        "--strict", action="store_true", help="tagging: count only entities that break no rule of their tagging scheme"
    )
    data.add_argument("--batch-size", type=number(1, whole=True), default=64, metavar="N", help=BATCH_SIZE_HELP)
    return p


def refuse_files(texts: Iterable[str | None]) -> None:
    """Raise InputError for a text that is the path of a file: the flag --input is missing."""
    for text in texts:
        if text is not None and os.path.isfile(text):
            raise InputError(f"{text} is a file, not a text; did you mean --input {text}?")


def add_delimiter(group: argparse._ArgumentGroup) -> None:
    """Add the flag --delimiter of a command that reads a table."""
    group.add_argument(
        "--delimiter",
        type=argument_type(Text(parse_delimiter)),
        metavar="C",
        help="delimiter of a CSV or TSV: one character, or semicolon, tab, bar (default: recognized)",
    )


def model_options(arguments: argparse.Namespace) -> ModelOptions:
    """Return the values of the flags of `model_flags`."""
    return ModelOptions(**{f.name: getattr(arguments, f.name) for f in dataclasses.fields(ModelOptions)})


def labelled(arguments: argparse.Namespace) -> Labelled:
    """Return the table that the flags of `labelled_flags` name."""
    names = (f.name for f in dataclasses.fields(Labelled))
    return Labelled(**{name: getattr(arguments, name) for name in names if hasattr(arguments, name)})
