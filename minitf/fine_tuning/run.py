"""Fine-tune from settings: `minitf.fine_tune`, and what the command `finetune` does.

Settings, data and folder are checked before torch is loaded.
"""

from typing import TYPE_CHECKING, Any

from minitf.errors import InputError, Interrupted, signal_number
from minitf.fine_tuning.built_in_recipe import with_recipe
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.data import decide, read_data
from minitf.fine_tuning.folder import choose_folder
from minitf.fine_tuning.resume import resumed
from minitf.fine_tuning.terminal import Say, print_line, silent
from minitf.training.processes import processes

if TYPE_CHECKING:
    from minitf.fine_tuning.result import Run


def fine_tune(*, say: Say = print_line, command: str = "", **settings: Any) -> "Run | None":
    """Fine-tune a model; the settings are those of `FineTuneConfig`, by name.

        run = minitf.fine_tune(train="reviews.csv", epochs=3, lr=5e-5, output="runs/a")

    `train`, `valid` and `test` are files, or lists of records such as {"text": "…", "label": "…"}; `train` can be
    the name of built-in data. `say` is called with each line that the command prints; `command` is saved in the report.
    Returns the result; None with `dry_run`, and in all but the first of several processes. Raises InputError (DataError
    for the tables, DivergedError if training diverges), and Interrupted after Ctrl-C or SIGTERM, after the state is
    saved.
    """
    rank, count = processes()
    say = say if rank == 0 else silent
    if settings.get("resume"):
        config, first_command = resumed(settings, say)
        command = first_command or command
    else:
        config = FineTuneConfig.of(**with_recipe(settings))
    if count > 1 and config.output.output is None:
        raise InputError("several processes need one `output`")
    decisions = decide(config, say)
    splits = read_data(config, decisions.spec, say)
    folder = choose_folder(config, splits["train"])

    from minitf.fine_tuning.saver import check_resumable
    from minitf.fine_tuning.seeds import run_seeds
    from minitf.fine_tuning.setup import prepare
    from minitf.fine_tuning.single import run_in
    from minitf.training.workers import launched

    try:
        with launched(config.recipe.device) as workers:
            if config.output.dry_run:
                setup = prepare(config, decisions, splits, workers, say)
                if config.output.resume:
                    check_resumable(folder, setup, say)
                say("dry run: everything is in order, nothing was trained")
                return None
            run = run_seeds if config.recipe.seeds > 1 else run_in
            return run(folder, config, decisions, splits, workers, say, command)
    except KeyboardInterrupt as error:
        step = error.step if isinstance(error, Interrupted) else ""
        if isinstance(error, Interrupted) and error.folder != folder:  # one of several seeds
            step += f" of {error.folder.name}"
        raise Interrupted(folder, signal_number(error), step) from None
