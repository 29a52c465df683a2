"""Adapt a learner's function to the calls that a model makes."""

import functools
import inspect
from typing import Any

import torch
from torch import Tensor

from minitf.equations.attention import scaled_dot_product_attention
from minitf.exercises.exercise import Function
from minitf.exercises.judge.isolation import restored_settings
from minitf.exercises.judge.values import as_arrays


def with_signature_of(target: Function, function: Function) -> Function:
    """Give `function` the signature of `target`, and pass only the optional arguments that it takes."""
    signature = inspect.signature(target)
    required = [p.name for p in signature.parameters.values() if p.default is p.empty]
    try:
        own = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a built-in
        own = signature.parameters
    if any(p.kind is p.VAR_KEYWORD for p in own.values()):
        return restored_settings()(function)
    by_position = [p for p in own.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]

    def call(*args: Any, **options: Any) -> Any:
        given = signature.bind(*args, **options).arguments
        positional = [given.pop(name) for name in required]
        # An argument that is optional here but required by the learner (a mask, a bias) is passed by position.
        rest = {name: value for name, value in given.items() if name in own}
        missing = [p for p in by_position[len(positional) :] if p.default is p.empty and p.name not in rest]
        spare = [value for name, value in given.items() if name not in own]
        for p, value in zip(missing, spare, strict=False):
            rest[p.name] = value
        with restored_settings():
            result = function(*positional, **rest)
        if isinstance(result, Tensor) and target is scaled_dot_product_attention:
            return result, None  # A was not returned
        return result

    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def accepting_tensors(function: Function) -> Function:
    """Let a function of arrays take and return tensors. Arrays share the tensors' memory, for functions in place."""

    def to_tensors(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)(to_tensors(each) for each in value)
        return value if value is None or isinstance(value, Tensor) else torch.as_tensor(value)

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        # The state of an update rule is not converted: it stays the same dict in all steps.
        arrays = [each if isinstance(each, dict) else as_arrays(each) for each in args]
        return to_tensors(function(*arrays, **as_arrays(options)))

    return call
