"""Prune a fine-tuned model: set whole attention heads or single weights to 0.

The shapes do not change, so a pruned model opens like any BERT. It is no faster, because multiplying by zeros takes
the same time; it shows how much of the model its task needs.
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
    """A gate ξ = 1 on the output of each head of each layer: ∂loss/∂ξ measures how important the head is.

    Build the model with `overlay(math)`; call `reset` before each forward pass.
    """

    def __init__(self) -> None:
        self.gates: list[Tensor] = []  # in the order of the layers, [B, H] each

    def overlay(self, math: Mathematics) -> Mathematics:
        """Return `math` with gates in `merge_heads`."""

        def merge_heads(context: Tensor) -> Tensor:
            gate = context.new_ones(context.shape[:2], requires_grad=True)  # [B, H]
            self.gates.append(gate)
            merged: Tensor = math.merge_heads(context * gate[:, :, None, None])
            return merged

        return math.overlay(merge_heads=merge_heads)

    def reset(self) -> None:
        """Drop the gates of the last forward pass."""
        self.gates = []

    def sensitivity(self) -> Tensor:
        """Σ over the batch of |∂loss/∂ξ|, after a backward pass of the sum of the losses; `[L, H]`."""
        return torch.stack([g.grad.abs().sum(dim=0) for g in self.gates if g.grad is not None])


@dataclasses.dataclass(frozen=True)
class HeadIndex:
    """Layer and head, counted from 0; printed counted from 1."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"{self.layer + 1}.{self.head + 1}"


def least_important(importance: Tensor, count: int) -> list[HeadIndex]:
    """Return at most `count` heads in ascending order of importance `[L, H]`, normalized to length 1 in each layer.

    Every layer keeps one head. Source: Michel et al. 2019, §4.1 (importance and its normalization), eq. 2.
    """
    L, H = importance.shape
    scaled = importance / importance.norm(dim=1, keepdim=True).clamp(min=1e-30)
    left = [H] * L
    chosen: list[HeadIndex] = []
    for index in scaled.flatten().argsort(stable=True).tolist():
        head = HeadIndex(*divmod(index, H))
        if len(chosen) < count and left[head.layer] > 1:
            left[head.layer] -= 1
            chosen.append(head)
    return chosen


@torch.no_grad()
def zero_heads(model: Bert, heads: Iterable[HeadIndex]) -> int:
    """Set the rows of W_Q, W_K, W_V and the columns of W_O of these heads to 0; return how many numbers that is."""
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
    """Set the smallest `share` of the weights in the encoder's matrices to 0, over all layers; return how many.

    Biases, LayerNorm, embeddings, pooler and head do not change. Source: Han et al. 2015, §3; for BERT: Gordon et
    al. 2020.
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


def count_zeros(model: nn.Module) -> int:
    """Return how many numbers in the model's parameters are 0."""
    return sum(int((p == 0.0).sum()) for p in model.parameters())
