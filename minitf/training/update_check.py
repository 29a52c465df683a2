"""A check after the first update: exactly the weights that are trained have changed."""

import dataclasses

import torch
from torch import nn

from minitf.datasets.strings import first_few

MOST = 4  # names in a message


@dataclasses.dataclass(frozen=True)
class Changes:
    """The names of the parameters that an update changed, and of those that it did not."""

    changed: tuple[str, ...]
    frozen: tuple[str, ...]  # and unchanged
    unchanged: tuple[str, ...]  # although they are trained
    wrong: tuple[str, ...]  # changed, although they are frozen

    def __str__(self) -> str:
        if self.wrong:
            return f"{len(self.wrong)} frozen tensors changed: {first_few(self.wrong, MOST)}"
        line = f"{len(self.changed)} tensors changed, {len(self.frozen)} did not, as planned"
        if self.unchanged:
            line += f"; {len(self.unchanged)} trained ones did not change either (no gradient, or below rounding): "
            line += first_few(self.unchanged, MOST)
        return line


class UpdateCheck:
    """Keeps a copy of every parameter of `model`."""

    def __init__(self, model: nn.Module):
        self._parameters = dict(model.named_parameters())
        self._before = {name: p.detach().clone() for name, p in self._parameters.items()}

    def result(self) -> Changes:
        """Compare the parameters with the copy. Raises RuntimeError if a frozen one has changed: a bug of minitf."""
        changed: list[str] = []
        frozen: list[str] = []
        unchanged: list[str] = []
        wrong: list[str] = []
        for name, p in self._parameters.items():
            same = torch.equal(p.detach(), self._before[name])
            if p.requires_grad:
                (unchanged if same else changed).append(name)
            else:
                (frozen if same else wrong).append(name)
        found = Changes(tuple(changed), tuple(frozen), tuple(unchanged), tuple(wrong))
        if wrong:
            raise RuntimeError(str(found))
        return found
