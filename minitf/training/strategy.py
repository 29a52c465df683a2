"""Which parameters are trained, from when on, and how fast each: freezing, unfreezing, rates by layer, a new top.

A parameter lies at a depth: 0 the embeddings, 1 … L the layers from below, L + 1 the pooler, L + 2 the head.
"""

import dataclasses
from collections.abc import Callable

from torch import nn

from minitf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Strategy:
    """The defaults train everything at one rate.

    `frozen` depths from below are never trained: 1 the embeddings, N + 1 also the lowest N layers, L + 2 all but the
    head. `gradual` begins with the pooler, the head and what is drawn anew, and unfreezes the others from the top, in
    even portions, the last of them for the last epoch (Howard & Ruder 2018, §3.3, have one layer an epoch, for which
    three are too few).
    `layer_decay` ξ makes the rate of depth ℓ ≤ L η ξ^(L − ℓ) (Sun et al. 2019, §5.3.4). `reinitialized` layers from
    the top are drawn anew, and the pooler with them (Zhang et al. 2021, §4).
    """

    frozen: int = 0
    gradual: bool = False
    layer_decay: float = 1.0
    reinitialized: int = 0

    def check(self, L: int) -> None:
        """Raises InputError for more layers than a model of L has, or layers both frozen and new."""
        if self.reinitialized > L:
            raise InputError(f"`reinit_top` {self.reinitialized}: this model has {L} layers; give fewer")
        if self.reinitialized and self.frozen - 1 > L - self.reinitialized:
            raise InputError(
                f"`reinit_top` {self.reinitialized} re-initializes layers that `freeze` would not train; freeze fewer"
            )
        if self.gradual and self.frozen > L - self.reinitialized:
            raise InputError("`freeze` leaves nothing for `unfreeze` to unfreeze; freeze fewer, or leave one out")

    def lowest(self, L: int, epoch: int, epochs: int) -> int:
        """The lowest depth that is trained in `epoch` of `epochs`, counted from 1."""
        if not self.gradual:
            return self.frozen
        top = L + 1 - self.reinitialized
        steps = top - self.frozen
        return top - (steps if epochs == 1 else round(steps * (epoch - 1) / (epochs - 1)))

    def scale(self, L: int) -> Callable[[str], float]:
        """The factor of a parameter's rate, by its name, in a model of L layers."""
        return lambda name: self.layer_decay ** max(0, L - depth(name, L))


def depth(name: str, L: int) -> int:
    """Where the parameter of this name lies in a Bert of L layers."""
    room, *rest = name.split(".")
    if room == "encoder":
        return int(rest[1]) + 1
    return {"embeddings": 0, "pooler": L + 1}.get(room, L + 2)


def freeze(model: nn.Module, L: int, lowest: int) -> None:
    """Train what lies at the depth `lowest` or above, and nothing else."""
    for name, p in model.named_parameters():
        p.requires_grad_(depth(name, L) >= lowest)
