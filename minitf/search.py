"""Search hyperparameters, or draw a learning curve.

The work is in `minitf.tuning`. The flags are in `minitf.cli.search`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from minitf.cli import search as cli
from minitf.cli.console import flags_in_errors, run, say
from minitf.errors import signal_number
from minitf.fine_tuning.built_in_recipe import with_recipe
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.data import decide, read_data
from minitf.fine_tuning.folder import locked
from minitf.fine_tuning.provenance import command_line
from minitf.tuning import space


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    own, rest, given = cli.parse(argv)
    parts = space.parse_space(own.space or [f"{name}={values}" for name, values in space.usual(own.method).items()])
    if not own.learning_curve:
        space.check_space(parts)
        if own.method == "grid":
            space.grid(parts)
    config = FineTuneConfig.of(**with_recipe(given, () if own.learning_curve else parts))
    cli.check(own, given, config, list(parts))
    folder = Path(own.output)
    decisions = decide(config, say)
    config = config.replace(task=decisions.spec.name, metric=decisions.metric)  # decided once
    splits = read_data(config, decisions.spec, say)
    with locked(folder):
        if own.learning_curve:
            from minitf.tuning.learning_curve import learning_curve, shares

            learning_curve(shares(own.learning_curve), config, decisions, splits, folder, say)
            return 0
        from minitf.tuning.study import SearchConfig, Study

        search = SearchConfig(parts, folder, own.method, own.trials, not own.no_pruning, own.resume)
        study = Study(search, config, decisions, splits, say)
        try:
            study.run()
        except KeyboardInterrupt as error:
            print(f"\ninterrupted; resume with:  {resume_command(argv)}", file=sys.stderr)
            return 128 + signal_number(error)
        say(f"\n{study.result_lines()}")
        best = study.typed(study.complete()[0].params)
    words = cli.finetune_words([*rest, f"--task={decisions.spec.name}", f"--metric={decisions.metric}"], best)
    say("the best score of many runs is partly chance; measure its settings again with several seeds:")
    print(f"  {command_line('finetune', [*words, '--seeds', '5'])}")
    return 0


def resume_command(argv: Sequence[str] | None) -> str:
    """Return the command that continues the study."""
    given = sys.argv[1:] if argv is None else argv
    return command_line("search", ["--resume", *(word for word in given if word != "--resume")])


if __name__ == "__main__":
    run(main)
