"""The predictions of a classification head for whole texts, computed in parts."""

import dataclasses
from collections.abc import Iterator
from typing import Any, TextIO

import torch
from torch import Tensor

from minitf.files import to_json
from minitf.tasks.inference import check_finite
from minitf.tasks.progress import ProgressBar
from minitf.tasks.spec import Loaded, say_if_cut
from minitf.tasks.whole_text.encoding import logits_of_texts
from minitf.tasks.whole_text.inputs import Part, TextSource
from minitf.tasks.whole_text.labels import Reading, reading
from minitf.text import long_texts


def parts_with_progress(texts: TextSource, size: int, *, shown: bool) -> Iterator[Part]:
    """Yield the texts, `size` at a time, and show the progress if `shown`."""
    with ProgressBar(texts.count, "text", shown=shown) as bar:
        for part in texts.parts(size):
            yield part
            bar.update(len(part[0]))


@dataclasses.dataclass(frozen=True)
class TextPrediction:
    """The prediction for each text, with the probability of every label; `reading` presents the logits."""

    loaded: Loaded
    texts: TextSource
    reading: Reading

    @classmethod
    def of(cls, loaded: Loaded, texts: TextSource) -> "TextPrediction":
        """Read from the model's config what its logits mean. Raises InputError."""
        return cls(loaded, texts, reading(loaded.model.config, loaded.labels_shown))

    def records(self) -> Iterator[dict[str, Any]]:
        return self._records(shown=False)

    def write(self, out: TextIO, *, as_table: bool) -> None:
        """Write each text and, on the next line, its prediction, or a table in the format of `loaded.table`."""
        if not as_table:
            for text, _, z in self._logits(shown=False):
                print(f"{' '.join(text.split())}\n  {self.reading.line(z)}", file=out)
        elif self.loaded.table.json_lines:
            out.writelines(to_json(record, indent=None) for record in self._records(shown=True))
        else:
            write_row = self.loaded.table.writer(out)
            write_row(["text", *self.reading.columns()])
            for text, _, z in self._logits(shown=True):
                write_row([text, *self.reading.cells(z)])

    def _records(self, *, shown: bool) -> Iterator[dict[str, Any]]:
        for text, pair, z in self._logits(shown=shown):
            yield {"text": text} | ({} if pair is None else {"pair": pair}) | self.reading.record(z)

    def _logits(self, *, shown: bool) -> Iterator[tuple[str, str | None, Tensor]]:
        model, settings = self.loaded.model, self.loaded.settings
        long_text = settings.long_text_handling()
        device, max_length, all_cut = next(model.parameters()).device, self.loaded.max_length, 0
        for part, pairs in parts_with_progress(self.texts, self.loaded.batch_size, shown=shown):
            batch, cut = long_texts.batch(self.loaded.tokenizer, part, pairs, max_length, long_text)
            all_cut += cut
            with torch.no_grad():
                logits = check_finite(logits_of_texts(model, batch.to(device)).cpu())
            seconds: list[str] | list[None] = pairs or [None] * len(part)
            yield from zip(part, seconds, logits, strict=True)
        say_if_cut(all_cut, self.texts.count, max_length, self.loaded.say)
