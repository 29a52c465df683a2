"""The flags of `predict`, and the check for incompatible flags."""

import argparse
from pathlib import Path

from minitf.checkpoints.metadata import model_files
from minitf.cli.console import Parser, number, words
from minitf.cli.shared import BATCH_SIZE_HELP, add_delimiter, model_flags, refuse_files
from minitf.datasets.table_writer import TableFormat
from minitf.errors import InputError
from minitf.files import check_output

DESCRIPTION = """\
Predict with a fine-tuned model: labels for texts, or for a file.

--fill predicts the words behind [MASK] with a pre-trained model. --embed gives sentence vectors, from any BERT: the
mean of the last layer over the tokens, or the vector of [CLS] if 1_Pooling/config.json of the folder says so; their
length is 1."""
EXAMPLES = (
    'runs/reviews-1/best "I loved it." "The soup was cold."',
    "runs/stars/best --input new.csv --output answers.csv",
    'bert-base-uncased --fill "Paris is the [MASK] of France."',
)


def parser() -> Parser:
    p = Parser(
        prog="python -m minitf.predict",
        usage="DIR [text ...] [flags]",
        description=DESCRIPTION,
        examples=EXAMPLES,
        parents=[model_flags()],
    )
    p.add_argument("model", metavar="DIR", help="folder of a run, or any model that finetune takes")
    p.add_argument("texts", nargs="*", type=words, metavar="text", help="texts to predict for")
    data = p.add_argument_group("data")
    data.add_argument(
        "--pair", type=words, metavar="TEXT|COL", help="second text of a pair; with --input its column (default: none)"
    )
    data.add_argument(
        "--input",
        metavar="FILE",
        help="table with a text column, CSV, TSV or JSON lines;\n"
        "for tagging CoNLL columns, for qa SQuAD's JSON (default: none)",
    )
    data.add_argument(
        "--text", type=words, metavar="COL", help="with --input: column of the text (default: as in training)"
    )
    add_delimiter(data)
    data.add_argument("--batch-size", type=number(1, whole=True), default=32, metavar="N", help=BATCH_SIZE_HELP)
    out = p.add_argument_group("output")
    out.add_argument(
        "--output",
        metavar="FILE",
        help="file for a CSV table, a TSV (.tsv) or JSON lines (.jsonl); for tagging and qa in the\n"
        "format of the input (default: the terminal, with control characters as escapes)",
    )
    out.add_argument(
        "--spreadsheet-safe",
        action="store_true",
        help="write an apostrophe before a text in a CSV or TSV that a spreadsheet would read as a\n"
        "formula: one that begins with = + - @, a tab or a line break and is not a number",
    )
    out.add_argument(
        "--all", action="store_true", help="print the probability of every label, not only of the three most likely"
    )
    out.add_argument(
        "--fill",
        type=words,
        metavar="TEXT",
        help="predict the five most likely words for each [MASK] in TEXT (default: none)",
    )
    out.add_argument(
        "--embed", action="store_true", help="sentence vectors instead of labels, one JSON object per line"
    )
    return p


def table_format(arguments: argparse.Namespace) -> TableFormat:
    """Return the format of the table that is written."""
    return TableFormat(Path(arguments.output or "").suffix.lower(), arguments.spreadsheet_safe)


def check(arguments: argparse.Namespace) -> None:
    """Raise InputError for incompatible flags."""
    refuse_files(arguments.texts)
    if arguments.spreadsheet_safe:
        for name, value in (("--fill", arguments.fill), ("--embed", arguments.embed)):
            if value:
                raise InputError(f"--spreadsheet-safe is for tables, and {name} writes none; leave it out")
        if not arguments.output or table_format(arguments).json_lines:
            raise InputError("--spreadsheet-safe is for a CSV or TSV: give --output FILE.csv, or leave it out")
    given = [name for name, value in (("texts", arguments.texts), ("--input", arguments.input)) if value]
    if arguments.fill is not None:
        others = [*given, *(["--embed"] if arguments.embed else []), *(["--pair"] if arguments.pair else [])]
        if others:
            raise InputError(f"--fill TEXT is the only input; leave {others[0]} out")
    elif len(given) != 1:
        raise InputError("give either texts or --input FILE")
    if arguments.text and not arguments.input:
        raise InputError(f"--text {arguments.text} names a column of --input FILE; leave it out")
    if arguments.delimiter and not arguments.input:
        raise InputError("--delimiter is for --input FILE; leave it out")
    if arguments.output:
        read = [Path(arguments.input)] if arguments.input else []
        check_output(Path(arguments.output), [*read, *model_files(arguments.model)])
