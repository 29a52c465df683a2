"""Find the columns of the text, its pair and the label by their names."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from minitf.datasets.reading import ending
from minitf.datasets.strings import did_you_mean, shorten
from minitf.errors import DataError

# Columns that are found without being named, in upper or lower case. The two columns of a pair are found together.
PAIRS = (
    *(("sentence1", "sentence2"), ("text1", "text2"), ("question1", "question2"), ("text_a", "text_b")),
    *(("sentence_a", "sentence_b"), ("premise", "hypothesis")),
    *(("question", "sentence"), ("question", "answer"), ("question", "passage"), ("question", "context")),
)
TEXTS = ("text", "sentence", "review", "content", "comment", *(first for first, _ in PAIRS))
LABELS = ("label", "labels", "gold_label", "sentiment", "class", "category", "target", "score")


class MissingColumnError(DataError):
    """A named column does not exist."""

    def __init__(self, message: str, column: str):
        super().__init__(message)
        self.column = column


@contextmanager
def columns_of_training(names: Mapping[str, str | None]) -> Iterator[None]:
    """Add to the error for a missing column that its name is from the training table; `names` has it by setting."""
    try:
        yield
    except MissingColumnError as error:
        for setting, column in names.items():
            if column == error.column:
                raise DataError(
                    f"{error}; that is the column of the training table, and `{setting}` names another one"
                ) from None
        raise


def find_columns(
    path: str, columns: list[str], text: str | None, pair: str | None, label: str | None, need_label: bool
) -> tuple[str, str | None, str | None]:
    """Return (text, pair, label): the columns that are named, and for the others the only one with a known name.

    `label` may name several columns, with commas (see `label_columns`).

    Raises DataError for a named column that does not exist, and if no column or several could be meant.
    """
    named = [column for column in (text, pair) if column is not None] + label_columns(label, columns)
    for column in named:
        if column not in columns:
            raise missing_column(path, column, columns)
    if len(set(named)) < len(named):
        raise DataError(f"{path}: text, pair and label must be different columns, not {', '.join(named)}")
    free = [column for column in columns if column not in named]
    if label is None:
        known = [column for column in free if column.lower() in LABELS]
        if need_label and len(known) != 1:
            raise column_error(path, columns, _unclear("label", known, columns))
        label = known[0] if len(known) == 1 else None
    if text is None:
        text, pair = _find_text(path, columns, [column for column in free if column != label], pair)
    return text, pair, label


def label_columns(label: str | None, columns: Collection[str]) -> list[str]:
    """Return the columns that `label` names: one, or, for `a,b,c`, three columns of 0 and 1, one for each label."""
    if label is None or label in columns or "," not in label:
        return [] if label is None else [label]
    return [name.strip() for name in label.split(",")]


def _find_text(path: str, columns: list[str], free: list[str], pair: str | None) -> tuple[str, str | None]:
    """The text among the `free` columns; its pair too, if it is not named and there are two columns of a pair."""
    by_lower = {column.lower(): column for column in free}
    pairs = [] if pair else [(by_lower[a], by_lower[b]) for a, b in PAIRS if a in by_lower and b in by_lower]
    paired = {column for two in pairs for column in two}
    single = [(column, pair) for column in free if column.lower() in TEXTS and column not in paired]
    options = [*pairs, *single]
    if len(options) != 1:
        raise column_error(path, columns, _unclear("text", ["+".join(filter(None, o)) for o in options], columns))
    return options[0]


def missing_column(path: str, column: str, columns: list[str], others: Sequence[str] = ()) -> DataError:
    """Return the error for a named column that does not exist; `others` are names that could be meant too."""
    near = did_you_mean(column, [*columns, *others])
    problem = f"no column {column!r}{near}; {_list(columns)}" + (f"; or give {' or '.join(others)}" if others else "")
    error = DataError(f"{path}: {problem}") if near else column_error(path, columns, problem)
    return MissingColumnError(str(error), column)


def column_error(path: str, columns: list[str], problem: str) -> DataError:
    """Return the error `problem`; if the first line of the file is not a header, that is the error instead."""
    is_data = any(len(column.split()) > 4 or column.lstrip("-").replace(".", "", 1).isdigit() for column in columns)
    if is_data and ending(path) in (".csv", ".tsv"):
        problem = f"the first line must name the columns; it is {shorten(' '.join(columns))}: add a header above it"
    return DataError(f"{path}: {problem}")


def _unclear(name: str, found: list[str], columns: list[str]) -> str:
    problem = f"{' and '.join(map(repr, found))} could each be the {name}" if found else f"no column is a known {name}"
    several = " (several columns of 0 and 1 with commas)" if name == "label" and not found and len(columns) > 2 else ""
    return f"{problem}: name it with `{name}`{several}; {_list(columns)}"


def _list(columns: list[str]) -> str:
    return f"the columns are {', '.join(map(shorten, columns[:20]))}{' …' if len(columns) > 20 else ''}"
