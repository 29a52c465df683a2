"""The flags of `search`: its own flags, and the flags of finetune, which apply to every run."""

import argparse
from collections.abc import Sequence
from typing import Any

from minitf.cli import finetune
from minitf.cli.console import Parser, flag, number
from minitf.errors import InputError
from minitf.fine_tuning.config import FineTuneConfig

METHODS = ("tpe", "random", "grid")
DESCRIPTION = """\
Search hyperparameters, or draw a learning curve.

--method tpe proposes values from the results so far (Bergstra et al. 2011), random draws them, grid tries all. A run
that is behind the median of the others at the same epoch is stopped. The study is an SQLite file that --resume
continues; DIR/best/ holds the best model. --learning-curve trains on growing shares of the data.

All other flags are flags of finetune (python -m minitf.finetune --help)."""
EXAMPLES = (
    "--train reviews.csv --output runs/search",
    "--train reviews.csv --output runs/search --space lr=1e-5..1e-4:log --space epochs=2..5",
    "--train reviews.csv --output runs/curve --learning-curve 0.1,0.3,1 --seeds 3",
)


def parser() -> Parser:
    p = Parser(
        prog="python -m minitf.search",
        usage="--output DIR [flags] [flags of finetune]",
        description=DESCRIPTION,
        examples=EXAMPLES,
        allow_abbrev=False,
    )
    what = p.add_argument_group("search")
    what.add_argument("--method", choices=METHODS, default="tpe", help="how values are chosen (default: %(default)s)")
    what.add_argument(
        "--trials",
        type=number(1, 100_000, whole=True),
        metavar="N",
        help="number of runs (default: 20; with grid all points)",
    )
    what.add_argument(
        "--space",
        action="append",
        default=[],
        metavar="NAME=…",
        help="values of a setting: LOW..HIGH, LOW..HIGH:log or VALUE,VALUE; may be repeated\n"
        "(default: lr, batch-size, epochs and, except with grid, weight-decay)",
    )
    what.add_argument("--no-pruning", action="store_true", help="let every run finish")
    what.add_argument(
        "--learning-curve",
        metavar="SHARES",
        help="do not search: train on shares of the training data,\nsuch as 0.1,0.25,0.5,1 (default: none)",
    )
    out = p.add_argument_group("output")
    out.add_argument("--output", metavar="DIR", required=True, help="folder of the study (required)")
    out.add_argument("--resume", action="store_true", help="continue the study in --output")
    return p


def parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, list[str], dict[str, Any]]:
    """Return the parsed flags of the search, the unparsed flags of finetune, and their settings."""
    own, rest = parser().parse_known_args(argv)
    return own, rest, finetune.given(rest)


def check(own: argparse.Namespace, given: dict[str, Any], config: FineTuneConfig, space: Sequence[str]) -> None:
    """Raise InputError for incompatible flags; `space` are the settings that are searched."""
    if config.recipe.seeds > 1 and not own.learning_curve:
        raise InputError("--seeds: a search trains each point once; use --seeds with --learning-curve or in finetune")
    if config.output.dry_run:
        raise InputError("--dry-run is for finetune only; leave it out")
    if own.learning_curve and (own.space or own.trials):
        raise InputError("--learning-curve does not search; leave --space and --trials out")
    if own.learning_curve and own.resume:
        raise InputError("--learning-curve: cannot be resumed; leave --resume out")
    for name in space:
        if own.space and name in given:
            raise InputError(f"--space {name}: {flag(name)} is given too; leave one out")


def finetune_words(rest: Sequence[str], settings: dict[str, str]) -> list[str]:
    """Return the flags of one run of the search."""
    return [*rest, *(f"{flag(name)}={value}" for name, value in settings.items())]
