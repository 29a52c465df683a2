"""A loss that is no number any more: which tensor was the first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def first_culprit(model: nn.Module, again: Callable[[], Any]) -> str:
    """The first tensor, in the order of computation, that is not finite; `again` does the forward pass once more.

    A weight that is spoiled already comes first, for then the step before is to blame.
    """
    for name, p in model.named_parameters():
        if not bool(p.detach().isfinite().all()):
            return f"the weight {name} {_what(p)}, since an earlier step"
    found: list[str] = []
    with torch.no_grad(), _watched(model, found):
        again()
    return found[0] if found else "the loss itself"


@contextmanager
def _watched(model: nn.Module, found: list[str]) -> Iterator[None]:
    """Inside the block `found` collects what the model's parts give that is not finite, innermost and first first."""

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, out: Any) -> None:
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, Tensor) and not bool(tensor.isfinite().all()):
                    found.append(f"what {name} gives {_what(tensor)}")

        return hook

    handles = [module.register_forward_hook(look(name)) for name, module in model.named_modules() if name]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _what(tensor: Tensor) -> str:
    bad = tensor.detach()
    return "holds NaN" if bool(bad.isnan().any()) else "holds infinity"
