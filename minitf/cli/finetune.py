"""The flags of `finetune`: one for each setting of `FineTuneConfig`, so that both have the same names and defaults."""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

from minitf.cli.console import SETTING, Parser, argument_type, flag
from minitf.fine_tuning.config import declared
from minitf.fine_tuning.settings import Choice, Flag

GROUPS = {
    "data": "data (CSV, TSV or JSON lines with a header; CoNLL columns; SQuAD's JSON)",
    "model": "model",
    "recipe": "training",
    "output": "output",
}
DESCRIPTION = """\
Fine-tune a pre-trained BERT on a table of labelled texts, or a model that generates text (seq2seq, language-model).

Without arguments: the default model on the built-in reviews, about two minutes on two CPU cores. Ctrl-C saves; --resume
with the same --output continues to the same weights, bit for bit. With several processes:
torchrun --nproc-per-node N -m minitf.finetune …"""
EXAMPLES = (
    "",
    "--train reviews.csv --test held_out.csv --text review --label stars --output runs/stars",
    "--train dates --task seq2seq --from-scratch",
)


def parser() -> Parser:
    """Make the parser. It returns only the flags that are given."""
    p = Parser(prog="python -m minitf.finetune", description=DESCRIPTION, examples=EXAMPLES)
    groups = {part: p.add_argument_group(title) for part, title in GROUPS.items()}
    for part, field in declared():
        add_flag(groups[part], field)
    return p


def given(argv: Sequence[str] | None) -> dict[str, Any]:
    """Return the settings that the command line gives, by name."""
    return vars(parser().parse_args(argv))


def add_flag(group: argparse._ArgumentGroup, field: dataclasses.Field[Any]) -> None:
    """Add the flag of a setting."""
    values, options = field.metadata["values"], dict[str, Any]()
    if isinstance(values, Flag):
        options = {"action": "store_true"}
    elif isinstance(values, Choice):
        options = {"choices": values.names(), "metavar": field.metadata["metavar"]}
    else:
        options = {"type": argument_type(values), "metavar": field.metadata["metavar"]}
    group.add_argument(flag(field.name), default=argparse.SUPPRESS, help=_help(field), **options)


def _help(field: dataclasses.Field[Any]) -> str:
    text, shown = field.metadata["meaning"], field.metadata["shown"]
    if shown is None and not isinstance(field.metadata["values"], Flag):
        shown = f"{field.default:g}" if isinstance(field.default, float) else field.default
    text = text if shown is None else f"{text} (default: {shown})"
    return SETTING.sub(lambda found: flag(found[1]), text).replace("%", "%%")
