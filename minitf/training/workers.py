"""Several processes that train one model: each takes its share of every batch, and all take the same step.

    torchrun --nproc-per-node 2 -m minitf.finetune …

The gradient of a mean is the mean of the gradients: each process weighs its share by what it is of the whole batch, and
the sum over the processes is the gradient of that batch. So the weights stay the same everywhere, and the same as one
process would have computed. One of them, the first, speaks and writes.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed, nn

from minitf.bert.device import choose_device

T = TypeVar("T")


class Workers:
    """One process alone: has no one to talk to."""

    rank, count = 0, 1

    @property
    def first(self) -> bool:
        """Whether this one speaks and writes."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """What this process takes of them."""
        return items

    def gathered(self, mine: Sequence[T]) -> list[T]:
        """All of them again, in their order, from every process's share."""
        return list(mine)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Each gradient becomes the sum over the processes."""

    def total(self, number: float) -> float:
        """The sum over the processes."""
        return number

    def wait(self) -> None:
        """Until all are here."""

    def close(self) -> None:
        """Leave the group."""


ALONE = Workers()


class Distributed(Workers):
    """One of `count` processes that `torchrun` started."""

    def __init__(self, device: torch.device, patience: timedelta = timedelta(minutes=30)):
        self.rank, self.count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.device = device
        if device.type == "cuda":
            torch.cuda.set_device(device)  # what NCCL sends objects from, and whose random numbers are saved
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=patience)

    def share(self, items: Sequence[T]) -> Sequence[T]:
        return items[self.rank :: self.count]

    def gathered(self, mine: Sequence[T]) -> list[T]:
        parts: list[list[T]] = [[] for _ in range(self.count)]
        distributed.all_gather_object(parts, list(mine))
        whole: list[T] = [None] * sum(map(len, parts))  # type: ignore[list-item]
        for rank, part in enumerate(parts):
            whole[rank :: self.count] = part
        return whole

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        trained = [p for p in parameters if p.requires_grad]
        # One that no share of the batch touched has no gradient, and must have none anywhere to stay where it is.
        touched = torch.tensor([p.grad is not None for p in trained], dtype=torch.int32, device=self.device)
        distributed.all_reduce(touched)
        moved = [p for p, n in zip(trained, touched.tolist(), strict=True) if n]
        if not moved:
            return
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in moved])
        distributed.all_reduce(flat)
        for p, g in zip(moved, flat.split([p.numel() for p in moved]), strict=True):
            p.grad = g.view_as(p)

    def total(self, number: float) -> float:
        summed = torch.tensor(number, dtype=torch.float64, device=self.device)
        distributed.all_reduce(summed)
        return float(summed)

    def wait(self) -> None:
        distributed.barrier()

    def close(self) -> None:
        distributed.destroy_process_group()


@contextmanager
def launched(device: str) -> Iterator[Workers]:
    """The processes that torchrun started, on `device` (auto, cpu or cuda); without torchrun, this one alone."""
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    workers = Distributed(local_device(choose_device(device)))
    yield workers
    workers.close()


def local_device(device: torch.device) -> torch.device:
    """This process's own GPU, where there are several."""
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if device.type == "cuda" else device
