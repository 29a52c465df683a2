"""The command and the versions that made a run, and commands that use its model."""

import contextlib
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from minitf import __version__
from minitf.tasks.spec import Table
from minitf.training.processes import processes

if TYPE_CHECKING:
    import torch


def command_line(name: str, argv: Sequence[str] | None) -> str:
    """Return the current command, quoted for a shell."""
    given = sys.argv[1:] if argv is None else argv
    return shlex.join([interpreter(), "-m", f"minitf.{name}", *map(str, given)])


def resume_command(folder: Path, math: str | None = None) -> str:
    """Return a command that continues the run in `folder` with the same number of processes, quoted for a shell.

    `math` is that setting if it was given: a file with code has to be given again.
    """
    count = processes()[1]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(count)] if count > 1 else []
    words = [interpreter(), *torchrun, "-m", "minitf.finetune", "--resume", "--output", typed_path(folder)]
    return shlex.join([*words, *([] if math is None else [f"--math={math}"])])


def interpreter() -> str:
    """Return the command of the current Python: its path if it is below the working folder, else `python`."""
    path, here = Path(sys.executable), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else "python"


def prediction_command(best: Path, train: Table) -> str:
    """Return a command that uses the model, with the beginning of the first training text, quoted for a shell."""
    text, pair = _example(train)
    return _command("predict", best, [] if pair is None else [f"--pair={pair}"], [text])


def attention_command(best: Path, train: Table) -> str:
    """Return a command that draws the model's attention on the same text."""
    text, pair = _example(train)
    return _command("attend", best, ["--output", "attention.html"], [text] if pair is None else [text, pair])


def _example(train: Table) -> tuple[str, str | None]:
    example = train.examples[0]
    return _beginning(example.text), None if train.pair_column is None else _beginning(example.pair or "")


def _command(name: str, best: Path, flags: Sequence[str], texts: Sequence[str]) -> str:
    separator = ["--"] if any(text.startswith("-") for text in texts) else []
    return shlex.join([interpreter(), "-m", f"minitf.{name}", typed_path(best), *flags, *separator, *texts])


def typed_path(path: Path) -> str:
    """Return the path as it is typed: with ./ if it would look like a flag."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def versions() -> dict[str, str]:
    """Return the versions of minitf, Python and PyTorch."""
    import torch

    return {"minitf": __version__, "python": platform.python_version(), "torch": torch.__version__}


def now() -> str:
    """Return the date and the time for a report, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine(device: "torch.device") -> dict[str, str | int | None]:
    """Describe the machine for the report, without the name of the computer or the user."""
    import torch

    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu() -> str:
    """Return the name of the processor that the system reports."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def environment(device: "torch.device") -> dict[str, str]:
    """Return what can change the last bits of the weights: the versions, the device and the number of threads."""
    import torch

    cpu = torch.backends.cpu.get_cpu_capability()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({cpu})"
    return versions() | {"device": name, "threads": str(torch.get_num_threads())}


def _beginning(text: str, most: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most].rpartition(" ")[0] or text[:most]
