"""The flags of `minitf.attend`. `--help` does not load torch."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from minitf.checkpoints.metadata import model_files
from minitf.cli.console import Parser, number, words
from minitf.cli.shared import add_delimiter, model_flags, refuse_files
from minitf.errors import InputError
from minitf.files import check_output

VIEWS = ("grid", "head", "lines", "alignment", "rollout", "summary", "explain", "lens")
KINDS = ("encoder", "decoder", "cross")
ENDINGS = (".html", ".svg", ".png", ".pdf")
ATTRIBUTION_LIMIT = 128  # by default, a page has the attribution for texts of at most this many tokens
DESCRIPTION = """\
Show the attention of a model on a text, as an interactive page or a figure.

An .html file is a page with all views; it needs no network. An .svg, .png or .pdf file is one figure. --view selects
it: all heads (grid), one head (head, lines), attention rollout to [CLS] (rollout), what each head attends to (summary,
with --input over a table), which words a prediction depends on (explain), the prediction of each layer (lens).

A model that generates text (Marian, BART, T5, GPT-2) is shown with its greedy output, or with --target. An
encoder-decoder has three kinds of attention (--attention); its figure is by default the alignment of the target with
the source: the mean of the cross-attention."""
EXAMPLES = (
    'runs/reviews-1/best "The soup was cold." --output maps.html',
    'all-MiniLM-L6-v2 "The bank of the river." --output head.svg --view head --layer 2 --head 5',
    "runs/reviews-1/best --input reviews.csv --view summary --output heads.png",
)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the flags. Raises InputError for incompatible flags, before torch is loaded."""
    arguments = parser().parse_intermixed_args(argv)
    check(arguments)
    return arguments


def parser() -> Parser:
    p = Parser(
        prog="python -m minitf.attend",
        usage='DIR|MODEL ["text" ["second text"]] --output FILE [flags]',
        description=DESCRIPTION,
        examples=EXAMPLES,
        parents=[model_flags(max_length="maximum number of tokens of a text (default: all positions of the model)")],
    )
    count = number(1, whole=True)
    p.add_argument("model", metavar="DIR|MODEL", help="folder of a run, or any model that finetune takes")
    p.add_argument("text", nargs="?", type=words, help="the text that the model reads")
    p.add_argument("pair", nargs="?", type=words, help="the second text of a pair")

    out = p.add_argument_group("output")
    out.add_argument(
        "--output", required=True, metavar="FILE", help="file to write: .html, .svg, .png or .pdf (required)"
    )

    _add_generated(p)

    figure = p.add_argument_group("figure (.svg, .png, .pdf)")
    figure.add_argument(
        "--view",
        choices=VIEWS,
        help="what the figure shows (default: grid, or alignment); a page has its own views",
    )
    figure.add_argument("--layer", type=count, metavar="N", help="for head and lines, from 1 (default: the last)")
    figure.add_argument("--head", type=count, metavar="N", help="for head and lines, from 1 (default: the first)")
    figure.add_argument("--dark", action="store_true", help="dark background; a page follows the system's setting")

    _add_table(p)

    page = p.add_argument_group("page (.html)")
    page.add_argument("--query-key", action="store_true", help="add the products of queries and keys")
    page.add_argument(
        "--compare", metavar="DIR|MODEL", help="add another model with the same vocabulary and shape (default: none)"
    )
    page.add_argument(
        "--attribution",
        choices=["auto", "always", "never"],
        default="auto",
        help="add the attribution of a classifier's prediction\n"
        f"(default: auto, for texts of up to {ATTRIBUTION_LIMIT} tokens)",
    )
    page.add_argument(
        "--label",
        type=words,
        metavar="NAME",
        help="class that the attribution explains, also for --view explain\n(default: the predicted one)",
    )
    return p


def _add_generated(p: Parser) -> None:
    """Add the flags for models that generate text."""
    generated = p.add_argument_group("models that generate text")
    generated.add_argument(
        "--target",
        type=words,
        metavar="TEXT",
        help="target, or continuation of a prompt (default: the greedy output of the model)",
    )
    generated.add_argument(
        "--max-new-tokens",
        type=number(1, whole=True),
        metavar="N",
        help="maximum number of tokens of the output (default: 128 of a target, 20 of a continuation)",
    )
    generated.add_argument(
        "--attention",
        choices=KINDS,
        help="the attention that a figure shows (default: cross); a page has all three",
    )


def _add_table(p: Parser) -> None:
    """Add the flags for a table of texts."""
    table = p.add_argument_group("table of texts (--view summary)")
    table.add_argument(
        "--input", metavar="FILE", help="average over a table of texts, CSV, TSV or JSON lines (default: none)"
    )
    table.add_argument(
        "--text", dest="text_column", type=words, metavar="COL", help="column of the text (default: found by its name)"
    )
    table.add_argument(
        "--pair", dest="pair_column", type=words, metavar="COL", help="column of the second text (default: none)"
    )
    add_delimiter(table)


def check(arguments: argparse.Namespace) -> None:
    """Raise InputError for incompatible flags."""
    refuse_files((arguments.text, arguments.pair))
    ending = Path(arguments.output).suffix.lower()
    if ending not in ENDINGS:
        raise InputError(f"--output {arguments.output}: the ending must be one of {', '.join(ENDINGS)}")
    page = ending == ".html"
    if page and arguments.view:
        raise InputError(f"--view {arguments.view} needs --output .svg, .png or .pdf; a page has all views")
    _check_uses(arguments, page, arguments.view or "grid")
    if (arguments.text is None) == (arguments.input is None):
        raise InputError("give either a text or, with --view summary, --input FILE")
    for flag, column in (("--text", arguments.text_column), ("--pair", arguments.pair_column)):
        if column is not None and arguments.input is None:
            raise InputError(f"{flag} {column} is a column of --input FILE; give a text without a flag")
    if arguments.delimiter is not None and arguments.input is None:
        raise InputError("--delimiter is for --input FILE; leave it out")
    if arguments.label is not None and arguments.attribution == "never":
        raise InputError("--label chooses the class of the attribution; leave out --attribution never")
    if arguments.target is not None and arguments.max_new_tokens is not None:
        raise InputError("--max-new-tokens is for a generated target; leave it out, or --target")
    read = [Path(arguments.input)] if arguments.input else []
    check_output(Path(arguments.output), [*read, *model_files(arguments.model)])


def _check_uses(arguments: argparse.Namespace, page: bool, view: str) -> None:
    """Raise InputError for a flag that the page or this view of a figure does not use."""
    one_head = not page and view in ("head", "lines")
    for flag, value, used in (
        ("--layer", arguments.layer, one_head or (not page and view == "alignment")),
        ("--head", arguments.head, one_head),
        ("--label", arguments.label, page or view == "explain"),
        ("--attention", arguments.attention, one_head or (not page and view == "grid")),
        ("--target", arguments.target, arguments.input is None),
        ("--max-new-tokens", arguments.max_new_tokens, arguments.input is None),
        ("--input", arguments.input, not page and view == "summary"),
        ("--query-key", arguments.query_key or None, page),
        ("--compare", arguments.compare, page),
        ("--attribution", None if arguments.attribution == "auto" else True, page),
        ("--dark", arguments.dark or None, not page),
    ):
        if value is not None and not used:
            raise InputError(f"{flag} cannot be used with {'an .html page' if page else f'--view {view}'}")
