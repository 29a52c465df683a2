"""Tags for texts, or for a file of words, which may be of any length: it is worked through in stretches."""

import argparse
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from minitf.answers.words import words
from minitf.errors import InputError
from minitf.text import conll, tags
from minitf.text.conll import Layout, Sentence, TaggedTable

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.text.tokenizer import Tokenizer

Said = list[tuple[str, float]]  # the tag of each word, and its probability


@dataclasses.dataclass(frozen=True)
class Asked:
    """Sentences of the command line, or a file and its layout."""

    sentences: Sequence[Sentence]
    path: str | None
    layout: Layout | None
    count: int


def read(arguments: argparse.Namespace, trained: dict[str, Any]) -> Asked:
    """What is to be tagged; a file is read to its end once. Raises InputError."""
    for flag, value in (("--pair", arguments.pair), ("--text", arguments.text)):
        if value is not None:
            raise InputError(f"{flag}: a tagger reads words, one text at a time; leave it out")
    if arguments.input:
        layout = conll.look_through(arguments.input)
        return Asked((), arguments.input, layout, sum(1 for _ in conll.sentences(arguments.input, layout)))
    split = [words(text) for text in arguments.texts]
    if [] in split:
        raise InputError(f"text {split.index([]) + 1} is empty: there is nothing to tag")
    sentences = [Sentence(tuple(each), None, (n,) * len(each)) for n, each in enumerate(split, 1)]
    return Asked(sentences, None, None, len(sentences))


def tell(
    asked: Asked,
    model: "Bert",
    tokenizer: "Tokenizer",
    max_length: int,
    noted: dict[str, Any],
    size: int,
    out: TextIO,
    *,
    as_table: bool,
) -> None:
    """Texts as lines for a person, or, `as_table` or from a file, as columns: what stood there, and the tag."""
    from tqdm import tqdm

    labels = model.config.labels
    with tqdm(total=asked.count, unit="sentence", disable=None, leave=False) as bar:
        answered = _answered(asked, model, tokenizer, max_length, noted.get("stride"), size)
        if asked.path is None or asked.layout is None:
            for sentence, said in answered:
                if as_table:
                    out.writelines(f"{word}\t{tag}\n" for word, (tag, _) in zip(sentence.words, said, strict=True))
                    out.write("\n")
                else:
                    out.writelines(f"{line}\n" for line in _lines(sentence.words, said, tags.have_prefixes(labels)))
                bar.update()
            return
        lines = conll.lines(asked.path)
        parted = "\t" if asked.layout.by_tab else " "
        for sentence, said in answered:
            tag_of = dict(zip(sentence.rows, (tag for tag, _ in said), strict=True))
            for row, line in lines:
                out.write(f"{line.rstrip(' ')}{parted}{tag_of[row]}\n" if row in tag_of else f"{line}\n")
                if row == sentence.rows[-1]:
                    break
            bar.update()
        out.writelines(f"{line}\n" for _, line in lines)  # blank ones, and comments


def _answered(
    asked: Asked, model: "Bert", tokenizer: "Tokenizer", max_length: int, stride: int | None, size: int
) -> Iterator[tuple[Sentence, Said]]:
    """Each sentence and its tags, so many at a time that those of a length can be answered together."""
    from minitf.tasks.tagging import Tagging
    from minitf.training.loop import answer

    task = Tagging(model.config.labels, stride=stride)
    source = (
        iter(asked.sentences)
        if asked.path is None or asked.layout is None
        else conll.sentences(asked.path, asked.layout)
    )
    while part := tuple(itertools.islice(source, 32 * size)):
        untagged = tuple(dataclasses.replace(sentence, tags=None) for sentence in part)
        examples = task.encode(TaggedTable(asked.path or "", untagged, ""), tokenizer, max_length)
        yield from zip(part, task.tags(answer(model, task, examples, size), examples), strict=True)


def _lines(words: Sequence[str], said: Said, prefixed: bool) -> Iterator[str]:
    """The words with what is marked in brackets; then a line for each entity, with the least of its probabilities."""
    if not prefixed:
        yield " ".join(f"{word}/{tag}" for word, (tag, _) in zip(words, said, strict=True))
        return
    found = tags.entities([tag for tag, _ in said])
    shown = list(words)
    for entity in found:
        shown[entity.start] = f"[{shown[entity.start]}"
        shown[entity.end - 1] += f" | {entity.type}]"
    yield " ".join(shown)
    for entity in found:
        p = min(p for _, p in said[entity.start : entity.end])
        yield f"  {p:.4f}  {entity.type}  {' '.join(words[entity.start : entity.end])}"
