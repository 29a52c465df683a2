"""Tagged sentences: checks, split, counts, and the inputs of a prediction. Torch-free."""

import dataclasses
import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minitf.datasets.findings import FEW_ROWS, Finding
from minitf.datasets.split import partition, too_few
from minitf.datasets.strings import did_you_mean, first_few
from minitf.errors import InputError
from minitf.tasks.spec import Inputs
from minitf.tasks.tagging import conll, tags
from minitf.tasks.tagging.conll import ConllLayout, Sentence, TaggedTable
from minitf.tasks.tagging.words import words_of

MOST = 8  # types with a row of their own in the data check
Places = Sequence[tuple[int, str]]  # (row, what stands there)


@dataclasses.dataclass(frozen=True)
class TagRequest:
    """Sentences given as texts, or a file and its layout."""

    sentences: Sequence[Sentence]
    path: str | None
    layout: ConllLayout | None
    count: int


def read_inputs(inputs: Inputs, metadata: Mapping[str, Any]) -> TagRequest:
    """The sentences to tag; a file is read to its end once. Raises InputError."""
    for name, value in (("pair", inputs.pair or inputs.pairs), ("text", inputs.text)):
        if value is not None:
            raise InputError(f"`{name}`: this model tags the words of one text at a time; leave it out")
    if inputs.path is not None:
        layout = conll.read_layout(inputs.path)
        return TagRequest((), inputs.path, layout, sum(1 for _ in conll.sentences(inputs.path, layout)))
    split_texts = [words_of(text) for text in inputs.texts]
    if [] in split_texts:
        raise InputError(f"text {split_texts.index([]) + 1} is empty: there is nothing to tag")
    sentences = [Sentence(tuple(words), None, (n,) * len(words)) for n, words in enumerate(split_texts, 1)]
    return TagRequest(sentences, None, None, len(sentences))


def tag_names(train: TaggedTable) -> tuple[str, ...]:
    """The tags, in the order in which a model numbers them."""
    return tags.in_order({tag for sentence in train.examples for tag in sentence.tags or ()})


def check_tagging(
    train: TaggedTable, valid: TaggedTable | None = None, test: TaggedTable | None = None
) -> list[Finding]:
    """Every finding in the tables, errors first."""
    tables = [table for table in (train, valid, test) if table is not None]
    findings = [
        *(Finding("error", message) for message in _too_little(train)),
        *(Finding("error", message) for table in tables[1:] for message in _unseen_tags(table, train)),
        *(Finding("warning", message) for table in tables for message in _odd_tags(table, train)),
        *(Finding("warning", message) for table in tables for message in _odd_comments(table, train)),
        *(Finding("warning", message) for message in _repetitions(train)),
        *(Finding("warning", message) for message in _rare(train)),
    ]
    for earlier, later in itertools.combinations(tables, 2):
        findings += [Finding("warning", message) for message in _leakage(earlier, later)]
    return findings


def _too_little(train: TaggedTable) -> Iterator[str]:
    names = tag_names(train)
    if len(train.examples) < 2:
        yield f"{train.path}: one sentence is too little to train on: add more, a blank line between two of them"
    elif len(names) == 1:
        yield f"{train.path}: every word has the tag {names[0]!r}, so there is nothing to tell apart"


def _unseen_tags(table: TaggedTable, train: TaggedTable) -> Iterator[str]:
    names = tag_names(train)
    places = [(row, tag) for row, _, tag in _words(table) if tag not in names]
    if places:
        row, tag = places[0]
        yield (
            f"{table.path}:{row}: no word of the training sentences has the tag {tag!r}{did_you_mean(tag, names)}:"
            f" correct it, or add training sentences with it{_in_all(places)}"
        )


def _odd_tags(table: TaggedTable, train: TaggedTable) -> Iterator[str]:
    rules = tags.scheme([sentence.tags or () for sentence in train.examples])
    if rules == "words":
        names = tag_names(train)
        mixed = [name for name in names if name != tags.OUTSIDE and not tags.have_prefixes([name])]
        prefixed = [name for name in names if tags.have_prefixes([name])]
        if prefixed and table is train:
            yield (
                f"{table.path}: some tags have a prefix ({prefixed[0]!r}), others none ({mixed[0]!r}): so each word is"
                " counted by itself, and no entity of several words"
            )
        return
    places = [(s.rows[i], (s.tags or ())[i]) for s in table.examples for i in tags.odd_places(s.tags or (), rules)]
    if places:
        row, tag = places[0]
        yield (
            f"{table.path}:{row}: the tag {tag!r} cannot stand here by the rules of {rules}, which the training file"
            f" seems to follow: see to it that it is no slip{_in_all(places)}"
        )


