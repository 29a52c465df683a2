"""The number of processes that train together, from the environment variables of torchrun. Torch-free."""

import os

from minitf.errors import InputError


def processes() -> tuple[int, int]:
    """Return (number of this process, number of processes) that torchrun started; (0, 1) without it.

    Raises InputError if the variables are incomplete or not numbers: clusters set some of them for other programs.
    """
    if "RANK" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1":
        return 0, 1
    try:
        rank, count, _, port = (_number(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"))
        if rank >= count or port > 65535 or not os.environ["MASTER_ADDR"]:
            raise ValueError
    except (KeyError, ValueError):
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
        found = ", ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ)
        missing = ", ".join(name for name in names if name not in os.environ and name != "LOCAL_RANK")
        raise InputError(
            f"the environment has {found}{f' without {missing}' if missing else ''}, but not as torchrun sets them:"
            " start several processes with torchrun, or unset RANK for a single one"
        ) from None
    return (rank, count) if count > 1 else (0, 1)


def _number(name: str) -> int:
    """Return the value of a variable. Raises KeyError and ValueError."""
    text = os.environ.get(name, "0") if name == "LOCAL_RANK" else os.environ[name]
    if (number := int(text)) < 0:
        raise ValueError
    return number
