"""What a place lets go goes back to the system: a second copy of a model must not stay beside it."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from minitf.checkpoints.places import LARGE, _room


def private() -> int:
    """This process's own memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024


@pytest.mark.parametrize("size", [0, 1, LARGE - 1, LARGE, LARGE + 1])
def test_room_is_bytes_to_be_filled(size):
    room = _room(size)
    assert (room.dtype, room.shape) == (np.dtype(np.uint8), (size,))
    room[:] = 7
    assert int(room.sum()) == 7 * size


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_one_thread_fills_and_another_lets_go_is_gone():
    before, rooms = private(), []
    for _ in range(32):
        rooms.append(_room(4 * LARGE))
        rooms[-1][:] = 1
    assert private() - before > 32 * 4 * LARGE * 0.9
    with ThreadPoolExecutor(1) as pool:
        pool.submit(rooms.clear).result()
    assert private() - before < 16 * LARGE
