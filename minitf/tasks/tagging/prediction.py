"""The predicted tags for texts, or for a CoNLL file of any length, computed in parts."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from tqdm import tqdm

from minitf.tasks.inference import check_finite, predict_logits
from minitf.tasks.spec import Loaded
from minitf.tasks.tagging import conll, tags
from minitf.tasks.tagging.conll import ConllLayout, Sentence, TaggedTable
from minitf.tasks.tagging.data import TagRequest
from minitf.tasks.tagging.task import Tagging
from minitf.visible import visible

Tagged = list[tuple[str, float]]  # the tag of each word, and its probability
BATCHES = 32  # per part, so that sentences of similar length share a batch


@dataclasses.dataclass(frozen=True)
class TagPrediction:
    """The predicted tag of each word in each sentence."""

    loaded: Loaded
    request: TagRequest

    def records(self) -> Iterator[dict[str, Any]]:
        for sentence, tagged in self._tagged():
            entities = tags.entities([tag for tag, _ in tagged], self._prefixed)
            yield {
                "words": list(sentence.words),
                "tags": [tag for tag, _ in tagged],
                "probabilities": [p for _, p in tagged],
                "entities": [
                    {"type": e.type, "start": e.start, "end": e.end, "text": " ".join(sentence.words[e.start : e.end])}
                    for e in entities
                ],
            }

    def write(self, out: TextIO, *, as_table: bool) -> None:
        """Write texts as readable lines; a file, or texts with `as_table`, as the columns of the input and the tag."""
        with tqdm(total=self.request.count, unit="sentence", disable=None, leave=False) as bar:
            for lines in self._file_lines() if self.request.path is not None else self._text_lines(as_table=as_table):
                out.writelines(f"{line}\n" for line in lines)
                bar.update()

    def _text_lines(self, *, as_table: bool) -> Iterator[Sequence[str]]:
        for sentence, tagged in self._tagged():
            if as_table:
                words = zip(sentence.words, tagged, strict=True)
                yield [*(f"{word}\t{conll.cell(tag)}" for word, (tag, _) in words), ""]
            else:
                yield list(_lines(sentence.words, tagged, self._prefixed))

    def _file_lines(self) -> Iterator[Sequence[str]]:
        """Yield the lines of the file sentence by sentence, each word with its tag, then the lines after the last."""
        assert self.request.path is not None and self.request.layout is not None
        lines = conll.lines(self.request.path)
        by_tab = self.request.layout.by_tab
        separator = "\t" if by_tab else " "
        for sentence, tagged in self._tagged():
            tag_of = dict(zip(sentence.rows, (conll.cell(tag, by_tab) for tag, _ in tagged), strict=True))
            part = []
            for row, line in lines:
                part.append(f"{line.rstrip(' ')}{separator}{tag_of[row]}" if row in tag_of else line)
                if row == sentence.rows[-1]:
                    break
            yield part
        yield [line for _, line in lines]  # blank lines and comments

    def _tagged(self) -> Iterator[tuple[Sentence, Tagged]]:
        loaded, request = self.loaded, self.request
        task = Tagging(loaded.model.config.labels, stride=loaded.settings.stride)
        source = iter(request.sentences)
        if request.path is not None and isinstance(request.layout, ConllLayout):
            source = conll.sentences(request.path, request.layout)
        while part := tuple(itertools.islice(source, BATCHES * loaded.batch_size)):
            untagged = tuple(dataclasses.replace(sentence, tags=None) for sentence in part)
            examples = task.encode(TaggedTable(request.path or "", untagged, ""), loaded.tokenizer, loaded.max_length)
            logits = [check_finite(z) for z in predict_logits(loaded.model, task, examples, loaded.batch_size)]
            yield from zip(part, task.tags(logits, examples), strict=True)

    @property
    def _prefixed(self) -> bool:
        return tags.have_prefixes(self.loaded.model.config.labels)


def _lines(words: Sequence[str], tagged: Tagged, prefixed: bool) -> Iterator[str]:
    """Yield the words with entities in brackets, then a line per entity with the lowest probability of its words."""
    if not prefixed:
        yield " ".join(f"{word}/{visible(tag)}" for word, (tag, _) in zip(words, tagged, strict=True))
        return
    entities = tags.entities([tag for tag, _ in tagged])
    marked = list(words)
    for entity in entities:
        marked[entity.start] = f"[{marked[entity.start]}"
        marked[entity.end - 1] += f" | {visible(entity.type)}]"
    yield " ".join(marked)
    for entity in entities:
        p = min(p for _, p in tagged[entity.start : entity.end])
        yield f"  {p:.4f}  {visible(entity.type)}  {' '.join(words[entity.start : entity.end])}"
