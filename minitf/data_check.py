"""The data check before training: all texts, as the model's vocabulary has them, on one screen; doubts as warnings."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minitf import runs
from minitf.kinds import Kind
from minitf.text import check_table

if TYPE_CHECKING:
    from minitf.text.token_checks import TokenCounts
    from minitf.text.tokenizer import Tokenizer

ORDER = ("train", "valid", "test")


def counts(
    arguments: argparse.Namespace, kind: Kind, splits: runs.Splits, tokenizer: "Tokenizer"
) -> "dict[str, TokenCounts]":
    """Every table as the tokenizer reads it."""
    from minitf.text.token_checks import count

    return {name: count(tokenizer, kind.texts(table), arguments.max_length) for name, table in splits.items()}


def lines(
    arguments: argparse.Namespace,
    kind: Kind,
    splits: runs.Splits,
    tokenizer: "Tokenizer",
    checked: "Mapping[str, TokenCounts]",
    longest: int,
) -> list[str]:
    """The table, and a line for each doubt; `longest` is what the model has positions for."""
    from minitf.text.token_checks import doubts

    train, length = splits["train"], arguments.max_length
    how = arguments.long_text if kind.cuts else "windows"
    columns = {
        name: [
            {f"  {kind.unit}": str(checked[name].texts)},
            kind.rows(table, train),
            check_table.token_rows(checked[name], length, how, tokenizer.special.unknown, tokenizer.lower_case),
        ]
        for name, table in sorted(splits.items(), key=lambda item: ORDER.index(item[0]))
    }
    options = [f"raise it, up to {longest}"] if length < longest else []
    options += ["try --long-text head-tail or windows"] if kind.texts(train)[1] is None else []
    found = doubts(
        train.path,
        checked["train"],
        tokenizer,
        length,
        cut=how == "truncate",
        options=", or ".join(options) or "what is cut is not read",
    )
    return [check_table.table(columns), *(f"warning: {finding.message}" for finding in found)]
