"""Find hyper-parameters: `python -m minitf.search --train FILE --output DIR --space lr=1e-5..1e-4:log --space …`.

--method tpe learns from the runs behind it where to look (Bergstra et al. 2011), random draws, grid tries all. Runs
that fall behind the median of the others at the same epoch are given up. The study is an SQLite file that --resume goes
on with, and DIR/best/ holds the best model. --learning-curve asks instead what more training data would bring.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf import flags, kinds, learning_curves, resuming, runs, studies
from minitf.cli.console import Parser, number, run
from minitf.errors import InputError
from minitf.training import space

if TYPE_CHECKING:
    pass

METHODS = ("tpe", "random", "grid")
NOT_SEARCHED = ("output", "train", "valid", "test", "seeds", "save-every", "device", "task", "metric")


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m minitf.search",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
        epilog="all other flags are those of finetune, the same for every run (python -m minitf.finetune --help)",
        allow_abbrev=False,
    )
    count = number(1, 100_000, whole=True)
    p.add_argument("--method", choices=METHODS, default="tpe", help="default: %(default)s")
    p.add_argument("--trials", type=count, metavar="N", help="runs in all (default: 20; with grid all there are)")
    p.add_argument(
        "--space", action="append", default=[], metavar="NAME=…", help="LOW..HIGH, LOW..HIGH:log or VALUE,VALUE; again"
    )
    p.add_argument("--no-pruning", action="store_true", help="let every run come to its end")
    p.add_argument("--learning-curve", metavar="SHARES", help="of the training data, say 0.1,0.25,0.5,1")
    p.add_argument("--output", metavar="DIR", required=True, help="folder of the study")
    p.add_argument("--resume", action="store_true", help="go on with the study in --output")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    own, rest = parser().parse_known_args(argv)
    base = flags.parse(__doc__ or "", rest)
    flags.check(base)
    parts = space.parse_space(own.space or [f"{k}={v}" for k, v in usual(own.method).items()])
    check(own, base, parts, rest)
    folder = Path(own.output)
    kind = kinds.choose(base)
    rest = [*rest, f"--task={kind.name}", f"--metric={base.metric}"]  # decided once
    splits = runs.read_data(base, kind)
    with resuming.locked(folder):
        if own.learning_curve:
            learning_curves.learning_curve(learning_curves.shares(own.learning_curve), base, kind, splits, folder)
            return 0
        study = studies.Search(own, rest, parts, kind, splits, folder, base)
        try:
            study.run()
        except KeyboardInterrupt:
            command = [runs.interpreter(), "-m", "minitf.search", "--resume"]
            given = [str(word) for word in (sys.argv[1:] if argv is None else argv) if word != "--resume"]
            print(f"\ninterrupted; go on with:  {shlex.join([*command, *given])}", file=sys.stderr)
            return 130
        print(f"\n{study.conclusion()}")
    return 0


def usual(method: str) -> dict[str, str]:
    """What is searched where no --space is given."""
    return space.PAPERS if method == "grid" else space.USUAL


def check(own: argparse.Namespace, base: argparse.Namespace, parts: space.Space, rest: Sequence[str]) -> None:
    """Raises InputError for what cannot be searched."""
    if base.seeds > 1 and not own.learning_curve:
        raise InputError("--seeds: a search trains each point once; give it with --learning-curve, or to finetune")
    if base.dry_run or base.resume:
        raise InputError("--dry-run belongs to finetune; leave it out")
    if own.learning_curve:
        if own.space or own.trials:
            raise InputError("--learning-curve has one setting for all; leave --space and --trials out")
        return
    if own.method == "grid":
        space.grid(parts)
    actions = {option: action for action in flags.parser("")._actions for option in action.option_strings}
    for name, part in parts.items():
        action = actions.get(f"--{name}")
        if action is None or action.nargs == 0 or name in NOT_SEARCHED:
            raise InputError(f"--space {name}: no flag of finetune that can be searched over; see its --help")
        if own.space and any(word == f"--{name}" or word.startswith(f"--{name}=") for word in rest):
            raise InputError(f"--space {name}: is given as --{name} too; leave one out")
        for value in part.values if isinstance(part, space.Choice) else (part.low, part.high):
            flags.parse("", [*rest, f"--{name}={space.typed(value, part)}"])


if __name__ == "__main__":
    run(main)
