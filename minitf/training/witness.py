"""Whether exactly those weights moved that were to move: looked at, not believed."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import nn


@dataclasses.dataclass(frozen=True)
class Moved:
    """What the first step that could move anything did."""

    moved: tuple[str, ...]
    stayed: tuple[str, ...]  # frozen, and as they were
    unmoved: tuple[str, ...]  # to be trained, and yet as they were
    wrong: tuple[str, ...]  # frozen, and yet moved

    def __str__(self) -> str:
        if self.wrong:
            return f"{len(self.wrong)} frozen tensors moved: {_some(self.wrong)}"
        line = f"{len(self.moved)} tensors moved, {len(self.stayed)} stayed, as planned"
        if self.unmoved:
            line += f"; {len(self.unmoved)} were to move and did not, for want of a gradient or below the rounding of "
            line += f"their numbers: {_some(self.unmoved)}"
        return line


class Witness:
    """Copies every parameter of `model`, until `look` has compared."""

    def __init__(self, model: nn.Module):
        self._parameters = dict(model.named_parameters())
        self._before = {name: p.detach().clone() for name, p in self._parameters.items()}

    def look(self) -> Moved:
        """What has moved since, of the parameters that require a gradient now and of those that do not."""
        moved: list[str] = []
        stayed: list[str] = []
        unmoved: list[str] = []
        wrong: list[str] = []
        for name, p in self._parameters.items():
            same = torch.equal(p.detach(), self._before[name])
            if p.requires_grad:
                (unmoved if same else moved).append(name)
            else:
                (stayed if same else wrong).append(name)
        return Moved(tuple(moved), tuple(stayed), tuple(unmoved), tuple(wrong))


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
