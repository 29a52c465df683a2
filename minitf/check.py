"""The judge of your own equations: values, stability, gradients, then a real BERT with yours inside.

    python -m minitf.check my_math.py           # a file with functions of the equations' names, any of them
    check.softmax(my_softmax)                   # the same in a notebook, after `from minitf import check`

A function that fails is answered with the smallest example, yours beside the target, and with the mistake that was
made, if it is a known one. NumPy will do for values and forward passes; gradients are judged of PyTorch's. It takes
seconds, and no network.
Status: 0 if every function passes, 1 if one does not, 2 if the file cannot be judged.
"""

import argparse
import functools
import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    sys.path.append(sys.path.pop(0))  # the folder one is in, last: a file of the learner's called math.py hides nothing

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.cli.console import Parser
from minitf.cli.console import run as run_command
from minitf.files import writing

if TYPE_CHECKING:
    from minitf.proof.judge.verdict import Verdict


def __getattr__(name: str) -> Callable[[Any], "Verdict"]:
    """`check.softmax` judges a softmax, and so on for every exercise."""
    if name.startswith("_"):
        raise AttributeError(name)
    from minitf.proof.exercises import EXERCISES
    from minitf.proof.judge.judging import judge

    if name not in EXERCISES:
        raise AttributeError(f"no exercise is called {name}; there are: {', '.join(sorted(EXERCISES))}")
    return functools.partial(judge, EXERCISES[name])


def __dir__() -> list[str]:
    from minitf.proof.exercises import EXERCISES

    return sorted([*globals(), *EXERCISES])


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", metavar="MY_MATH.py", help="a Python file that defines some of them")
    p.add_argument("--only", nargs="+", metavar="NAME", help="judge these functions of it (default: all that it has)")
    p.add_argument("--pictures", metavar="DIR", help="draw each failure there, yours beside the target (default: no)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Judge a file."""
    arguments = parser().parse_args(argv)
    from minitf.proof.exercises import EXERCISES
    from minitf.proof.judge.judging import judge
    from minitf.proof.judge.opening import functions_of

    path = Path(arguments.file)
    found = functions_of(path, list(EXERCISES), arguments.only, functools.partial(give_up, str(path)))
    passed = 0
    for name, function in found.items():
        verdict = judge(EXERCISES[name], function, functools.partial(give_up, name))
        print(verdict, flush=True)
        passed += verdict.passed
        if arguments.pictures and not verdict.passed:
            picture = Path(arguments.pictures) / f"{name}.png"
            with writing(picture.parent):
                picture.parent.mkdir(parents=True, exist_ok=True)
                if verdict.save(picture):
                    print(f"  picture: {picture}")
    print(f"{passed} of {len(found)} passed")
    return 0 if passed == len(found) else 1


def give_up(name: str) -> None:
    """End the process: what was called neither ends nor can be ended."""
    sys.stdout.flush()
    print(f"{name}: not yet\n  it does not come to an end, and cannot be stopped: is it waiting?", file=sys.__stderr__)
    os._exit(1)


if __name__ == "__main__":
    run_command(main)
