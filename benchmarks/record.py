"""The record of a benchmark: its numbers, and the commit, command, versions and machine that produced them."""

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
    """Commit, command, versions and machine. `dirty`: whether there are uncommitted changes."""
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
    """Write `folder`/NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def once(cache: Path | None, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of `compute` and save it in `cache`; if that file exists, from an earlier run, read it."""
    if cache is not None and cache.is_file():
        found: dict[str, Any] = json.loads(cache.read_text(encoding="utf-8"))
        return found
    result = compute()
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(result), encoding="utf-8")
    return result


def _argument(word: str) -> str:
    """Reduce an absolute path to its last part."""
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
