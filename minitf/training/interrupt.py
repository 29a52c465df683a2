"""Ctrl-C during training: the first one stops training after the current step, a second one immediately."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

ECHO = 0.5  # seconds; a second Ctrl-C within them is the first one, forwarded by torchrun


class Interrupt:
    """Inside its `with` block the first Ctrl-C sets `requested`, which the training loop checks after each step.

    `say` is called with one line when that happens.
    """

    def __init__(self, say: Callable[[str], None] = lambda line: None):
        self.say = say
        self._time: float | None = None  # of the first Ctrl-C

    @property
    def requested(self) -> bool:
        return self._time is not None

    def __enter__(self) -> "Interrupt":
        self._before = signal.getsignal(signal.SIGINT)
        # A run in the background of a script ignores Ctrl-C, and must continue to do so.
        self._handles = threading.current_thread() is threading.main_thread() and self._before is not signal.SIG_IGN
        if self._handles:
            signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._handles:
            signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._time is None:
            self._time = time.monotonic()
            self.say("stopping after this step; press Ctrl-C again to stop at once")
        elif time.monotonic() - self._time > ECHO:
            raise KeyboardInterrupt