def _odd_comments(table: TaggedTable, train: TaggedTable) -> Iterator[str]:
    names = {*tag_names(train)}
    places = [(row, line) for row, line in table.comments if line.split()[-1] in names]
    if places:
        yield f"{table.path}:{places[0][0]}: is left out as a comment; is it a word and its tag?{_in_all(places)}"


def _repetitions(train: TaggedTable) -> Iterator[str]:
    first: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
    repeated, contradicting = [], []
    for sentence in train.examples:
        tagged = first.setdefault(sentence.words, {})
        if (sentence.tags or ()) in tagged:
            repeated.append((sentence.row, sentence.text))
        elif tagged:
            contradicting.append((sentence.row, sentence.text))
        tagged.setdefault(sentence.tags or (), sentence.row)
    if repeated:
        yield f"{train.path}:{repeated[0][0]}: repeats an earlier sentence, which counts double{_in_all(repeated)}"
    if contradicting:
        row, text = contradicting[0]
        other = next(iter(first[next(s.words for s in train.examples if s.row == row)].values()))
        yield (
            f"{train.path}:{row}: the same sentence has other tags at line {other} ({text:.40}):"
            f" decide on one{_in_all(contradicting)}"
        )


def _rare(train: TaggedTable) -> Iterator[str]:
    counts = type_counts(train)
    rare = [f"{name!r} ({n})" for name, n in sorted(counts.items()) if n < FEW_ROWS]
    if rare:
        yield f"{train.path}: marked fewer than {FEW_ROWS} times, so hardly learned: {first_few(rare)}"


def _leakage(earlier: TaggedTable, later: TaggedTable) -> Iterator[str]:
    known = {sentence.words for sentence in earlier.examples}
    places = [(sentence.row, sentence.text) for sentence in later.examples if sentence.words in known]
    if places:
        yield (
            f"{later.path}:{places[0][0]}: the same sentence is in {earlier.path}, so the score here will flatter the"
            f" model: delete it from one of them{_in_all(places)}"
        )


def split(table: TaggedTable, share: float = 0.1, seed: int = 0) -> tuple[TaggedTable, TaggedTable]:
    """(what is left to train on, about `share` of the sentences), both in the order of the file.

    Copies of a sentence stay together; of each tag one sentence at least stays in training. Raises DataError if
    nothing can be set aside.
    """
    copies: dict[tuple[str, ...], list[int]] = {}
    left: Counter[str] = Counter()  # how many sentences to train on have a tag
    for i, sentence in enumerate(table.examples):
        copies.setdefault(sentence.words, []).append(i)
        left.update(set(sentence.tags or ()))
    groups = list(copies.values())
    random.Random(seed).shuffle(groups)
    aside: set[int] = set()
    for group in groups:
        taken = Counter(tag for i in group for tag in set(table.examples[i].tags or ()))
        if len(aside) + len(group) <= max(1, round(share * len(table.examples))) and all(
            left[tag] > n for tag, n in taken.items()
        ):
            aside.update(group)
            left -= taken
    if not aside:
        raise too_few(table.path, f"{len(table.examples)} sentences", "tag")
    return partition(table, aside)


def type_counts(train: TaggedTable) -> Counter[str]:
    """How many entities of each type there are; of tags without prefixes, how many words of each."""
    prefixed = tags.have_prefixes(tag_names(train))
    return Counter(e.type for s in train.examples for e in tags.entities(s.tags or (), prefixed))


def rows(table: TaggedTable, train: TaggedTable) -> dict[str, str]:
    """For the data check: words, and how often each type of the training file is there."""
    mine, there = type_counts(table), type_counts(train)
    names = [name for name, _ in there.most_common()]
    shown = names if len(names) <= MOST else names[: MOST - 1]
    found = {"  words": str(sum(len(sentence.words) for sentence in table.examples))}
    found |= {f"  {' '.join(name.split()):.28}": str(mine[name]) for name in shown}
    if rest := names[len(shown) :]:
        found[f"  {len(rest)} types more"] = str(sum(mine[name] for name in rest))
    return found


def _words(table: TaggedTable) -> Iterator[tuple[int, str, str]]:
    for sentence in table.examples:
        yield from zip(sentence.rows, sentence.words, sentence.tags or (), strict=False)


def _in_all(places: Places) -> str:
    """What to add to a message about the first of several places."""
    rows = [str(row) for row, _ in places]
    return f" ({len(rows)} in all, lines {first_few(rows)})" if len(rows) > 1 else ""
