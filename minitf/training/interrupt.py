"""Signals that ask a process to end: Ctrl-C (SIGINT), a container stop or preemption (SIGTERM), a closed terminal.

During training the first one stops training after the current step, a second one immediately. A signal that is ignored
when the process starts stays ignored: SIGINT in the background of a script, SIGHUP under nohup.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import TypeVar

from minitf.errors import Terminated

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
ECHO = 0.5  # seconds; a second signal within them is the first one, forwarded by torchrun or a shell
Handler = Callable[[int, FrameType | None], None]
T = TypeVar("T")


@contextlib.contextmanager
def handlers(handler: Handler) -> Iterator[None]:
    """Call `handler` for `SIGNALS` inside the block. In other threads than the main thread, do nothing."""
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                previous = signal.getsignal(number)
                if previous not in (signal.SIG_IGN, None):
                    before[number] = previous
                    signal.signal(number, handler)
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


class Termination:
    """A signal handler that raises Terminated; `number` is the first signal."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._time = 0.0  # of the last signal that was not an echo

    def __call__(self, number: int, frame: FrameType | None = None) -> None:
        if self.first(number) or time.monotonic() - self._time > ECHO:
            self._time = time.monotonic()
            raise Terminated(number)

    def first(self, number: int) -> bool:
        """Record a signal; return whether it is the first one."""
        if self.number is not None:
            return False
        self.number, self._time = number, time.monotonic()
        return True


class Interrupt(Termination):
    """Inside its `with` block the first signal sets `requested`, which the training loop checks after each step.

    `say` is called with one line when that happens.
    """

    def __init__(self, say: Callable[[str], None] = lambda line: None):
        super().__init__()
        self.say = say
        self.error: OSError | None = None  # of a function that is `guarded`

    @property
    def requested(self) -> bool:
        return self.number is not None or self.error is not None

    def guarded(self, function: Callable[[T], None]) -> Callable[[T], None]:
        """Wrap a function that prints: if its output cannot be written, stop training as a signal does."""

        def wrapped(value: T) -> None:
            try:
                function(value)
            except OSError as error:
                self.error = self.error or error

        return wrapped

    def __enter__(self) -> "Interrupt":
        self._handlers = handlers(self)
        self._handlers.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handlers.__exit__(None, None, None)

    def __call__(self, number: int, frame: FrameType | None = None) -> None:
        if not self.first(number):
            super().__call__(number)
            return
        with contextlib.suppress(OSError, RuntimeError):  # the terminal is closed, or in use by the interrupted code
            if number == signal.SIGINT:
                self.say("stopping after this step; press Ctrl-C again to stop at once")
            else:
                self.say(f"{signal.Signals(number).name}: stopping after this step")
