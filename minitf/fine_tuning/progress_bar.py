"""The progress of a run: the bar of its steps, an estimate of its time, and lines above the bar."""

from minitf.fine_tuning.terminal import Say
from minitf.tasks.progress import ProgressBar, roughly
from minitf.training.loop import Step

ENOUGH = 5.0  # seconds of steps, for an estimate
SHORT = 30.0  # seconds; a shorter run prints no estimate


class TrainingBar(ProgressBar):
    """The progress of a run of `steps`, of which `done` were done before it was resumed."""

    def __init__(self, steps: int, done: int, shown: bool):
        super().__init__(steps, "step", done=done, shown=shown)
        self._to_estimate = steps - done

    def step(self, step: Step, say: Say) -> None:
        """Show a step; print the expected time of the run once."""
        self.update(note=f"epoch {step.epoch}, loss {step.loss:.3f}")
        if self._to_estimate and self.measured() >= ENOUGH and (time := self.expected(self._to_estimate)):
            if time >= SHORT:
                self.say_above(say, f"training takes about {roughly(time)} for {self._to_estimate} steps")
            self._to_estimate = 0

    def say_above(self, say: Say, line: str) -> None:
        """Print a line above the bar."""
        with self.paused():
            say(line)
