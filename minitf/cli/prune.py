"""The flags of `prune`, and the check of its output."""

import argparse
from pathlib import Path

from minitf.checkpoints.metadata import model_files
from minitf.cli.console import Parser, number
from minitf.cli.shared import labelled_flags
from minitf.errors import InputError
from minitf.files import check_output

DESCRIPTION = """\
Remove attention heads or weights of a fine-tuned model and measure the effect.

--heads removes the N attention heads that change the loss on FILE least (Michel et al. 2019), --weights the smallest
SHARE of the encoder's weights (Han et al. 2015). Prints the scores before and after. Removed weights
are set to 0: the model does not become smaller or faster, and every command can open it. --sweep prints the scores for
growing shares."""
EXAMPLES = (
    "runs/stars/best --data held_out.csv --heads 20",
    "runs/stars/best --data held_out.csv --weights 0.3 --output runs/pruned",
    "runs/stars/best --data held_out.csv --sweep heads --output sweep.png",
)


def parser() -> Parser:
    p = Parser(
        prog="python -m minitf.prune",
        usage="DIR --data FILE (--heads N | --weights SHARE | --sweep WHAT) [flags]",
        description=DESCRIPTION,
        examples=EXAMPLES,
        parents=[labelled_flags()],
    )
    what = p.add_argument_group("pruning (one of them is required)").add_mutually_exclusive_group(required=True)
    what.add_argument("--heads", type=number(1, 10_000, whole=True), metavar="N", help="remove N attention heads")
    what.add_argument(
        "--weights",
        type=number(0, 0.999, above=True),
        metavar="SHARE",
        help="remove this share of the weights of the encoder's matrices, the smallest",
    )
    what.add_argument(
        "--sweep", choices=["heads", "weights"], help="print the scores with 0 %%, 10 %% … 90 %% removed; save no model"
    )
    out = p.add_argument_group("output")
    out.add_argument(
        "--output",
        metavar="DIR",
        help="folder of the pruned model; with --sweep a picture, .png or .svg (default: not saved)",
    )
    return p


def check(arguments: argparse.Namespace) -> None:
    """Raise InputError for an output that cannot be written."""
    if arguments.output is None:
        return
    output = Path(arguments.output)
    if arguments.sweep:
        if output.suffix.lower() not in (".png", ".svg"):
            raise InputError(f"--output {output}: with --sweep the ending must be .png or .svg")
        check_output(output, [Path(arguments.data), *model_files(arguments.model)])
    elif output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"--output {output}: exists already; choose another folder")
