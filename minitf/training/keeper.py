"""When a run is saved: after every epoch, after every so many steps, and when it is asked to stop."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

from minitf.training.loop import Progress
from minitf.training.workers import ALONE, Workers

ECHO = 0.5  # seconds in which a second Ctrl-C is the first, handed on by torchrun


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
        self.asked: float | None = None  # when
        self.steps = 0

    def __call__(self, progress: Progress) -> None:
        ended = not progress.losses  # an epoch, that is
        self.steps += not ended
        asked = float(self.asked is not None)
        stop = self.workers.total(asked) > 0.0  # all together, or some would wait for the others
        if stop or ended or (self.every is not None and self.steps % self.every == 0):
            self.save(progress)
        if stop:
            raise Interrupted

    def __enter__(self) -> "Keeper":
        self._before = signal.getsignal(signal.SIGINT)
        # Who began the run in the background of a script has asked for it not to hear Ctrl-C.
        self._listens = threading.current_thread() is threading.main_thread() and self._before is not signal.SIG_IGN
        if self._listens:
            signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._listens:
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.asked is None:
            self.asked = time.monotonic()
            self.say("stopping after this step; once more stops at once")
        elif time.monotonic() - self.asked > ECHO:
            raise KeyboardInterrupt
