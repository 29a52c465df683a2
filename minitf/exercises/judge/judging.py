"""Judge one function: values, huge numbers, corner cases, gradients, then a real BERT that uses it.

The verdict shows the first case that fails. To name the mistake, the judge calls every known wrong answer on the same
cases: the one that gives the learner's results in all of them is the mistake.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from minitf.exercises.exercise import Case, Exercise, Remark
from minitf.exercises.judge import in_bert
from minitf.exercises.judge.calls import CallResult, call_safely, do_nothing
from minitf.exercises.judge.comparison import Difference, compare_safely, simple_relation
from minitf.exercises.judge.submission import Submission, argument_names, collect_tensors, submit
from minitf.exercises.judge.verdict import FailingExample, Verdict

IN_BERT = 60.0  # the time limit of the test in a BERT, in seconds
KINDS = {"value": "values", "huge": "huge numbers", "corner": "edge cases"}


def judge(exercise: Exercise, function: Any, on_hang: Callable[[], None] = do_nothing) -> Verdict:
    """Judge `function` as an answer to `exercise`. No exception of the function reaches the caller."""
    if not callable(function):
        blank = function is Ellipsis or function is None
        what = "the blank is still there" if blank else f"it is of type {type(function).__name__}"
        return Verdict(
            exercise.name, problem=f"{what}: give the function itself, check.{exercise.name}({exercise.name})"
        )
    submission = submit(exercise, function, on_hang)
    cases = [case for case in exercise.cases if submission.accepts(case)]
    checks = _skipped_options(exercise, cases)
    for kind, title in KINDS.items():
        of_kind = [case for case in cases if case.kind == kind]
        example = _first(_failure, submission, of_kind)
        if example is not None:
            mistake, hint = _known_mistake(submission, cases, example)
            return Verdict(exercise.name, checks, example, mistake, hint, arguments=argument_names(exercise))
        if of_kind:
            checks[title] = f"{len(of_kind)} of {len(of_kind)} cases"
    if exercise.gradients and submission.numpy:
        checks["gradients"] = "not checked: NumPy has no gradients"
    elif exercise.gradients:
        with_gradient = [case for case in cases if case.kind == "value" or case.check_gradient]
        example = _first(_gradient_failure, submission, with_gradient)
        if example is not None:
            return Verdict(exercise.name, checks, example, arguments=argument_names(exercise))
        checks["gradients"] = f"{len(with_gradient)} of {len(with_gradient)} cases"
    return _judge_in_bert(submission, checks)


def _first(
    find: Callable[[Submission, Case], FailingExample | None], submission: Submission, cases: Sequence[Case]
) -> FailingExample | None:
    return next(filter(None, (find(submission, case) for case in cases)), None)


def _skipped_options(exercise: Exercise, cases: list[Case]) -> dict[str, str]:
    skipped = sorted({name for case in exercise.cases if case not in cases for name in case.options})
    if not skipped:
        return {}
    return {"not checked": f"{', '.join(skipped)}: your function does not take {'it' if len(skipped) == 1 else 'them'}"}


def _failure(submission: Submission, case: Case) -> FailingExample | None:
    target = Submission(submission.exercise, submission.exercise.target).call(case)
    assert not target.error, f"{submission.exercise.name}, {case.about}: {target.error}"
    given = submission.call(case)
    if given.error:
        blank = "ellipsis" in given.error
        message = "the blank is still there: write your code in the place of the `...`" if blank else given.error
        return FailingExample(case, message, target=target.value, failure=given.kind)
    found = compare_safely(given.value, target.value, submission.exercise.tolerance, submission.exercise.results)
    if found is None:
        return None
    return FailingExample(case, found.message, *_shown(found, given.value, target.value))


def _shown(found: Difference, value: Any, target: Any) -> tuple[Any, Any]:
    return (value, target) if found.target is None else (found.mine, found.target)


def _gradient_failure(submission: Submission, case: Case) -> FailingExample | None:
    target = Submission(submission.exercise, submission.exercise.target).gradients(case)
    given = submission.gradients(case)
    if given.error:
        return FailingExample(case, given.error, failure=given.kind)
    found = compare_safely(given.value, target.value, submission.exercise.tolerance)
    if found is None:
        return None
    message = f"the value is correct, but its gradient is not: {found.message}"
    return FailingExample(case, message, *_shown(found, given.value, target.value))


def _known_mistake(submission: Submission, cases: list[Case], example: FailingExample) -> tuple[str, str]:
    """Return the name and explanation of the known mistake that gives the learner's results; else a simple relation."""
    if example.failure == "endless":  # the other cases would not end either, and no known mistake is endless
        return "", ""
    results = {case.about: submission.call(case) for case in cases}
    # With two mistakes in a function no single one explains every case. Then try the cases of the failing kind only,
    # and then those of them without NaN.
    same_kind = [case for case in cases if case.kind == example.case.kind]
    finite = [case for case in same_kind if not _has_nan(results[case.about].value)]
    for subset in (cases, same_kind, finite if example.case in finite and len(finite) > 1 else cases):
        for wrong in submission.exercise.wrong:
            known = Submission(submission.exercise, wrong.function)
            if all(_same_result(results[case.about], known, case, submission.exercise) for case in subset):
                return wrong.name, f"this is what you get when {wrong.explanation}"
    return "", simple_relation(example.mine, example.target) if example.mine is not None else ""


def _has_nan(value: Any) -> bool:
    outputs: list[Tensor] = []
    try:
        collect_tensors(value, outputs)
        return any(bool(out.isnan().any()) for out in outputs)
    except Exception:  # the verdict says already what it is
        return False


def _same_result(given: CallResult, known: Submission, case: Case, exercise: Exercise) -> bool:
    if not known.accepts(case):  # the mistake does not concern this case: the result must be correct
        known = Submission(exercise, exercise.target)
    expected = known.call(case)
    if given.error or expected.error:
        return bool(given.error and expected.error) and given.kind == expected.kind
    if isinstance(given.value, Remark) or isinstance(expected.value, Remark):
        return type(given.value) is type(expected.value) and str(given.value) == str(expected.value)
    return compare_safely(given.value, expected.value, exercise.tolerance) is None


def _judge_in_bert(submission: Submission, checks: dict[str, str]) -> Verdict:
    name = submission.exercise.name
    if submission.exercise.in_bert is None:
        return Verdict(name, checks)
    compare = functools.partial(in_bert.compare, submission.exercise, submission.function, submission.numpy)
    result = call_safely(compare, (), {}, IN_BERT, submission.on_hang)
    problem = result.error or (str(result.value) if isinstance(result.value, Remark) else "")
    if problem:
        return Verdict(name, checks, problem=f"correct on its own, but not inside a whole BERT: {problem}")
    return Verdict(name, checks | result.value)
