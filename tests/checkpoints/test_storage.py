"""Freed memory returns to the system: a second copy of a model must not stay in the process."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from minitf.checkpoints.storage import LARGE, allocate


def private_memory() -> int:
    """The private memory of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024


@pytest.mark.parametrize("size", [0, 1, LARGE - 1, LARGE, LARGE + 1])
def test_allocated_bytes_can_be_filled(size):
    content = allocate(size)
    assert (content.dtype, content.shape) == (np.dtype(np.uint8), (size,))
    content[:] = 7
    assert int(content.sum()) == 7 * size


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_filled_by_one_thread_and_freed_by_another_is_returned():
    before, arrays = private_memory(), []
    for _ in range(32):
        arrays.append(allocate(4 * LARGE))
        arrays[-1][:] = 1
    assert private_memory() - before > 32 * 4 * LARGE * 0.9
    with ThreadPoolExecutor(1) as pool:
        pool.submit(arrays.clear).result()
    assert private_memory() - before < 16 * LARGE
