"""Tagged sentences: checks, split, counts, and the inputs of a prediction. Imports no torch."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minitf.datasets.findings import FEW_ROWS, MANY_CLASSES, Finding, Rows, count_rows
from minitf.datasets.held_out import count_to_hold_out, divide, shuffled_groups
from minitf.datasets.spellings import same_spellings, spelling_warnings, unknown
from minitf.datasets.strings import first_few, shorten
from minitf.errors import InputError
from minitf.tasks.spec import Inputs
from minitf.tasks.tagging import conll, tags
from minitf.tasks.tagging.conll import ConllLayout, Sentence, TaggedTable
from minitf.tasks.tagging.words import words_of

Lines = Sequence[tuple[int, str]]  # (row, content)


@dataclasses.dataclass(frozen=True)
class TagRequest:
    """Sentences given as texts, or a file and its layout."""

    sentences: Sequence[Sentence]
    path: str | None
    layout: ConllLayout | None
    count: int


def read_inputs(inputs: Inputs, metadata: Mapping[str, Any]) -> TagRequest:
    """Return the sentences to tag; a file is read once, to check it. Raises InputError."""
    for name, value in (("pair", inputs.pair or inputs.pairs), ("text", inputs.text), ("delimiter", inputs.delimiter)):
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
    """Return the tags in the order of the logits."""
    return tags.in_order(set(train.all_tags))


def check_tagging(
    train: TaggedTable, valid: TaggedTable | None = None, test: TaggedTable | None = None
) -> list[Finding]:
    """Return all findings in the tables, errors first."""
    tables = [table for table in (train, valid, test) if table is not None]
    findings = [
        *(Finding("error", message) for message in _too_few(train)),
        *(Finding("error", message) for table in tables[1:] for message in _unseen_tags(table, train)),
        *(Finding("warning", message) for table in tables for message in _misplaced_tags(table, train)),
        *(Finding("warning", message) for table in tables for message in _doubtful_comments(table, train)),
        *(Finding("warning", message) for message in _repetitions(train)),
        *(Finding("warning", message) for message in _rare_types(train)),
        *(Finding("warning", message) for message in _spellings(train)),
    ]
    for earlier, later in itertools.combinations(tables, 2):
        findings += [Finding("warning", message) for message in _leakage(earlier, later)]
    return findings


def _too_few(train: TaggedTable) -> Iterator[str]:
    names = tag_names(train)
    if len(train.examples) < 2:
        yield f"{train.path}: one sentence is too few to train on: add more, separated by blank lines"
    elif len(names) == 1:
        every = f"every word has the tag {shorten(names[0])}"
        yield f"{train.path}: {every}, so there is nothing to learn: add other sentences"
    counts = Counter(tag for _, tag in _tags(train))
    if len(names) > MANY_CLASSES and (own := sum(n == 1 for n in counts.values())) > counts.total() / 2:
        yield (
            f"{train.path}, last column: {own:,} of {counts.total():,} words have a tag that no other word has, such as"
            f" {shorten(names[-1])} ({len(names):,} different tags), so there is nothing to learn: the last column must"
            " be the tag"
        )


def _unseen_tags(table: TaggedTable, train: TaggedTable) -> Iterator[str]:
    names = tag_names(train)
    known = set(names)
    unseen = [(row, tag) for row, tag in _tags(table) if tag not in known]
    if unseen:
        row, tag = unseen[0]
        yield (
            f"{table.path}:{row}: no word of the training sentences has the tag {unknown(tag, names)}:"
            f" correct it, or add training sentences with it{_in_all(unseen)}"
        )


def _misplaced_tags(table: TaggedTable, train: TaggedTable) -> Iterator[str]:
    rules = tags.scheme([sentence.tags or () for sentence in train.examples])
    if rules == "words":
        names = tag_names(train)
        plain = [name for name in names if name != tags.OUTSIDE and not tags.have_prefixes([name])]
        prefixed = [name for name in names if tags.have_prefixes([name])]
        if table is train and (other := tags.other_notation(names)):
            yield (
                f"{table.path}: {other[0]!r} looks like the tag {other[1]} in another notation, so each word is counted"
                f" by itself, not as a part of an entity: write {other[1]}, and so in every line"
            )
        elif prefixed and table is train:
            yield (
                f"{table.path}: some tags have a prefix ({prefixed[0]!r}), others do not ({plain[0]!r}): each word is"
                " counted by itself, not as a part of an entity"
            )
        return
    found = [(s.rows[i], (s.tags or ())[i]) for s in table.examples for i in tags.misplaced_tags(s.tags or (), rules)]
    if found:
        row, tag = found[0]
        yield (
            f"{table.path}:{row}: the tag {shorten(tag)} is not allowed here by the scheme {rules}, which the training"
            f" file seems to follow: correct it if it is a mistake{_in_all(found)}"
        )


def _doubtful_comments(table: TaggedTable, train: TaggedTable) -> Iterator[str]:
    names = {*tag_names(train)}
    # A comment of one word looks like the word # with a tag that no other word has.
    found = [(row, line) for row, line in table.comments if line.split()[-1] in names or len(line.split()) == 2]
    if found:
        yield f"{table.path}:{found[0][0]}: is skipped as a comment; is it a word and its tag?{_in_all(found)}"


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
        row = repeated[0][0]
        yield f"{train.path}:{row}: repeats an earlier sentence, so it counts double: delete it{_in_all(repeated)}"
    if contradicting:
        row, text = contradicting[0]
        other = next(iter(first[next(s.words for s in train.examples if s.row == row)].values()))
        yield (
            f"{train.path}:{row}: the same sentence has other tags at line {other} ({text:.40}):"
            f" decide on one{_in_all(contradicting)}"
        )


def _rare_types(train: TaggedTable) -> Iterator[str]:
    counts = type_counts(train)
    rare = [f"{name!r} ({n})" for name, n in sorted(counts.items()) if n < FEW_ROWS]
    if rare:
        yield (
            f"{train.path}: types with fewer than {FEW_ROWS} entities are hard to learn: {first_few(rare)}: add"
            " sentences"
        )


def _spellings(train: TaggedTable) -> Iterator[str]:
    """Warn of tags and types of entities that are probably one in several spellings."""
    counts = Counter(tag for _, tag in _tags(train))
    where = f"{train.path}, column {train.label_column!r}"
    yield from spelling_warnings(where, counts, "words", "tag")
    if tags.have_prefixes(sorted(counts)) and not same_spellings(counts):
        types = Counter(tags.parts(tag)[1] for _, tag in _tags(train) if tag != tags.OUTSIDE)
        yield from spelling_warnings(where, types, "words", "type")


def _leakage(earlier: TaggedTable, later: TaggedTable) -> Iterator[str]:
    known = {sentence.words for sentence in earlier.examples}
    shared = [(sentence.row, sentence.text) for sentence in later.examples if sentence.words in known]
    if shared:
        yield (
            f"{later.path}:{shared[0][0]}: the same sentence is in {earlier.path}, so the score here will be too high:"
            f" delete it from one of them{_in_all(shared)}"
        )


def split(table: TaggedTable, share: float = 0.1, seed: int = 0) -> tuple[TaggedTable, TaggedTable]:
    """Hold out about `share` of the sentences; return (kept, held out), both in the order of the file.

    Equal sentences stay together, and every tag keeps a sentence for training. Raises DataError if nothing can be held
    out.
    """
    tags_of = [set(sentence.tags or ()) for sentence in table.examples]
    left = Counter(tag for names in tags_of for tag in names)  # training sentences with a tag
    most = count_to_hold_out(share, len(table.examples))
    held_out: set[int] = set()
    for group in shuffled_groups((sentence.words for sentence in table.examples), seed):
        taken = Counter(tag for i in group for tag in tags_of[i])
        if len(held_out) + len(group) <= most and all(left[tag] > n for tag, n in taken.items()):
            held_out.update(group)
            left -= taken
    return divide(table, held_out, "every tag keeps one for training: add sentences", "sentences")


def type_counts(train: TaggedTable) -> Counter[str]:
    """Count the entities of each type; for tags without prefixes, the words with each tag."""
    prefixed = tags.have_prefixes(tag_names(train))
    return Counter(e.type for s in train.examples for e in tags.entities(s.tags or (), prefixed))


def rows(table: TaggedTable, train: TaggedTable) -> Rows:
    """Return the number of words, and of entities of each type in the training file, for the data check."""
    counts, in_train = type_counts(table), type_counts(train)
    words = str(sum(len(sentence.words) for sentence in table.examples))
    return {"  words": words} | count_rows(counts, in_train, "", "types more")


def _tags(table: TaggedTable) -> Iterator[tuple[int, str]]:
    """Yield the row and the tag of every word."""
    for sentence in table.examples:
        yield from zip(sentence.rows, sentence.tags or (), strict=False)


def _in_all(lines: Lines) -> str:
    """Return how many lines there are, for a message about the first of them."""
    return f" ({len(lines)} in all, lines {first_few([str(row) for row, _ in lines])})" if len(lines) > 1 else ""
