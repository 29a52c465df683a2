"""What every record holds beside its numbers: where, when, with what, and from which commit."""

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"


def surroundings() -> dict[str, Any]:
    """Commit, command, versions and machine. `dirty` tells of changes that no commit holds."""
    import torch
    import transformers

    import minitf

    record = {
        "command": "python -m " + " ".join([_module(), *map(_argument, sys.argv[1:])]),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--", "minitf", "benchmarks/*.py")),
        "date": datetime.date.today().isoformat(),
        "minitf": minitf.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        record["gpu"] = torch.cuda.get_device_name()
    return record


def write(name: str, content: dict[str, Any], folder: Path = RESULTS) -> Path:
    """`results/NAME.json`, or in another folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def once(kept: Path | None, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `make` gives, kept in the file `kept`; read back if it is there already, from a run that was killed."""
    if kept is not None and kept.is_file():
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    made = make()
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(made), encoding="utf-8")
    return made


def _argument(word: str) -> str:
    """Of a path on this machine, its last part."""
    return Path(word).name if Path(word).is_absolute() else word


def _module() -> str:
    main = sys.modules["__main__"]
    return main.__spec__.name if getattr(main, "__spec__", None) else Path(sys.argv[0]).name


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
