"""Check a learner's own functions against the equations.

    python -m minitf.check my_math.py           # a file with functions named like the equations
    check.softmax(my_softmax)                   # in a notebook, after `from minitf import check`

The work is in `minitf.exercises`. The flags are in `minitf.cli.check`.
"""

import functools
import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    sys.path.append(sys.path.pop(0))  # search the current folder last: a learner's math.py must not hide a library

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.cli.check import parser
from minitf.cli.console import flags_in_errors
from minitf.cli.console import run as run_command
from minitf.files import writing
from minitf.training.figure import warned
from minitf.visible import visible

if TYPE_CHECKING:
    from minitf.exercises.judge.verdict import Verdict


def __getattr__(name: str) -> Callable[[Any], "Verdict"]:
    """Return the judge of an exercise: `check.softmax` judges a softmax."""
    if name.startswith("_"):
        raise AttributeError(name)
    from minitf.exercises import EXERCISES
    from minitf.exercises.judge.judging import judge

    if name not in EXERCISES:
        raise AttributeError(f"no exercise is called {name}; there are: {', '.join(sorted(EXERCISES))}")
    return functools.partial(judge, EXERCISES[name])


def __dir__() -> list[str]:
    from minitf.exercises import EXERCISES

    return sorted([*globals(), *EXERCISES])


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Judge the functions of a file."""
    arguments = parser().parse_args(argv)
    from minitf.exercises import EXERCISES
    from minitf.exercises.judge.judging import judge
    from minitf.exercises.judge.learner_file import functions_of

    path = Path(arguments.file)
    functions = functions_of(path, list(EXERCISES), arguments.only, functools.partial(give_up, str(path)))
    passed = 0
    for name, function in functions.items():
        verdict = judge(EXERCISES[name], function, functools.partial(give_up, name))
        print(verdict, flush=True)
        passed += verdict.passed
        if arguments.pictures and not verdict.passed:
            save_picture(verdict, Path(arguments.pictures) / f"{name}.png")
    print(f"{passed} of {len(functions)} passed")
    return 0 if passed == len(functions) else 1


def save_picture(verdict: "Verdict", path: Path) -> None:
    """Save the picture of a failure, if it has one."""
    with warned(print, path.name), writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        if verdict.save(path):
            print(f"  picture: {path}")


def give_up(name: str) -> None:
    """End the process: the function neither returns nor can be interrupted."""
    sys.stdout.flush()
    message = "it does not finish and cannot be interrupted: does it wait for something?"
    print(f"{visible(name)}: not yet\n  {message}", file=sys.__stderr__)
    os._exit(1)


if __name__ == "__main__":
    run_command(main)
