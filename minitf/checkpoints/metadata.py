"""What `finetune` notes beside a model, `minitf.json`, for the commands that use it later."""

import json
from pathlib import Path
from typing import Any

from minitf.errors import InputError


def read_metadata(folder: Path) -> dict[str, Any]:
    """Task, columns and lengths; nothing for other models. Raises InputError."""
    path = folder / "minitf.json"
    try:
        noted = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); delete it or fine-tune again") from None
    if (
        not isinstance(noted, dict)
        or not all(isinstance(noted.get(name), str | None) for name in ("task", "text", "pair", "label"))
        or not all(_is_count(noted.get(name), least) for name, least in (("max_length", 1), ("stride", 0)))
        or noted.get("long_text", "truncate") not in ("truncate", "head-tail", "windows")
    ):
        raise InputError(f"{path}: is not as finetune wrote it; delete it or fine-tune again")
    return noted


def _is_count(value: object, least: int) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least)
