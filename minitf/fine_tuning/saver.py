"""Save and restore a run: the state in last/, the model of the best epoch in best/. A kill at any time is safe."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from minitf.checkpoints.save import WRITTEN, write_files
from minitf.files import replacing_folder
from minitf.fine_tuning.digests import digest_model
from minitf.fine_tuning.record import RunRecord, check_best, check_start
from minitf.fine_tuning.report import metadata
from minitf.fine_tuning.setup import TrainingSetup
from minitf.fine_tuning.terminal import Say
from minitf.training import state
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.loop import Progress, Runtime
from minitf.training.optimizer import Optimizer


def check_resumable(folder: Path, setup: TrainingSetup, say: Say) -> None:
    """Raise InputError if the run in `folder` cannot be resumed; print a warning for another environment."""
    record = RunRecord.read(folder / "last")
    check_start(record, setup, say)
    check_best(folder / "best", record, state.read_progress(folder / "last").at_best)


class Saver:
    """Saves the state of the run in `folder`/last, and the model of the best epoch in `folder`/best."""

    def __init__(
        self, setup: TrainingSetup, folder: Path, optimizer: Optimizer, vocabulary: CompactVocabulary, runtime: Runtime
    ):
        self.setup, self.folder, self.optimizer = setup, folder, optimizer
        self.vocabulary, self.runtime = vocabulary, runtime
        self.best: dict[str, str] = {}  # digests of the files in best/
        self.previous_best: dict[str, str] = {}

    def save(self, progress: Progress, mark: dict[str, Any], best: bool = False) -> None:
        """Save the state, and with `best` the model; `mark` is that of the journal.

        Called by all processes; the first one writes. The state has the digests of the files in best/. So the new files
        are completed before the state is saved, and replace the old files after that.
        """
        workers = self.runtime.workers
        with self._new_best() if best and workers.first else nullcontext():
            record = RunRecord.of(self.setup, mark, self.best, self.previous_best)
            extra, precision = dataclasses.asdict(record), self.runtime.precision
            state.save_state(self.folder / "last", self.optimizer, progress, extra, precision, workers)

    def restore(self, say: Say) -> tuple[Progress, RunRecord]:
        """Restore the saved state and, if the process was killed before it replaced best/, the model of the best epoch.

        Raises InputError if the model in best/ or an input of the run has changed.
        """
        last = self.folder / "last"
        record = RunRecord.read(last)
        check_start(record, self.setup, say)
        progress = state.restore_state(last, self.optimizer, self.runtime.precision, self.runtime.workers)
        self.best, self.previous_best = record.best, record.previous_best
        if self.runtime.workers.first and not check_best(self.folder / "best", record, progress.at_best):
            say(f"the model in {self.folder / 'best'} is saved again")
            with self._new_best():
                pass
            self.previous_best = record.previous_best
        return progress, record

    @contextmanager
    def _new_best(self) -> Iterator[None]:
        """Write the model beside best/, which it replaces after the block."""
        self.previous_best = self.best
        with replacing_folder(self.folder / "best", ours=WRITTEN) as partial:
            with self.vocabulary.restored(self.optimizer):
                write_files(partial, self.setup.model, self.setup.tokenizer, metadata(self.setup))
            self.best = digest_model(partial)
            yield
