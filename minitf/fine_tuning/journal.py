"""`metrics.jsonl`: every step and epoch of a run, one JSON object per line, each written immediately."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from minitf.errors import InputError
from minitf.files import sync, to_json, writing
from minitf.training.loop import Epoch, Step


class Journal:
    """Writes to `path`; without one it writes nothing. When a run is resumed, the first `offset` bytes are kept."""

    def __init__(self, path: Path | None, offset: int = 0):
        self.steps: list[dict[str, Any]] = []
        self._path = path or Path(os.devnull)
        with writing(self._path):
            if offset and path is not None:
                if not path.is_file() or path.stat().st_size < offset:
                    raise InputError(f"{path}: is shorter than when the state of the run was saved; start a new run")
                os.truncate(path, offset)
                records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
                self.steps = [record for record in records if "step" in record]
            self._file = self._path.open("a" if offset else "w", encoding="utf-8", buffering=1)
            if path is not None:
                sync(path.parent)  # the name of the file

    @property
    def offset(self) -> int:
        """The size of the file in bytes."""
        return self._file.tell()

    def sync(self) -> int:
        """Write the file to the disk; return its size in bytes."""
        if self._path != Path(os.devnull):
            with writing(self._path):
                os.fsync(self._file.fileno())
        return self.offset

    def write(self, event: Step | Epoch) -> None:
        """Write the line of a step or epoch."""
        if isinstance(event, Step):
            record = event.to_dict()
            self.steps.append(record)
        else:
            record = {"epoch": event.number, "train_loss": event.train_loss, "seconds": round(event.seconds, 3)}
            record |= {"best": event.best, "valid": event.valid}
        with writing(self._path):
            self._file.write(to_json(record, indent=None))

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):  # reported when the line was written
            self._file.close()
