"""The number of processes that train together, from the environment variables of torchrun. Torch-free."""

import os

from minitf.errors import InputError


def processes() -> tuple[int, int]:
    """Return (number of this process, number of processes) that torchrun started; (0, 1) without it.

    Raises InputError for an environment that torchrun does not make, such as that of a batch system.
    """
    if "RANK" not in os.environ:
        return 0, 1
    rank, count = os.environ["RANK"], os.environ.get("WORLD_SIZE", "1")
    valid = rank.isdecimal() and count.isdecimal() and int(rank) < int(count)
    required = ("MASTER_ADDR", "MASTER_PORT") if valid and int(count) > 1 else ()
    missing = [name for name in required if name not in os.environ]
    if not valid or missing:
        lacking = f", but not {' and '.join(missing)}" if missing else ""
        raise InputError(
            f"the environment has RANK={rank} and WORLD_SIZE={count}{lacking}: unset RANK for one process,"
            " or start the processes with torchrun"
        )
    return (int(rank), int(count)) if int(count) > 1 else (0, 1)
