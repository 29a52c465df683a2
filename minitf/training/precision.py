"""Mixed precision: matrix products in float32, bfloat16 or float16 (Micikevicius et al. 2018).

The weights, the optimizer's moments and the losses stay in float32. A GPU computes in 16 bits several times as fast.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from minitf.errors import DivergedError, InputError

SMALLEST = 2.0**-14  # smallest loss scale; with a smaller one, float16 cannot represent small gradients


class Precision:
    """The precision of the model itself, usually float32: does nothing."""

    def autocast(self) -> AbstractContextManager[object]:
        """Return a context in which matrix products are computed in this precision."""
        return nullcontext()

    def scaled(self, loss: Tensor) -> Tensor:
        """Return the loss, multiplied by the loss scale."""
        return loss

    def unscale(self, gradients: Iterable[Tensor]) -> bool:
        """Divide the gradients by the loss scale, in place; return False if one overflowed: then skip the step.

        Raises DivergedError if no smaller scale would help.
        """
        return True


class Half(Precision):
    """bfloat16, or float16 with loss scaling: float16 ranges from 6e-8 to 65504, and small gradients would become 0.

    So the loss is multiplied by a loss scale and the gradients are divided by it. The scale is halved when a gradient
    overflows (that step is skipped), and doubled after `patience` steps without overflow (paper, §3.2).
    """

    def __init__(self, dtype: torch.dtype, device: torch.device, scale: float = 2.0**16, patience: int = 2000):
        self.dtype, self.device, self.patience = dtype, device, patience
        self.scale = scale if dtype is torch.float16 else 1.0
        self.good = 0  # steps since the last change

    def autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, self.dtype)

    def scaled(self, loss: Tensor) -> Tensor:
        return loss * self.scale

    @torch.no_grad()
    def unscale(self, gradients: Iterable[Tensor]) -> bool:
        if self.dtype is not torch.float16:
            return True
        finite = True
        for g in gradients:
            g /= self.scale
            finite = finite and bool(g.isfinite().all())
        self.good = self.good + 1 if finite else 0
        if not finite:
            if self.scale <= SMALLEST:
                raise DivergedError("the gradients overflow at every loss scale: lower `lr`, or use bf16 or fp32")
            self.scale /= 2.0
        elif self.good == self.patience:
            self.scale, self.good = self.scale * 2.0, 0
        return finite


FULL = Precision()


def choose_precision(name: str, device: torch.device) -> Precision:
    """Return the precision called fp32, bf16 or fp16 on `device`. Raises InputError for fp16 without a GPU."""
    make: dict[str, Callable[[], Precision]] = {
        "fp32": Precision,
        "bf16": lambda: Half(torch.bfloat16, device),
        "fp16": lambda: Half(torch.float16, device),
    }
    if name == "fp16" and device.type != "cuda":
        raise InputError("`precision` fp16 needs a GPU; on the CPU use fp32, or bf16")
    return make[name]()
