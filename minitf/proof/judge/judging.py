"""One function judged: values, what is easily forgotten, stability, gradients, then a real BERT with it inside.

The first case that fails is shown. Then every known mistake is put to the same cases: the one whose answers are the
learner's in all of them is what was made.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from minitf.proof.exercises.exercise import Case, Exercise, Function, Remark
from minitf.proof.judge import in_bert
from minitf.proof.judge.calling import Answer, answer, nothing
from minitf.proof.judge.comparing import Difference, compared, looks_like
from minitf.proof.judge.reading import takes, uses_numpy
from minitf.proof.judge.values import as_arrays
from minitf.proof.judge.verdict import Example, Verdict

IN_BERT = 60.0  # seconds for the whole BERT
KINDS = {"value": "values", "huge": "huge numbers", "corner": "corners"}


@dataclasses.dataclass(frozen=True)
class Judged:
    """A function under judgement: how it is called."""

    exercise: Exercise
    function: Function
    numpy: bool = False
    on_deaf: Callable[[], None] = nothing  # what to do if a call goes on although it was told to stop

    def asked(self, case: Case) -> Answer:
        inputs = as_arrays(case.inputs) if self.numpy else case.inputs
        options = as_arrays(dict(case.options)) if self.numpy else case.options
        return answer(functools.partial(self.exercise.observe, self.function), inputs, options, on_deaf=self.on_deaf)

    def slope(self, case: Case) -> Answer:
        """The derivatives of every number of the value, each with a weight of its own, in every floating input."""
        derivatives = functools.partial(_derivatives, self.exercise.observe, self.function, _arguments(self.exercise))
        return answer(derivatives, case.inputs, case.options, on_deaf=self.on_deaf)

    def takes(self, case: Case) -> bool:
        return takes(self.function, *case.options)


def judge(exercise: Exercise, function: Any, on_deaf: Callable[[], None] = nothing) -> Verdict:
    """The verdict on `function` as an answer to `exercise`; raises nothing, whatever the function does."""
    if not callable(function):
        blank = function is Ellipsis or function is None
        what = "the blank is still there" if blank else f"it is of type {type(function).__name__}"
        return Verdict(
            exercise.name, problem=f"{what}: give the function itself, check.{exercise.name}({exercise.name})"
        )
    mine = _called_rightly(Judged(exercise, function, uses_numpy(function), on_deaf))
    asked = [case for case in exercise.cases if mine.takes(case)]
    done = _left_out(exercise, asked)
    for kind, title in KINDS.items():
        cases = [case for case in asked if case.kind == kind]
        for case in cases:
            example = _wrong_for(mine, case)
            if example is not None:
                return Verdict(
                    exercise.name, done, example, *_named(mine, asked, example), arguments=_arguments(exercise)
                )
        if cases:
            done[title] = f"{len(cases)} of {len(cases)} cases"
    if exercise.gradients:
        cases = [case for case in asked if case.kind == "value" or case.slope]
        if mine.numpy:
            done["gradients"] = "not judged: NumPy has none"
        else:
            for case in cases:
                example = _wrong_slope_for(mine, case)
                if example is not None:
                    return Verdict(exercise.name, done, example, arguments=_arguments(exercise))
            done["gradients"] = f"{len(cases)} of {len(cases)} cases"
    return _put_into_bert(mine, done)


def _called_rightly(mine: Judged) -> Judged:
    """With tensors, where it names NumPy (for a root, say) yet works with what only tensors have."""
    first = next((case for case in mine.exercise.cases if mine.takes(case)), None)
    if not mine.numpy or first is None:
        return mine
    by_array = mine.asked(first)
    if not by_array.error or by_array.kind == "endless":
        return mine
    tensors = dataclasses.replace(mine, numpy=False)
    of_tensors = "ndarray" in by_array.error or "axes don't match array" in by_array.error
    return tensors if of_tensors or not tensors.asked(first).error else mine


def _arguments(exercise: Exercise) -> tuple[str, ...]:
    return exercise.arguments or tuple(inspect.signature(exercise.target).parameters)


def _left_out(exercise: Exercise, asked: list[Case]) -> dict[str, str]:
    left = sorted({name for case in exercise.cases if case not in asked for name in case.options})
    return (
        {"not judged": f"{', '.join(left)}: your function does not take {'it' if len(left) == 1 else 'them'}"}
        if left
        else {}
    )


def _wrong_for(mine: Judged, case: Case) -> Example | None:
    target = Judged(mine.exercise, mine.exercise.target).asked(case)
    assert not target.error, f"{mine.exercise.name}, {case.about}: {target.error}"
    given = mine.asked(case)
    if given.error:
        blank = "ellipsis" in given.error
        says = "the blank is still there: write your code in the place of the `...`" if blank else given.error
        return Example(case, says, target=target.value, failure=given.kind)
    found = compared(given.value, target.value, mine.exercise.tolerance, mine.exercise.results)
    if found is None:
        return None
    return Example(case, found.says, *_shown(found, given.value, target.value))


def _shown(found: Difference, value: Any, target: Any) -> tuple[Any, Any]:
    return (value, target) if found.target is None else (found.mine, found.target)


def _wrong_slope_for(mine: Judged, case: Case) -> Example | None:
    target = Judged(mine.exercise, mine.exercise.target).slope(case)
    given = mine.slope(case)
    if given.error:
        return Example(case, given.error, failure=given.kind)
    found = compared(given.value, target.value, mine.exercise.tolerance)
    if found is None:
        return None
    says = f"the value is right, its gradient is not: {found.says}"
    return Example(case, says, *_shown(found, given.value, target.value))


def _derivatives(
    observe: Callable[..., Any], function: Function, names: tuple[str, ...], *inputs: Any, **options: Any
) -> dict[str, Tensor]:
    """By the name of the input."""
    leaves = dict(_leaves(zip(names, inputs, strict=False)))
    for leaf in leaves.values():
        leaf.requires_grad_()
    outputs: list[Tensor] = []
    _collect(observe(function, *inputs, **options), outputs)
    # All in a row: so a list of numbers has the weights of a tensor.
    flat = torch.cat([torch.zeros(0, dtype=torch.float64), *(out.flatten() for out in outputs)])
    total = (flat * torch.randn(flat.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).sum()
    slopes = torch.autograd.grad(total, list(leaves.values()), allow_unused=True) if total.requires_grad else ()
    if all(g is None for g in slopes):
        raise ValueError("no gradient reaches the inputs: a detach(), .data, .item() or NumPy cuts it off")
    return {name: torch.zeros_like(x) if g is None else g for (name, x), g in zip(leaves.items(), slopes, strict=True)}


def _leaves(values: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Tensor]]:
    for name, value in values:
        if isinstance(value, Tensor) and value.is_floating_point():
            yield name, value
        elif isinstance(value, tuple | list):
            yield from _leaves((f"{name}[{i}]", each) for i, each in enumerate(value))


def _collect(value: Any, into: list[Tensor]) -> None:
    if isinstance(value, Tensor) and value.is_floating_point() and not value.is_meta:
        into.append(value)
    elif isinstance(value, tuple | list):
        for each in value:
            _collect(each, into)


def _named(mine: Judged, asked: list[Case], example: Example) -> tuple[str, str]:
    """The known mistake whose answers are the learner's in every case; else what simple thing the numbers show."""
    if example.failure == "endless":  # so would be the others, and no known mistake is
        return "", ""
    answers = {case.about: mine.asked(case) for case in asked}
    # With a second mistake in it no single one explains every case: then that of the plain cases is told, and then that
    # of those without NaN.
    alike = [case for case in asked if case.kind == example.case.kind]
    finite = [case for case in alike if not _has_nan(answers[case.about].value)]
    for cases in (asked, alike, finite if example.case in finite and len(finite) > 1 else asked):
        for wrong in mine.exercise.wrong:
            known = Judged(mine.exercise, wrong.function)
            if all(_alike(answers[case.about], known, case, mine.exercise) for case in cases):
                return wrong.name, f"this is what you get when {wrong.tells}"
    return "", looks_like(example.mine, example.target) if example.mine is not None else ""


