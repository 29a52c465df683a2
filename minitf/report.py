"""Compare finished runs on one page, or write the report of a run again.

The work is in `minitf.fine_tuning.reports`. The flags are in `minitf.cli.report`.
"""

from collections.abc import Sequence

from minitf.cli.console import flags_in_errors, run
from minitf.cli.report import parser
from minitf.fine_tuning.reports import report_again


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    print(f"written: {report_again(arguments.runs, arguments.output)}")  # not `say`: a path may contain backticks
    return 0


if __name__ == "__main__":
    run(main)
