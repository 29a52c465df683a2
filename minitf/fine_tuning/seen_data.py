"""Whether a table was used to train a model, according to the report of its run: its score there is too high."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from minitf.checkpoints.metadata import model_folder
from minitf.datasets.file_kinds import read_json_object
from minitf.errors import InputError
from minitf.tasks.spec import Table

LARGEST = 256 << 20  # bytes of a report.json
USES = {"train": "to train this model", "valid": "to choose the epoch of this model"}


def warn_of_seen_data(source: str, table: Table) -> Iterator[str]:
    """Warn if `table` is the training or validation table of the run that trained the model of `source`.

    It is if it has the same path or the same content. A model without the report of its run gives no warning.
    """
    data = _data(source)
    for name, use in USES.items():
        known = data.get(name)
        if isinstance(known, Mapping) and (known.get("sha256") == table.digest or _same_file(known, table.path)):
            yield f"{table.path} was used {use}, so its score is too high; evaluate on another table"
            return


def _data(source: str) -> Mapping[str, Any]:
    """Return the tables in the report of the run whose best/ has the model; {} without one."""
    with contextlib.suppress(InputError, OSError):
        best = model_folder(Path(source))
        path = best.parent / "report.json"
        data = read_json_object(path, LARGEST).get("data") if best.name == "best" and path.is_file() else None
        return data if isinstance(data, Mapping) else {}
    return {}


def _same_file(known: Mapping[str, Any], path: str) -> bool:
    """Whether a path of the report and another path are one file."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return os.path.samefile(known.get("path", ""), path)
    return False
