"""The texts that a model generates greedily: in a prediction, and in the evaluation of seq2seq."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from minitf.files import to_json
from minitf.generation import batch
from minitf.generation.batch import Prompt, Strategy
from minitf.generation.rules import Rules
from minitf.generation.sequences import Output
from minitf.tasks.spec import Loaded, say_if_cut
from minitf.tasks.whole_text.inputs import TextSource
from minitf.tasks.whole_text.prediction import parts_with_progress
from minitf.transformer import DecoderModel, EncoderDecoder
from minitf.visible import visible


def generate(
    model: EncoderDecoder | DecoderModel, prompts: Sequence[Sequence[int]], limit: int, size: int
) -> list[Output]:
    """Generate at most `limit` tokens for each source, or text to continue, `size` at a time.

    Raises InputError for a model without an end token, as no generated text would end.
    """
    longest, rows = model.config.longest, []
    for ids in prompts:
        used = 0 if isinstance(model, EncoderDecoder) else len(ids)
        rows.append(Prompt(ids, limit if longest is None else min(limit, longest - used)))
    return [best for best, *_ in batch.generate(model, rows, Rules.of(model.config), Strategy(), size)]


@dataclasses.dataclass(frozen=True)
class GeneratedTexts:
    """The text that the model generates greedily for each text."""

    loaded: Loaded
    texts: TextSource

    def records(self) -> Iterator[dict[str, Any]]:
        for text, generated in self._generated(shown=False):
            yield {"text": text, "generated": generated}

    def write(self, out: TextIO, *, as_table: bool) -> None:
        """Write each text and, on the next line, the generated one, or a table in the format of `loaded.table`."""
        if not as_table:
            for text, generated in self._generated(shown=False):
                print(f"{' '.join(text.split())}\n  {visible(generated)}", file=out)
        elif self.loaded.table.json_lines:
            pairs = self._generated(shown=True)
            out.writelines(to_json({"text": text, "generated": made}, indent=None) for text, made in pairs)
        else:
            write_row = self.loaded.table.writer(out)
            write_row(["text", "generated"])
            for pair in self._generated(shown=True):
                write_row(list(pair))

    def _generated(self, *, shown: bool) -> Iterator[tuple[str, str]]:
        loaded, cut, endless = self.loaded, 0, 0
        for texts, _ in parts_with_progress(self.texts, loaded.batch_size, shown=shown):
            prompts, longer = self._prompts(texts)
            outputs = generate(loaded.model, prompts, loaded.max_length, loaded.batch_size)
            cut += longer
            endless += sum(not output.ended for output in outputs)
            yield from zip(texts, (loaded.tokenizer.decode(output.token_ids) for output in outputs), strict=True)
        say_if_cut(cut, self.texts.count, loaded.max_length, loaded.say)
        if endless:
            loaded.say(
                f"minitf: warning: {endless} of {self.texts.count} generated texts had no end and were stopped at the"
                f" limit of {loaded.max_length} tokens"
            )

    def _prompts(self, texts: list[str]) -> tuple[list[list[int]], int]:
        """Return the token ids of the texts, and how many of the texts were cut: the end of a text is continued."""
        model, tokenizer, most = self.loaded.model, self.loaded.tokenizer, self.loaded.max_length
        whole = tokenizer.encode(texts)
        if isinstance(model, EncoderDecoder):
            return tokenizer.encode(texts, most), sum(len(ids) > most for ids in whole)
        most = min(most, model.config.longest - 1)  # room for a token
        return [ids[-most:] for ids in whole], sum(len(ids) > most for ids in whole)
