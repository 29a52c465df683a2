"""Evaluate a fine-tuned model on a labelled table.

The work is in `minitf.fine_tuning.evaluation`. The flags are in `minitf.cli.evaluate`.
"""

from collections.abc import Sequence
from pathlib import Path

from minitf.cli import evaluate as cli
from minitf.cli.console import flags_in_errors, run, say_error
from minitf.cli.shared import labelled, model_options
from minitf.fine_tuning.evaluation import evaluate
from minitf.fine_tuning.evaluation_report import result_lines, write_report
from minitf.fine_tuning.provenance import command_line


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser().parse_args(argv)
    cli.check(arguments)
    result = evaluate(arguments.model, labelled(arguments), model_options(arguments), say_error, arguments.batch_size)
    print(result_lines(result, arguments.mistakes))  # not `say`: the lines contain the user's texts and no settings
    if arguments.output:
        write_report(Path(arguments.output), result, arguments.model, command_line("evaluate", argv))
        print(f"\nwritten: {arguments.output}")
    return 0


if __name__ == "__main__":
    run(main)