def _has_nan(value: Any) -> bool:
    outputs: list[Tensor] = []
    try:
        _collect(value, outputs)
        return any(bool(out.isnan().any()) for out in outputs)
    except Exception:  # what it is has been told already
        return False


def _alike(given: Answer, known: Judged, case: Case, exercise: Exercise) -> bool:
    if not known.takes(case):  # it is no mistake in what this case asks: there it must be right
        known = Judged(exercise, exercise.target)
    theirs = known.asked(case)
    if given.error or theirs.error:
        return bool(given.error and theirs.error) and given.kind == theirs.kind
    if isinstance(given.value, Remark) or isinstance(theirs.value, Remark):
        return type(given.value) is type(theirs.value) and str(given.value) == str(theirs.value)
    return compared(given.value, theirs.value, exercise.tolerance) is None


def _put_into_bert(mine: Judged, done: dict[str, str]) -> Verdict:
    name = mine.exercise.name
    if mine.exercise.in_bert is None:
        return Verdict(name, done)
    compare = functools.partial(in_bert.compare, mine.exercise, mine.function, mine.numpy)
    trial = answer(compare, (), {}, IN_BERT, mine.on_deaf)
    problem = trial.error or (str(trial.value) if isinstance(trial.value, Remark) else "")
    if problem:
        return Verdict(name, done, problem=f"right by itself, but in a whole BERT: {problem}")
    return Verdict(name, done | trial.value)
