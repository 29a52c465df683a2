"""In how many bits the products are computed: all of them, or half, which a GPU does several times as fast.

The weights, the optimizer's averages and the losses stay in float32 ("mixed precision", Micikevicius et al. 2018).
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from minitf.errors import DivergedError, InputError

SMALLEST = 2.0**-14  # scale: float16 has nothing smaller left than this times its smallest number


class Precision:
    """float32, or whatever the model is: does nothing, so that the loop need not ask."""

    def autocast(self) -> AbstractContextManager[object]:
        """Inside the block products are computed in this precision."""
        return nullcontext()

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss whose gradient is computed."""
        return loss

    def restored(self, gradients: Iterable[Tensor]) -> bool:
        """Undo the scale, in place; False if a gradient has overflown, and the step is to be left out.

        Raises DivergedError where no smaller scale would help.
        """
        return True


class Half(Precision):
    """bfloat16 or float16 for the products. float16 ends at 65504 and at 6e-8: small gradients would vanish in it.

    So its loss is multiplied by a large number and the gradients are divided by it. The number is halved whenever a
    gradient overflows, in a step that is left out, and doubled after `patience` steps without (their §3.2).
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
    def restored(self, gradients: Iterable[Tensor]) -> bool:
        if self.dtype is not torch.float16:
            return True
        finite = True
        for g in gradients:
            g /= self.scale
            finite = finite and bool(g.isfinite().all())
        self.good = self.good + 1 if finite else 0
        if not finite:
            if self.scale <= SMALLEST:
                raise DivergedError("the gradients overflow however small: lower `lr`, or use bf16 or fp32")
            self.scale /= 2.0
        elif self.good == self.patience:
            self.scale, self.good = self.scale * 2.0, 0
        return finite


FULL = Precision()


def choose_precision(name: str, device: torch.device) -> Precision:
    """`fp32`, `bf16` or `fp16` on `device`. Raises InputError for fp16 without a GPU."""
    make: dict[str, Callable[[], Precision]] = {
        "fp32": Precision,
        "bf16": lambda: Half(torch.bfloat16, device),
        "fp16": lambda: Half(torch.float16, device),
    }
    if name == "fp16" and device.type != "cuda":
        raise InputError("`precision` fp16 needs a GPU; on the CPU use fp32, or bf16")
    return make[name]()
