"""What must be right in a classification task before training, and what is odd: all of it at once, without torch.

Nothing is mended here: a finding says what is wrong, where, and what to do. `refuse` stops at the errors.
"""

from collections.abc import Iterator

from minitf.datasets.dataset import Dataset, Example
from minitf.datasets.findings import at, in_all


def empty_cells(table: Dataset, label: bool = True) -> Iterator[str]:
    """Cells that must hold something; the labels are among them, unless a row may have none."""
    if table.label_column is None:
        yield f"{table.path}: no column of it is the label: name one with `label`"
    columns = {table.text_column: table.texts, table.pair_column: table.pairs}
    if label:
        columns[table.label_column] = table.labels
    for column, values in columns.items():
        rows = [example for example, value in zip(table.examples, values or [], strict=False) if not value.strip()]
        if rows:
            yield f"{at(table, rows)}: column {column!r} is empty: fill it in, or delete the row{in_all(rows)}"


def repetitions(train: Dataset) -> Iterator[str]:
    first: dict[tuple[str, str | None], dict[str | None, Example]] = {}
    repeated, contradicting = [], []
    for example in train.examples:
        labelled = first.setdefault((example.text, example.pair), {})
        if example.label in labelled:
            repeated.append(example)
        elif labelled:
            contradicting.append(example)
        labelled.setdefault(example.label, example)
    if repeated:
        yield f"{at(train, repeated)}: repeats an earlier row, so it counts double: delete it{in_all(repeated)}"
    if contradicting:
        one = contradicting[0]
        other = next(iter(first[one.text, one.pair].values()))
        yield (
            f"{at(train, contradicting)}: the same text is {one.label!r} here and {other.label!r} in row {other.row}:"
            f" decide on one{in_all(contradicting)}"
        )


def leakage(earlier: Dataset, later: Dataset) -> Iterator[str]:
    known = {(example.text, example.pair) for example in earlier.examples}
    rows = [example for example in later.examples if (example.text, example.pair) in known]
    if rows:
        yield (
            f"{at(later, rows)}: the same text is in {earlier.path}, so the score here will flatter the model: delete"
            f" it from one of them{in_all(rows)}"
        )
