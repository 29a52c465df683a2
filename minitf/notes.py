"""What `finetune` notes beside a model, `minitf.json`, for the commands that use it later."""

import json
from pathlib import Path
from typing import Any

from minitf.errors import InputError


def read_note(folder: Path) -> dict[str, Any]:
    """Task, columns and lengths; nothing for other models. Raises InputError."""
    path = folder / "minitf.json"
    try:
        noted = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); delete it or fine-tune again") from None
    length = noted.get("max_length") if isinstance(noted, dict) else None
    if (
        not isinstance(noted, dict)
        or not all(isinstance(noted.get(name), str | None) for name in ("task", "text", "pair", "label"))
        or isinstance(length, bool)
        or not isinstance(length, int | None)
        or (length is not None and length < 1)
    ):
        raise InputError(f"{path}: is not as finetune wrote it; delete it or fine-tune again")
    return noted
