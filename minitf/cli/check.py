"""The flags of `python -m minitf.check`."""

from minitf.cli.console import Parser

DESCRIPTION = """\
Check your own functions against the equations of minitf.

It checks values, numerical stability, gradients, then a real BERT that uses your function. If a function fails, it
prints the smallest example with your result and the target, and names the mistake if it is a known one. NumPy functions
are accepted; gradients are checked for PyTorch functions only. The check takes seconds and needs no network.

Exit status 0 if every function passes, 1 if one does not, 2 if the file cannot be checked.
In a notebook: from minitf import check, then check.softmax(my_softmax)."""


def parser() -> Parser:
    p = Parser(
        prog="python -m minitf.check",
        usage="MY_MATH.py [flags]",
        description=DESCRIPTION,
        examples=["my_math.py", "my_math.py --only softmax gelu", "my_math.py --pictures pictures"],
    )
    p.add_argument("file", metavar="MY_MATH.py", help="a Python file with functions named like the equations")
    checks = p.add_argument_group("check")
    checks.add_argument("--only", nargs="+", metavar="NAME", help="check these functions of the file (default: all)")
    out = p.add_argument_group("output")
    out.add_argument("--pictures", metavar="DIR", help="folder for a picture of each failure (default: not drawn)")
    return p
