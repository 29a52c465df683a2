"""When a run is saved: after every epoch, after every so many steps, and when it is asked to stop."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

from minitf.training.loop import Progress
from minitf.training.workers import ALONE, Workers


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop, and has saved its state."""


class Keeper:
    """Called by the loop after every step and epoch. Inside its `with` block the first Ctrl-C waits for the step under
    way and saves; a second one does not wait.

    `save` is called with the progress; `say` when Ctrl-C is heard. Raises Interrupted once it has saved.
    """

    def __init__(
        self,
        save: Callable[[Progress], None],
        every: int | None = None,
        workers: Workers = ALONE,
        say: Callable[[str], None] = lambda line: None,
    ):
        self.save, self.every, self.workers, self.say = save, every, workers, say
        self.asked = False
        self.steps = 0

    def __call__(self, progress: Progress) -> None:
        ended = not progress.losses  # an epoch, that is
        self.steps += not ended
        stop = self.workers.total(float(self.asked)) > 0.0  # all together, or some would wait for the others
        if stop or ended or (self.every is not None and self.steps % self.every == 0):
            self.save(progress)
        if stop:
            raise Interrupted

    def __enter__(self) -> "Keeper":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.say("stopping after this step; once more stops at once")
