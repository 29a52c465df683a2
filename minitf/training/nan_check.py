"""Find the first NaN or infinite tensor when the loss is not finite."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


def first_nonfinite(model: nn.Module, again: Callable[[], Any]) -> str:
    """Name the first tensor, in order of computation, that is not finite; `again` repeats the forward pass.

    Weights are checked first: a weight that is not finite became so in an earlier step.
    """
    parts = _parts(model)
    weights = {f"{part}.{name}": p for part, module in parts for name, p in module.named_parameters(recurse=False)}
    for name, p in (weights | dict(model.named_parameters(recurse=False))).items():
        if not bool(p.detach().isfinite().all()):
            return f"the weight {name} has {_what(p)} since an earlier step"
    found: list[str] = []
    with torch.no_grad(), _watched(parts, found):
        again()
    return found[0] if found else "all outputs and weights are finite"


def _parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules of the model by name, with those in a frozen stem (`bert.frozen`), which are not registered."""
    registered = [(name, module) for name, module in model.named_modules() if name]
    hidden = [part for _, module in registered if isinstance(module, Stem) for part in module.parts()]
    return [found for name, part in hidden for found in part.named_modules(prefix=name)] + registered


@runtime_checkable
class Stem(Protocol):
    """A module with parts that are not registered as its submodules."""

    def parts(self) -> Iterator[tuple[str, nn.Module]]: ...


@contextmanager
def _watched(parts: list[tuple[str, nn.Module]], found: list[str]) -> Iterator[None]:
    """Inside the block `found` collects the non-finite outputs in order of computation, inner modules first."""

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, out: Any) -> None:
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, Tensor) and not bool(tensor.isfinite().all()):
                    found.append(f"the first tensor with {_what(tensor)} is the output of {name}")

        return hook

    handles = [module.register_forward_hook(look(name)) for name, module in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _what(tensor: Tensor) -> str:
    return "NaN" if bool(tensor.detach().isnan().any()) else "infinity"
