"""The flags of `generate`, and the check for incompatible flags."""

import argparse
import dataclasses
from pathlib import Path

from minitf.checkpoints.metadata import model_files
from minitf.cli.console import Parser, number, words
from minitf.cli.finetune import add_flag
from minitf.cli.shared import BATCH_SIZE_HELP, add_delimiter, model_flags, refuse_files
from minitf.datasets.table_writer import TableFormat
from minitf.errors import InputError
from minitf.files import check_output
from minitf.fine_tuning.generation import BATCH_SIZE
from minitf.fine_tuning.generation_settings import GenerationSettings

DESCRIPTION = """\
Generate text: translate, summarize or reply with an encoder-decoder, continue a text with a decoder.

Without flags, text is generated as the model's generation config says, else by greedy decoding. The output for one text
appears while it is generated, except with beams."""
EXAMPLES = (
    'runs/dates/best "the third of May 1998"',
    'Helsinki-NLP/opus-mt-en-de "My name is Wolfgang." --beams 4 --n-best 2',
    'gpt2 "Once upon a time" --sample --top-p 0.9 --seed 1 --max-new-tokens 60',
)


def parser() -> Parser:
    p = Parser(
        prog="python -m minitf.generate",
        usage="DIR [text ...] [flags]",
        description=DESCRIPTION,
        examples=EXAMPLES,
        parents=[model_flags(max_length="cut longer texts to N tokens (default: no text is cut)")],
    )
    p.add_argument("model", metavar="DIR", help="folder of a run, or any encoder-decoder or decoder")
    p.add_argument("texts", nargs="*", type=words, metavar="text", help="sources, or texts to continue")
    data = p.add_argument_group("data")
    data.add_argument(
        "--input", metavar="FILE", help="table with a text column, CSV, TSV or JSON lines (default: none)"
    )
    data.add_argument(
        "--text", type=words, metavar="COL", help="with --input: column of the text (default: as in training)"
    )
    add_delimiter(data)
    data.add_argument("--batch-size", type=number(1, whole=True), default=BATCH_SIZE, metavar="N", help=BATCH_SIZE_HELP)
    generation = p.add_argument_group("generation")
    for field in dataclasses.fields(GenerationSettings):
        add_flag(generation, field)
    out = p.add_argument_group("output")
    out.add_argument(
        "--output",
        metavar="FILE",
        help="file for a CSV table, a TSV (.tsv) or JSON lines (.jsonl)\n"
        "(default: the terminal, with control characters as escapes)",
    )
    out.add_argument(
        "--spreadsheet-safe",
        action="store_true",
        help="write an apostrophe before a text in a CSV or TSV that a spreadsheet would read as a formula",
    )
    return p


def settings(arguments: argparse.Namespace) -> GenerationSettings:
    """Return the settings of generation that the flags give."""
    names = [field.name for field in dataclasses.fields(GenerationSettings)]
    return GenerationSettings(**{name: getattr(arguments, name) for name in names if hasattr(arguments, name)})


def table_format(arguments: argparse.Namespace) -> TableFormat:
    """Return the format of the table that is written."""
    return TableFormat(Path(arguments.output or "").suffix.lower(), arguments.spreadsheet_safe)


def check(arguments: argparse.Namespace) -> None:
    """Raise InputError for incompatible flags."""
    settings(arguments).check_combination()
    refuse_files(arguments.texts)
    if bool(arguments.texts) == bool(arguments.input):
        raise InputError("give either texts or --input FILE")
    if arguments.text and not arguments.input:
        raise InputError(f"--text {arguments.text} names a column of --input FILE; leave it out")
    if arguments.delimiter and not arguments.input:
        raise InputError("--delimiter is for --input FILE; leave it out")
    if arguments.spreadsheet_safe and (not arguments.output or table_format(arguments).json_lines):
        raise InputError("--spreadsheet-safe is for a CSV or TSV: give --output FILE.csv, or leave it out")
    if arguments.output:
        read = [Path(arguments.input)] if arguments.input else []
        check_output(Path(arguments.output), [*read, *model_files(arguments.model)])
