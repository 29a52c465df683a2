"""Taking away what a fine-tuned model can do without: whole heads, or single weights. What is taken away is set to 0.

The shapes stay, so what is saved opens wherever a BERT does, and is as fast as before: a matrix with zeros takes as
long to multiply. What one learns is how much of the model its task needs.
"""

import dataclasses
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from minitf.bert.model import Bert
from minitf.layers import EncoderLayer
from minitf.mathematics import Mathematics


class HeadGates:
    """A gate ξ = 1 on what each head of each layer gives, so that the loss can be asked how much it minds the head.

    `over(math)` is the mathematics of a model that has them; `fresh` makes the gates of the next forward pass.
    """

    def __init__(self) -> None:
        self.gates: list[Tensor] = []  # in the order of the layers, [B, H] each

    def over(self, math: Mathematics) -> Mathematics:
        def merge_heads(context: Tensor) -> Tensor:
            gate = context.new_ones(context.shape[:2], requires_grad=True)  # [B, H]
            self.gates.append(gate)
            merged: Tensor = math.merge_heads(context * gate[:, :, None, None])
            return merged

        return math.overlay(merge_heads=merge_heads)

    def fresh(self) -> None:
        self.gates = []

    def sensitivity(self) -> Tensor:
        """Σ over the batch of |∂loss/∂ξ|, after a backward pass of the summed losses; `[L, H]`."""
        return torch.stack([g.grad.abs().sum(dim=0) for g in self.gates if g.grad is not None])


@dataclasses.dataclass(frozen=True)
class Head:
    """Counted from 0."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"{self.layer + 1}.{self.head + 1}"


def least_important(importance: Tensor, most: int) -> list[Head]:
    """The `most` heads of the smallest importance `[L, H]`, the smallest first, each layer's made of length 1 before.

    Every layer keeps one head. Source: Michel et al. 2019, §4.1 (the importance, and its length), eq. 2.
    """
    L, H = importance.shape
    scaled = importance / importance.norm(dim=1, keepdim=True).clamp(min=1e-30)
    left = [H] * L
    chosen: list[Head] = []
    for index in scaled.flatten().argsort(stable=True).tolist():
        head = Head(*divmod(index, H))
        if len(chosen) < most and left[head.layer] > 1:
            left[head.layer] -= 1
            chosen.append(head)
    return chosen


@torch.no_grad()
def zero_heads(model: Bert, heads: Iterable[Head]) -> int:
    """Set to 0 what makes these heads, rows of W_Q, W_K, W_V and columns of W_O; returns how many numbers that is."""
    count = 0
    for h in heads:
        attention = cast("EncoderLayer", model.encoder.layers[h.layer]).attention
        d_k = attention.W_Q.weight.shape[0] // attention.H
        of_head = slice(h.head * d_k, (h.head + 1) * d_k)
        parts = [attention.W_O.weight[:, of_head]]
        for W in (attention.W_Q, attention.W_K, attention.W_V):
            parts += [W.weight[of_head], W.bias[of_head]]
        for part in parts:
            count += part.numel()
            part.zero_()
    return count


@torch.no_grad()
def zero_smallest(model: Bert, share: float) -> int:
    """Set to 0 the smallest `share` of the weights in the encoder's matrices, all layers together; returns how many.

    Biases, LayerNorm, embeddings, pooler and head stay. Source: Han et al. 2015, §3; of a BERT: Gordon et al. 2020.
    """
    matrices = [p for p in model.encoder.parameters() if p.dim() == 2]
    sizes = torch.cat([p.abs().flatten() for p in matrices])
    count = round(share * len(sizes))
    if not count:
        return 0
    smallest = sizes.argsort(stable=True)[:count]
    keep = torch.ones_like(sizes)
    keep[smallest] = 0.0
    for p, mask in zip(matrices, keep.split([p.numel() for p in matrices]), strict=True):
        p.mul_(mask.view_as(p))
    return count


def zeros(model: nn.Module) -> int:
    """How many of its numbers are 0."""
    return sum(int((p == 0.0).sum()) for p in model.parameters())
