"""The flags of `evaluate`."""

import argparse
from pathlib import Path

from minitf.checkpoints.metadata import model_files
from minitf.cli.console import Parser, number, words
from minitf.cli.shared import labelled_flags
from minitf.errors import InputError
from minitf.files import check_output

DESCRIPTION = """\
Evaluate a fine-tuned model on a labelled table.

Prints the scores, the baseline, the scores of each class and the worst mistakes; --output writes a report as .html or
.json."""
ENDINGS = (".html", ".json")
EXAMPLES = (
    "runs/stars/best --data held_out.csv",
    "runs/stars/best --data held_out.csv --output report.html --mistakes 20",
    "runs/stars/best --data other.csv --text comment --label rating --by city",
)


def parser() -> Parser:
    p = Parser(
        prog="python -m minitf.evaluate",
        usage="DIR --data FILE [flags]",
        description=DESCRIPTION,
        examples=EXAMPLES,
        parents=[labelled_flags()],
    )
    out = p.add_argument_group("output")
    out.add_argument(
        "--mistakes",
        type=number(0, whole=True),
        default=10,
        metavar="N",
        help="print the N mistakes with the largest loss (default: %(default)s)",
    )
    out.add_argument(
        "--by",
        type=words,
        metavar="COL",
        help="report the score of each group: a column, length or unknown (tokens) (default: none)",
    )
    out.add_argument(
        "--bleu-rouge",
        action="store_true",
        help="seq2seq: also measure BLEU and ROUGE-L (needs pip install 'minitf[scores]')",
    )
    out.add_argument("--output", metavar="FILE", help="a report, .html or .json (default: none)")
    return p


def check(arguments: argparse.Namespace) -> None:
    """Raise InputError for a report that cannot be written."""
    if arguments.output is None:
        return
    output = Path(arguments.output)
    if output.suffix.lower() not in ENDINGS:
        raise InputError(f"--output {output}: the ending must be .html or .json")
    check_output(output, [Path(arguments.data), *model_files(arguments.model)])
