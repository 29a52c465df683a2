"""Training strategies: freezing, gradual unfreezing, layer-wise learning rates, re-initialized layers.

Each parameter has a depth: 0 for the embeddings, 1 … L for the layers from below, L + 1 for the pooler, L + 2 for the
head. The layers of an encoder-decoder are counted together, those of the encoder first.
"""

import dataclasses
from collections.abc import Callable

from torch import nn

from minitf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Strategy:
    """The defaults train everything at one learning rate.

    The lowest `frozen` depths are never trained: 1 is the embeddings, N + 1 also the lowest N layers, L + 2 all but the
    head. With `gradual`, training starts with the pooler, the head and re-initialized layers; the others are unfrozen
    from the top, in equal portions, the last one for the last epoch. (Howard & Ruder 2018, §3.3, unfreeze one layer per
    epoch, which takes more epochs than the usual three.) With `layer_decay` ξ the learning rate at depth ℓ ≤ L is
    η ξ^(L − ℓ) (Sun et al. 2019, §5.3.4). The top `reinitialized` layers are re-initialized, and the pooler with them
    (Zhang et al. 2021, §4).
    """

    frozen: int = 0
    gradual: bool = False
    layer_decay: float = 1.0
    reinitialized: int = 0

    def check(self, L: int) -> None:
        """Raise InputError for more layers than L, or for layers both frozen and re-initialized."""
        if self.reinitialized > L:
            raise InputError(f"`reinit_top` {self.reinitialized}: this model has {L} layers; give fewer")
        if self.reinitialized and self.frozen - 1 > L - self.reinitialized:
            raise InputError(
                f"`reinit_top` {self.reinitialized} re-initializes layers that `freeze` would not train; freeze fewer"
            )
        if self.gradual and self.frozen > L - self.reinitialized:
            raise InputError("`freeze` leaves nothing for `unfreeze` to unfreeze; freeze fewer, or leave one out")

    def lowest(self, L: int, epoch: int, epochs: int) -> int:
        """Return the lowest depth that is trained in `epoch` (from 1) of `epochs`."""
        if not self.gradual:
            return self.frozen
        top = L + 1 - self.reinitialized
        steps = top - self.frozen
        return top - (steps if epochs == 1 else round(steps * (epoch - 1) / (epochs - 1)))

    def scale(self, L: int, below: int = 0) -> Callable[[str], float]:
        """Return a function from the name of a parameter to the factor of its learning rate, for L layers.

        `below` is that of `depth`.
        """
        return lambda name: self.layer_decay ** max(0, L - depth(name, L, below))


def count_layers(model: nn.Module) -> tuple[int, int]:
    """Return the number of layers L of a model, and how many of them are in an encoder below its decoder."""
    stacks = [len(getattr(model, part).layers) for part in ("encoder", "decoder") if hasattr(model, part)]
    return sum(stacks), stacks[0] if len(stacks) > 1 else 0


EMBEDDINGS = ("embeddings", "word", "source_embeddings", "target_embeddings", "encoder_bias", "decoder_bias")


def depth(name: str, L: int, below: int = 0) -> int:
    """Return the depth of the parameter of this name in a model of L layers, `below` of them below its decoder."""
    part, *rest = name.split(".")
    if part in ("encoder", "decoder"):
        first, last = (0, below or L) if part == "encoder" else (below, L)
        return first + int(rest[1]) + 1 if rest[0] == "layers" else last  # a norm after the last layer
    return L + 1 if part == "pooler" else 0 if part in EMBEDDINGS else L + 2


def freeze(model: nn.Module, L: int, lowest: int) -> None:
    """Require gradients at the depth `lowest` and above, and nowhere else."""
    _, below = count_layers(model)
    for name, p in model.named_parameters():
        p.requires_grad_(depth(name, L, below) >= lowest)
