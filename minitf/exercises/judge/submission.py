"""A learner's function submitted to the judge, and how the judge calls it."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from minitf.exercises.exercise import Case, Exercise, Function
from minitf.exercises.judge.calls import CallResult, call_safely, do_nothing
from minitf.exercises.judge.inspection import takes, uses_numpy
from minitf.exercises.judge.values import as_arrays


@dataclasses.dataclass(frozen=True)
class Submission:
    """A function submitted as an answer to an exercise, and how it is called."""

    exercise: Exercise
    function: Function
    numpy: bool = False  # call it with arrays
    on_hang: Callable[[], None] = do_nothing  # called if a call cannot be interrupted

    def call(self, case: Case) -> CallResult:
        """Call the function on a case."""
        inputs = as_arrays(case.inputs) if self.numpy else case.inputs
        options = as_arrays(dict(case.options)) if self.numpy else case.options
        return call_safely(
            functools.partial(self.exercise.observe, self.function), inputs, options, on_hang=self.on_hang
        )

    def gradients(self, case: Case) -> CallResult:
        """Compute the gradient of a weighted sum of the returned numbers for every floating-point input."""
        derivatives = functools.partial(
            _derivatives, self.exercise.observe, self.function, argument_names(self.exercise)
        )
        return call_safely(derivatives, case.inputs, case.options, on_hang=self.on_hang)

    def accepts(self, case: Case) -> bool:
        """Whether the function has the parameters that the case needs."""
        return takes(self.function, *case.options)


def submit(exercise: Exercise, function: Function, on_hang: Callable[[], None]) -> Submission:
    """Decide whether the function is called with arrays or tensors.

    A function that uses NumPy (for a square root, say) but needs tensors is called with tensors.
    """
    with_arrays = Submission(exercise, function, uses_numpy(function), on_hang)
    first = next((case for case in exercise.cases if with_arrays.accepts(case)), None)
    if not with_arrays.numpy or first is None:
        return with_arrays
    result = with_arrays.call(first)
    if not result.error or result.kind == "endless":
        return with_arrays
    with_tensors = dataclasses.replace(with_arrays, numpy=False)
    needs_tensors = "ndarray" in result.error or "axes don't match array" in result.error
    return with_tensors if needs_tensors or not with_tensors.call(first).error else with_arrays


def argument_names(exercise: Exercise) -> tuple[str, ...]:
    """Return the names of the inputs of a case."""
    return exercise.arguments or tuple(inspect.signature(exercise.target).parameters)


def _derivatives(
    observe: Callable[..., Any], function: Function, names: tuple[str, ...], *inputs: Any, **options: Any
) -> dict[str, Tensor]:
    """Return the gradients by the name of the input."""
    leaves = dict(_leaves(zip(names, inputs, strict=False)))
    for leaf in leaves.values():
        leaf.requires_grad_()
    outputs: list[Tensor] = []
    collect_tensors(observe(function, *inputs, **options), outputs)
    # Flattened: a list of numbers gets the same weights as a tensor.
    flat = torch.cat([torch.zeros(0, dtype=torch.float64), *(out.flatten() for out in outputs)])
    total = (flat * torch.randn(flat.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True) if total.requires_grad else ()
    if all(g is None for g in gradients):
        raise ValueError("no gradient reaches the inputs: detach(), .data, .item() or NumPy stops the backward pass")
    return {
        name: torch.zeros_like(x) if g is None else g for (name, x), g in zip(leaves.items(), gradients, strict=True)
    }


def _leaves(values: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Tensor]]:
    for name, value in values:
        if isinstance(value, Tensor) and value.is_floating_point():
            yield name, value
        elif isinstance(value, tuple | list):
            yield from _leaves((f"{name}[{i}]", each) for i, each in enumerate(value))


def collect_tensors(value: Any, into: list[Tensor]) -> None:
    """Append the floating-point tensors of a returned value to `into`."""
    if isinstance(value, Tensor) and value.is_floating_point() and not value.is_meta:
        into.append(value)
    elif isinstance(value, tuple | list):
        for each in value:
            collect_tensors(each, into)
