"""The flags of `evaluate`."""

from minitf.cli.console import Parser, number
from minitf.cli.shared import labelled_flags

EXAMPLES = (
    "runs/stars/best --data held_out.csv",
    "runs/stars/best --data held_out.csv --output report.html --mistakes 20",
    "runs/stars/best --data other.csv --text comment --label rating",
)


def parser(description: str) -> Parser:
    p = Parser(
        prog="python -m minitf.evaluate",
        usage="DIR --data FILE [flags]",
        description=description,
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
    out.add_argument("--output", metavar="FILE", help="a report, .html or .json (default: none)")
    return p
