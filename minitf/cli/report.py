"""The flags of `report`."""

from minitf.cli.console import Parser

DESCRIPTION = """\
Compare finished runs and evaluations on one page, or write the report of a run again.

RUN is the folder of a run (also of several seeds), its best/, or a report.json of finetune or evaluate. The page has
the scores with confidence intervals, the curves of all runs in the same charts, and the settings that differ. The
seeds of a run are summarized as mean and standard deviation. With one run, its report.html is written again."""
EXAMPLES = (
    "runs/stars-1 runs/stars-2 --output compare.html",
    "runs/five-seeds runs/stars-1/best held_out.json",
    "runs/stars-1",
)


def parser() -> Parser:
    p = Parser(
        prog="python -m minitf.report",
        usage="RUN [RUN ...] [flags]",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    p.add_argument("runs", nargs="+", metavar="RUN", help="folder of a finished run, or a report.json")
    out = p.add_argument_group("output")
    out.add_argument(
        "--output", metavar="FILE", help="file, ending .html (default: compare.html; for one run, its report.html)"
    )
    return p
