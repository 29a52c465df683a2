"""`metrics.jsonl`: every step and epoch of a run, one JSON object per line, each written immediately."""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minitf.errors import InputError
from minitf.files import sync, to_json, write_bytes, writing
from minitf.training.loop import Epoch, Step

_STEP = Step(0, 0, 0.0, 0.0, None, False).to_dict().keys()


class Journal:
    """Writes to `path`; without one it writes nothing.

    When a run is resumed, `mark` is what `mark()` returned when its state was saved; later lines are deleted. If the
    earlier lines are missing or damaged, `damaged` is true and the file is written again. It then has the epochs from
    `history`, and those of the first `steps` steps that can still be read.
    """

    def __init__(
        self,
        path: Path | None,
        mark: dict[str, Any] | None = None,
        history: Sequence[Epoch] = (),
        steps: int = 0,
    ):
        self._path = path or Path(os.devnull)
        self.damaged, self.steps, kept = False, list[dict[str, Any]](), b""
        with writing(self._path):
            if path is not None and mark is not None:
                if path.exists() and not path.is_file():
                    raise InputError(f"{path}: is not a file; delete it")
                content = path.read_bytes() if path.exists() else b""
                kept = content[: mark["size"]]
                self.damaged = _mark(kept) != mark
                self.steps = _read_steps(content if self.damaged else kept, steps)
                if self.damaged:
                    kept = _write_again(path, self.steps, history)
                elif kept and path.stat().st_nlink > 1:  # a copy of the run made of hard links must not change
                    write_bytes(path, kept)
                elif kept:
                    os.truncate(path, len(kept))
            self._file = self._path.open("a" if kept else "w", encoding="utf-8", buffering=1)
            self._sum = hashlib.sha256(kept)
            if path is not None:
                sync(path.parent)  # the name of the file

    def mark(self) -> dict[str, Any]:
        """Write the file to the disk; return its size and digest, which are saved with the state of the run.

        Raises InputError if the file is gone: later files would be in a second folder, or without a manifest.
        """
        if self._path != Path(os.devnull):
            if not self._path.is_file():
                raise InputError(
                    f"{self._path}: was deleted or moved during the run; `resume` in the folder that has the state,"
                    " or start again"
                )
            with writing(self._path):
                os.fsync(self._file.fileno())
        return {"size": self._file.tell(), "sha256": self._sum.hexdigest()}

    def write(self, event: Step | Epoch) -> None:
        """Write the line of a step or epoch."""
        record = _record(event)
        if isinstance(event, Step):
            self.steps.append(record)
        line = to_json(record, indent=None)
        with writing(self._path):
            self._file.write(line)
        self._sum.update(line.encode("utf-8"))

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):  # reported when the line was written
            self._file.close()


def read_steps(path: Path) -> list[dict[str, Any]]:
    """Return the records of all steps in `path`, in order; [] if it cannot be read."""
    with contextlib.suppress(OSError):
        return _read_steps(path.read_bytes(), sys.maxsize) if path.is_file() else []
    return []


def _record(event: Step | Epoch) -> dict[str, Any]:
    if isinstance(event, Step):
        return event.to_dict()
    record = {"epoch": event.number, "train_loss": event.train_loss, "seconds": round(event.seconds, 3)}
    return record | {"best": event.best, "valid": event.valid}


def _mark(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _read_steps(content: bytes, most: int) -> list[dict[str, Any]]:
    """Return the records of the steps up to `most`; lines that are damaged are left out."""
    found: dict[int, dict[str, Any]] = {}
    for line in content.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and record.keys() == _STEP and _is_step(record) and record["step"] <= most:
                found.setdefault(record["step"], record)
    return [found[number] for number in sorted(found)]


def _is_step(record: dict[str, Any]) -> bool:
    """Whether the values have the types of a step."""
    whole = all(type(record[name]) is int and record[name] > 0 for name in ("step", "epoch"))
    numbers = [record["loss"], record["lr"], 0.0 if record["gradient"] is None else record["gradient"]]
    return whole and all(isinstance(number, int | float) and abs(number) < 1e300 for number in numbers)


def _write_again(path: Path, steps: Sequence[dict[str, Any]], history: Sequence[Epoch]) -> bytes:
    """Write the lines of the steps and epochs in order; return the content."""
    records: list[dict[str, Any]] = []
    for epoch in history:
        records += [step for step in steps if step["epoch"] == epoch.number]
        records.append(_record(epoch))
    records += [step for step in steps if step["epoch"] > len(history)]
    content = "".join(to_json(record, indent=None) for record in records).encode("utf-8")
    write_bytes(path, content)
    return content
