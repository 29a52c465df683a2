"""The data check as a table that fits on a screen: a column for each of train, valid and test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from minitf.text.datasets import Dataset
from minitf.text.label_sets import labels_in, numbers_in
from minitf.text.task_checks import mean_and_deviation

if TYPE_CHECKING:
    from minitf.text.token_checks import TokenCounts

MOST = 8  # labels with a row of their own
FATES = {"truncate": "cut", "head-tail": "head and tail kept", "windows": "in windows"}

Rows = dict[str, str]  # what it is -> the cell of one table


def class_rows(table: Dataset, train: Dataset) -> Rows:
    """How often each class of the training table is there, the most frequent first."""
    counts = Counter(table.labels)
    rows = _counted(counts, Counter(train.labels))
    return rows | {
        "  the most frequent label, share": f"{max(counts.values()) / counts.total():.4f}" if counts else "-"
    }


def set_rows(table: Dataset, train: Dataset) -> Rows:
    """How often each label of the training table is borne."""
    mine, all_of = (Counter(name for e in t.examples for name in labels_in(e.label)) for t in (table, train))
    return _counted(mine, all_of) | {"  without a label": str(sum(not e.label for e in table.examples))}


def number_rows(table: Dataset, train: Dataset) -> Rows:
    """Where the numbers lie."""
    numbers = numbers_in(table)
    mean, deviation = mean_and_deviation(numbers)
    found = {"lowest": min(numbers), "highest": max(numbers), "mean": mean, "standard deviation": deviation}
    return {f"  {train.label_column}, {what}": f"{number:.4g}" for what, number in found.items()}


def _counted(mine: Counter[str], train: Counter[str]) -> Rows:
    names = [name for name, _ in train.most_common()]
    shown = names if len(names) <= MOST else names[: MOST - 1]
    rows = {f"  label {' '.join(name.split()):.28}": str(mine[name]) for name in shown}
    if rest := names[len(shown) :]:
        rows[f"  {len(rest)} labels more"] = str(sum(mine[name] for name in rest))
    return rows


def token_rows(counts: "TokenCounts", max_length: int, how: str, unknown: str, uncased: bool) -> Rows:
    """Lengths, what becomes of long texts, unknown words and capitals."""
    n = max(1, counts.texts)
    names = {50: "median", 100: "longest"}
    rows = {f"  tokens, {names.get(q, f'{q} %')}": str(tokens) for q, tokens in counts.lengths.items()}
    rows[f"  longer than {max_length}, {FATES[how]}"] = f"{counts.longer} ({counts.longer / n:.1%})"
    rows[f"  {unknown}, share"] = f"{counts.unknown_share:.2%}"
    if uncased:
        rows["  with capitals, not told apart"] = f"{counts.capitals / n:.1%}"
    return rows


def table(columns: Mapping[str, Sequence[Rows]]) -> str:
    """A heading and a line for each row, by its key in the first of the columns."""
    merged = {name: {key: cell for rows in parts for key, cell in rows.items()} for name, parts in columns.items()}
    keys = list(next(iter(merged.values())))
    width = max(map(len, keys))
    cells = [[merged[name].get(key, "") for name in merged] for key in keys]
    sizes = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(merged)]
    lines = [
        [f"{'data check':<{width}}", *merged],
        *([f"{key:<{width}}", *row] for key, row in zip(keys, cells, strict=True)),
    ]
    return "\n".join(
        "  ".join([first, *(f"{cell:>{s}}" for cell, s in zip(rest, sizes, strict=True))]) for first, *rest in lines
    )
