"""Fine-tune a pre-trained BERT on a table of labelled texts.

The work is in `minitf.fine_tuning.run`. The flags are in `minitf.cli.finetune`.
"""

import sys
from collections.abc import Sequence

from minitf.cli import finetune as cli
from minitf.cli.console import flags_in_errors, run, say
from minitf.errors import Interrupted
from minitf.fine_tuning.folder import is_saved
from minitf.fine_tuning.provenance import command_line, resume_command
from minitf.fine_tuning.run import fine_tune
from minitf.training.processes import processes


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    given = cli.given(argv)
    try:
        result = fine_tune(say=say, command=command_line("finetune", argv), **given)
    except Interrupted as interrupt:
        if processes()[0] == 0:
            print(f"\n{interrupted(interrupt, given.get('math'))}", file=sys.stderr)
        return 128 + interrupt.number
    if result is not None and not result.runs:
        print(f"use it:  {result.prediction_command}")  # not `say`: it contains the user's text
        print(f"look inside:  {result.attention_command}")
    return 0


def interrupted(interrupt: Interrupted, math: str | None) -> str:
    """Return a message: what is saved, where the run stopped, and how to resume."""
    folder = interrupt.folder
    if not is_saved(folder):
        return "interrupted before anything was saved: start again"
    best = f"the best epoch so far is in {folder / 'best'}\n" if (folder / "best").exists() else ""
    return f"{best}{interrupt.reason}; resume with:  {resume_command(folder, math)}"


if __name__ == "__main__":
    run(main)
