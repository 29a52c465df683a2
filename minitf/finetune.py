"""Fine-tune a pre-trained BERT on a table of labelled texts: `python -m minitf.finetune --help`.

Without arguments: the default model on the built-in corpus, a few minutes on two CPU cores. Ctrl-C saves; --resume
with the same --output goes on to the same weights. Several processes: torchrun --nproc-per-node N -m minitf.finetune.
"""

import argparse
import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf import experiment, flags, kinds, preparing, resuming, runs
from minitf.cli.console import run
from minitf.errors import InputError

if TYPE_CHECKING:
    from minitf.training.workers import Workers


def main(argv: Sequence[str] | None = None) -> int:
    arguments = flags.parse(__doc__ or "", argv)
    if arguments.resume:
        arguments = resuming.resumed(arguments, __doc__ or "", argv)
    flags.check(arguments)
    with several_processes(arguments) as workers:
        kind = kinds.choose(arguments)
        splits = runs.read_data(arguments, kind)
        folder = runs.output_folder(arguments, splits["train"])
        if arguments.dry_run:
            preparing.prepare(arguments, kind, splits, workers)
            print("dry run: everything is in order, nothing was trained")
            return 0
        command = arguments.command = getattr(arguments, "command", "") or runs.command_line("finetune", argv)
        try:
            if arguments.seeds > 1:
                experiment.run_seeds(arguments, kind, splits, folder, workers, command)
            else:
                experiment.run(arguments, kind, splits, folder, workers, command)
                print(f"use it:  {runs.command_to_use(folder / 'best', splits['train'])}")
        except KeyboardInterrupt:
            if workers.first:
                print(f"\n{interrupted(folder)}", file=sys.stderr)
            return 130
    return 0


def interrupted(folder: Path) -> str:
    """What is kept, and how to go on."""
    if not runs.is_saved(folder):
        return "interrupted before anything was saved"
    command = shlex.join([runs.interpreter(), "-m", "minitf.finetune", "--resume", "--output", str(folder)])
    best = f"; the best epoch so far is in {folder / 'best'}" if (folder / "best").exists() else ""
    return f"interrupted{best}\ngo on with:  {command}"


@contextlib.contextmanager
def several_processes(arguments: argparse.Namespace) -> "Iterator[Workers]":
    """The processes that torchrun started, of which one speaks; without torchrun, this one alone."""
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        from minitf.training.workers import ALONE

        yield ALONE
        return
    from minitf.bert.device import choose_device
    from minitf.training.workers import Distributed, local_device

    if arguments.output is None:
        raise InputError("several processes need one --output DIR")
    workers = Distributed(local_device(choose_device(arguments.device)))
    with contextlib.ExitStack() as stack:
        if not workers.first:
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        yield workers
        workers.close()


if __name__ == "__main__":
    run(main)
