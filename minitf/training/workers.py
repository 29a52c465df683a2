"""Data parallelism: several processes train one model, each on its share of every batch.

torchrun starts the processes; README has the command. Each process multiplies the loss of its share by the share's part
of the whole batch, so the sum of the gradients over the processes is the gradient of the batch. The weights stay equal
in all processes, and equal to those of a single process up to rounding. Only the first process prints and writes files.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed, nn

from minitf.bert.device import choose_device
from minitf.errors import InputError
from minitf.training.processes import processes

T = TypeVar("T")


class Workers:
    """A single process: nothing to communicate."""

    rank, count = 0, 1

    @property
    def first(self) -> bool:
        """Whether this process prints and writes files."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Return the items of this process."""
        return items

    def gathered(self, mine: Sequence[T]) -> list[T]:
        """Return all items in their order, from the shares of all processes."""
        return list(mine)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over the processes."""

    def total(self, number: float) -> float:
        """Return the sum over the processes."""
        return number

    def wait(self) -> None:
        """Wait until all processes have reached this point."""

    def close(self) -> None:
        """Leave the group of processes."""


ALONE = Workers()


class Distributed(Workers):
    """One of several processes that `torchrun` started."""

    def __init__(self, device: torch.device, patience: timedelta = timedelta(minutes=30)):
        self.rank, self.count = processes()
        self.device = device
        if device.type == "cuda":
            torch.cuda.set_device(device)  # NCCL sends objects from it, and its random state is saved
        try:
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=patience)
        except (RuntimeError, ValueError) as error:
            place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            reason = str(error).partition("\n")[0]
            raise InputError(f"the processes cannot connect at {place} ({reason}): start them with torchrun") from None

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
        # A parameter that has no gradient in any process must get none: the optimizer leaves it unchanged.
        counts = torch.tensor([p.grad is not None for p in trained], dtype=torch.int32, device=self.device)
        distributed.all_reduce(counts)
        used = [p for p, n in zip(trained, counts.tolist(), strict=True) if n]
        if not used:
            return
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in used])
        distributed.all_reduce(flat)
        for p, g in zip(used, flat.split([p.numel() for p in used]), strict=True):
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
    """Yield the processes that torchrun started, on `device` (auto, cpu or cuda); without torchrun this one only."""
    if processes()[1] == 1:
        yield ALONE
        return
    workers = Distributed(local_device(choose_device(device)))
    yield workers
    workers.close()


def local_device(device: torch.device) -> torch.device:
    """Return the GPU of this process, if there are several."""
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if device.type == "cuda" else device
