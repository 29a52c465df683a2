"""The main score of each group of examples (`by`), with a 95 % confidence interval."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from minitf.datasets.groups import LENGTH, UNKNOWN
from minitf.datasets.strings import cut
from minitf.fine_tuning.intervals import wilson
from minitf.fine_tuning.token_counts import AnyTokenizer, encode_uncut, percentiles
from minitf.tasks.example_scores import ExampleScores
from minitf.tasks.spec import Table, TaskSpec
from minitf.visible import visible

MOST = 60  # groups
LONGEST_NAME, LONGEST_CELL = 40, 1000  # characters of a name on a terminal, in a report
QUARTERS = (25, 50, 75, 100)  # percentiles between the groups of lengths
RESAMPLES = 1000
MOST_DRAWN = 20_000  # examples


@dataclasses.dataclass(frozen=True)
class Group:
    """The examples of one group; the interval is unknown for a single example, unless the score is a share."""

    name: str
    count: int
    score: float
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True)
class Slices:
    """The groups of a table by `column`, at most `MOST` of `total`."""

    column: str
    metric: str  # of the scores
    total: int
    groups: tuple[Group, ...]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def lines(self, unit: str = "texts", most: int = MOST) -> Iterator[str]:
        """Yield the lines of a table with the first `most` groups."""
        shown = self.groups[:most]
        cells = (self.column, *(group.name for group in shown))
        names = [cut(visible(" ".join(cell.split())), LONGEST_NAME) for cell in cells]
        width = max([5, *map(len, names)])
        columns = (max(len(unit), *(len(str(group.count)) for group in shown)), max(6, len(self.metric)))
        yield f"  {names[0]:<{width}}  {unit:>{columns[0]}}  {self.metric:>{columns[1]}}  95 % interval"
        for name, g in zip(names[1:], shown, strict=True):
            interval = "-" if g.low is None else f"{g.low:.4f} to {g.high:.4f}"
            yield f"  {name:<{width}}  {g.count:>{columns[0]}}  {g.score:>{columns[1]}.4f}  {interval}"
        if len(shown) < self.total:
            yield f"  the {len(shown)} largest of {self.total} groups"


def slice_scores(scores: ExampleScores, metric: str, column: str, names: Sequence[str], order: Sequence[str]) -> Slices:
    """Score each group; `names` are the groups of the examples, `order` has all groups; the first ones are kept."""
    members: dict[str, list[int]] = {name: [] for name in order}
    for i, name in enumerate(names):
        members[name].append(i)
    groups = []
    for name in order[:MOST]:
        part = dataclasses.replace(scores, values=scores.values[members[name]])
        score = float(part.score(part.values))
        groups.append(Group(cut(name, LONGEST_CELL), len(members[name]), score, *_interval(part, score)))
    return Slices(column, metric, len(order), tuple(groups))


def slices_of(
    by: str | None, scores: ExampleScores, metric: str, spec: TaskSpec, table: Table, tokenizer: AnyTokenizer
) -> Slices | None:
    """Score the groups of `table` by the column `by`, if there is one."""
    return None if by is None else slice_scores(scores, metric, by, *group_names(by, spec, table, tokenizer))


def group_names(column: str, spec: TaskSpec, table: Table, tokenizer: AnyTokenizer) -> tuple[list[str], list[str]]:
    """Return the group of each example of `table` (see `with_groups`), and all groups in the order of the report."""
    cells = [getattr(example, "group", None) for example in table.examples]
    if column not in (LENGTH, UNKNOWN) or None not in cells:
        names = [str(cell) for cell in cells]
        counts = Counter(names)
        return names, sorted(counts, key=lambda name: (-counts[name], name))
    tokens = [tokens for _, tokens in encode_uncut(tokenizer, spec.texts(table))]
    if column == LENGTH:
        return _quarters([len(t) for t in tokens])
    unknown_id = -1 if tokenizer.unknown_id is None else tokenizer.unknown_id
    unknown = [min(t.ids.count(unknown_id), 2) for t in tokens]
    words = ("0", "1", "2+")
    return [words[n] for n in unknown], [words[n] for n in sorted(set(unknown))]


def _quarters(lengths: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return groups of about a quarter of the examples each; equal lengths are in the same group."""
    ends = sorted({percentiles(lengths, QUARTERS)[q] for q in QUARTERS})
    group_of = [next(end for end in ends if length <= end) for length in lengths]
    least = {end: min(n for n, group in zip(lengths, group_of, strict=True) if group == end) for end in ends}
    name = {end: f"{least[end]} to {end} tokens" if least[end] < end else f"{end} tokens" for end in ends}
    return [name[end] for end in group_of], [name[end] for end in ends]


def score_interval(scores: ExampleScores) -> tuple[float | None, float | None]:
    """Return the interval of the score of all examples; unknown if there are too many examples for the bootstrap."""
    if len(scores.values) > MOST_DRAWN and not scores.is_share:
        return None, None
    return _interval(scores, float(scores.score(scores.values)))


def _interval(part: ExampleScores, score: float) -> tuple[float | None, float | None]:
    if part.is_share:
        return wilson(score, len(part.values))
    return bootstrap(part) if len(part.values) > 1 else (None, None)


def bootstrap(scores: ExampleScores) -> tuple[float, float]:
    """Return the 2.5 % and 97.5 % quantiles of the score of examples drawn with replacement (Efron 1979)."""
    generator, n = torch.Generator().manual_seed(0), len(scores.values)
    drawn = [scores.score(scores.values[torch.randint(n, (n,), generator=generator)]) for _ in range(RESAMPLES)]
    low, high = torch.stack(drawn).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
