"""Exercise of lesson 8: the linear learning-rate schedule with warm-up."""

from minitf.equations import schedule
from minitf.exercises.exercise import Case, Exercise, WrongAnswer


def _starts_above_zero(step: int, lr: float, total: int, warmup: int) -> float:
    return lr * (step + 1) / warmup if step < warmup else schedule.linear(step, lr, total, warmup)


def _falls_from_step_0(step: int, lr: float, total: int, warmup: int) -> float:
    return schedule.linear(step, lr, total, warmup) if step < warmup else schedule.linear(step, lr, total)


def _falls_while_it_rises(step: int, lr: float, total: int, warmup: int) -> float:
    return schedule.constant(step, lr, total, warmup) * schedule.linear(step, 1.0, total)


def _divides_by_total(step: int, lr: float, total: int, warmup: int) -> float:
    return schedule.constant(step, lr, total, warmup) * schedule.linear(max(0, step - warmup), 1.0, total)


def _no_warmup(step: int, lr: float, total: int, warmup: int) -> float:
    return schedule.linear(step, lr, total)


def _below_zero(step: int, lr: float, total: int, warmup: int) -> float:
    return lr * step / warmup if step < warmup else lr * (1.0 - (step - warmup) / max(1, total - warmup))


LINEAR_SCHEDULE = Exercise(
    "linear_schedule",
    schedule.linear,
    cases=(
        Case("the first step of ten, without a warm-up", (0, 1.0, 10, 0)),
        Case("step 5 of ten, without a warm-up", (5, 1.0, 10, 0)),
        Case("step 7 of ten, the first four a warm-up", (7, 1.0, 10, 4)),
        Case("step 1 of a warm-up of four", (1, 1.0, 10, 4)),
        Case("the first step of a warm-up", (0, 1.0, 10, 4)),
        Case("the first step after the warm-up", (4, 1.0, 10, 4)),
        Case("the last step", (9, 1.0, 10, 4)),
        Case("a common learning rate for BERT, 5e-5", (130, 5e-5, 250, 25)),
        Case("a step beyond the last one", (12, 1.0, 10, 4), kind="corner"),
        Case("a run that consists of warm-up only", (5, 1.0, 10, 10), kind="corner"),
    ),
    wrong=(
        WrongAnswer(
            "starts above zero", "the warm-up starts at η/warmup: step + 1 is used instead of step", _starts_above_zero
        ),
        WrongAnswer(
            "falls from step 0",
            "the decay is computed from step 0, warm-up included, so that it does not start at η (as in Google's code)",
            _falls_from_step_0,
        ),
        WrongAnswer(
            "falls while it rises",
            "warm-up and decay are multiplied from step 0: the learning rate never reaches η",
            _falls_while_it_rises,
        ),
        WrongAnswer(
            "divides by total",
            "the steps after the warm-up are divided by the number of all steps: the learning rate never reaches 0",
            _divides_by_total,
        ),
        WrongAnswer("no warm-up", "the warm-up is left out", _no_warmup),
        WrongAnswer("below zero", "the learning rate is negative after the last step", _below_zero),
    ),
    gradients=False,
    tolerance=1e-6,  # a tensor of one number is float32
)

EXERCISES: tuple[Exercise, ...] = (LINEAR_SCHEDULE,)
