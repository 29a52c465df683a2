"""The number of processes that train together, from the environment variables of torchrun. Torch-free."""

import os


def processes() -> tuple[int, int]:
    """Return (number of this process, number of processes) that torchrun started; (0, 1) without it."""
    count = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    return (int(os.environ["RANK"]), count) if count > 1 else (0, 1)
