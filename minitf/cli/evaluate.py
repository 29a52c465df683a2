"""The flags of `evaluate`."""

import argparse

from minitf.cli.console import Parser, number
from minitf.cli.shared import labelled_flags

EXAMPLES = (
    "runs/stars/best --data held_out.csv",
    "runs/stars/best --data held_out.csv --output report.html --mistakes 20",
    "runs/stars/best --data other.csv --text comment --label rating",
)


def parser(description: str) -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.evaluate", description=description, examples=EXAMPLES, parents=[labelled_flags()])
    out = p.add_argument_group("output")
    out.add_argument("--mistakes", type=number(0, whole=True), default=10, metavar="N", help="to print (default: 10)")
    out.add_argument("--output", metavar="FILE", help="a report, .html or .json (default: none)")
    return p
