"""The built-in data: its names, what a run on it does by default, and its rows. docs/corpus.md describes it.

The rows of the reviews are files; dates and numbers are generated.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from minitf.datasets.generated import Record
from minitf.datasets.generated_dates import dates
from minitf.datasets.generated_numbers import numbers
from minitf.datasets.strings import did_you_mean
from minitf.errors import DataError

PARTS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class BuiltIn:
    """One set of built-in data, in three parts."""

    task: str = "classification"
    columns: tuple[str, str] = ("text", "label")
    generate: Callable[[], Mapping[str, Sequence[Record]]] | None = None  # the rows of each part; None: it has files
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # defaults of settings, for this data alone
    by: str | None = None  # the default column of the groups in the report


_NEW_MODEL = {
    "from_scratch": True,
    "layers": 2,
    "width": 64,
    "heads": 4,
    "lr": 2e-3,
    "batch_size": 64,
    "metric": "exact_match",
}

# The recipe of "reviews" is chosen on its validation part: benchmarks/first_run.py.
BUILT_IN = {
    "reviews": BuiltIn(recipe={"lr": 1e-4, "epochs": 2}, by="kind"),
    "hard-reviews": BuiltIn(),
    "dates": BuiltIn("seq2seq", ("source", "target"), dates, {**_NEW_MODEL, "epochs": 5}, by="form"),
    "numbers": BuiltIn(
        "seq2seq", ("source", "target"), numbers, {**_NEW_MODEL, "dropout": 0.0, "epochs": 8}, by="form"
    ),
}
DEFAULT = "reviews"


def built_in_name(train: Any) -> str | None:
    """Return the name of the built-in data that `train` means, None for other data.

    None means `DEFAULT`. If there is a file of the same name, that file is meant.
    """
    if train is None:
        return DEFAULT
    return train if isinstance(train, str) and train in BUILT_IN and not Path(train).is_file() else None


def built_in_file(name: str, part: str) -> Path:
    """Return the file of one of the `PARTS`."""
    return Path(__file__).parent.parent / "data" / name / f"{part}.csv"


def built_in_source(name: str, part: str) -> Path | list[Record]:
    """Return one of the `PARTS` as `read_table` takes it: the file, or the generated rows."""
    generate = BUILT_IN[name].generate
    return built_in_file(name, part) if generate is None else list(generate()[part])


def check_name(train: Any) -> None:
    """Raise DataError if `train` is probably a misspelled name of built-in data."""
    if not isinstance(train, str) or Path(train).suffix or Path(train).name != train or Path(train).exists():
        return
    if train not in BUILT_IN and (near := did_you_mean(train, list(BUILT_IN))):
        raise DataError(f"{train}: no such file{near}; the built-in data are {', '.join(BUILT_IN)}")
