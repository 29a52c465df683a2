"""The data check before training: labels, text lengths and unknown words of every table, on one screen."""

from collections.abc import Iterator, Mapping, Sequence

from minitf.datasets.findings import Finding, Rows
from minitf.fine_tuning.data import SPLITS, Splits
from minitf.fine_tuning.token_counts import AnyTokenizer, TokenCounts, count_tokens, token_warnings, unknown_token
from minitf.tasks.spec import TaskSpec
from minitf.text.tokenizer import Tokenizer

HANDLING = {"truncate": "cut", "head-tail": "head and tail kept", "windows": "in windows"}


def count_tables(spec: TaskSpec, splits: Splits, tokenizer: AnyTokenizer, max_length: int) -> dict[str, TokenCounts]:
    """Count the tokens of every table."""
    return {name: count_tokens(tokenizer, spec.texts(table), max_length) for name, table in splits.items()}


def check_table(
    spec: TaskSpec,
    splits: Splits,
    counts: Mapping[str, TokenCounts],
    tokenizer: AnyTokenizer,
    max_length: int,
    long_text: str,
) -> str:
    """Format the data check: a column for each of train, valid and test."""
    how = long_text if spec.truncates else "windows"
    columns = {
        name: [
            {f"  {spec.unit}": str(counts[name].texts)},
            spec.rows(splits[name], splits["train"]),
            _token_rows(counts[name], max_length, how, tokenizer),
        ]
        for name in SPLITS
        if name in splits
    }
    return _aligned(columns)


def check_warnings(
    spec: TaskSpec,
    splits: Splits,
    counts: Mapping[str, TokenCounts],
    tokenizer: AnyTokenizer,
    max_length: int,
    long_text: str,
    longest: int,
) -> Iterator[Finding]:
    """Yield warnings about the training texts; the model has positions for `longest` tokens."""
    train = splits["train"]
    options = [f"raise it, up to {longest}"] if max_length < longest else []
    options += ["set `long_text` to head-tail or windows"] if spec.texts(train)[1] is None else []
    yield from token_warnings(
        train.path,
        counts["train"],
        tokenizer,
        max_length,
        cut=spec.truncates and long_text == "truncate",
        options=", or ".join(options) or "the model does not see what is cut",
    )


def _token_rows(counts: TokenCounts, max_length: int, how: str, tokenizer: AnyTokenizer) -> Rows:
    """Return the rows of lengths, long texts, unknown words and uppercase letters."""
    n = max(1, counts.texts)
    names = {50: "median", 100: "longest"}
    rows = {f"  tokens, {names.get(q, f'{q} %')}": str(tokens) for q, tokens in counts.lengths.items()}
    rows[f"  longer than {max_length}, {HANDLING[how]}"] = f"{counts.longer} ({counts.longer / n:.1%})"
    rows[f"  {unknown_token(tokenizer)}, share"] = f"{counts.unknown_share:.2%}"
    if isinstance(tokenizer, Tokenizer) and tokenizer.lower_case:
        rows["  with uppercase (tokenizer ignores case)"] = f"{counts.capitals / n:.1%}"
    return rows


def _aligned(columns: Mapping[str, Sequence[Rows]]) -> str:
    """Format the columns: a heading, and a line for each row of the first column."""
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
