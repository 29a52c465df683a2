"""A loss that is no number any more: which tensor was the first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


def first_nonfinite(model: nn.Module, again: Callable[[], Any]) -> str:
    """The first tensor, in the order of computation, that is not finite; `again` does the forward pass once more.

    A weight that is spoiled already comes first, for then the step before is to blame.
    """
    parts = _parts(model)
    weights = {f"{part}.{name}": p for part, module in parts for name, p in module.named_parameters(recurse=False)}
    for name, p in (weights | dict(model.named_parameters(recurse=False))).items():
        if not bool(p.detach().isfinite().all()):
            return f"the weight {name} {_what(p)}, since an earlier step"
    found: list[str] = []
    with torch.no_grad(), _watched(parts, found):
        again()
    return found[0] if found else "the loss itself"


def _parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The parts of the model by name, those in a frozen stem (`bert.frozen`) too, which are not registered."""
    registered = [(name, module) for name, module in model.named_modules() if name]
    hidden = [part for _, module in registered if isinstance(module, Stem) for part in module.parts()]
    return [found for name, part in hidden for found in part.named_modules(prefix=name)] + registered


@runtime_checkable
class Stem(Protocol):
    """A module with parts that are none of its modules."""

    def parts(self) -> Iterator[tuple[str, nn.Module]]: ...


@contextmanager
def _watched(parts: list[tuple[str, nn.Module]], found: list[str]) -> Iterator[None]:
    """Inside the block `found` collects what the parts give that is not finite, innermost and first first."""

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, out: Any) -> None:
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, Tensor) and not bool(tensor.isfinite().all()):
                    found.append(f"what {name} gives {_what(tensor)}")

        return hook

    handles = [module.register_forward_hook(look(name)) for name, module in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _what(tensor: Tensor) -> str:
    bad = tensor.detach()
    return "holds NaN" if bool(bad.isnan().any()) else "holds infinity"
